// What `odradek consume` prints.
import { isUtf8 } from 'node:buffer';
import type { ReceivedMessage } from '../../client/message.js';
import type { OutputFormat } from './record-formats.js';

const NEWLINE = Buffer.from('\n');

/** Appends a record, as it is to be printed, to the pieces. */
export type RecordFormatter = (message: ReceivedMessage, pieces: Uint8Array[]) => void;

/** `keySeparator` stands between key and value in `key-value`. */
export function recordFormatter(format: OutputFormat, keySeparator: string): RecordFormatter {
  switch (format) {
    case 'raw':
      return ({ value }, pieces) => {
        if (value !== null) pieces.push(value);
      };
    case 'value':
      return ({ value }, pieces) => {
        if (value !== null) pieces.push(value);
        pieces.push(NEWLINE);
      };
    case 'key-value': {
      const separator = Buffer.from(keySeparator);
      return ({ key, value }, pieces) => {
        if (key !== null) pieces.push(key);
        pieces.push(separator);
        if (value !== null) pieces.push(value);
        pieces.push(NEWLINE);
      };
    }
    case 'json':
      return (message, pieces) => {
        pieces.push(Buffer.from(`${JSON.stringify(describeRecord(message))}\n`));
      };
  }
}

/**
 * The record as an object that `produce --format json` takes back. Bytes that are not valid UTF-8 stand in base64 in a field
 * with that suffix, so that nothing is lost.
 */
export function describeRecord(message: ReceivedMessage): Record<string, unknown> {
  const { topic, partition, offset, timestampMs, key, value, headers } = message;
  return {
    topic,
    partition,
    offset,
    timestamp: timestampMs,
    ...describeBytes('key', key),
    ...describeBytes('value', value),
    headers: describeHeaders(headers),
  };
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
const textOf = (bytes: Uint8Array): string => viewOf(bytes).toString();

function describeBytes(field: string, bytes: Uint8Array | null): Record<string, string | null> {
  if (bytes === null) return { [field]: null };
  return isUtf8(bytes)
    ? { [field]: textOf(bytes) }
    : { [`${field}Base64`]: viewOf(bytes).toString('base64') };
}

/** An object where that loses nothing, else an array of {name, value}. */
function describeHeaders(headers: ReceivedMessage['headers']): unknown {
  const distinct = new Set(headers.map(({ key }) => key)).size === headers.length;
  // Names like numbers would change the order of an object's fields, and __proto__ would not become one.
  const plain = headers.every(
    ({ key, value }) => !/^(\d+|__proto__)$/.test(key) && (value === null || isUtf8(value)),
  );
  return distinct && plain
    ? Object.fromEntries(headers.map(({ key, value }) => [key, value === null ? null : textOf(value)]))
    : headers.map(({ key, value }) => ({ name: key, ...describeBytes('value', value) }));
}
