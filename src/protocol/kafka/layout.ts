// A message table at one version: what is on the wire, in order. The compilers and the tests work from it.
import { assert } from '../../base/assert.js';
import {
  type DefaultValue,
  FIXED_BYTES,
  type FieldDefinition,
  type FieldDefinitions,
  type FixedKind,
  type Kind,
  ZERO_UUID,
} from './schema.js';
import { includesVersion } from './version-range.js';

export interface WireField {
  /** Empty for the element of an array. */
  readonly name: string;
  readonly kind: Kind;
  readonly place: 'positional' | 'tagged' | 'absent';
  readonly tag: number;
  readonly nullable: boolean;
  /** Lengths are unsigned varints, one more than the length, 0 for null. */
  readonly compact: boolean;
  readonly clamp: boolean;
  /** Of an int, boolean, uuid or string its value; null, or undefined for an empty array, bytes, or a struct of defaults. */
  readonly default: number | string | boolean | null | undefined;
  /** Whether an encoder's caller may leave it out. */
  readonly hasDefault: boolean;
  /** Of an array. */
  readonly element: WireField | null;
  /** Of a struct. */
  readonly layout: Layout | null;
}

export interface Layout {
  /** Ends with a tag buffer. */
  readonly flexible: boolean;
  /** In the order of the table. */
  readonly fields: readonly WireField[];
}

/** Names stand in the text of compiled functions. */
const NAME = /^[a-z][A-Za-z0-9]*$/;

const IMPLICIT_DEFAULTS: { readonly [K in Kind]: WireField['default'] } = {
  boolean: false,
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  int64: 0,
  float64: 0,
  uuid: ZERO_UUID,
  string: '',
  bytes: undefined,
  records: undefined,
  array: undefined,
  struct: undefined,
};

export function isFixed(kind: Kind): kind is FixedKind {
  return Object.hasOwn(FIXED_BYTES, kind);
}

/** The least number of bytes that the field takes; what a decoder may read of it after one check. */
export function headBytes({ kind, compact, nullable }: WireField): number {
  if (isFixed(kind)) return FIXED_BYTES[kind];
  if (kind === 'struct') return nullable ? 1 : 0;
  if (compact) return 1;
  return kind === 'string' ? 2 : 4;
}

/** The least number of bytes that the field takes, those of the structs in it included. */
export function leastBytes(field: WireField): number {
  if (field.kind !== 'struct' || field.nullable || field.layout === null) return headBytes(field);
  return leastStructBytes(field.layout);
}

export function leastStructBytes({ fields, flexible }: Layout): number {
  let least = flexible ? 1 : 0;
  for (const field of fields) if (field.place === 'positional') least += leastBytes(field);
  return least;
}

/** The table at the version. */
export function layoutOf(table: FieldDefinitions, version: number, flexible: boolean): Layout {
  for (const name of Object.keys(table)) assert(NAME.test(name), `not the name of a field: ${name}`);
  const fields = Object.entries(table).map(([name, field]) => wireField(name, field, version, flexible));
  const tags = fields.filter(({ place }) => place === 'tagged').map(({ tag }) => tag);
  assert(new Set(tags).size === tags.length, 'a tag is used once in a struct');
  assert(flexible || tags.length === 0, 'tagged fields exist in flexible versions only');
  return { flexible, fields };
}

function wireField(name: string, field: FieldDefinition, version: number, flexible: boolean): WireField {
  assert(field.tag === null || !hasRecords(field), 'records are not tagged');
  const isThere = includesVersion(field.versions, version);
  return {
    name,
    kind: field.kind,
    place: isThere ? (field.tag === null ? 'positional' : 'tagged') : 'absent',
    tag: field.tag ?? -1,
    nullable: field.nullable !== null && includesVersion(field.nullable, version),
    compact: flexible && !field.inflexible,
    clamp: field.clamp,
    default: scalarDefault(field.kind, field.default),
    hasDefault: field.default !== undefined || field.tag !== null,
    element: field.element && wireField('', field.element, version, flexible),
    layout: field.fields && layoutOf(field.fields, version, flexible),
  };
}

function hasRecords({ kind, element, fields }: FieldDefinition): boolean {
  if (kind === 'records') return true;
  return element === null ? Object.values(fields ?? {}).some(hasRecords) : hasRecords(element);
}

function scalarDefault(kind: Kind, value: DefaultValue | undefined): WireField['default'] {
  // An array is empty, which is what its implicit default means too.
  const isScalar = value === null || (value !== undefined && typeof value !== 'object');
  return isScalar ? value : IMPLICIT_DEFAULTS[kind];
}
