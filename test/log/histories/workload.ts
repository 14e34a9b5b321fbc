// What is appended in a history: few keys, so that compaction bites, tombstones, some batches compressed, some idempotent. Each
// value names its offset, so that no two records are the same.
import { type LeaderEpoch, toOffset } from '../../../src/base/ids.js';
import type { Random } from '../../../src/base/random.js';
import type { AppendBatch } from '../../../src/log/log.js';
import { BatchBuilder } from '../../../src/record/batch-builder.js';
import type { CodecName } from '../../../src/record/compression/codec.js';
import { sequenceAfter } from '../../../src/record/producer-identity.js';
import { chance, pick } from '../../simulation/streams.js';

export interface AppendedRecord {
  readonly offset: number;
  /** Null: it has none, as records from before a topic was compacted. */
  readonly key: string | null;
  /** Null: a tombstone. */
  readonly value: string | null;
  readonly timestampMs: number;
  readonly headerValue: string | null;
}

export interface ProducerOfBatch {
  readonly id: number;
  readonly epoch: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export interface AppendedBatch extends AppendBatch {
  readonly records: readonly AppendedRecord[];
  readonly producer: ProducerOfBatch | null;
  readonly codec: CodecName;
}

/** What a producer sends next. */
export interface ProducerPlace {
  readonly epoch: number;
  readonly nextSequence: number;
  /** False: the log may expect another one. Then a producer takes a new epoch (KIP-360). */
  readonly isCertain: boolean;
}

export interface WorkloadPlace {
  readonly endOffset: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly nowMs: number;
  /** Null: the log knows nothing of the producer. */
  readonly producerPlace: (producerId: number) => ProducerPlace | null;
}

export const PRODUCER_IDS = [1, 2, 3] as const;
export const HEADER_KEY = 'about';
const CODECS: readonly CodecName[] = ['gzip', 'snappy', 'lz4', 'zstd'];
/** Where a producer begins of which nothing is known: one of them comes past the greatest sequence. */
const FIRST_SEQUENCES = [0, 0, 2 ** 31 - 20];

export class Workload {
  readonly #random: Random;
  readonly #keys: number;
  readonly #keylessChance: number;
  readonly #idempotentChance: number;
  readonly #compressedChance: number;
  readonly #builder = new BatchBuilder();

  constructor(random: Random) {
    this.#random = random;
    this.#keys = 3 + random.below(40);
    this.#keylessChance = chance(random, 0.2) ? 0.1 : 0;
    this.#idempotentChance = pick(random, [0, 0.3, 0.6]);
    this.#compressedChance = pick(random, [0, 0.05, 0.2]);
  }

  /** The batches of one append. */
  next(place: WorkloadPlace): AppendedBatch[] {
    const random = this.#random;
    const places = new Map<number, ProducerPlace | null>();
    const batches: AppendedBatch[] = [];
    let { endOffset } = place;
    const count = 1 + random.below(8);
    for (let i = 0; i < count; i++) {
      const records = this.#records(endOffset, place.nowMs);
      const producer = this.#producer(records.length, (id) =>
        places.has(id) ? (places.get(id) ?? null) : place.producerPlace(id),
      );
      if (producer) {
        const nextSequence = sequenceAfter(producer.lastSequence, 1);
        places.set(producer.id, { epoch: producer.epoch, nextSequence, isCertain: true });
      }
      batches.push(this.#batch(records, producer, place.leaderEpoch));
      endOffset += records.length;
    }
    return batches;
  }

  #records(baseOffset: number, nowMs: number): AppendedRecord[] {
    const random = this.#random;
    const count = 1 + random.below(4);
    return Array.from({ length: count }, (_, i) => {
      const offset = baseOffset + i;
      const filler = random.below(random.below(12) === 0 ? 500 : 24);
      return {
        offset,
        key: chance(random, this.#keylessChance) ? null : this.#key(),
        value: chance(random, 0.15) ? null : `${offset}/${'.'.repeat(filler)}`,
        timestampMs: chance(random, 0.02) ? -1 : nowMs + random.below(80) - 60,
        headerValue: chance(random, 0.1) ? `of ${offset}` : null,
      };
    });
  }

  /** Some keys come often and some seldom, so that a tombstone stays the last word on some. */
  #key(): string {
    const random = this.#random;
    return `key-${random.below(random.below(this.#keys) + 1)}`;
  }

  #producer(records: number, placeOf: (producerId: number) => ProducerPlace | null): ProducerOfBatch | null {
    const random = this.#random;
    if (!chance(random, this.#idempotentChance)) return null;
    const id = pick(random, PRODUCER_IDS);
    const place = placeOf(id);
    const begins = place === null || !place.isCertain || chance(random, 0.05);
    const epoch = place === null ? random.below(3) : place.epoch + (begins ? 1 : 0);
    const fresh = place === null ? pick(random, FIRST_SEQUENCES) : 0;
    const firstSequence = begins ? fresh : place.nextSequence;
    return { id, epoch, firstSequence, lastSequence: sequenceAfter(firstSequence, records - 1) };
  }

  #batch(
    records: readonly AppendedRecord[],
    producer: ProducerOfBatch | null,
    leaderEpoch: LeaderEpoch,
  ): AppendedBatch {
    const random = this.#random;
    for (const { key, value, timestampMs, headerValue } of records) {
      this.#builder.add({
        timestampMs,
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        headers: headerValue === null ? [] : [{ key: HEADER_KEY, value: Buffer.from(headerValue) }],
      });
    }
    const codec = chance(random, this.#compressedChance) ? pick(random, CODECS) : 'none';
    const baseOffset = toOffset(records[0]?.offset ?? 0);
    const bytes = this.#builder.build({
      codec,
      baseOffset,
      leaderEpoch,
      ...(producer && {
        producerId: producer.id,
        producerEpoch: producer.epoch,
        baseSequence: producer.firstSequence,
      }),
    });
    return {
      bytes,
      baseOffset,
      lastOffset: toOffset(baseOffset + records.length - 1),
      maxTimestampMs: Math.max(...records.map(({ timestampMs }) => timestampMs)),
      leaderEpoch,
      records,
      producer,
      codec,
    };
  }
}
