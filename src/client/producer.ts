// Takes messages, gathers them into one open batch per partition, and hands batches that are full or old enough to the
// sender. A message waits in its topic's line while the topic's partitions are not known yet or the buffer is full.
import type { Writable } from 'node:stream';
import { present } from '../base/assert.js';
import type { Timer } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { type FieldInput, recordBytesUpperBound, type TextRecordInput } from '../record/record.js';
import { abortable } from './abortable.js';
import { asOdradekError } from './as-odradek-error.js';
import { BatchMemory } from './batch-memory.js';
import { BatchSender } from './batch-sender.js';
import type { Cluster } from './cluster.js';
import { type Deferred, deferred } from './deferred.js';
import {
  BatchDelivery,
  type BatchError,
  type Recipient,
  SINGLE_OVERHEAD_BYTES,
  SingleDelivery,
} from './delivery.js';
import { FlushTracker } from './flush-tracker.js';
import type { Message, MessageBatch, MessageBytes, SendResult, TopicMessage } from './message.js';
import { messageWritable, type WritableOptions } from './message-writable.js';
import { onAbort } from './on-abort.js';
import { type Encoders, outgoingRecord } from './outgoing-record.js';
import { PartitionQueue } from './partition-queue.js';
import { defaultPartition, defaultPartitioner, StickyPartition } from './partitioner.js';
import { ProducerBatch } from './producer-batch.js';
import {
  type CheckedProducerOptions,
  checkProducerOptions,
  type ProducerOptions,
} from './producer-options.js';
import { Queue } from './queue.js';
import { retry } from './retry.js';
import type { TopicView } from './topic-view.js';

/** Calls of `send` that wait for room. They hold little but what the caller made. */
const SENDS_WAITING_MAX = 1_000_000;

/** Room for a record and the batch's header, beyond what the batch may have. */
const MEMORY_SLACK_BYTES = 1024;

/** The messages of one call that have no room yet, from `next` on. */
interface WaitingSend<Key, Value> {
  readonly topic: TopicState<Key, Value>;
  readonly messages: readonly Message<Key, Value>[];
  readonly recipient: Recipient;
  next: number;
}

interface TopicState<Key, Value> {
  readonly name: string;
  /** Null while the topic's partitions are not known. */
  view: TopicView | null;
  readonly partitions: PartitionQueue[];
  readonly sticky: StickyPartition;
  readonly waiting: Queue<WaitingSend<Key, Value>>;
}

export interface SendOptions {
  /**
   * Ends the waiting: the call rejects with the signal's reason. A message that had no room yet is not sent then; one that
   * had may be sent, and nobody is told.
   */
  readonly signal?: AbortSignal | undefined;
}

export interface CloseOptions {
  /** What is not delivered by then fails with ODR_CLOSED. Default: no limit besides `deliveryTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** The same, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

const NO_OPTIONS: SendOptions = {};
const READY = Promise.resolve();

/**
 * Sends messages. Those of one partition are appended in the order of the calls, and once, also if answers are lost and
 * batches are sent again: see `idempotent` in {@link ProducerOptions}.
 *
 * @example
 * await using producer = client.producer();
 * const { offset } = await producer.send({ topic: 'orders', key: 'customer-7', value: JSON.stringify(order) });
 */
export class Producer<Key = MessageBytes, Value = MessageBytes> implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #options: CheckedProducerOptions;
  readonly #encoders: Encoders<Key, Value>;
  readonly #memory: BatchMemory;
  readonly #sender: BatchSender;
  readonly #closed: () => void;
  readonly #topics = new Map<string, TopicState<Key, Value>>();
  /** Topics with messages that wait for room. */
  readonly #blocked = new Set<TopicState<Key, Value>>();
  readonly #flushes = new FlushTracker();
  /** The queues that have an open batch, in the order in which those were begun. */
  readonly #lingering = new Set<PartitionQueue>();
  #lingerTimer: Timer | null = null;
  #room: Deferred<void> | null = null;
  #bufferedBytes = 0;
  #sendsWaiting = 0;
  #batches = 0;
  #closing: Promise<void> | null = null;
  #isClosed = false;

  /** `closed` is called once, when nothing is left of it. */
  constructor(cluster: Cluster, options: ProducerOptions<Key, Value>, closed: () => void) {
    this.#closed = closed;
    this.#cluster = cluster;
    this.#options = checkProducerOptions(options);
    this.#encoders = { key: options.key ?? null, value: options.value ?? null };
    this.#memory = new BatchMemory(this.#options.batchBytes + MEMORY_SLACK_BYTES);
    this.#sender = new BatchSender(cluster, this.#options, (batch) => this.#release(batch));
  }

