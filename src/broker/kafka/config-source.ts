/** Where a value comes from, as DescribeConfigs numbers it (KIP-226). */
export const CONFIG_SOURCE = { TOPIC: 1, BROKER: 4, DEFAULT: 5 } as const;

/** Types of settings, as DescribeConfigs numbers them (KIP-569). */
export const CONFIG_TYPE = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
  address: 2,
} as const;
