import { assert } from '../base/assert.js';
import type { OdradekError } from '../base/errors.js';
import type { ProducePartitionResult } from '../protocol/native/messages.js';
import { BatchBuilder } from '../record/batch-builder.js';
import type { CodecName } from '../record/compression/codec.js';
import { type ProducerIdentity, stampProducer } from '../record/producer-identity.js';
import type { TextRecordInput } from '../record/record.js';
import { type Deferred, deferred } from './deferred.js';
import type { Recipient } from './delivery.js';
import type { FlushSpan } from './flush-tracker.js';
import type { SendResult } from './message.js';

export interface ProducerBatchOptions {
  readonly topic: string;
  readonly partition: number;
  readonly sequence: number;
  readonly lingerUntilMs: number;
  readonly deadlineMs: number;
  readonly span?: FlushSpan | null;
  /** Where to encode the records; it belongs to the batch until {@link ProducerBatch.takeMemory}. */
  readonly memory?: Buffer | null;
}

/** Messages of one call that follow each other in a batch. */
interface Run {
  readonly recipient: Recipient;
  /** Of the first of them in the batch. */
  readonly position: number;
  /** Of each of them in the call. */
  readonly indexes: number[];
}

/** Records for one partition that are sent together, and who waits for them. */
export class ProducerBatch {
  readonly topic: string;
  readonly partition: number;
  /** Grows with every batch of the producer: the order in which they are sent. Not what the broker calls a sequence. */
  readonly sequence: number;
  /** Monotonic times: when it is sent at the latest, full or not, and when it is given up. */
  readonly lingerUntilMs: number;
  readonly deadlineMs: number;
  /** Tries that failed. */
  failures = 0;
  lastError: OdradekError | null = null;
  /** Of an idempotent producer's batch that was sent: whose it is, and the number of its first record. */
  producer: ProducerIdentity | null = null;
  baseSequence = -1;
  /** How many of its partition's batches were numbered before it. */
  ordinal = -1;
  /** A try had no clear answer: the broker may have it. */
  isInDoubt = false;
  /** One before it was refused: if the broker calls this one out of order, it needs another number. */
  isVoid = false;
  /** What the records take of the producer's buffer. */
  bufferedBytes = 0;
  /** What a flush waits for with this batch. */
  readonly span: FlushSpan | null;
  readonly #builder: BatchBuilder;
  readonly #timestampsMs: number[] = [];
  /** The messages of calls with several. */
  readonly #runs: Run[] = [];
  /**
   * The messages that were sent one by one. Their promises are made from this one by `then` with the same function for all:
   * a promise calls what waits for it in the order in which it came, so that a count tells it whose turn it is. A promise with
   * functions of its own for each message takes twice the memory, all of which the collector copies while it waits.
   */
  #settled: Deferred<void> | null = null;
  readonly #awaited: number[] = [];
  #told = 0;
  readonly #nextResult = (): SendResult => this.#resultAt(this.#awaited[this.#told++] ?? 0);
  #baseOffset = -1;
  #logAppendTimeMs = -1;
  #bytes: Buffer | null = null;
  #memory: Buffer | null;
  #outcome: 'open' | 'delivered' | 'failed' = 'open';
  /** A broker said where it is: it has read all of it. */
  #isAnswered = false;

  constructor(options: ProducerBatchOptions) {
    this.topic = options.topic;
    this.partition = options.partition;
    this.sequence = options.sequence;
    this.lingerUntilMs = options.lingerUntilMs;
    this.deadlineMs = options.deadlineMs;
    this.span = options.span ?? null;
    this.#memory = options.memory ?? null;
    this.#builder = new BatchBuilder(this.#memory ? { memory: this.#memory } : {});
  }

  /** Size of the batch so far, not compressed. */
  get sizeBytes(): number {
    return this.#builder.bytes;
  }

  get recordCount(): number {
    return this.#timestampsMs.length;
  }

  /** The finished batch's size, compressed; 0 before {@link encode}. */
  get encodedBytes(): number {
    return this.#bytes?.length ?? 0;
  }

