// One partition as a consumer reads it: what has come and was not delivered yet, and the two places in it, that of the next
// records to come and that of the next message.
import type { Timer } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { type Batch, BatchReader } from '../record/batch-reader.js';
import { Queue } from './queue.js';

/** Where streams come from. */
export interface StreamOwner {
  /** So many bytes are no longer held: they may be sent anew. */
  consumed(bytes: number): void;
  end(streamId: number): void;
}

/** The stream that feeds a reader. */
export interface ReaderStream {
  readonly owner: StreamOwner;
  readonly id: number;
}

/** A batch that waits. The last one of a push carries the push's bytes: its memory is one piece. */
interface Waiting {
  readonly batch: Batch;
  readonly bytes: number;
  readonly owner: StreamOwner;
}

export class PartitionReader {
  readonly topic: string;
  readonly partition: number;
  /** No message at this offset or behind it is delivered; null: there is always more to come. */
  readonly endOffset: number | null;
  /** The offset of the next message to deliver. */
  position: number;
  /** The offset that is to come next. */
  fetchOffset: number;
  /** The end of what consumers may see, as the last push had it; -1 before that. */
  highWatermark = -1;
  isPaused = false;
  /** It stands in the line of readers that have something to deliver. */
  isListed = false;
  /** Null: nothing comes, because of a pause, an error, a lost connection, or because it is not needed. */
  stream: ReaderStream | null = null;
  /** Streams that failed one after the other. */
  failures = 0;
  /** When they began to fail because the topic is not there. */
  missingSinceMs: number | null = null;
  retryTimer: Timer | null = null;
  #waiting = new Queue<Waiting>();
  /** What {@link nextBatch} returned last, until {@link finishBatch}. */
  #inHand: Waiting | null = null;
  /** Delivered once everything before it was. */
  #failure: OdradekError | null = null;

  constructor(topic: string, partition: number, range: { position: number; endOffset: number | null }) {
    this.topic = topic;
    this.partition = partition;
    this.position = range.position;
    this.fetchOffset = range.position;
    this.endOffset = range.endOffset;
  }

  /** Messages that came are being delivered, or will be. */
  get isDelivering(): boolean {
    return this.#inHand !== null || this.#waiting.length > 0;
  }

  /** Nothing more will be delivered. */
  get isAtEnd(): boolean {
    return this.endOffset !== null && this.position >= this.endOffset;
  }

  /** Everything up to the end has come, or cannot come. */
  get needsNoMore(): boolean {
    return this.#failure !== null || (this.endOffset !== null && this.fetchOffset >= this.endOffset);
  }

  /** Something can be delivered, be it an error. */
  get hasMore(): boolean {
    return this.#waiting.length > 0 || this.#failure !== null;
  }

  /** What ends the reading here, once {@link nextBatch} has nothing more. */
  get failure(): OdradekError | null {
    return this.#waiting.length === 0 ? this.#failure : null;
  }

  /** Takes over the records of a push: whole batches from about {@link fetchOffset} on. */
  feed(bytes: Buffer, owner: StreamOwner): void {
    const reader = new BatchReader(bytes);
    let last: Batch | null = null;
    try {
      for (let batch = reader.next(); batch; batch = reader.next()) {
        if (batch.lastOffset < this.fetchOffset) continue;
        this.fetchOffset = batch.lastOffset + 1;
        if (last) this.#waiting.push({ batch: last, bytes: 0, owner });
        last = batch;
      }
      if (reader.isTruncated) throw new OdradekError('ODR_CORRUPT', 'a batch is cut off');
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      const message = `Reading ${this.#name} failed: ${error.message}.`;
      this.fail(new OdradekError(error.code, message, { cause: error }));
    }
    if (last) this.#waiting.push({ batch: last, bytes: bytes.length, owner });
    else owner.consumed(bytes.length);
  }

  /**
   * The next batch that has messages, or null. The positions of those without are left behind. {@link finishBatch} follows
   * when its messages are delivered.
   */
  nextBatch(): Batch | null {
    this.finishBatch();
    for (let waiting = this.#waiting.shift(); waiting; waiting = this.#waiting.shift()) {
      const { batch } = waiting;
      this.#inHand = waiting;
      if (!batch.isControl && batch.recordCount > 0 && !this.isAtEnd) return batch;
      this.position = Math.max(this.position, batch.lastOffset + 1);
      this.finishBatch();
    }
    return null;
  }

  finishBatch(): void {
    const waiting = this.#inHand;
    this.#inHand = null;
    if (waiting) giveBack(waiting);
  }

  /** Reading ends with this error behind what has come. */
  fail(error: OdradekError): void {
    this.#failure ??= error;
  }

  /** Goes on at another offset; what has come is dropped. */
  jump(offset: number): void {
    this.position = offset;
    this.fetchOffset = offset;
    this.#failure = null;
    const dropped = this.#waiting;
    this.#waiting = new Queue();
    this.finishBatch();
    for (let waiting = dropped.shift(); waiting; waiting = dropped.shift()) giveBack(waiting);
  }

  get #name(): string {
    return `${this.topic}-${this.partition} at offset ${this.fetchOffset}`;
  }
}

function giveBack({ bytes, owner }: Waiting): void {
  if (bytes > 0) owner.consumed(bytes);
}