  /** What the messages that are not answered yet take of `bufferBytesMax`. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * Sends a message, or several for one topic, whose results come in the same order. Resolves when they count as sent
   * (`acks`). Waits while the buffer is full: await it, or {@link ready}, to go no faster than the brokers.
   *
   * @throws OdradekError (as a rejection) ODR_BROKER if the broker refused it, ODR_TIMEOUT after `deliveryTimeoutMs`,
   *   ODR_USAGE for a malformed message, ODR_FORMAT for one that its format does not take, ODR_CLOSED. Of several messages,
   *   those that did not fail are sent all the same: then it is a {@link BatchError}.
   */
  send(message: TopicMessage<Key, Value>, options?: SendOptions): Promise<SendResult>;
  send(batch: MessageBatch<Key, Value>, options?: SendOptions): Promise<SendResult[]>;
  send(
    input: TopicMessage<Key, Value> | MessageBatch<Key, Value>,
    options: SendOptions = NO_OPTIONS,
  ): Promise<SendResult | SendResult[]> {
    if (!isObject(input)) return Promise.reject(usageError('send() takes a message, { topic, value }.'));
    if ('messages' in input) return this.sendBatch(input, options);
    if (options.signal) return this.#sendAbortable(input, options.signal);
    return this.#sendOne(input);
  }

