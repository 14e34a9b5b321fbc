/** How `produce` reads its input. */
export const INPUT_FORMATS = ['lines', 'value-json', 'json'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

/** How `consume` prints records. */
export const OUTPUT_FORMATS = ['value', 'key-value', 'json', 'raw'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];
