// From a message as users write it to a record as batches take it.
import { OdradekError } from '../base/errors.js';
import type { FieldInput, TextRecordInput } from '../record/record.js';
import { type Encoder, formatError } from './format.js';
import type { Message, MessageHeaders } from './message.js';

const NO_HEADERS: TextRecordInput['headers'] = [];

/** How the keys and values of a producer become bytes; null: they are strings and bytes. */
export interface Encoders<Key, Value> {
  readonly key: Encoder<Key> | null;
  readonly value: Encoder<Value> | null;
}

/**
 * The record of a message; `nowMs` is its time unless it has one.
 *
 * @throws OdradekError ODR_USAGE for fields of other types, ODR_FORMAT if an encoder does not take one
 */
export function outgoingRecord<Key, Value>(
  message: Message<Key, Value>,
  nowMs: number,
  encoders: Encoders<Key, Value>,
): TextRecordInput {
  const { timestampMs = nowMs, headers } = message;
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw usageError(`timestampMs must be whole milliseconds since 1970, not ${timestampMs}.`);
  }
  return {
    timestampMs,
    key: encode(message.key, 'key', encoders.key),
    value: encode(message.value, 'value', encoders.value),
    headers: headers === undefined ? NO_HEADERS : toHeaders(headers),
  };
}

function encode<Field>(
  field: Field | null | undefined,
  name: string,
  encoder: Encoder<Field> | null,
): FieldInput {
  if (encoder === null || field === null || field === undefined) return checked(field, name);
  let encoded: Uint8Array | string;
  try {
    encoded = encoder.encode(field);
  } catch (error) {
    throw formatError(`${name} of a message`, error);
  }
  return checked(encoded, name);
}

function checked(value: unknown, field: string): FieldInput {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (value === null || value === undefined) return null;
  throw usageError(`A ${field} must be a string, a Uint8Array or null, not ${describe(value)}.`);
}

function toHeaders(headers: MessageHeaders): TextRecordInput['headers'] {
  if (typeof headers !== 'object' || headers === null) {
    throw usageError(
      `Headers must be an object or pairs, not ${headers === null ? 'null' : typeof headers}.`,
    );
  }
  const pairs: readonly (readonly [unknown, unknown])[] = isPairs(headers)
    ? headers
    : Object.entries(headers);
  return pairs.map(([key, value]) => {
    if (typeof key !== 'string')
      throw usageError(`The name of a header must be a string, not ${describe(key)}.`);
    return { key, value: checked(value, 'header') };
  });
}

function isPairs(headers: MessageHeaders): headers is Extract<MessageHeaders, readonly unknown[]> {
  return Array.isArray(headers);
}

function describe(value: unknown): string {
  return typeof value === 'object'
    ? `${typeof value?.constructor === 'function' ? value.constructor.name : 'an object'}: serialize it, or give the producer a format, as json()`
    : typeof value;
}

function usageError(message: string): OdradekError {
  return new OdradekError('ODR_USAGE', message);
}
