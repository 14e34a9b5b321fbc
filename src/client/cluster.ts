// The brokers as a client sees them: one connection per broker, who leads which partition, and the way back after a
// loss.
import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.js';
import { brokerError, type Failure, OdradekError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type {
  AnsweredRequestBody,
  BrokerAddress,
  MetadataResponse,
  ResponseTo,
  TopicMetadata,
} from '../protocol/native/messages.js';
import { backoffMs } from './backoff.js';
import { type BrokerEndpoint, formatBrokerEndpoint } from './broker-endpoint.js';
import { pause } from './client-clock.js';
import type { ClientEvents } from './client-observer.js';
import { Connection } from './connection.js';
import { MetadataBatcher } from './metadata-batcher.js';
import { type TopicView, topicView } from './topic-view.js';

const RECONNECT_BACKOFF = { firstMs: 50, maxMs: 1000 };
/** New partitions are seen after this time at the latest. */
export const METADATA_AGE_MAX_MS = 5 * 60_000;
/** Topics that are remembered; those that were asked for the longest time ago are forgotten first. */
const TOPICS_MAX = 10_000;

export interface ClusterOptions {
  /** Where to start; the brokers tell where the others are. Not empty. */
  readonly bootstrap: readonly BrokerEndpoint[];
  readonly clientId: string;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: ClientEvents;
}

interface Attempts {
  readonly failures: number;
  /** No attempt before this time of the monotonic clock. */
  readonly nextAtMs: number;
}

export class Cluster {
  readonly options: ClusterOptions;
  readonly #abort = new AbortController();
  /** By broker id; only open ones. */
  readonly #connections = new Map<number, Connection>();
  /** By address. */
  readonly #opening = new Map<string, Promise<Connection>>();
  readonly #attempts = new Map<string, Attempts>();
  #endpoints = new Map<number, BrokerEndpoint>();
  #bootstrapping: Promise<Connection> | null = null;
  readonly #topics = new Map<string, TopicView>();
  readonly #describing = new MetadataBatcher((topics) => this.#fetchTopics(topics, false));
  readonly #creating = new MetadataBatcher((topics) => this.#fetchTopics(topics, true));

  constructor(options: ClusterOptions) {
    this.options = options;
    setMaxListeners(0, this.#abort.signal);
  }

  /** Aborted by {@link close}. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ends all connections at once. */
  close(): void {
    this.#abort.abort();
  }

  /**
   * A connection to any broker.
   *
   * @throws OdradekError ODR_CONNECTION, ODR_TIMEOUT or ODR_PROTOCOL after one try of each address; ODR_CLOSED
   */
  anyConnection(): Promise<Connection> {
    for (const connection of this.#connections.values()) return Promise.resolve(connection);
    this.#bootstrapping ??= this.#bootstrap().finally(() => {
      this.#bootstrapping = null;
    });
    return this.#bootstrapping;
  }

  /** Sends a request to any broker. Throws as {@link anyConnection} and {@link Connection.request}. */
  async requestAny<Body extends AnsweredRequestBody>(body: Body): Promise<ResponseTo<Body['type']>> {
    const connection = await this.anyConnection();
    const answer = await connection.request(body);
    return answer.body;
  }

  /** The connection to this broker; throws a retriable error if it cannot be had. */
  connection(brokerId: number): Promise<Connection> {
    const connection = this.#connections.get(brokerId);
    return connection ? Promise.resolve(connection) : this.#connectTo(brokerId);
  }

  async #connectTo(brokerId: number): Promise<Connection> {
    const endpoint = this.#endpoints.get(brokerId);
    if (!endpoint) throw unreachable(`Broker ${brokerId} is not known.`);
    const connection = await this.#open(endpoint);
    if (connection.brokerId === brokerId) return connection;
    throw unreachable(`${connection.address} is broker ${connection.brokerId}, not ${brokerId}.`);
  }

  /** The topic as it is known already. */
  knownTopic(name: string): TopicView | undefined {
    return this.#topics.get(name);
  }

  /**
   * The topic, from memory if that is not too old. `autoCreate`: a missing one is created, if the brokers allow that.
   *
   * @throws OdradekError ODR_BROKER with UNKNOWN_TOPIC_OR_PARTITION and the like; as {@link requestAny}
   */
  async topic(name: string, autoCreate = false): Promise<TopicView> {
    const known = this.#topics.get(name);
    if (known && !this.isOld(known)) return known;
    return await this.refreshTopic(name, autoCreate);
  }

  /** Asks again the next time that the topic is needed. */
  forgetTopic(name: string): void {
    this.#topics.delete(name);
  }

  isOld({ readAtMs }: TopicView): boolean {
    return this.options.clock.monotonicMs() - readAtMs > METADATA_AGE_MAX_MS;
  }

  /** Asks the brokers, as {@link topic} does. */
  async refreshTopic(name: string, autoCreate = false): Promise<TopicView> {
    const metadata = await (autoCreate ? this.#creating : this.#describing).get(name);
    this.#topics.delete(name);
    if (metadata.error) throw brokerError(metadata.error.error, aboutTopic(name, metadata.error));
    const view = topicView(metadata, this.options.clock.monotonicMs());
    this.#topics.set(name, view);
    for (const oldest of this.#topics.keys()) {
      if (this.#topics.size <= TOPICS_MAX) break;
      this.#topics.delete(oldest);
    }
    return view;
  }

  /** {@link refreshTopic} without waiting for it; a failure is left to the next one who needs the topic. */
  refreshTopicLater(name: string): void {
    this.refreshTopic(name).catch((error: unknown) => {
      this.options.logger.debug('metadata refresh failed', { topic: name, error: String(error) });
    });
  }

  /** Brokers and topics by request; brokers that it names are remembered. */
  async metadata(topics: readonly string[], all: boolean, autoCreate = false): Promise<MetadataResponse> {
    const response = await this.requestAny({ type: 'metadata', topics, all, autoCreate });
    this.#learnBrokers(response.brokers);
    return response;
  }

  async #fetchTopics(topics: readonly string[], autoCreate: boolean): Promise<readonly TopicMetadata[]> {
    const response = await this.metadata(topics, false, autoCreate);
    return response.topics;
  }

  #learnBrokers(brokers: readonly BrokerAddress[]): void {
    this.#endpoints = new Map(brokers.map(({ id, host, port }) => [id, { host, port }]));
    const known = new Set([...this.#endpoints.values(), ...this.options.bootstrap].map(formatBrokerEndpoint));
    for (const address of this.#attempts.keys()) if (!known.has(address)) this.#attempts.delete(address);
  }

  async #bootstrap(): Promise<Connection> {
    const endpoints = new Map<string, BrokerEndpoint>();
    for (const endpoint of [...this.#shuffled(this.options.bootstrap), ...this.#endpoints.values()]) {
      endpoints.set(formatBrokerEndpoint(endpoint), endpoint);
    }
    const errors: OdradekError[] = [];
    for (const endpoint of endpoints.values()) {
      try {
        return await this.#open(endpoint);
      } catch (error) {
        if (!(error instanceof OdradekError) || error.code === 'ODR_CLOSED') throw error;
        errors.push(error);
      }
    }
    const [first] = errors;
    if (first && errors.length === 1) throw first;
    const reasons = errors.map(({ message }) => message).join(' ');
    throw new OdradekError('ODR_CONNECTION', `No broker can be reached. ${reasons}`, {
      retriable: errors.some(({ retriable }) => retriable),
      cause: new AggregateError(errors),
    });
  }

  #shuffled<Item>(items: readonly Item[]): Item[] {
    const ranked = items.map((item) => ({ item, rank: this.options.random.uint32() }));
    return ranked.sort((a, b) => a.rank - b.rank).map(({ item }) => item);
  }

  #open(endpoint: BrokerEndpoint): Promise<Connection> {
    const address = formatBrokerEndpoint(endpoint);
    const underway = this.#opening.get(address);
    if (underway) return underway;
    const opening = this.#openAfterBackoff(endpoint, address).finally(() => this.#opening.delete(address));
    this.#opening.set(address, opening);
    return opening;
  }

  async #openAfterBackoff(endpoint: BrokerEndpoint, address: string): Promise<Connection> {
    const { clock, random, logger, events, clientId, connectTimeoutMs, requestTimeoutMs } = this.options;
    const attempts = this.#attempts.get(address);
    const waitMs = (attempts?.nextAtMs ?? 0) - clock.monotonicMs();
    if (waitMs > 0) await pause(clock, waitMs, this.signal);
    if (this.signal.aborted) throw new OdradekError('ODR_CLOSED', 'The client is closed.');
    try {
      const connection = await Connection.open({
        ...{ endpoint, clientId, connectTimeoutMs, requestTimeoutMs, clock, logger, events },
        signal: this.signal,
      });
      this.#attempts.delete(address);
      return this.#adopt(connection);
    } catch (error) {
      if (this.signal.aborted)
        throw new OdradekError('ODR_CLOSED', 'The client is closed.', { cause: error });
      const failures = (attempts?.failures ?? 0) + 1;
      const nextAtMs = clock.monotonicMs() + backoffMs(failures, RECONNECT_BACKOFF, random);
      this.#attempts.set(address, { failures, nextAtMs });
      logger.warn('cannot connect to broker', { address, failures, error: String(error) });
      throw error;
    }
  }

  /** Which connection to use. A broker may be met twice, under a bootstrap address and the one that it advertises. */
  #adopt(connection: Connection): Connection {
    const { brokerId, address } = connection;
    const { events, logger } = this.options;
    const earlier = this.#connections.get(brokerId);
    if (earlier) {
      connection.close();
      return earlier;
    }
    this.#connections.set(brokerId, connection);
    events.connected({ broker: brokerId, address, reason: null });
    connection.onClose((reason) => {
      this.#connections.delete(brokerId);
      events.disconnected({ broker: brokerId, address, reason });
      if (reason.code === 'ODR_CLOSED') return;
      logger.warn('connection to broker lost', { broker: brokerId, reason: reason.message });
    });
    return connection;
  }
}

function unreachable(message: string): OdradekError {
  return new OdradekError('ODR_CONNECTION', message, { retriable: true });
}

function aboutTopic(name: string, { error, detail }: Failure): string | undefined {
  if (error === 'UNKNOWN_TOPIC_OR_PARTITION') return `There is no topic '${name}'.`;
  return detail === undefined ? undefined : `Topic '${name}': ${detail}`;
}
