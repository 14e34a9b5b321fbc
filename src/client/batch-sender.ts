// Sends the sealed batches of all partitions to their leaders, and again where that failed: what is ready in one turn
// for one broker shares requests.
//
// How an idempotent producer's batch that was refused out of order is judged: if one before it waits for a clear answer, that
// one decides, and this one is sent again as it is. Else the partition lacks something that was acknowledged or given up, and
// certainly does not have the batch: it is sent again under the next epoch (KIP-360), and so are those behind it, each when
// it is certain that the partition does not have it.
import { brokerError, type ErrorName, OdradekError } from '../base/errors.js';
import {
  type ProducePartitionResult,
  type ProduceResponse,
  REQUEST_PARTITIONS_MAX,
} from '../protocol/native/messages.js';
import { asOdradekError } from './as-odradek-error.js';
import { backoffMs } from './backoff.js';
import type { Cluster } from './cluster.js';
import { IdentitySource } from './identity-source.js';
import type { PartitionQueue } from './partition-queue.js';
import type { ProducerBatch } from './producer-batch.js';
import type { CheckedProducerOptions } from './producer-options.js';

/** A request that has this much takes no more batches; several requests are under way at the same time. */
const REQUEST_BYTES = 1024 * 1024;
const RETRY_BACKOFF = { firstMs: 50, maxMs: 1000 };
const NOWHERE = { baseOffset: -1, logAppendTimeMs: -1 };
/** The partition does not know the batch before this one. UNKNOWN_PRODUCER_ID comes from old brokers only. */
const OUT_OF_ORDER: ReadonlySet<ErrorName | undefined> = new Set<ErrorName>([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
]);

/** A batch, taken out of its queue for one try. */
interface Shipment {
  readonly queue: PartitionQueue;
  readonly batch: ProducerBatch;
  readonly bytes: Buffer;
}

export class BatchSender {
  readonly #cluster: Cluster;
  readonly #options: CheckedProducerOptions;
  readonly #finished: (batch: ProducerBatch) => void;
  readonly #ready = new Set<PartitionQueue>();
  /** Null for a producer that is not idempotent. */
  readonly #identity: IdentitySource | null;
  /** Queues with batches that wait for an identity. */
  readonly #nameless = new Set<PartitionQueue>();
  #isScheduled = false;

  /** `finished` is called for every batch once, after its messages were answered. */
  constructor(cluster: Cluster, options: CheckedProducerOptions, finished: (batch: ProducerBatch) => void) {
    this.#cluster = cluster;
    this.#options = options;
    this.#finished = finished;
    const timeoutMs = Math.min(cluster.options.requestTimeoutMs, options.deliveryTimeoutMs);
    this.#identity = options.idempotent ? new IdentitySource(cluster, timeoutMs) : null;
  }

