import { setMaxListeners } from 'node:events';
import type { Readable } from 'node:stream';
import { OdradekError } from '../base/errors.js';
import type { OffsetPosition } from '../protocol/native/messages.js';
import type { Batch } from '../record/batch-reader.js';
import type { RecordWalk } from '../record/record-walk.js';
import { asOdradekError } from './as-odradek-error.js';
import { pause } from './client-clock.js';
import { type Cluster, METADATA_AGE_MAX_MS } from './cluster.js';
import {
  type CheckedConsumerOptions,
  type ConsumerOptions,
  checkConsumerOptions,
  type StartPosition,
} from './consumer-options.js';
import { type Deferred, deferred } from './deferred.js';
import { Feeder } from './feeder.js';
import { type Decoders, decodersOf, incomingMessage } from './incoming-message.js';
import { listOffsets } from './list-offsets.js';
import type { ReceivedMessage } from './message.js';
import { messageReadable, type ReadableOptions } from './message-readable.js';
import { PartitionReader } from './partition-reader.js';
import { Queue } from './queue.js';
import { retry } from './retry.js';
import { nextTurn } from './turn.js';
import { UnreadableError } from './unreadable-error.js';

/** Messages of one partition that were sent together. */
export interface ReceivedBatch<Key = Buffer, Value = Buffer> {
  readonly topic: string;
  readonly partition: number;
  /** Not empty, by offset. */
  readonly messages: readonly ReceivedMessage<Key, Value>[];
  /** The offset behind the partition's last message, as far as it is known. */
  readonly highWatermark: number;
}

/** The batch whose messages are being delivered. */
interface Reading {
  readonly reader: PartitionReader;
  readonly batch: Batch;
  readonly walk: RecordWalk;
}

/**
 * For so long messages that are there already are delivered without a break; a loop over them leaves no turn to timers and
 * sockets, the program's own included.
 */
const TURN_MS = 50;

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Reads the messages of a topic, those of each partition in their order. Begins with the first `next` of a loop;
 * leaving the loop closes it, and so does the end; one that throws leaves it open, to {@link seek} and go on, or to
 * {@link close}. A loop throws OdradekError: ODR_BROKER if the topic is missing or the position out of
 * range, ODR_CORRUPT, ODR_CONNECTION if no broker could be reached at the start; later it waits for them to come
 * back.
 *
 * @example
 * for await (const { key, value } of client.consumer({ topic: 'orders', from: 'latest' })) console.log(`${key}:
 * ${value}`);
 */