  /** Adds message `index` of the recipient; returns its bytes. Throws OdradekError ODR_USAGE, with nothing added. */
  add(record: TextRecordInput, recipient: Recipient, index: number): number {
    const bytes = this.addAwaited(record);
    const position = this.recordCount - 1;
    const run = this.#runs.at(-1);
    const isNext = run?.recipient === recipient && run.position + run.indexes.length === position;
    if (isNext) run.indexes.push(index);
    else this.#runs.push({ recipient, position, indexes: [index] });
    return bytes;
  }

  /** The same for a message whose result {@link result} is, which is called next. */
  addAwaited(record: TextRecordInput): number {
    assert(this.#bytes === null, 'the batch is complete');
    const bytes = this.#builder.add(record);
    this.#timestampsMs.push(record.timestampMs);
    return bytes;
  }

  /** What becomes of the record that was added last. */
  result(): Promise<SendResult> {
    assert(this.#outcome === 'open', 'the batch is settled');
    this.#awaited.push(this.recordCount - 1);
    this.#settled ??= deferred<void>();
    return this.#settled.promise.then(this.#nextResult);
  }

  /** Gives the batch its number, until {@link unnumber}. It must not be on its way to a broker. */
  number(producer: ProducerIdentity, baseSequence: number, ordinal: number): void {
    assert(this.producer === null, 'a batch has one number');
    this.producer = producer;
    this.baseSequence = baseSequence;
    this.ordinal = ordinal;
    if (this.#bytes) stampProducer(this.#bytes, 0, producer, baseSequence);
  }

  /** It is certain that no broker has the batch: it may be sent under another number. */
  unnumber(): void {
    this.producer = null;
    this.baseSequence = -1;
    this.ordinal = -1;
    this.isInDoubt = false;
    this.isVoid = false;
  }

  /** The finished batch, the same at each call while the number is. Throws OdradekError ODR_COMPRESSION. */
  encode(codec: CodecName): Buffer {
    this.#bytes ??= this.#builder.build({ codec, ...this.producer, baseSequence: this.baseSequence });
    return this.#bytes;
  }

  /** The records were appended from `baseOffset` on, which is -1 if nobody knows. */
  delivered({
    baseOffset,
    logAppendTimeMs,
  }: Pick<ProducePartitionResult, 'baseOffset' | 'logAppendTimeMs'>): void {
    assert(this.#outcome === 'open', 'the batch is settled');
    this.#outcome = 'delivered';
    this.#isAnswered = baseOffset !== -1;
    this.#baseOffset = baseOffset;
    this.#logAppendTimeMs = logAppendTimeMs;
    for (const { recipient, position, indexes } of this.#runs) {
      for (let i = 0; i < indexes.length; i++)
        recipient.delivered(indexes[i] ?? 0, this.#resultAt(position + i));
    }
    this.#settled?.resolve();
  }

  failed(error: OdradekError): void {
    assert(this.#outcome === 'open', 'the batch is settled');
    this.#outcome = 'failed';
    for (const { recipient, indexes } of this.#runs) {
      for (const index of indexes) recipient.failed(index, error);
    }
    this.#settled?.reject(error);
  }

  #resultAt(position: number): SendResult {
    return {
      topic: this.topic,
      partition: this.partition,
      offset: this.#baseOffset === -1 ? -1 : this.#baseOffset + position,
      timestampMs:
        this.#logAppendTimeMs === -1 ? (this.#timestampsMs[position] ?? -1) : this.#logAppendTimeMs,
    };
  }

  /**
   * The memory that it was given, if nobody can read it any more: the encoded batch lies elsewhere, or it was acknowledged
   * at the first try, so that no socket has it.
   */
  takeMemory(): Buffer | null {
    const memory = this.#memory;
    this.#memory = null;
    const isShared = memory !== null && this.#bytes?.buffer === memory.buffer;
    const isRead = this.#outcome === 'delivered' && this.failures === 0 && this.#isAnswered;
    return isShared && !isRead ? null : memory;
  }
}