  /** The queue may have batches to send: they leave at the end of this turn. */
  schedule(queue: PartitionQueue): void {
    this.#ready.add(queue);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#sendReady();
    });
  }

  /** Answers all batches of the queue with the error; those that are under way may have an effect all the same. */
  abandon(queue: PartitionQueue, error: OdradekError): void {
    if (queue.retryTimer) this.#clock.cancel(queue.retryTimer);
    queue.retryTimer = null;
    for (const batch of queue.takeAll()) this.#fail(batch, error);
  }

  /** Leaves no timer. All queues have been abandoned. */
  stop(): void {
    this.#identity?.stop();
  }

  get #clock() {
    return this.#cluster.options.clock;
  }

  #sendReady(): void {
    const byLeader = new Map<number, Shipment[]>();
    for (const queue of this.#ready) {
      this.#expire(queue);
      const leader = this.#cluster.knownTopic(queue.topic)?.leaders[queue.partition] ?? -1;
      const shipments = byLeader.get(leader) ?? [];
      byLeader.set(leader, shipments);
      for (let batch = this.#next(queue); batch; batch = this.#next(queue)) {
        const bytes = this.#encode(queue, batch);
        if (bytes) shipments.push({ queue, batch, bytes });
      }
    }
    this.#ready.clear();
    for (const [leader, shipments] of byLeader) {
      if (leader === -1) this.#answerAll(shipments, brokerError('LEADER_NOT_AVAILABLE'));
      else for (const request of requests(shipments)) void this.#send(leader, request);
    }
  }

  #next(queue: PartitionQueue): ProducerBatch | null {
    const { requestsInFlightMax } = this.#options;
    const batch = queue.peek(requestsInFlightMax);
    if (!batch || !this.#identity || batch.producer !== null) return queue.next(requestsInFlightMax);
    // While it has to wait, those behind it that may be in the log go on, so that their fate becomes clear.
    const next = this.#number(queue, batch, this.#identity) ? batch : queue.peekNumbered(requestsInFlightMax);
    if (next) queue.take(next);
    return next;
  }

  /** False: the batch has to wait. */
  #number(queue: PartitionQueue, batch: ProducerBatch, identity: IdentitySource): boolean {
    if (identity.current) return queue.number(batch, identity.current);
    const isFirst = this.#nameless.size === 0;
    this.#nameless.add(queue);
    if (isFirst) identity.whenChanged((error) => this.#identityChanged(error));
    return false;
  }

  #identityChanged(error: OdradekError | null): void {
    const nameless = [...this.#nameless];
    this.#nameless.clear();
    for (const queue of nameless) {
      if (error) for (const batch of queue.takeUnnumbered()) this.#fail(batch, error);
      else this.schedule(queue);
    }
  }

  #encode(queue: PartitionQueue, batch: ProducerBatch): Buffer | null {
    try {
      return batch.encode(this.#options.compression);
    } catch (error) {
      queue.finish(batch);
      if (batch.producer) queue.takeNumberBack(batch);
      this.#fail(batch, asOdradekError(error));
      return null;
    }
  }

  async #send(leader: number, shipments: readonly Shipment[]): Promise<void> {
    const response = await this.#request(leader, shipments).catch(asOdradekError);
    if (response instanceof OdradekError) return this.#answerAll(shipments, response);
    for (const [index, shipment] of shipments.entries()) {
      const result = response?.partitions[index];
      const isRepeated = result?.error?.error === 'DUPLICATE_SEQUENCE_NUMBER';
      if (result?.error && !isRepeated)
        this.#answer(shipment, brokerError(result.error.error, result.error.detail));
      else this.#answer(shipment, null, result);
    }
  }

  /** Null without acknowledgements. */
  async #request(leader: number, shipments: readonly Shipment[]): Promise<ProduceResponse | null> {
    const { acks, deliveryTimeoutMs } = this.#options;
    const connection = await this.#cluster.connection(leader);
    const payload = shipments.map(({ bytes }) => bytes);
    const partitions = shipments.map(({ batch: { topic, partition }, bytes }) => ({
      topic,
      partition,
      recordsBytes: bytes.length,
    }));
    if (acks === 'none') {
      await connection.sendUnanswered({ type: 'produce', acks, partitions }, payload);
      return null;
    }
    const timeoutMs = Math.min(this.#cluster.options.requestTimeoutMs, deliveryTimeoutMs);
    const { body } = await connection.request({ type: 'produce', acks, partitions }, { payload, timeoutMs });
    if (body.partitions.length === shipments.length) return body;
    const message = `${connection.address} answered ${body.partitions.length} of ${shipments.length} batches.`;
    throw new OdradekError('ODR_PROTOCOL', message);
  }

  #answerAll(shipments: readonly Shipment[], error: OdradekError): void {
    for (const shipment of shipments) this.#answer(shipment, error);
  }

  #answer({ queue, batch }: Shipment, error: OdradekError | null, result?: ProducePartitionResult): void {
    if (error && this.#isPassing(batch, error) && this.#mayRetry(batch)) {
      if (batch.producer) this.#judge(queue, batch, error);
      this.#retry(queue, batch, error);
    } else if (queue.finish(batch)) {
      if (error) this.#giveUp(queue, batch, error);
      else {
        queue.appended(batch);
        this.#deliver(batch, result);
      }
      if (queue.waiting > 0) this.schedule(queue);
    }
  }

  #isPassing({ producer }: ProducerBatch, { retriable, errorName }: OdradekError): boolean {
    return retriable || (producer !== null && OUT_OF_ORDER.has(errorName));
  }

  /** Whether a numbered batch that is to be sent again keeps its number. */
  #judge(queue: PartitionQueue, batch: ProducerBatch, error: OdradekError): void {
    if (!OUT_OF_ORDER.has(error.errorName)) batch.isInDoubt = true;
    else if (batch.isVoid || queue.isFirstNumbered(batch)) {
      this.#renewIdentity(batch);
      queue.voidAfter(batch);
      batch.unnumber();
    }
  }

  #giveUp(queue: PartitionQueue, batch: ProducerBatch, error: OdradekError): void {
    if (batch.producer) {
      this.#renewIdentity(batch);
      if (isRefusal(error) && !batch.isInDoubt) queue.voidAfter(batch);
    }
    this.#fail(batch, this.#isExpired(batch) ? this.#expired(batch, error) : error);
  }

  #renewIdentity({ producer }: ProducerBatch): void {
    if (producer) this.#identity?.renew(producer);
  }

  #mayRetry(batch: ProducerBatch): boolean {
    return batch.failures < this.#options.retries && !this.#isExpired(batch);
  }

  #retry(queue: PartitionQueue, batch: ProducerBatch, error: OdradekError): void {
    if (!queue.putBack(batch)) return;
    batch.failures++;
    batch.lastError = error;
    this.#cluster.options.logger.debug('sending a batch again', {
      ...{ topic: batch.topic, partition: batch.partition, failures: batch.failures, error: error.message },
    });
    // Most such errors mean that the leader is another one now, or will be.
    this.#cluster.refreshTopicLater(batch.topic);
    const waitMs = backoffMs(batch.failures, RETRY_BACKOFF, this.#cluster.options.random);
    const { topic, partition, recordCount: records, failures } = batch;
    this.#cluster.options.events.retry({ topic, partition, records, failures, waitMs, error });
    if (queue.retryTimer) return;
    queue.retryTimer = this.#clock.after(waitMs, () => {
      queue.retryTimer = null;
      this.schedule(queue);
    });
  }

  #expire(queue: PartitionQueue): void {
    for (const batch of queue.takeExpired(this.#clock.monotonicMs())) {
      this.#renewIdentity(batch);
      this.#fail(batch, this.#expired(batch, batch.lastError));
    }
  }

  #isExpired({ deadlineMs }: ProducerBatch): boolean {
    return deadlineMs <= this.#clock.monotonicMs();
  }

  #expired({ topic, partition }: ProducerBatch, cause: OdradekError | null): OdradekError {
    const reason = cause ? ` ${cause.message}` : '';
    const message = `Not delivered to ${topic}-${partition} within ${this.#options.deliveryTimeoutMs} ms.${reason}`;
    return new OdradekError('ODR_TIMEOUT', message, { retriable: true, cause: cause ?? undefined });
  }

  #deliver(batch: ProducerBatch, result: ProducePartitionResult | undefined): void {
    batch.delivered(result ?? NOWHERE);
    this.#tell(batch, null);
    this.#finished(batch);
  }

  #fail(batch: ProducerBatch, error: OdradekError): void {
    batch.failed(error);
    this.#tell(batch, error);
    this.#finished(batch);
  }

  #tell(batch: ProducerBatch, error: OdradekError | null): void {
    const { topic, partition, failures, recordCount: records, encodedBytes: bytes, deadlineMs } = batch;
    const durationMs = this.#clock.monotonicMs() - (deadlineMs - this.#options.deliveryTimeoutMs);
    this.#cluster.options.events.delivery({
      ...{ topic, partition, records, bytes, durationMs, failures, error },
    });
  }
}

/** Whether the broker said that it did not take the batch, and will not. */
function isRefusal({ code, retriable, errorName }: OdradekError): boolean {
  return (
    code === 'ODR_USAGE' || (code === 'ODR_BROKER' && !retriable && errorName !== 'UNKNOWN_SERVER_ERROR')
  );
}

/** Cuts what goes to one broker into requests; a partition is in each at most once, as the protocol demands. */
function requests(shipments: readonly Shipment[]): Shipment[][] {
  const all: Shipment[][] = [];
  let current: Shipment[] = [];
  let bytes = 0;
  let queue: PartitionQueue | null = null;
  for (const shipment of shipments) {
    const isFull = bytes + shipment.bytes.length > REQUEST_BYTES || current.length >= REQUEST_PARTITIONS_MAX;
    // The batches of a queue come one after the other.
    if (current.length > 0 && (isFull || queue === shipment.queue)) {
      all.push(current);
      current = [];
      bytes = 0;
    }
    current.push(shipment);
    bytes += shipment.bytes.length;
    queue = shipment.queue;
  }
  if (current.length > 0) all.push(current);
  return all;
}
