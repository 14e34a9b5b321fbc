// Messages for property tests, made from the same layouts that the codec is compiled from.
import fc from 'fast-check';
import { isFixed, type Layout, type WireField } from '../../../src/protocol/kafka/layout.js';
import type { FixedKind } from '../../../src/protocol/kafka/schema.js';

const FIXED: { readonly [K in FixedKind]: fc.Arbitrary<unknown> } = {
  boolean: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  uint16: fc.integer({ min: 0, max: 65535 }),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  int64: fc.oneof(
    fc.maxSafeInteger(),
    fc.constantFrom(-1, 0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
  ),
  float64: fc.double(),
  uuid: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString('base64url')),
};
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.string({ minLength: 30, maxLength: 200 }),
);
const someBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

/** A message of this layout, as the encoder takes it: what the version lacks is left out, and so are some defaults. */
export function arbitraryMessage({ fields }: Layout): fc.Arbitrary<Record<string, unknown>> {
  const present = fields.filter(({ place }) => place !== 'absent');
  const members = Object.fromEntries(present.map((field) => [field.name, arbitraryValue(field)]));
  const requiredKeys = present.filter(({ hasDefault }) => !hasDefault).map(({ name }) => name);
  return fc.record(members, { requiredKeys });
}

function arbitraryValue(field: WireField): fc.Arbitrary<unknown> {
  const value = arbitraryPresent(field);
  return field.nullable ? fc.option(value, { nil: null, freq: 4 }) : value;
}

function arbitraryPresent({ kind, element, layout }: WireField): fc.Arbitrary<unknown> {
  if (isFixed(kind)) return FIXED[kind];
  if (layout) return arbitraryMessage(layout);
  if (element) return fc.array(arbitraryValue(element), { maxLength: 3 });
  return kind === 'string' ? text : someBytes;
}

/** The message with all defaults put in and records and bytes as hex: what a decoded message is equal to. */
export function completed({ fields }: Layout, message: unknown): Record<string, unknown> {
  const given = message as Readonly<Record<string, unknown>>;
  return Object.fromEntries(fields.map((field) => [field.name, completedValue(field, given[field.name])]));
}

function completedValue(field: WireField, given: unknown): unknown {
  const value = field.place === 'absent' ? undefined : given;
  const { kind, element, layout } = field;
  if (value === null) return null;
  if (value === undefined && field.default !== undefined) return field.default;
  if (layout) return completed(layout, value ?? {});
  if (element) return ((value ?? []) as readonly unknown[]).map((item) => completedValue(element, item));
  if (kind === 'bytes' || kind === 'records') return hexOf(value);
  return value;
}

function hexOf(value: unknown): string {
  if (value === undefined) return '';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  const { bytes, start, length } = value as { bytes: Buffer; start: number; length: number };
  return bytes.toString('hex', start, start + length);
}
