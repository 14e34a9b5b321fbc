import { setMaxListeners } from 'node:events';
import { OdradekError } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/log.js';
import { systemRandom } from '../base/random.js';
import { abortable } from './abortable.js';
import { Admin } from './admin.js';
import { parseBrokerEndpoint } from './broker-endpoint.js';
import { clientClock } from './client-clock.js';
import { ClientEvents, type ClientMetrics, type ClientObserver } from './client-observer.js';
import { Cluster } from './cluster.js';
import { Consumer } from './consumer.js';
import type { ConsumerOptions } from './consumer-options.js';
import type { MessageBytes } from './message.js';
import { wholeNumber } from './option-check.js';
import { type CloseOptions, Producer, type SendOptions } from './producer.js';
import type { ProducerOptions } from './producer-options.js';
import { withSignal } from './with-signal.js';

export interface ClientOptions {
  /** `HOST:PORT` of the native listener of some brokers; they tell about the others. Default `127.0.0.1:9091`. */
  readonly brokers?: readonly string[] | undefined;
  /** For the brokers' logs. Default `odradek`. */
  readonly clientId?: string | undefined;
  /** How long a request may take. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** How long it may take to connect to a broker. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Lost connections and retries are told here. Default: nowhere. */
  readonly logger?: Logger | undefined;
  /** Requests, deliveries, retries and connections are told here, for metrics and traces. Default: nowhere. */
  readonly observer?: ClientObserver | undefined;
}

/** What a client's set of producers needs of each. */
interface OwnProducer {
  readonly bufferedBytes: number;
  close(options: CloseOptions): Promise<void>;
}

/**
 * The way to a cluster: one connection per broker, shared by all producers and consumers that it makes. Connects when
 * it is first needed. Keeps the process alive while something is under way: messages that are not answered, requests,
 * consumers that wait. An idle client does not.
 *
 * @throws OdradekError ODR_USAGE for an option that is out of range
 * @example
 * await using client = new Client({ brokers: ['127.0.0.1:9091'] });
 * await client.producer().send({ topic: 'greetings', value: 'hello' });
 */
export class Client implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #events: ClientEvents;
  readonly #producers = new Set<OwnProducer>();

  constructor({ brokers = ['127.0.0.1:9091'], ...options }: ClientOptions = {}) {
    if (brokers.length === 0) throw new OdradekError('ODR_USAGE', 'A client needs the address of a broker.');
    const logger = options.logger ?? silentLogger;
    this.#events = new ClientEvents(options.observer ?? {}, logger);
    this.#cluster = new Cluster({
      bootstrap: brokers.map(parseBrokerEndpoint),
      clientId: options.clientId ?? 'odradek',
      requestTimeoutMs: wholeNumber('requestTimeoutMs', options.requestTimeoutMs ?? 30_000, 1, 3_600_000),
      connectTimeoutMs: wholeNumber('connectTimeoutMs', options.connectTimeoutMs ?? 10_000, 1, 3_600_000),
      clock: clientClock,
      random: systemRandom,
      logger,
      events: this.#events,
    });
  }

  /**
   * Connects to one of the brokers, to find out early whether that works: one try of each address.
   *
   * @throws OdradekError ODR_CONNECTION, ODR_TIMEOUT, ODR_PROTOCOL, ODR_CLOSED
   */
  async connect({ signal }: SendOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    await abortable(this.#cluster.anyConnection(), signal);
  }

  /** What the client has done since it was made. */
  get metrics(): ClientMetrics {
    let bufferedBytes = 0;
    for (const producer of this.#producers) bufferedBytes += producer.bufferedBytes;
    return { ...this.#events.counters, bufferedBytes, producers: this.#producers.size };
  }

  /**
   * A producer. Formats make the types of its messages: see {@link json}. One is enough for many topics.
   *
   * @throws OdradekError ODR_USAGE for an option that is out of range, ODR_CLOSED
   */
  producer<Key = MessageBytes, Value = MessageBytes>(
    options: ProducerOptions<Key, Value> = {},
  ): Producer<Key, Value> {
    this.#checkOpen();
    const producer = new Producer<Key, Value>(this.#cluster, options, () => this.#producers.delete(producer));
    this.#producers.add(producer);
    return producer;
  }

  /**
   * A consumer. Formats make the types of its messages: see {@link json}.
   *
   * @throws OdradekError ODR_USAGE for an option that is out of range, ODR_CLOSED
   */
  consumer<Key = Buffer, Value = Buffer>(options: ConsumerOptions<Key, Value>): Consumer<Key, Value> {
    this.#checkOpen();
    if (options.signal) setMaxListeners(0, options.signal);
    return new Consumer<Key, Value>(this.#cluster, options);
  }

  /** Topics, groups and the cluster. The signal ends the waiting of all its calls; what was asked may happen all the same. */
  admin({ signal }: SendOptions = {}): Admin {
    this.#checkOpen();
    const admin = new Admin(this.#cluster);
    return signal ? withSignal(admin, signal) : admin;
  }

  /** Closes the producers, which deliver what they have, then consumers and connections. */
  async close(options: CloseOptions = {}): Promise<void> {
    await Promise.all([...this.#producers].map((producer) => producer.close(options)));
    this.#cluster.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(): void {
    if (this.#cluster.signal.aborted) throw new OdradekError('ODR_CLOSED', 'The client is closed.');
  }
}
