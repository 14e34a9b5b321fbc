import { decodeHeaders, NO_HEADERS } from '../record/record.js';
import type { RecordWalk } from '../record/record-walk.js';
import { type Decoder, formatError } from './format.js';
import type { ReceivedMessage } from './message.js';

/** What a consumer's keys and values are made into; null: they stay the bytes that they are. */
export interface Decoders<Key, Value> {
  readonly key: Decoder<Key> | null;
  readonly value: Decoder<Value> | null;
}

/** Fills in what was left out: without a format, keys and values are buffers, and so their types say. */
export function decodersOf<Key, Value>(options: {
  readonly key?: Decoder<Key> | undefined;
  readonly value?: Decoder<Value> | undefined;
}): Decoders<Key, Value> {
  return { key: options.key ?? null, value: options.value ?? null };
}

/**
 * The message that the walk stands on, with its key and value decoded.
 *
 * @throws OdradekError ODR_FORMAT if a decoder does not take one
 */
export function incomingMessage<Key, Value>(
  { topic, partition }: { readonly topic: string; readonly partition: number },
  walk: RecordWalk,
  decoders: Decoders<Key, Value>,
): ReceivedMessage<Key, Value> {
  const { bytes, cursor, offset } = walk;
  const key = cursor.keyLength < 0 ? null : view(bytes, cursor.keyStart, cursor.keyLength);
  const value = cursor.valueLength < 0 ? null : view(bytes, cursor.valueStart, cursor.valueLength);
  const place = decoders.key || decoders.value ? `${topic}-${partition} at offset ${offset}` : '';
  return {
    topic,
    partition,
    offset,
    timestampMs: walk.timestampMs,
    key: decode(key, decoders.key, 'key', place),
    value: decode(value, decoders.value, 'value', place),
    headers: cursor.headerCount === 0 ? NO_HEADERS : decodeHeaders(bytes, cursor),
  };
}

/** Half the cost of subarray(). */
function view({ buffer, byteOffset }: Buffer, start: number, length: number): Buffer {
  return Buffer.from(buffer, byteOffset + start, length);
}

function decode<Field>(
  bytes: Buffer | null,
  decoder: Decoder<Field> | null,
  name: string,
  place: string,
): Field | null {
  if (bytes === null) return null;
  // Without a decoder the type of the field is Buffer, which the compiler cannot know here.
  if (decoder === null) return bytes as Field;
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw formatError(`${name} of ${place}`, error);
  }
}
