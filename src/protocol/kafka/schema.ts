// The vocabulary of message tables. A table names each field of a message once, for all versions: its type, in which
// versions it is there, where it may be null, its tag, its default. The types of messages are inferred from the tables
// (Decoded, Encodable), and compile-decoder.ts and compile-encoder.ts make functions of them.
//
// Fields follow one another as the table lists them. A tagged field stands in the tag buffer at the end of its struct
// instead (KIP-482). Source: Kafka's protocol guide, "Protocol Primitive Types".
import { assert } from '../../base/assert.js';
import { type TopicId, toTopicId } from '../../base/ids.js';
import type { Piece } from '../../base/piece.js';
import {
  ALL_VERSIONS,
  parseVersionRange,
  type VersionRange,
  type VersionRangeText,
} from './version-range.js';

/** The uuid that means "none". */
export const ZERO_UUID: TopicId = toTopicId('AAAAAAAAAAAAAAAAAAAAAA');

/** Types of a fixed size on the wire, with the size in bytes. */
export const FIXED_BYTES = {
  boolean: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
} as const;

export type FixedKind = keyof typeof FIXED_BYTES;
export type Kind = FixedKind | 'string' | 'bytes' | 'records' | 'array' | 'struct';
export type DefaultValue = number | string | boolean | null | readonly never[];

/**
 * Record batches as they lie in a decoded frame: `length` bytes from `start` in `bytes`, the buffer that was decoded. They
 * are not looked at and not copied.
 */
export interface RecordsSlice {
  readonly bytes: Buffer;
  readonly start: number;
  readonly length: number;
}

/** Record batches to be sent: one piece or several that follow one another. They are not copied. */
export type RecordsInput = Piece | readonly Piece[] | RecordsSlice;

/** A field as compilers and tests see it. */
export interface FieldDefinition {
  readonly kind: Kind;
  readonly about: string;
  readonly versions: VersionRange;
  /** Versions in which null is allowed. */
  readonly nullable: VersionRange | null;
  readonly tag: number | null;
  /** The value of versions without the field, and of an encoder's caller who leaves it out; undefined if the table names none. */
  readonly default: DefaultValue | undefined;
  /** An int64 beyond the safe integers decodes to the nearest one instead of failing. */
  readonly clamp: boolean;
  /** Keeps the encoding of inflexible versions in flexible ones. */
  readonly inflexible: boolean;
  /** Of an array. */
  readonly element: FieldDefinition | null;
  /** Of a struct. */
  readonly fields: FieldDefinitions | null;
}

export type FieldDefinitions = Readonly<Record<string, FieldDefinition>>;

declare const types: unique symbol;

