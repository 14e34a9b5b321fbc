// Branded numbers: an offset cannot be passed where an epoch is wanted. They are plain numbers at run time, because bigint
// arithmetic costs four to five times as much, and 2^53 records last 285 years at a million a second.
import { AssertionError, assert } from './assert.js';

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** The position of a record in its partition: 0, 1, 2 …; also the exclusive end of a range. */
export type Offset = Branded<number, 'Offset'>;
/** Counts the leaderships of a partition; -1 where unknown. */
export type LeaderEpoch = Branded<number, 'LeaderEpoch'>;
export type PartitionIndex = Branded<number, 'PartitionIndex'>;
export type BrokerId = Branded<number, 'BrokerId'>;
/** A topic's 16-byte id as Kafka prints it: base64url without padding, 22 characters. */
export type TopicId = Branded<string, 'TopicId'>;

/** These run for each record and batch: a message that is made before it is needed would cost more than all else they do. */
function isNot(what: string, value: number): AssertionError {
  return new AssertionError(`not ${what}: ${value}`);
}

/** The offset, which must be a safe integer of at least 0. */
export function toOffset(value: number): Offset {
  if (!Number.isSafeInteger(value) || value < 0) throw isNot('an offset', value);
  return value as Offset;
}

export function addOffset(offset: Offset, count: number): Offset {
  return toOffset(offset + count);
}

/** The leader epoch, which must be an int32 of at least -1. */
export function toLeaderEpoch(value: number): LeaderEpoch {
  if ((value | 0) !== value || value < -1) throw isNot('a leader epoch', value);
  return value as LeaderEpoch;
}

export function toPartitionIndex(value: number): PartitionIndex {
  if ((value | 0) !== value || value < 0) throw isNot('a partition index', value);
  return value as PartitionIndex;
}

export function toBrokerId(value: number): BrokerId {
  if ((value | 0) !== value || value < 0) throw isNot('a broker id', value);
  return value as BrokerId;
}

const TOPIC_ID = /^[A-Za-z0-9_-]{22}$/;

/** The topic id from its 22 base64url characters. */
export function toTopicId(value: string): TopicId {
  assert(TOPIC_ID.test(value), `not a topic id: ${value}`);
  return value as TopicId;
}

export const ZERO_OFFSET = toOffset(0);
export const NO_EPOCH = toLeaderEpoch(-1);
