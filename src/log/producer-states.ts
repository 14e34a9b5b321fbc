// What a partition knows of the idempotent producers that wrote to it: the epoch and the last five batches of each. With that
// a batch that comes again is told from a new one, and one that leaves a gap is refused. Pure: the log applies what it
// appended, the partition's actor asks before it appends. Source: KIP-98, KIP-360; ProducerStateManager and
// ProducerAppendInfo of Kafka 4.3, whose rules these are:
//
//   the epoch is older than the known one                → INVALID_PRODUCER_EPOCH
//   same epoch, first and last sequence of a known batch → a duplicate, answered with that batch's place
//   a newer epoch                                        → its first sequence must be 0
//   same epoch                                           → the first sequence must follow the last one; 0 follows 2^31 - 1
//   an unknown producer                                  → any sequence
//
// What breaks one of the last rules is OUT_OF_ORDER_SEQUENCE_NUMBER; that includes a duplicate of more than five batches ago.
//
// Memory is bounded: beyond PRODUCERS_MAX the producer that was silent for the longest time is forgotten. Kafka has no such
// bound. Unlike in Kafka a producer's age counts from when it wrote, not from the timestamps of its records, which
// may be years old.
import { assert } from '../base/assert.js';
import { type Offset, toOffset } from '../base/ids.js';
import {
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_TRANSACTIONAL,
  readAttributes,
  readBaseOffset,
  readBaseSequence,
  readLastOffsetDelta,
  readMaxTimestamp,
  readProducerEpoch,
  readProducerId,
} from '../record/batch-header.js';
import { sequenceAfter } from '../record/producer-identity.js';

/** A batch that was appended. */
export interface KnownBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The greatest timestamp of its records. */
  readonly timestampMs: number;
}

/** One producer; plain data that may be sent between threads. */
export interface ProducerState {
  readonly producerId: number;
  readonly epoch: number;
  /** When it wrote last, by the wall clock. */
  readonly usedAtMs: number;
  /** Of the transaction coordinator that wrote the last marker; -1: none did. */
  readonly coordinatorEpoch: number;
  /** Where its open transaction begins; -1: it has none. */
  readonly transactionFirstOffset: number;
  /** The last five at most, of this epoch, oldest first. */
  readonly batches: readonly KnownBatch[];
}

/** What {@link ProducerStates.check} says of a batch that is not to be appended. */
export type ProducerRefusal = 'OUT_OF_ORDER_SEQUENCE_NUMBER' | 'INVALID_PRODUCER_EPOCH';

/** Batches of a producer that a repeated one is compared with; so many may be unanswered. */
export const KNOWN_BATCHES_MAX = 5;
/** Producers of a partition that are remembered: about 4 MiB at the most. */
const PRODUCERS_MAX = 5000;
const SPARE_MAX = 64;

type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] };

/** A producer as it is kept: everything changes in place. */
interface Kept extends Mutable<Omit<ProducerState, 'batches'>> {
  batches: Mutable<KnownBatch>[];
}

/**
 * Staged producers that were settled, to be used again by whatever partition is next on this thread: a group of batches makes no new
 * ones.
 */
const spare: Kept[] = [];

export class ProducerStates {
  /** Who wrote last stands last. */
  readonly #producers = new Map<number, Kept>();
  /** Producers of batches that were accepted and not yet appended, as they will be then. */
  readonly #staged = new Map<number, Kept>();
  /** Who wrote last. */
  #newest: Kept | null = null;
  readonly #producersMax: number;

  constructor(producers: Iterable<ProducerState> = [], producersMax = PRODUCERS_MAX) {
    this.#producersMax = producersMax;
    const byAge = [...producers].sort((a, b) => a.usedAtMs - b.usedAtMs);
    for (const producer of byAge.slice(-producersMax))
      this.#producers.set(producer.producerId, copyOf(producer));
  }

  get count(): number {
    return this.#producers.size;
  }

  /** All producers, the one that was silent for the longest time first. They change when more is applied. */
  get all(): Iterable<ProducerState> {
    return this.#producers.values();
  }

  get(producerId: number): ProducerState | undefined {
    return this.#producers.get(producerId);
  }

  /** The last offset of the newest batch of each producer: what of the log tells of it. */
  lastOffsets(): Set<Offset> {
    const offsets = new Set<Offset>();
    for (const { batches } of this.#producers.values()) {
      const newest = batches.at(-1);
      if (newest) offsets.add(toOffset(newest.lastOffset));
    }
    return offsets;
  }

  /**
   * What to do with the batch at `at`, which has a producer id: null to append it, the batch that it repeats, or why it is
   * refused. Batches that are {@link stage}d count as appended.
   */
  check(bytes: Buffer, at: number): KnownBatch | ProducerRefusal | null {
    const producerId = readProducerId(bytes, at);
    assert(producerId >= 0, 'a batch without a producer needs no check');
    const producer = this.#staged.get(producerId) ?? this.#producers.get(producerId);
    if (!producer) return null;
    const epoch = readProducerEpoch(bytes, at);
    const firstSequence = readBaseSequence(bytes, at);
    if (epoch < producer.epoch) return 'INVALID_PRODUCER_EPOCH';
    if (epoch > producer.epoch) return firstSequence === 0 ? null : 'OUT_OF_ORDER_SEQUENCE_NUMBER';
    const lastSequence = sequenceAfter(firstSequence, readLastOffsetDelta(bytes, at));
    for (const batch of producer.batches) {
      if (batch.firstSequence === firstSequence && batch.lastSequence === lastSequence) return batch;
    }
    const newest = producer.batches.at(-1);
    const expected = newest ? sequenceAfter(newest.lastSequence, 1) : 0;
    return firstSequence === expected ? null : 'OUT_OF_ORDER_SEQUENCE_NUMBER';
  }

