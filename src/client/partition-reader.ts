// One partition as a consumer reads it: what was fetched and not delivered yet, and the two places in it, that of the
// next fetch and that of the next message.
import type { Timer } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { type Batch, BatchReader } from '../record/batch-reader.js';
import { Queue } from './queue.js';

/** A fetched batch; `fetchBytes` is what is given back to the budget when it was read. */
interface Fetched {
  readonly batch: Batch;
  readonly bytes: number;
}

export class PartitionReader {
  readonly topic: string;
  readonly partition: number;
  /** No message at this offset or behind it is delivered; null: there is always more to come. */
  readonly endOffset: number | null;
  /** The offset of the next message to deliver. */
  position: number;
  /** The offset of the next fetch. */
  fetchOffset: number;
  /** The end of what consumers may see, as the last answer had it; -1 before that. */
  highWatermark = -1;
  /** Messages of a batch that {@link nextBatch} returned are being delivered. */
  isReading = false;
  /** It stands in the line of readers that have something to deliver. */
  isListed = false;
  /** A fetch is under way. */
  isFetching = false;
  /** Counts the jumps, so that the answer to a fetch from before one is not taken for what follows it. */
  jumps = 0;
  /** Fetches that failed one after the other. */
  failures = 0;
  /** When they began to fail because the topic is not there. */
  missingSinceMs: number | null = null;
  retryTimer: Timer | null = null;
  #fetched = new Queue<Fetched>();
  #fetchedBytes = 0;
  /** Delivered once everything before it was. */
  #failure: OdradekError | null = null;

  constructor(topic: string, partition: number, range: { position: number; endOffset: number | null }) {
    this.topic = topic;
    this.partition = partition;
    this.position = range.position;
    this.fetchOffset = range.position;
    this.endOffset = range.endOffset;
  }

  /** Bytes that were fetched and not delivered. */
  get fetchedBytes(): number {
    return this.#fetchedBytes;
  }

  /** Nothing more will be delivered. */
  get isAtEnd(): boolean {
    return this.endOffset !== null && this.position >= this.endOffset;
  }

  /** Everything up to the end is fetched, or cannot be. */
  get needsNoMore(): boolean {
    return this.#failure !== null || (this.endOffset !== null && this.fetchOffset >= this.endOffset);
  }

  /** Something can be delivered, be it an error. */
  get hasMore(): boolean {
    return this.#fetched.length > 0 || this.#failure !== null;
  }

  /** What ends the reading here, once {@link nextBatch} has nothing more. */
  get failure(): OdradekError | null {
    return this.#fetched.length === 0 ? this.#failure : null;
  }

  /** Takes over fetched bytes: whole batches from about {@link fetchOffset} on. */
  feed(bytes: Buffer): void {
    const reader = new BatchReader(bytes);
    try {
      for (let batch = reader.next(); batch; batch = reader.next()) this.#feedBatch(batch);
      if (reader.isTruncated) throw new OdradekError('ODR_CORRUPT', 'a batch is cut off');
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      this.fail(
        new OdradekError(error.code, `Reading ${this.#name} failed: ${error.message}.`, { cause: error }),
      );
    }
  }

  #feedBatch(batch: Batch): void {
    if (batch.lastOffset < this.fetchOffset) return;
    this.fetchOffset = batch.lastOffset + 1;
    this.#fetched.push({ batch, bytes: batch.sizeBytes });
    this.#fetchedBytes += batch.sizeBytes;
  }

  /** The next batch that has messages, or null. The positions of those without are left behind. */
  nextBatch(): Batch | null {
    for (let fetched = this.#fetched.shift(); fetched; fetched = this.#fetched.shift()) {
      this.#fetchedBytes -= fetched.bytes;
      const { batch } = fetched;
      if (!batch.isControl && batch.recordCount > 0 && !this.isAtEnd) return batch;
      this.position = Math.max(this.position, batch.lastOffset + 1);
    }
    return null;
  }

  /** Reading ends with this error behind what was fetched. */
  fail(error: OdradekError): void {
    this.#failure ??= error;
  }

  /** Goes on at another offset; what was fetched is dropped. */
  jump(offset: number): void {
    this.position = offset;
    this.fetchOffset = offset;
    this.jumps++;
    this.isFetching = false;
    this.isReading = false;
    this.#fetched = new Queue();
    this.#fetchedBytes = 0;
    this.#failure = null;
  }

  get #name(): string {
    return `${this.topic}-${this.partition} at offset ${this.fetchOffset}`;
  }
}
