// Takes messages, gathers them into one open batch per partition, and hands batches that are full or old enough to the
// sender. A message waits in its topic's line while the topic's partitions are not known yet or the buffer is full.
import { present } from '../base/assert.js';
import type { Timer } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { type RecordInput, recordBytesUpperBound } from '../record/record.js';
import { asOdradekError } from './as-odradek-error.js';
import { BatchSender } from './batch-sender.js';
import type { Cluster } from './cluster.js';
import { type Deferred, deferred } from './deferred.js';
import { Delivery } from './delivery.js';
import { FlushTracker } from './flush-tracker.js';
import type { Message, MessageBatch, SendResult, TopicMessage } from './message.js';
import { outgoingRecord } from './outgoing-record.js';
import { PartitionQueue } from './partition-queue.js';
import { StickyPartition } from './partitioner.js';
import { ProducerBatch } from './producer-batch.js';
import {
  type CheckedProducerOptions,
  checkProducerOptions,
  type ProducerOptions,
} from './producer-options.js';
import { Queue } from './queue.js';
import { retry } from './retry.js';
import type { TopicView } from './topic-view.js';

/** What a message costs besides its bytes: its promise and its result. */
const MESSAGE_OVERHEAD_BYTES = 256;
/** Calls of `send` that wait for room. They hold little but what the caller made. */
const SENDS_WAITING_MAX = 1_000_000;

/** The messages of one call that have no room yet, from `next` on. */
interface WaitingSend {
  readonly messages: readonly Message[];
  readonly delivery: Delivery;
  next: number;
}

interface TopicState {
  readonly name: string;
  /** Null while the topic's partitions are not known. */
  view: TopicView | null;
  readonly partitions: PartitionQueue[];
  readonly sticky: StickyPartition;
  readonly waiting: Queue<WaitingSend>;
}

