// Which partition a message goes to. Messages with a key go where Kafka's Java client would send them, so that both can
// write one topic; the others stay on one partition until a batch's worth of bytes went there, then move on to another
// at random (KIP-480, KIP-794), which makes few large batches of them.
import { assert } from '../base/assert.js';
import type { Random } from '../base/random.js';
import { type FieldInput, textBytes, writeText } from '../record/record.js';
import { murmur2 } from './murmur2.js';

/** What a partitioner decides by. */
export interface PartitionerInput {
  readonly topic: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Partitions of the topic, with and without a leader. */
  readonly partitionCount: number;
}

/** Returns a partition in [0, partitionCount), or null: any, the producer chooses one that makes good batches. */
export type Partitioner = (input: PartitionerInput) => number | null;

/**
 * Kafka's default: murmur2 of the key, modulo the number of all partitions; an empty key is a key. Null for no key.
 * Source: org.apache.kafka.clients.producer.internals.BuiltInPartitioner.
 */
export function defaultPartitioner({ key, partitionCount }: PartitionerInput): number | null {
  return key === null ? null : partitionOf(murmur2(key), partitionCount);
}

const KEY_BYTES = 256;
const keyMemory = Buffer.allocUnsafeSlow(KEY_BYTES);

/** What {@link defaultPartitioner} says of this key, without bytes being made for each. */
export function defaultPartition(key: FieldInput, partitionCount: number): number | null {
  if (key === null) return null;
  if (typeof key !== 'string') return partitionOf(murmur2(key), partitionCount);
  const bytes = textBytes(key);
  if (bytes > KEY_BYTES) return partitionOf(murmur2(Buffer.from(key)), partitionCount);
  writeText(keyMemory, 0, key, bytes);
  return partitionOf(murmur2(keyMemory, bytes), partitionCount);
}

function partitionOf(hash: number, partitionCount: number): number {
  return (hash & 0x7fffffff) % partitionCount;
}

/** The partition for messages without a key, of one topic. */
export class StickyPartition {
  readonly #random: Random;
  readonly #bytesPerPartition: number;
  #candidates: readonly number[] = [];
  #partition = 0;
  #bytes = 0;

  /** Moves on after `bytesPerPartition`. */
  constructor(random: Random, bytesPerPartition: number) {
    this.#random = random;
    this.#bytesPerPartition = bytesPerPartition;
  }

  /** The partitions to choose from; not empty. Stays where it is if it can. */
  choose(candidates: readonly number[]): void {
    assert(candidates.length > 0, 'no partition to choose from');
    this.#candidates = candidates;
    if (this.#bytes === 0 || !candidates.includes(this.#partition)) this.#move(candidates);
  }

  /** The partition for the next message, which has so many bytes. */
  take(bytes: number): number {
    const partition = this.#partition;
    this.#bytes += bytes;
    if (this.#bytes >= this.#bytesPerPartition) {
      const others = this.#candidates.filter((candidate) => candidate !== partition);
      this.#move(others.length > 0 ? others : this.#candidates);
    }
    return partition;
  }

  #move(candidates: readonly number[]): void {
    this.#partition = candidates[this.#random.below(candidates.length)] ?? 0;
    this.#bytes = 0;
  }
}
