import { OdradekError } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/log.js';
import { systemRandom } from '../base/random.js';
import { Admin } from './admin.js';
import { parseBrokerEndpoint } from './broker-endpoint.js';
import { clientClock } from './client-clock.js';
import { Cluster } from './cluster.js';
import { Consumer } from './consumer.js';
import type { ConsumerOptions } from './consumer-options.js';
import { wholeNumber } from './option-check.js';
import { type CloseOptions, Producer } from './producer.js';
import type { ProducerOptions } from './producer-options.js';

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
}

/**
 * The way to a cluster: one connection per broker, shared by all producers and consumers that it makes. Connects when
 * it is first needed. Keeps the process alive until it is closed.
 *
 * @throws OdradekError ODR_USAGE for an option that is out of range
 * @example
 * await using client = new Client({ brokers: ['127.0.0.1:9091'] });
 * await client.producer().send({ topic: 'greetings', value: 'hello' });
 */
export class Client implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #producers = new Set<Producer>();

  constructor({ brokers = ['127.0.0.1:9091'], ...options }: ClientOptions = {}) {
    if (brokers.length === 0) throw new OdradekError('ODR_USAGE', 'A client needs the address of a broker.');
    this.#cluster = new Cluster({
      bootstrap: brokers.map(parseBrokerEndpoint),
      clientId: options.clientId ?? 'odradek',
      requestTimeoutMs: wholeNumber('requestTimeoutMs', options.requestTimeoutMs ?? 30_000, 1, 3_600_000),
      connectTimeoutMs: wholeNumber('connectTimeoutMs', options.connectTimeoutMs ?? 10_000, 1, 3_600_000),
      clock: clientClock,
      random: systemRandom,
      logger: options.logger ?? silentLogger,
    });
  }

  /**
   * Connects to one of the brokers, to find out early whether that works: one try of each address.
   *
   * @throws OdradekError ODR_CONNECTION, ODR_TIMEOUT, ODR_PROTOCOL, ODR_CLOSED
   */
  async connect(): Promise<void> {
    await this.#cluster.anyConnection();
  }

  producer(options: ProducerOptions = {}): Producer {
    this.#checkOpen();
    const producer = new Producer(this.#cluster, options, () => this.#producers.delete(producer));
    this.#producers.add(producer);
    return producer;
  }

  consumer(options: ConsumerOptions): Consumer {
    this.#checkOpen();
    return new Consumer(this.#cluster, options);
  }

  admin(): Admin {
    this.#checkOpen();
    return new Admin(this.#cluster);
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
