// What goes in and comes out of the client: messages as users write and read them.
import type { RecordHeader } from '../record/record.js';

/**
 * Bytes, or a string that is sent as UTF-8, or null: no key; as a value, the deletion of its key in compacted topics.
 */
export type MessageBytes = string | Uint8Array | null;

/** Headers as an object, or as pairs where a name repeats. Order is kept. */
export type MessageHeaders =
  | Readonly<Record<string, MessageBytes>>
  | readonly (readonly [name: string, value: MessageBytes])[];

/**
 * A message to be sent. The producer reads it during the call of `send`, unless `send` has to wait for room. Without formats
 * keys and values are strings and bytes; see {@link Format}.
 */
export interface Message<Key = MessageBytes, Value = MessageBytes> {
  /** Null or absent: no key. */
  readonly key?: Key | null | undefined;
  /** Null or absent: no value, which deletes the key in compacted topics. */
  readonly value?: Value | null | undefined;
  readonly headers?: MessageHeaders | undefined;
  /** Where to; by default the producer's partitioner chooses. */
  readonly partition?: number | undefined;
  /** Milliseconds since 1970; by default the time of the call. */
  readonly timestampMs?: number | undefined;
}

/** A message and its topic. */
export interface TopicMessage<Key = MessageBytes, Value = MessageBytes> extends Message<Key, Value> {
  readonly topic: string;
}

/** Several messages for one topic. */
export interface MessageBatch<Key = MessageBytes, Value = MessageBytes> {
  readonly topic: string;
  readonly messages: readonly Message<Key, Value>[];
}

/** Where a message was appended. */
export interface SendResult {
  readonly topic: string;
  readonly partition: number;
  /** -1 with `acks: 'none'`. */
  readonly offset: number;
  /** The message's time, or the broker's for topics with message.timestamp.type=LogAppendTime. */
  readonly timestampMs: number;
}

/**
 * A message as it was received. Key, value and header values are views of the fetched bytes, up to `maxBytesPerPush`
 * of them: copy (`Buffer.from`) a small one that is kept for long. Formats make other types of keys and values.
 */
export interface ReceivedMessage<Key = Buffer, Value = Buffer> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: Key | null;
  readonly value: Value | null;
  /** Names may repeat. */
  readonly headers: readonly RecordHeader[];
}
