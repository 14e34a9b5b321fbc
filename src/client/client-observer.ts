// What a client tells about its work: events for those who ask for them, and counters that are always there.
import type { OdradekError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { AnsweredRequestBody } from '../protocol/native/messages.js';

/** A connection that was made, or lost. */
export interface ConnectionEvent {
  readonly broker: number;
  /** `HOST:PORT`. */
  readonly address: string;
  /** Why it was lost; null when it was made. */
  readonly reason: OdradekError | null;
}

/** A request that was answered, or will not be. */
export interface RequestEvent {
  readonly type: AnsweredRequestBody['type'];
  readonly broker: number;
  readonly durationMs: number;
  /** Bytes of the frames. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly error: OdradekError | null;
}

/** A producer's batch for a partition that was delivered, or given up. */
export interface DeliveryEvent {
  readonly topic: string;
  readonly partition: number;
  readonly records: number;
  /** Of the batch as it was sent, compressed; 0 if it was never sent. */
  readonly bytes: number;
  /** From its first message to the answer. */
  readonly durationMs: number;
  /** Tries that failed before. */
  readonly failures: number;
  readonly error: OdradekError | null;
}

/** A producer's batch that will be sent again. */
export interface RetryEvent {
  readonly topic: string;
  readonly partition: number;
  readonly records: number;
  /** 1, 2, … */
  readonly failures: number;
  readonly waitMs: number;
  readonly error: OdradekError;
}

/**
 * Called by a client as things happen; every method may be missing. They must return soon: they are called in the middle of
 * the work. What they throw is logged and has no other effect.
 */
export interface ClientObserver {
  onConnect?(event: ConnectionEvent): void;
  onDisconnect?(event: ConnectionEvent): void;
  onRequest?(event: RequestEvent): void;
  onDelivery?(event: DeliveryEvent): void;
  onRetry?(event: RetryEvent): void;
}

/** Counted since the client was made, but for the first and the last two, which tell of now. */
export interface ClientMetrics {
  readonly connections: number;
  readonly connects: number;
  readonly disconnects: number;
  /** Answered, errors included. */
  readonly requests: number;
  /** Those that ended with an error. */
  readonly requestErrors: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** What brokers sent to consumers by themselves: frames, and their bytes. */
  readonly pushes: number;
  readonly pushBytes: number;
  readonly recordsDelivered: number;
  readonly recordsFailed: number;
  /** Batches that were sent again. */
  readonly retries: number;
  /** What messages that are not answered take in the client's producers, about. */
  readonly bufferedBytes: number;
  readonly producers: number;
}

type Counters = {
  -readonly [Name in Exclude<keyof ClientMetrics, 'bufferedBytes' | 'producers'>]: number;
};

/** Counts, and passes on. */
export class ClientEvents {
  readonly counters: Counters = {
    ...{ connections: 0, connects: 0, disconnects: 0 },
    ...{ requests: 0, requestErrors: 0, requestBytes: 0, responseBytes: 0, pushes: 0, pushBytes: 0 },
    ...{ recordsDelivered: 0, recordsFailed: 0, retries: 0 },
  };
  readonly #observer: ClientObserver;
  readonly #logger: Logger;

  constructor(observer: ClientObserver, logger: Logger) {
    this.#observer = observer;
    this.#logger = logger;
  }

  connected(event: ConnectionEvent): void {
    this.counters.connections++;
    this.counters.connects++;
    if (this.#observer.onConnect) this.#tell(() => this.#observer.onConnect?.(event));
  }

  disconnected(event: ConnectionEvent): void {
    this.counters.connections--;
    this.counters.disconnects++;
    if (this.#observer.onDisconnect) this.#tell(() => this.#observer.onDisconnect?.(event));
  }

  request(event: RequestEvent): void {
    this.counters.requests++;
    if (event.error) this.counters.requestErrors++;
    this.counters.requestBytes += event.requestBytes;
    this.counters.responseBytes += event.responseBytes;
    if (this.#observer.onRequest) this.#tell(() => this.#observer.onRequest?.(event));
  }

  pushed(bytes: number): void {
    this.counters.pushes++;
    this.counters.pushBytes += bytes;
  }

  delivery(event: DeliveryEvent): void {
    if (event.error) this.counters.recordsFailed += event.records;
    else this.counters.recordsDelivered += event.records;
    if (this.#observer.onDelivery) this.#tell(() => this.#observer.onDelivery?.(event));
  }

  retry(event: RetryEvent): void {
    this.counters.retries++;
    if (this.#observer.onRetry) this.#tell(() => this.#observer.onRetry?.(event));
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#logger.error('an observer of the client has thrown', { error: String(error) });
    }
  }
}