export class Consumer<Key = Buffer, Value = Buffer>
  implements AsyncIterable<ReceivedMessage<Key, Value>>, AsyncDisposable
{
  readonly #cluster: Cluster;
  readonly #options: CheckedConsumerOptions;
  readonly #decoders: Decoders<Key, Value>;
  readonly #feeder: Feeder;
  readonly #abort = new AbortController();
  readonly #userSignal: AbortSignal | undefined;
  readonly #onUserAbort = () => void this.close();
  readonly #onClusterClose = () => void this.close();
  readonly #readers = new Map<number, PartitionReader>();
  /** Readers that have something to deliver; they take turns, a batch each. */
  readonly #listed = new Queue<PartitionReader>();
  #reading: Reading | null = null;
  /** When, on the monotonic clock, the loop last waited for something. */
  #turnStartMs = 0;
  #state: 'new' | 'starting' | 'started' = 'new';
  #startError: OdradekError | null = null;
  #change: Deferred<void> = deferred();

  constructor(cluster: Cluster, options: ConsumerOptions<Key, Value>) {
    this.#cluster = cluster;
    this.#options = checkConsumerOptions(options);
    this.#decoders = decodersOf(options);
    this.#userSignal = options.signal;
    setMaxListeners(0, this.#abort.signal);
    const { signal } = this.#abort;
    this.#feeder = new Feeder(cluster, this.#options, { signal, changed: (reader) => this.#list(reader) });
    cluster.signal.addEventListener('abort', this.#onClusterClose);
    this.#userSignal?.addEventListener('abort', this.#onUserAbort);
    if (this.#userSignal?.aborted) void this.close();
  }

  /** The offset of the next message that the partition delivers; null if that is not known yet. */
  position(partition: number): number | null {
    return this.#readers.get(partition)?.position ?? null;
  }

  /** The offset behind the partition's last message, as the last records that came found it; null before that. */
  highWatermark(partition: number): number | null {
    const highWatermark = this.#readers.get(partition)?.highWatermark ?? -1;
    return highWatermark === -1 ? null : highWatermark;
  }

  /**
   * Goes on at another offset of a partition. Also the way around a message that cannot be read.
   *
   * @throws OdradekError ODR_USAGE if the partition is none of this consumer's, or nothing was read yet
   */
  seek(partition: number, offset: number): void {
    const reader = this.#readers.get(partition);
    if (!reader || !Number.isSafeInteger(offset) || offset < 0) {
      throw new OdradekError('ODR_USAGE', `Cannot seek to ${offset} in partition ${partition}.`);
    }
    this.#interrupt(reader, offset);
    this.#feeder.start(reader);
    this.#announce();
  }

  /**
   * Delivers nothing of these partitions (default: of all that are read now), and has nothing of them sent, until
   * {@link resume}. Their positions stay.
   *
   * @throws OdradekError ODR_USAGE if a partition is none of this consumer's, or nothing was read yet
   */
  pause(partitions: Iterable<number> = this.#readers.keys()): void {
    for (const reader of this.#readersOf(partitions)) {
      if (reader.isPaused) continue;
      reader.isPaused = true;
      this.#interrupt(reader, reader.position);
    }
  }

  /** Goes on with these partitions (default: all) where they were paused. Throws as {@link pause}. */
  resume(partitions: Iterable<number> = this.#readers.keys()): void {
    for (const reader of this.#readersOf(partitions)) {
      reader.isPaused = false;
      this.#feeder.start(reader);
    }
  }

  /** The partitions that are paused. */
  get paused(): readonly number[] {
    return [...this.#readers.values()].flatMap(({ isPaused, partition }) => (isPaused ? [partition] : []));
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ReceivedMessage<Key, Value>> {
    const iterator: AsyncIterableIterator<ReceivedMessage<Key, Value>> = {
      next: () => {
        // A promise for each message is what the loop costs; no more than that is made while messages are there.
        try {
          const message = this.#isActive ? this.#nextMessage() : null;
          if (message) return Promise.resolve({ done: false, value: message });
        } catch (error) {
          return Promise.reject(error);
        }
        return this.#await(() => this.#nextMessage());
      },
      return: async () => {
        await this.close();
        return DONE;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /**
   * The messages a batch at a time, which costs less per message than one by one. Leaving the loop closes the
   * consumer.
   */
  batches(): AsyncIterableIterator<ReceivedBatch<Key, Value>> {
    const iterator: AsyncIterableIterator<ReceivedBatch<Key, Value>> = {
      next: () => this.#await(() => this.#nextBatch()),
      return: async () => {
        await this.close();
        return DONE;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /**
   * The messages as a stream of objects. It reads no further than `highWaterMark` messages ahead of who reads it, and so
   * the broker sends no further ahead than `prefetchBytesMax`. Destroying it closes the consumer.
   */
  readable(options: ReadableOptions = {}): Readable {
    const source = {
      messages: this[Symbol.asyncIterator](),
      poll: () => (this.#isActive && this.#state === 'started' ? this.#nextMessage() : null),
      close: () => this.close(),
    };
    return messageReadable(source, options);
  }

  /** Ends the loops over this consumer. */
  close(): Promise<void> {
    this.#stopListening();
    this.#abort.abort();
    this.#announce();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #stopListening(): void {
    this.#cluster.signal.removeEventListener('abort', this.#onClusterClose);
    this.#userSignal?.removeEventListener('abort', this.#onUserAbort);
  }

  get #isActive(): boolean {
    return !this.#abort.signal.aborted;
  }

  /** Waits for what `poll` returns, or for the end. */
  async #await<Item>(poll: () => Item | null): Promise<IteratorResult<Item, undefined>> {
    if (this.#isActive && this.#state === 'new') this.#begin();
    for (;;) {
      if (this.#userSignal?.aborted) throw this.#userSignal.reason;
      if (!this.#isActive) return DONE;
      if (this.#startError) throw this.#startError;
      const item = poll();
      if (item !== null) return { done: false, value: item };
      if (this.#isAtEnd) {
        // A loop that comes to its end calls no `return`.
        await this.close();
        return DONE;
      }
      await (this.#isTurnOver ? nextTurn() : this.#change.promise);
      this.#turnStartMs = this.#cluster.options.clock.monotonicMs();
    }
  }

  #begin(): void {
    this.#state = 'starting';
    this.#start()
      .then(() => {
        this.#state = 'started';
      })
      .catch((error: unknown) => {
        this.#startError = asOdradekError(error);
        // There is nothing to close, and nobody may do it.
        this.#stopListening();
      })
      .finally(() => this.#announce());
  }

  /** Something is there, and others are to have their turn first. */
  get #isTurnOver(): boolean {
    if (this.#listed.length === 0) return false;
    return this.#cluster.options.clock.monotonicMs() - this.#turnStartMs > TURN_MS;
  }

  get #isAtEnd(): boolean {
    if (!this.#options.untilEnd || this.#state !== 'started') return false;
    for (const reader of this.#readers.values()) if (!reader.isAtEnd) return false;
    return true;
  }

  #list(reader: PartitionReader): void {
    if (!reader.isListed) {
      reader.isListed = true;
      this.#listed.push(reader);
    }
    this.#announce();
  }

  #announce(): void {
    this.#change.resolve();
    this.#change = deferred();
  }

  #nextMessage(): ReceivedMessage<Key, Value> | null {
    for (let reading = this.#readingNow(); reading; reading = this.#readingNow()) {
      const message = this.#messageOf(reading);
      if (message) return message;
      this.#finish(reading);
    }
    return null;
  }

  #nextBatch(): ReceivedBatch<Key, Value> | null {
    for (let reading = this.#readingNow(); reading; reading = this.#readingNow()) {
      const { topic, partition, highWatermark } = reading.reader;
      const messages: ReceivedMessage<Key, Value>[] = [];
      try {
        for (let next = this.#messageOf(reading); next; next = this.#messageOf(reading)) messages.push(next);
      } catch (error) {
        // Those before it are delivered first; the reader keeps the failure.
        if (messages.length === 0) throw error;
      }
      this.#finish(reading);
      if (messages.length > 0) return { topic, partition, messages, highWatermark };
    }
    return null;
  }

  /** Null: nothing is there now. Throws what ends a partition. */
  #readingNow(): Reading | null {
    if (this.#reading) return this.#reading;
    if (this.#isTurnOver) return null;
    for (let reader = this.#listed.peek(); reader; reader = this.#listed.peek()) {
      if (reader.failure) throw reader.failure;
      this.#listed.shift();
      reader.isListed = false;
      const batch = reader.nextBatch();
      if (!batch) {
        if (reader.failure) this.#list(reader);
        continue;
      }
      this.#reading = { reader, batch, walk: this.#walk(reader, batch) };
      return this.#reading;
    }
    return null;
  }

  #walk(reader: PartitionReader, batch: Batch): RecordWalk {
    try {
      return batch.walk();
    } catch (thrown) {
      throw this.#undecodable(reader, batch, thrown);
    }
  }

  /** The next message of the batch, or null. */
  #messageOf({ reader, batch, walk }: Reading): ReceivedMessage<Key, Value> | null {
    try {
      while (walk.next()) {
        const { offset } = walk;
        if (offset < reader.position) continue;
        if (reader.endOffset !== null && offset >= reader.endOffset) return null;
        const message = incomingMessage(reader, walk, this.#decoders);
        reader.position = offset + 1;
        return message;
      }
      return null;
    } catch (thrown) {
      throw this.#undecodable(reader, batch, thrown);
    }
  }

  /** What cannot be decoded ends the reading until a seek: what follows is not delivered. */
  #undecodable(reader: PartitionReader, batch: Batch, thrown: unknown): OdradekError {
    const cause = asOdradekError(thrown);
    const { topic, partition, position } = reader;
    // One message can be left out if it only lacks its format; nothing behind it can be found if it is malformed.
    const nextOffset = cause.code === 'ODR_FORMAT' ? position + 1 : batch.lastOffset + 1;
    const failure = new UnreadableError({ topic, partition, offset: position, nextOffset }, cause);
    this.#interrupt(reader, position);
    reader.fail(failure);
    this.#list(reader);
    return failure;
  }

  /** Nothing of the reader is under way any more; it stands at the offset. */
  #interrupt(reader: PartitionReader, offset: number): void {
    if (this.#reading?.reader === reader) this.#reading = null;
    this.#feeder.stop(reader);
    reader.jump(offset);
  }

  #readersOf(partitions: Iterable<number>): PartitionReader[] {
    return [...partitions].map((partition) => {
      const reader = this.#readers.get(partition);
      if (reader) return reader;
      throw new OdradekError('ODR_USAGE', `Partition ${partition} is not read by this consumer, or not yet.`);
    });
  }

  /** The batch is read, unless it failed; a reader that has more goes to the end of the line. */
  #finish(reading: Reading): void {
    if (this.#reading !== reading) return;
    const { reader, batch } = reading;
    this.#reading = null;
    reader.finishBatch();
    reader.position = Math.max(reader.position, Math.min(batch.lastOffset + 1, reader.endOffset ?? Infinity));
    if (reader.hasMore) this.#list(reader);
  }

  async #start(): Promise<void> {
    const { topic, partitions, from, untilEnd } = this.#options;
    const timeoutMs = this.#cluster.options.requestTimeoutMs;
    const { signal } = this.#abort;
    const view = await retry(this.#cluster, { timeoutMs, signal }, () => this.#cluster.topic(topic));
    const chosen = partitions ?? view.leaders.map((_, partition) => partition);
    for (const partition of chosen) {
      if (partition < view.partitionCount) continue;
      throw new OdradekError(
        'ODR_USAGE',
        `Topic '${topic}' has no partition ${partition}; it has ${view.partitionCount}.`,
      );
    }
    const starts = new Map(chosen.map((partition) => [partition, startOf(from, partition)]));
    await this.#addReaders(starts, untilEnd ? await this.#find(chosen, 'latest') : null);
    if (partitions === null && !untilEnd) void this.#watchPartitions(view.partitionCount);
  }

  async #addReaders(
    starts: ReadonlyMap<number, StartPosition>,
    ends: ReadonlyMap<number, number> | null,
  ): Promise<void> {
    const positions = await this.#resolve(starts);
    if (!this.#isActive) return;
    for (const [partition, position] of positions) {
      const endOffset = ends?.get(partition) ?? null;
      const reader = new PartitionReader(this.#options.topic, partition, { position, endOffset });
      this.#readers.set(partition, reader);
      this.#feeder.add(reader);
    }
  }

  /** The offsets of these positions. */
  async #resolve(starts: ReadonlyMap<number, StartPosition>): Promise<Map<number, number>> {
    const offsets = new Map<number, number>();
    const asked = new Map<number, OffsetPosition>();
    for (const [partition, start] of starts) {
      if (typeof start === 'object' && 'offset' in start) offsets.set(partition, start.offset);
      else asked.set(partition, start);
    }
    const listed = await listOffsets(this.#cluster, this.#options.topic, asked, this.#abort.signal);
    const none = [...listed.values()].filter(({ offset }) => offset === -1);
    for (const { partition, offset } of listed.values()) offsets.set(partition, offset);
    // No message is as young as asked for: the next one will be.
    const ends = await this.#find(
      none.map(({ partition }) => partition),
      'latest',
    );
    for (const [partition, offset] of ends) offsets.set(partition, offset);
    return offsets;
  }

  async #find(partitions: readonly number[], position: OffsetPosition): Promise<Map<number, number>> {
    const asked = new Map(partitions.map((partition) => [partition, position]));
    const listed = await listOffsets(this.#cluster, this.#options.topic, asked, this.#abort.signal);
    return new Map([...listed].map(([partition, { offset }]) => [partition, offset]));
  }

  /** Reads partitions that are added to the topic, from their start. Never rejects. */
  async #watchPartitions(partitionCount: number): Promise<void> {
    const { clock, logger } = this.#cluster.options;
    const { topic } = this.#options;
    let known = partitionCount;
    while (this.#isActive) {
      await pause(clock, METADATA_AGE_MAX_MS, this.#abort.signal);
      try {
        const view = this.#isActive ? await this.#cluster.refreshTopic(topic) : null;
        const added = (view?.leaders ?? []).map((_, partition) => partition).slice(known);
        await this.#addReaders(new Map(added.map((partition) => [partition, 'earliest'])), null);
        known += added.length;
      } catch (error) {
        logger.warn('cannot look for new partitions', { topic, error: String(error) });
      }
    }
  }
}

function startOf(from: StartPosition | ReadonlyMap<number, StartPosition>, partition: number): StartPosition {
  return isByPartition(from) ? (from.get(partition) ?? 'earliest') : from;
}

function isByPartition(
  from: StartPosition | ReadonlyMap<number, StartPosition>,
): from is ReadonlyMap<number, StartPosition> {
  return from instanceof Map;
}