export interface CloseOptions {
  /** What is not delivered by then fails with ODR_CLOSED. Default: no limit besides `deliveryTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Sends messages. Those of one partition are appended in the order of the calls, and once, also if answers are lost and
 * batches are sent again: see `idempotent` in {@link ProducerOptions}.
 *
 * @example
 * await using producer = client.producer();
 * const { offset } = await producer.send({ topic: 'orders', key: 'customer-7', value: JSON.stringify(order) });
 */
export class Producer implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #options: CheckedProducerOptions;
  readonly #sender: BatchSender;
  readonly #closed: () => void;
  readonly #topics = new Map<string, TopicState>();
  /** Topics with messages that wait for room. */
  readonly #blocked = new Set<TopicState>();
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
  constructor(cluster: Cluster, options: ProducerOptions, closed: () => void) {
    this.#closed = closed;
    this.#cluster = cluster;
    this.#options = checkProducerOptions(options);
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
   *   ODR_USAGE for a malformed message, ODR_CLOSED. Of several messages, those that did not fail are sent all the same.
   */
  send(message: TopicMessage): Promise<SendResult>;
  send(batch: MessageBatch): Promise<SendResult[]>;
  send(input: TopicMessage | MessageBatch): Promise<SendResult | SendResult[]> {
    if ('messages' in input) return this.sendBatch(input);
    return new Promise((resolve, reject) => {
      this.#accept(input.topic, [input], (error, [result]) => {
        if (result) resolve(result);
        else reject(error);
      });
    });
  }

  /** Several messages for one topic; see {@link send}. */
  sendBatch({ topic, messages }: MessageBatch): Promise<SendResult[]> {
    return new Promise((resolve, reject) => {
      this.#accept(topic, messages, (error, results) => {
        if (error) reject(error);
        else resolve([...results]);
      });
    });
  }

  /** Resolves when there is room for a message. Rejects with ODR_CLOSED. */
  ready(): Promise<void> {
    if (this.#isClosed || this.#closing) return Promise.reject(closedError());
    if (this.#hasRoom) return Promise.resolve();
    this.#room ??= deferred<void>();
    return this.#room.promise;
  }

  /** Sends all without lingering; resolves when everything sent before was answered, be it by an error. */
  flush(): Promise<void> {
    const flushed = this.#flushes.flush();
    for (const { partitions } of this.#topics.values()) {
      for (const queue of partitions) if (queue.open) this.#seal(queue);
    }
    return flushed;
  }

  /** Takes no more messages and delivers what it has. Never rejects: each message has its own answer. */
  close({ timeoutMs }: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close();
    if (timeoutMs === undefined) return this.#closing;
    const { clock } = this.#cluster.options;
    const timer = clock.after(timeoutMs, () => this.#abandon());
    return this.#closing.finally(() => clock.cancel(timer));
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
      for (const queue of partitions) this.#sender.abandon(queue, closedError());
    }
    this.#sender.stop();
    this.#lingering.clear();
    if (this.#lingerTimer) this.#cluster.options.clock.cancel(this.#lingerTimer);
    this.#lingerTimer = null;
  }

  #accept(
    topicName: string,
    messages: readonly Message[],
    settle: (error: OdradekError | null, results: readonly SendResult[]) => void,
  ): void {
    const refusal = this.#refusal(topicName, messages);
    if (refusal || messages.length === 0) {
      settle(refusal, []);
      return;
    }
    const span = this.#flushes.begin();
    const delivery = new Delivery(messages.length, (error, results) => {
      settle(error, results);
      this.#flushes.finish(span);
    });
    const topic = this.#topics.get(topicName) ?? this.#addTopic(topicName);
    const send: WaitingSend = { messages, delivery, next: 0 };
    if (topic.waiting.length === 0 && this.#advance(topic, send)) return;
    topic.waiting.push(send);
    this.#sendsWaiting++;
    if (topic.view) this.#blocked.add(topic);
  }

  #refusal(topicName: unknown, messages: unknown): OdradekError | null {
    if (this.#closing) return closedError();
    if (typeof topicName !== 'string' || topicName === '') return usageError('A message needs a topic.');
    if (!Array.isArray(messages)) return usageError('messages must be an array.');
    if (this.#sendsWaiting < SENDS_WAITING_MAX) return null;
    return usageError(`${SENDS_WAITING_MAX} calls of send() wait for room: await them, or ready().`);
  }

  #addTopic(name: string): TopicState {
    const { random } = this.#cluster.options;
    const topic: TopicState = {
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
  async #load(topic: TopicState): Promise<void> {
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

  #learn(topic: TopicState, view: TopicView | null): void {
    if (!view || view === topic.view) return;
    topic.view = view;
    for (let partition = topic.partitions.length; partition < view.partitionCount; partition++) {
      topic.partitions.push(new PartitionQueue(topic.name, partition));
    }
    topic.sticky.choose(view.candidates);
  }

  /** Gives the messages of a call to their partitions; false if some have to wait for room. */
  #advance(topic: TopicState, send: WaitingSend): boolean {
    const { view } = topic;
    if (!view) return false;
    const nowMs = this.#cluster.options.clock.wallMs();
    for (; send.next < send.messages.length; send.next++) {
      try {
        const message = present(send.messages[send.next], 'a message');
        const record = outgoingRecord(message, nowMs);
        if (!this.#mayBuffer(record)) return false;
        this.#append(topic, this.#choosePartition(topic, view, message, record), record, send);
      } catch (error) {
        send.delivery.failed(error instanceof OdradekError ? error : usageError(String(error)));
      }
    }
    return true;
  }

  /** A message larger than the whole buffer goes when nothing else is in it. */
  #mayBuffer(record: RecordInput): boolean {
    const bytes = recordBytesUpperBound(record) + MESSAGE_OVERHEAD_BYTES;
    return this.#bufferedBytes === 0 || this.#bufferedBytes + bytes <= this.#options.bufferBytesMax;
  }

  #choosePartition(topic: TopicState, view: TopicView, message: Message, record: RecordInput): number {
    const { key, value } = record;
    const { partitionCount } = view;
    const chosen =
      message.partition ?? this.#options.partitioner({ topic: topic.name, key, value, partitionCount });
    if (chosen === null) return topic.sticky.take(recordBytesUpperBound(record));
    if (Number.isInteger(chosen) && chosen >= 0 && chosen < partitionCount) return chosen;
    throw usageError(
      `Topic '${topic.name}' has no partition ${chosen}; it has ${partitionCount}, from 0 on.`,
    );
  }

  #append(topic: TopicState, partition: number, record: RecordInput, { delivery, next }: WaitingSend): void {
    const queue = topic.partitions[partition];
    if (!queue) throw usageError(`Topic '${topic.name}' has no partition ${partition}.`);
    const { batchBytes } = this.#options;
    if (queue.open && queue.open.sizeBytes + recordBytesUpperBound(record) > batchBytes) this.#seal(queue);
    const batch = queue.open ?? this.#openBatch(queue);
    const bytes = batch.add(record, delivery, next);
    batch.bufferedBytes += bytes + MESSAGE_OVERHEAD_BYTES;
    this.#bufferedBytes += bytes + MESSAGE_OVERHEAD_BYTES;
    if (batch.sizeBytes >= batchBytes) this.#seal(queue);
  }

  #openBatch(queue: PartitionQueue): ProducerBatch {
    const { lingerMs, deliveryTimeoutMs } = this.#options;
    const nowMs = this.#cluster.options.clock.monotonicMs();
    const batch = new ProducerBatch({
      topic: queue.topic,
      partition: queue.partition,
      sequence: this.#batches++,
      lingerUntilMs: nowMs + (this.#flushes.isFlushing ? 0 : lingerMs),
      deadlineMs: nowMs + deliveryTimeoutMs,
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

  #release(batch: ProducerBatch): void {
    this.#bufferedBytes -= batch.bufferedBytes;
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
  #drain(topic: TopicState): boolean {
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

  #failWaiting(topic: TopicState, error: OdradekError): void {
    this.#blocked.delete(topic);
    for (let send = topic.waiting.shift(); send; send = topic.waiting.shift()) {
      this.#sendsWaiting--;
      send.delivery.failed(error, send.messages.length - send.next);
    }
  }
}

function closedError(): OdradekError {
  return new OdradekError('ODR_CLOSED', 'The producer is closed.');
}

function usageError(message: string): OdradekError {
  return new OdradekError('ODR_USAGE', message);
}
