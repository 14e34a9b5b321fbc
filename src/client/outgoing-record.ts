// From a message as users write it to a record as batches take it.
import { OdradekError } from '../base/errors.js';
import type { RecordHeader, RecordInput } from '../record/record.js';
import type { Message, MessageHeaders } from './message.js';

const NO_HEADERS: readonly RecordHeader[] = [];

/**
 * The record of a message; `nowMs` is its time unless it has one.
 *
 * @throws OdradekError ODR_USAGE for fields of other types
 */
export function outgoingRecord(message: Message, nowMs: number): RecordInput {
  const { timestampMs = nowMs, headers } = message;
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw usageError(`timestampMs must be whole milliseconds since 1970, not ${timestampMs}.`);
  }
  return {
    timestampMs,
    key: toBytes(message.key, 'key'),
    value: toBytes(message.value, 'value'),
    headers: headers === undefined ? NO_HEADERS : toHeaders(headers),
  };
}

function toBytes(value: unknown, field: string): Uint8Array | null {
  if (typeof value === 'string') return Buffer.from(value);
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return value;
  throw usageError(`A ${field} must be a string, a Uint8Array or null, not ${describe(value)}.`);
}

function toHeaders(headers: MessageHeaders): RecordHeader[] {
  const pairs: readonly (readonly [unknown, unknown])[] = isPairs(headers)
    ? headers
    : Object.entries(headers);
  return pairs.map(([key, value]) => {
    if (typeof key !== 'string')
      throw usageError(`The name of a header must be a string, not ${describe(key)}.`);
    return { key, value: toBytes(value, 'header') };
  });
}

function isPairs(headers: MessageHeaders): headers is Extract<MessageHeaders, readonly unknown[]> {
  return Array.isArray(headers);
}

function describe(value: unknown): string {
  return typeof value === 'object'
    ? `${value?.constructor.name ?? 'an object'} (serialize it first)`
    : typeof value;
}

function usageError(message: string): OdradekError {
  return new OdradekError('ODR_USAGE', message);
}
