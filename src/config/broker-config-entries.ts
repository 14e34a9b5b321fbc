import type { BrokerConfig } from './broker-config.js';
import { BROKER_PROPERTIES } from './broker-properties.js';
import type { Property } from './property.js';
import { TOPIC_PROPERTIES, type TopicProperty } from './topic-properties.js';

/** One setting of a broker, as it is shown to people. None can be changed while the broker runs. */
export interface BrokerConfigEntry {
  readonly row: Property;
  readonly name: string;
  readonly value: string;
  readonly source: 'DEFAULT' | 'BROKER';
}

/** Every setting of a broker that is in force: its own, then what it gives topics for defaults, in the topics' units. */
export function brokerConfigEntries(config: BrokerConfig): BrokerConfigEntry[] {
  const values: Readonly<Record<string, unknown>> = { ...config };
  const own = Object.entries<Property>(BROKER_PROPERTIES).map(([field, row]): BrokerConfigEntry => {
    const value = textOf(values[field]);
    return { row, name: row.name, value, source: value === row.default ? 'DEFAULT' : 'BROKER' };
  });
  const defaults = Object.values<TopicProperty>(TOPIC_PROPERTIES).map((row): BrokerConfigEntry => {
    const set = config.topicDefaults[row.name];
    const source = set === undefined ? 'DEFAULT' : 'BROKER';
    return { row, name: row.brokerNames[0].name, value: set ?? row.default, source };
  });
  return [...own, ...defaults];
}

/** The value as a user would write it. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  return Array.isArray(value) ? value.join(',') : String(value);
}
