// How keys and values become bytes, and bytes keys and values. Null never comes here: it is no key, or a deletion.
import { OdradekError } from '../base/errors.js';
import { formatIssue, type SchemaInput, type SchemaOutput, type StandardSchema } from './standard-schema.js';

/** Turns values into what a record holds. */
export interface Encoder<Value> {
  /** A string is sent as UTF-8. What it throws fails the message with ODR_FORMAT. */
  encode(value: Value): Uint8Array | string;
}

/** Turns what a record holds into values. */
export interface Decoder<Value> {
  /** `bytes` is a view of what was fetched. What it throws fails the reading with ODR_FORMAT. */
  decode(bytes: Buffer): Value;
}

/**
 * Both directions of a type of keys or values. Give it to {@link Client.producer} and {@link Client.consumer}, and their
 * messages have its types. An object with these two methods makes a format of your own.
 */
export interface Format<Input, Output = Input> extends Encoder<Input>, Decoder<Output> {}

const INT64_BYTES = 8;
const TEXT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text as UTF-8. Bytes that are none fail the reading. */
export function text(): Format<string> {
  return {
    encode(value) {
      if (typeof value === 'string') return value;
      throw new TypeError(`a string is needed, not ${typeof value}`);
    },
    decode: (bytes) => TEXT.decode(bytes),
  };
}

/** Bytes as they are: what there is without a format, with a type of its own. */
export function bytes(): Format<Uint8Array, Buffer> {
  return {
    encode(value) {
      if (value instanceof Uint8Array) return value;
      throw new TypeError(`a Uint8Array is needed, not ${typeof value}`);
    },
    decode: (value) => value,
  };
}

/**
 * A whole number of 64 bits, the most significant byte first, as Kafka's LongSerializer writes it: a `bigint`, since a
 * `number` is exact up to 2^53 only.
 */
export function int64(): Format<bigint> {
  return {
    encode(value) {
      if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) {
        throw new TypeError(`a bigint of 64 bits is needed, not ${String(value)}`);
      }
      const encoded = Buffer.allocUnsafe(INT64_BYTES);
      encoded.writeBigInt64BE(value);
      return encoded;
    },
    decode(encoded) {
      if (encoded.length === INT64_BYTES) return encoded.readBigInt64BE(0);
      throw new RangeError(`eight bytes are needed, not ${encoded.length}`);
    },
  };
}

/**
 * JSON. With a validator (any Standard Schema: Zod, Valibot, ArkType …) whatever does not fit is neither sent nor
 * received: the log holds what the validator takes, and a consumer gets what it makes of that. The validator must be a
 * synchronous one.
 *
 * @example
 * const orders = client.producer({ value: json<{ id: string; amount: number }>() });
 * await orders.send({ topic: 'orders', key: 'a-7', value: { id: 'a-7', amount: 12 } });
 */
export function json<Value>(): Format<Value>;
export function json<Schema extends StandardSchema>(
  schema: Schema,
): Format<SchemaInput<Schema>, SchemaOutput<Schema>>;
export function json(schema?: StandardSchema): Format<unknown> {
  const plain: Format<unknown> = {
    encode(value) {
      const encoded: string | undefined = JSON.stringify(value);
      if (encoded === undefined) throw new TypeError(`JSON has no form for a ${typeof value}`);
      return encoded;
    },
    decode: (encoded) => JSON.parse(TEXT.decode(encoded)),
  };
  return schema ? validated(plain, schema) : plain;
}

/** The format, with values checked before they are encoded and after they were decoded; see {@link json}. */
export function validated<Schema extends StandardSchema>(
  format: Format<SchemaInput<Schema>, unknown>,
  schema: Schema,
): Format<SchemaInput<Schema>, SchemaOutput<Schema>> {
  return {
    encode(value) {
      validate(schema, value);
      return format.encode(value);
    },
    decode: (encoded) => validate(schema, format.decode(encoded)),
  };
}

function validate<Schema extends StandardSchema>(schema: Schema, value: unknown): SchemaOutput<Schema> {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) {
    result.catch(() => {});
    throw new TypeError('the validator is asynchronous: validate before send(), or after receiving');
  }
  if (!result.issues) return result.value;
  throw new TypeError(result.issues.map(formatIssue).join('; '));
}

/** The error for what a format threw; `what` as `value of topic orders`. */
export function formatError(what: string, cause: unknown): OdradekError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new OdradekError('ODR_FORMAT', `The ${what} does not have its format: ${reason}.`, { cause });
}
