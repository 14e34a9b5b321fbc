import fc from 'fast-check';
import type { RecordInput } from '../../src/record/record.js';

const field = (maxLength: number) => fc.option(fc.uint8Array({ maxLength }), { nil: null });

/** Records of all shapes: nulls, empty fields, repeated and non-ASCII header keys. */
export const recordInput: fc.Arbitrary<RecordInput> = fc.record({
  timestampMs: fc.oneof(fc.constant(-1), fc.nat(2 ** 41)),
  key: field(40),
  value: field(300),
  headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 12 }), value: field(30) }), {
    maxLength: 4,
  }),
});