  /** The batch at `at` has its offset and is about to be appended: until {@link settle} it counts as if it were. */
  stage(bytes: Buffer, at: number): void {
    const producerId = readProducerId(bytes, at);
    let producer = this.#staged.get(producerId);
    if (!producer) {
      producer = spare.pop() ?? newProducer(producerId);
      copyInto(producer, this.#producers.get(producerId) ?? newProducer(producerId));
      this.#staged.set(producerId, producer);
    }
    addBatch(producer, bytes, at);
  }

  /** What was staged has been appended and {@link apply}d, or has failed. */
  settle(): void {
    if (this.#staged.size === 0) return;
    for (const producer of this.#staged.values()) {
      if (spare.length < SPARE_MAX) spare.push(producer);
    }
    this.#staged.clear();
  }

  /** The batch at `at` lies in the log. Nothing happens if it has no producer id. */
  apply(bytes: Buffer, at: number, nowMs: number): void {
    const producerId = readProducerId(bytes, at);
    if (producerId < 0) return;
    const producer = this.#newest?.producerId === producerId ? this.#newest : this.#makeNewest(producerId);
    producer.usedAtMs = nowMs;
    addBatch(producer, bytes, at);
  }

  /** Puts the producer behind all others. */
  #makeNewest(producerId: number): Kept {
    let producer = this.#producers.get(producerId);
    if (producer) this.#producers.delete(producerId);
    else {
      producer = newProducer(producerId);
      if (this.#producers.size >= this.#producersMax) this.#forgetOldest();
    }
    this.#producers.set(producerId, producer);
    this.#newest = producer;
    return producer;
  }

  /** Forgets producers that wrote nothing for so long, unless they have an open transaction. */
  expire(nowMs: number, expirationMs: number): void {
    for (const { producerId, usedAtMs, transactionFirstOffset } of this.#producers.values()) {
      if (transactionFirstOffset < 0 && nowMs - usedAtMs >= expirationMs) this.#producers.delete(producerId);
    }
    this.#newest = null; // It may have been forgotten too.
  }

  /** Takes over the last batches of producers whose newest batch is known here too: `tail` was read from the log. */
  completeFrom(tail: ProducerStates): void {
    for (const producer of this.#producers.values()) {
      const read = tail.#producers.get(producer.producerId);
      const newest = producer.batches.at(-1);
      const newestRead = read?.batches.at(-1);
      if (!read || !newest || read.epoch !== producer.epoch || newest.lastOffset !== newestRead?.lastOffset)
        continue;
      producer.batches = copyOf(read).batches;
    }
  }

  #forgetOldest(): void {
    for (const oldest of this.#producers.keys()) {
      this.#producers.delete(oldest);
      return;
    }
  }
}

function newProducer(producerId: number): Kept {
  return {
    producerId,
    epoch: -1,
    usedAtMs: 0,
    coordinatorEpoch: -1,
    transactionFirstOffset: -1,
    batches: [],
  };
}

function copyOf(producer: ProducerState): Kept {
  return { ...producer, batches: producer.batches.map((batch) => ({ ...batch })) };
}

/** Makes the first one equal to the second, out of the objects that it has. */
function copyInto(target: Kept, source: ProducerState): void {
  target.producerId = source.producerId;
  target.epoch = source.epoch;
  target.usedAtMs = source.usedAtMs;
  target.coordinatorEpoch = source.coordinatorEpoch;
  target.transactionFirstOffset = source.transactionFirstOffset;
  const { batches } = target;
  while (batches.length > source.batches.length) batches.pop();
  let index = 0;
  for (const from of source.batches) {
    const to = batches[index++] ?? newBatch();
    to.firstSequence = from.firstSequence;
    to.lastSequence = from.lastSequence;
    to.baseOffset = from.baseOffset;
    to.lastOffset = from.lastOffset;
    to.timestampMs = from.timestampMs;
    if (index > batches.length) batches.push(to);
  }
}

function newBatch(): Mutable<KnownBatch> {
  return { firstSequence: 0, lastSequence: 0, baseOffset: 0, lastOffset: 0, timestampMs: 0 };
}

function addBatch(producer: Kept, bytes: Buffer, at: number): void {
  const epoch = readProducerEpoch(bytes, at);
  if (epoch !== producer.epoch) {
    producer.epoch = epoch;
    producer.batches.length = 0;
  }
  const attributes = readAttributes(bytes, at);
  const baseOffset = readBaseOffset(bytes, at);
  if (attributes & ATTRIBUTE_CONTROL) {
    producer.transactionFirstOffset = -1; // A marker ends the transaction.
    return;
  }
  if (attributes & ATTRIBUTE_TRANSACTIONAL && producer.transactionFirstOffset < 0) {
    producer.transactionFirstOffset = baseOffset;
  }
  const firstSequence = readBaseSequence(bytes, at);
  const lastOffsetDelta = readLastOffsetDelta(bytes, at);
  const { batches } = producer;
  const newest = batches.at(-1);
  // Whoever was forgotten meanwhile begins anew: batches of the same sequences that the log still holds are others.
  if (newest && firstSequence !== sequenceAfter(newest.lastSequence, 1)) batches.length = 0;
  // The oldest one's object is used again: a producer that is known costs no allocation.
  const oldest = batches.length === KNOWN_BATCHES_MAX ? batches.shift() : undefined;
  const added = oldest ?? newBatch();
  added.firstSequence = firstSequence;
  added.lastSequence = sequenceAfter(firstSequence, lastOffsetDelta);
  added.baseOffset = baseOffset;
  added.lastOffset = baseOffset + lastOffsetDelta;
  added.timestampMs = readMaxTimestamp(bytes, at);
  batches.push(added);
}