  /** Several messages for one topic; see {@link send}. */
  sendBatch(batch: MessageBatch<Key, Value>, { signal }: SendOptions = NO_OPTIONS): Promise<SendResult[]> {
    if (!isObject(batch)) return Promise.reject(usageError('sendBatch() takes { topic, messages }.'));
    const { topic, messages } = batch;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = deferred<SendResult[]>();
    const waiting = this.#acceptAll(topic, messages, (error, results) => {
      if (error) reject(error);
      else resolve(results);
    });
    return signal ? this.#withdrawn(promise, waiting, signal) : promise;
  }

  /**
   * A stream that sends the messages that are written to it, {@link TopicMessage}s or, with a `topic` in the options, values
   * or messages for that. It takes no more while there is no room; `finish` comes when all are delivered, `error` when one is
   * not.
   *
   * @example
   * await pipeline(Readable.from(['first', 'second']), producer.writable({ topic: 'lines' }));
   */
  writable(options: WritableOptions = {}): Writable {
    return messageWritable(this, options);
  }

  /** Resolves when there is room for a message. Rejects with ODR_CLOSED, or the signal's reason. */
  ready({ signal }: SendOptions = NO_OPTIONS): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#isClosed || this.#closing) return Promise.reject(closedError());
    if (this.#hasRoom) return READY;
    this.#room ??= deferred<void>();
    return abortable(this.#room.promise, signal);
  }

  /**
   * Sends all without lingering; resolves when everything sent before was answered, be it by an error. The signal ends the
   * waiting only.
   */
  flush({ signal }: SendOptions = NO_OPTIONS): Promise<void> {
    const flushed = this.#flushes.flush();
    for (const { partitions } of this.#topics.values()) {
      for (const queue of partitions) if (queue.open) this.#seal(queue);
    }
    return abortable(flushed, signal);
  }

  /** Takes no more messages and delivers what it has. Never rejects: each message has its own answer. */
  close({ timeoutMs, signal }: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close();
    const abandon = () => this.#abandon();
    const { clock } = this.#cluster.options;
    const timer = timeoutMs === undefined ? null : clock.after(timeoutMs, abandon);
    const stopListening = signal && onAbort(signal, abandon);
    if (signal?.aborted) abandon();
    return this.#closing.finally(() => {
      if (timer) clock.cancel(timer);
      stopListening?.();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const abandon = () => this.#abandon();
    this.#cluster.signal.addEventListener('abort', abandon);
    if (this.#cluster.signal.aborted) abandon();
    await this.flush();
    this.#cluster.signal.removeEventListener('abort', abandon);
    this.#abandon();
    this.#closed();
  }

  /** Answers everything that is left with ODR_CLOSED. */
  #abandon(): void {
    this.#isClosed = true;
    this.#room?.reject(closedError());
    this.#room = null;
    for (const topic of this.#topics.values()) this.#failWaiting(topic, closedError());
    for (const { partitions } of this.#topics.values()) {
      for (const queue of partitions) {
        if (queue.open) this.#seal(queue);
        this.#sender.abandon(queue, closedError());
      }
    }
    this.#sender.stop();
    this.#lingering.clear();
    if (this.#lingerTimer) this.#cluster.options.clock.cancel(this.#lingerTimer);
    this.#lingerTimer = null;
  }

  /** One message, in the common case without anything that waits. */
  #sendOne(message: TopicMessage<Key, Value>): Promise<SendResult> {
    try {
      const refusal = this.#refusal(message.topic);
      if (refusal) return Promise.reject(refusal);
      const topic = this.#topics.get(message.topic) ?? this.#addTopic(message.topic);
      const isFree = topic.view !== null && topic.waiting.length === 0;
      const batch = isFree ? this.#put(topic, message, this.#cluster.options.clock.wallMs(), null, 0) : null;
      return batch ? batch.result() : this.#sendLater(topic, message);
    } catch (error) {
      return Promise.reject(refusalOf(error));
    }
  }

  #sendLater(topic: TopicState<Key, Value>, message: TopicMessage<Key, Value>): Promise<SendResult> {
    const { promise, resolve, reject } = deferred<SendResult>();
    const span = this.#flushes.begin();
    const recipient = new SingleDelivery(
      (result) => {
        resolve(result);
        this.#flushes.finish(span);
      },
      (error) => {
        reject(error);
        this.#flushes.finish(span);
      },
    );
    this.#wait({ topic, messages: [message], recipient, next: 0 });
    return promise;
  }

  /** Returns what waits for room. */
  #acceptAll(
    topicName: string,
    messages: readonly Message<Key, Value>[],
    settle: (error: OdradekError | BatchError | null, results: SendResult[]) => void,
  ): WaitingSend<Key, Value> | null {
    const refusal =
      this.#refusal(topicName) ?? (Array.isArray(messages) ? null : usageError('messages must be an array.'));
    if (refusal || messages.length === 0) {
      settle(refusal, []);
      return null;
    }
    const span = this.#flushes.begin();
    const recipient = new BatchDelivery(messages.length, (error, results) => {
      settle(error, results);
      this.#flushes.finish(span);
    });
    const topic = this.#topics.get(topicName) ?? this.#addTopic(topicName);
    const send: WaitingSend<Key, Value> = { topic, messages, recipient, next: 0 };
    if (topic.waiting.length === 0 && this.#advance(topic, send)) return null;
    // The caller may use its array for other messages until there is room.
    const waiting = { ...send, messages: [...messages] };
    this.#wait(waiting);
    return waiting;
  }

  #wait(send: WaitingSend<Key, Value>): void {
    send.topic.waiting.push(send);
    this.#sendsWaiting++;
    if (send.topic.view) this.#blocked.add(send.topic);
  }

  async #sendAbortable(message: TopicMessage<Key, Value>, signal: AbortSignal): Promise<SendResult> {
    const { topic } = message;
    try {
      const [result] = await this.sendBatch({ topic, messages: [message] }, { signal });
      return present(result, 'a result');
    } catch (error) {
      if (error instanceof OdradekError && error.cause instanceof OdradekError) throw error.cause;
      throw error;
    }
  }

  /** The promise, until the signal is aborted: then what still waits for room is not sent. */
  #withdrawn<Result>(
    promise: Promise<Result>,
    waiting: WaitingSend<Key, Value> | null,
    signal: AbortSignal,
  ): Promise<Result> {
    const result = abortable(promise, signal);
    if (!waiting) return result;
    const withdraw = () => {
      const from = waiting.next;
      waiting.next = waiting.messages.length;
      const error = new OdradekError('ODR_CLOSED', 'The message was withdrawn.');
      for (let i = from; i < waiting.messages.length; i++) waiting.recipient.failed(i, error);
    };
    promise.catch(() => {}).finally(onAbort(signal, withdraw));
    return result;
  }

  #refusal(topicName: unknown): OdradekError | null {
    if (this.#closing) return closedError();
    if (typeof topicName !== 'string' || topicName === '') return usageError('A message needs a topic.');
    if (this.#sendsWaiting < SENDS_WAITING_MAX) return null;
    return usageError(`${SENDS_WAITING_MAX} calls of send() wait for room: await them, or ready().`);
  }

  #addTopic(name: string): TopicState<Key, Value> {
    const { random } = this.#cluster.options;
    const topic: TopicState<Key, Value> = {
      name,
      view: null,
      partitions: [],
      sticky: new StickyPartition(random, this.#options.batchBytes),
      waiting: new Queue(),
    };
    this.#topics.set(name, topic);
    this.#learn(topic, this.#cluster.knownTopic(name) ?? null);
    if (!topic.view) void this.#load(topic);
    return topic;
  }

  /** Asks for the topic until it is known, or fails what waits for it. Never rejects. */
  async #load(topic: TopicState<Key, Value>): Promise<void> {
    const timeoutMs = this.#options.deliveryTimeoutMs;
    const loaded = await retry(this.#cluster, { timeoutMs }, () =>
      this.#cluster.topic(topic.name, true),
    ).catch(asOdradekError);
    if (loaded instanceof OdradekError) {
      this.#topics.delete(topic.name);
      this.#failWaiting(topic, loaded);
    } else {
      this.#learn(topic, loaded);
      this.#drain(topic);
    }
    this.#announceRoom();
  }

  #learn(topic: TopicState<Key, Value>, view: TopicView | null): void {
    if (!view || view === topic.view) return;
    topic.view = view;
    for (let partition = topic.partitions.length; partition < view.partitionCount; partition++) {
      topic.partitions.push(new PartitionQueue(topic.name, partition));
    }
    topic.sticky.choose(view.candidates);
  }

  /** Gives the messages of a call to their partitions; false if some have to wait for room. */
  #advance(topic: TopicState<Key, Value>, send: WaitingSend<Key, Value>): boolean {
    if (!topic.view) return false;
    const { messages, recipient } = send;
    const nowMs = this.#cluster.options.clock.wallMs();
    for (; send.next < messages.length; send.next++) {
      const message = messages[send.next];
      if (!isObject(message)) recipient.failed(send.next, usageError('A message must be an object.'));
      else {
        try {
          if (!this.#put(topic, message, nowMs, recipient, send.next)) return false;
        } catch (error) {
          recipient.failed(send.next, refusalOf(error));
        }
      }
    }
    return true;
  }

  /**
   * Gives a message to its partition's batch; null if it has to wait for room. Without a recipient the batch's
   * {@link ProducerBatch.result} is what becomes of it. Throws what is wrong with it.
   */
  #put(
    topic: TopicState<Key, Value>,
    message: Message<Key, Value>,
    nowMs: number,
    recipient: Recipient | null,
    index: number,
  ): ProducerBatch | null {
    const record = outgoingRecord(message, nowMs, this.#encoders);
    const bytes = recordBytesUpperBound(record);
    const overheadBytes = recipient ? recipient.overheadBytes : SINGLE_OVERHEAD_BYTES;
    if (!this.#mayBuffer(bytes + overheadBytes)) return null;
    const queue = this.#chooseQueue(topic, message, record, bytes);
    const { batchBytes } = this.#options;
    if (queue.open && queue.open.sizeBytes + bytes > batchBytes) this.#seal(queue);
    const batch = queue.open ?? this.#openBatch(queue);
    const added = recipient ? batch.add(record, recipient, index) : batch.addAwaited(record);
    batch.bufferedBytes += added + overheadBytes;
    this.#bufferedBytes += added + overheadBytes;
    if (batch.sizeBytes >= batchBytes) this.#seal(queue);
    return batch;
  }

  /** A message larger than the whole buffer goes when nothing else is in it. */
  #mayBuffer(bytes: number): boolean {
    const { bufferBytesMax } = this.#options;
    return this.#bufferedBytes === 0 || this.#bufferedBytes + bytes <= bufferBytesMax;
  }

  #chooseQueue(
    topic: TopicState<Key, Value>,
    message: Message<Key, Value>,
    record: TextRecordInput,
    bytes: number,
  ): PartitionQueue {
    const partitionCount = topic.view?.partitionCount ?? 0;
    const chosen =
      message.partition ?? this.#partition(topic.name, partitionCount, record) ?? topic.sticky.take(bytes);
    const queue = chosen < partitionCount ? topic.partitions[chosen] : undefined;
    if (queue) return queue;
    throw usageError(
      `Topic '${topic.name}' has no partition ${chosen}; it has ${partitionCount}, from 0 on.`,
    );
  }

  /** Null: any will do. */
  #partition(topic: string, partitionCount: number, { key, value }: TextRecordInput): number | null {
    const { partitioner } = this.#options;
    if (partitioner === defaultPartitioner) return defaultPartition(key, partitionCount);
    return partitioner({ topic, key: asBytes(key), value: asBytes(value), partitionCount });
  }

  #openBatch(queue: PartitionQueue): ProducerBatch {
    const { lingerMs, deliveryTimeoutMs, batchBytes } = this.#options;
    const nowMs = this.#cluster.options.clock.monotonicMs();
    const batch = new ProducerBatch({
      topic: queue.topic,
      partition: queue.partition,
      sequence: this.#batches++,
      lingerUntilMs: nowMs + (this.#flushes.isFlushing ? 0 : lingerMs),
      deadlineMs: nowMs + deliveryTimeoutMs,
      span: this.#flushes.begin(),
      memory: queue.lastBatchBytes * 2 > batchBytes ? this.#memory.take() : null,
    });
    queue.open = batch;
    this.#lingering.add(queue);
    if (batch.lingerUntilMs <= nowMs) queueMicrotask(() => this.#sealLingering());
    else this.#lingerTimer ??= this.#startLingerTimer(lingerMs);
    return batch;
  }

  #startLingerTimer(delayMs: number): Timer {
    return this.#cluster.options.clock.after(delayMs, () => {
      this.#lingerTimer = null;
      this.#sealLingering();
    });
  }

  /** Seals the batches that have lingered long enough. */
  #sealLingering(): void {
    const nowMs = this.#cluster.options.clock.monotonicMs();
    for (const queue of this.#lingering) {
      const untilMs = queue.open?.lingerUntilMs ?? 0;
      if (untilMs > nowMs && !this.#flushes.isFlushing) {
        this.#lingerTimer ??= this.#startLingerTimer(untilMs - nowMs);
        return;
      }
      this.#seal(queue);
    }
  }

  #seal(queue: PartitionQueue): void {
    // It has no record if its first one was refused.
    if (queue.open?.recordCount === 0) this.#letGo(queue.open);
    queue.seal();
    this.#lingering.delete(queue);
    this.#sender.schedule(queue);
    const topic = this.#topics.get(queue.topic);
    const view = this.#cluster.knownTopic(queue.topic);
    if (topic && view) this.#learn(topic, view);
    if (view && this.#cluster.isOld(view)) this.#cluster.refreshTopicLater(queue.topic);
  }

  get #hasRoom(): boolean {
    return this.#sendsWaiting === 0 && this.#bufferedBytes < this.#options.bufferBytesMax;
  }

  /** Nothing is left to do for the batch. */
  #letGo(batch: ProducerBatch): void {
    const memory = batch.takeMemory();
    if (memory) this.#memory.give(memory);
    const { span } = batch;
    // Promises of its messages are settled in a moment; what waits for them comes before what waits for the flush.
    if (span) queueMicrotask(() => this.#flushes.finish(span));
  }

  #release(batch: ProducerBatch): void {
    this.#bufferedBytes -= batch.bufferedBytes;
    this.#letGo(batch);
    for (const topic of this.#blocked) {
      // The next time another topic comes first.
      this.#blocked.delete(topic);
      if (!this.#drain(topic)) break;
    }
    this.#announceRoom();
  }

  #announceRoom(): void {
    if (!this.#room || !this.#hasRoom) return;
    this.#room.resolve();
    this.#room = null;
  }

  /** Gives waiting messages to their partitions; false if some have to wait on. */
  #drain(topic: TopicState<Key, Value>): boolean {
    for (let send = topic.waiting.peek(); send; send = topic.waiting.peek()) {
      if (!this.#advance(topic, send)) {
        this.#blocked.add(topic);
        return false;
      }
      topic.waiting.shift();
      this.#sendsWaiting--;
    }
    return true;
  }

  #failWaiting(topic: TopicState<Key, Value>, error: OdradekError): void {
    this.#blocked.delete(topic);
    for (let send = topic.waiting.shift(); send; send = topic.waiting.shift()) {
      this.#sendsWaiting--;
      for (; send.next < send.messages.length; send.next++) send.recipient.failed(send.next, error);
    }
  }
}

/** What the compiler promises, plain JavaScript does not. */
function isObject<Value>(value: Value): value is Value & object {
  return typeof value === 'object' && value !== null;
}

function closedError(): OdradekError {
  return new OdradekError('ODR_CLOSED', 'The producer is closed.');
}

function asBytes(field: FieldInput): Uint8Array | null {
  return typeof field === 'string' ? Buffer.from(field) : field;
}

/** The error of a message that was not taken. */
function refusalOf(thrown: unknown): OdradekError {
  return thrown instanceof OdradekError ? thrown : usageError(String(thrown));
}

function usageError(message: string): OdradekError {
  return new OdradekError('ODR_USAGE', message);
}