/** A field with the types of its decoded value, of a value to be encoded, and whether the latter may be left out. */
export interface Field<Value, Input = Value, Optional extends boolean = boolean> extends FieldDefinition {
  readonly [types]?: { readonly value: Value; readonly input: Input; readonly optional: Optional };
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

type TypesOf<F extends Field<unknown>> = NonNullable<F[typeof types]>;
type OptionalNames<F extends Fields> = {
  [Name in keyof F]: TypesOf<F[Name]>['optional'] extends true ? Name : never;
}[keyof F];
type Flat<T> = { [Name in keyof T]: T[Name] };

/** What a decoder returns: every field is there, whatever the version. */
export type DecodedFields<F extends Fields> = Flat<{ readonly [Name in keyof F]: TypesOf<F[Name]>['value'] }>;

/**
 * What an encoder takes, in all versions alike. A field with a default may be left out. So may a field that is not in all
 * versions, for a version without it. What the version does not have is not sent.
 */
export type EncodableFields<F extends Fields> = Flat<
  { readonly [Name in Exclude<keyof F, OptionalNames<F>>]: TypesOf<F[Name]>['input'] } & {
    readonly [Name in OptionalNames<F>]?: TypesOf<F[Name]>['input'] | undefined;
  }
>;

interface Options<Default> {
  /** Versions that have the field; all if left out. */
  readonly versions?: VersionRangeText;
  readonly default?: Default;
  readonly tag?: number;
}

interface NullableOptions<Default> extends Options<Default | null> {
  /** Versions in which it may be null; `true`: in all that have it. */
  readonly nullable?: VersionRangeText | true;
}

interface Int64Options extends Options<number> {
  /** Decodes a value beyond the safe integers to the nearest one; without it, such a value is an error. */
  readonly clamp?: true;
}

interface StringOptions extends NullableOptions<string> {
  /** Keeps the encoding of inflexible versions in flexible ones. */
  readonly inflexible?: true;
}

type IsOptional<O> = O extends { default: unknown } | { versions: string } | { tag: number } ? true : false;
type OrNull<T, O> = O extends { nullable: unknown } ? T | null : T;
type ScalarField<T, O> = Field<T, T, IsOptional<O>>;
type NullableField<Value, Input, O> = Field<OrNull<Value, O>, OrNull<Input, O>, IsOptional<O>>;

interface Shape {
  readonly element?: FieldDefinition;
  readonly fields?: FieldDefinitions;
}

function define(
  kind: Kind,
  about: string,
  options: NullableOptions<DefaultValue> & { clamp?: true; inflexible?: true } = {},
  { element, fields }: Shape = {},
): FieldDefinition {
  const versions = options.versions === undefined ? ALL_VERSIONS : parseVersionRange(options.versions);
  const { nullable = null } = options;
  return {
    kind,
    about,
    versions,
    nullable: nullable === true ? versions : nullable === null ? null : parseVersionRange(nullable),
    tag: options.tag ?? null,
    default: options.default,
    clamp: options.clamp ?? false,
    inflexible: options.inflexible ?? false,
    element: element ?? null,
    fields: fields ?? null,
  };
}

export function boolean<const O extends Options<boolean>>(
  about: string,
  options?: O,
): ScalarField<boolean, O> {
  return define('boolean', about, options);
}

export function int8<const O extends Options<number>>(about: string, options?: O): ScalarField<number, O> {
  return define('int8', about, options);
}

export function int16<const O extends Options<number>>(about: string, options?: O): ScalarField<number, O> {
  return define('int16', about, options);
}

export function uint16<const O extends Options<number>>(about: string, options?: O): ScalarField<number, O> {
  return define('uint16', about, options);
}

export function int32<const O extends Options<number>>(about: string, options?: O): ScalarField<number, O> {
  return define('int32', about, options);
}

/** A safe integer; see `clamp` for values beyond. */
export function int64<const O extends Int64Options>(about: string, options?: O): ScalarField<number, O> {
  return define('int64', about, options);
}

export function float64<const O extends Options<number>>(about: string, options?: O): ScalarField<number, O> {
  return define('float64', about, options);
}

/** 16 bytes, as 22 characters of base64url. */
export function uuid<const O extends Options<string>>(about: string, options?: O): ScalarField<string, O> {
  return define('uuid', about, options);
}

/** The uuid of a topic; {@link ZERO_UUID} means none. */
export function topicId<const O extends Options<TopicId>>(
  about: string,
  options?: O,
): ScalarField<TopicId, O> {
  return define('uuid', about, options);
}

/** UTF-8 of at most 32,767 bytes. Malformed bytes decode to U+FFFD, as in Kafka. */
export function string<const O extends StringOptions>(
  about: string,
  options?: O,
): NullableField<string, string, O> {
  return define('string', about, options);
}

/** Bytes; a decoded value is a view of the frame. */
export function bytes<const O extends NullableOptions<never>>(
  about: string,
  options?: O,
): NullableField<Buffer, Uint8Array, O> {
  return define('bytes', about, options);
}

/** Record batches, which pass through uncopied in both directions. */
export function records<const O extends NullableOptions<never>>(
  about: string,
  options?: O,
): NullableField<RecordsSlice, RecordsInput, O> {
  return define('records', about, options);
}

/** A struct within the message. */
export function struct<const F extends Fields, const O extends NullableOptions<never>>(
  about: string,
  fields: F,
  options?: O,
): NullableField<DecodedFields<F>, EncodableFields<F>, O> {
  return define('struct', about, options, { fields });
}

/** An array of structs. */
export function array<const F extends Fields, const O extends NullableOptions<readonly never[]>>(
  about: string,
  fields: F,
  options?: O,
): NullableField<readonly DecodedFields<F>[], readonly EncodableFields<F>[], O> {
  return define('array', about, options, { element: define('struct', about, {}, { fields }) });
}

/** An array of values that are no structs; what `element` says about itself describes the array. */
export function list<Value, Input, const O extends NullableOptions<readonly never[]>>(
  element: Field<Value, Input, boolean>,
  options?: O,
): NullableField<readonly Value[], readonly Input[], O> {
  assert(element.nullable === null && element.tag === null, 'an element is neither nullable nor tagged');
  return define('array', element.about, options, { element });
}
