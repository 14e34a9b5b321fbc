// The router: everything that the main thread does with the partitions. It knows where each partition is served, submits
// record batches to the workers' rings, reads segment files for consumers, and turns what clients want of topics into asks
// of the supervisor. Doors translate its few operations to and from their protocols. Deterministic: no promise, no clock,
// no socket of its own.
import { dirname } from 'node:path';
import type { RingConsumer, RingProducer } from '../actor/descriptor-ring.js';
import { ViewReader } from '../actor/view.js';
import { assertNever } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import type { ErrorName, Failure } from '../base/errors.js';
import type { BrokerId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { resolveTopicConfig } from '../config/topic-config.js';
import type { GroupCommand, GroupReply } from '../coordinator/group/group-messages.js';
import type { Disk } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import type { ConnectionHandler, Transport } from '../io/network.js';
import { LeaderEpochs } from '../log/leader-epochs.js';
import { LogReader } from '../log/log-reader.js';
import type { Extent, WriteBuffer } from '../partition/write-buffer.js';
import type { ProducerIdentity } from '../record/producer-identity.js';
import { Budget } from './budget.js';
import { Connection, type Door } from './connection.js';
import { Fetch, type FetchAnswer, type FetchRequest } from './fetch.js';
import type { ReceiveSizes } from './frame-receiver.js';
import { type ListedOffset, ListOffsets, type ListOffsetsTarget } from './list-offsets.js';
import {
  type GroupCoordinator,
  type RouteImage,
  SUPERVISOR_DEADLINE_MS,
  type Supervisor,
  type SupervisorCommand,
  type SupervisorEvent,
  type SupervisorReply,
  type TopicImage,
} from './messages.js';
import { BrokerCounters, type DoorName, Traffic } from './metrics/counters.js';
import { type ProducerIdentityDone, ProducerIds } from './producer-ids.js';
import type { ReadBuffer } from './read-buffer.js';
import type { ReadPace } from './read-pace.js';
import { Subscription, type SubscriptionOptions, type SubscriptionPorts } from './subscription.js';
import { type PartitionEntry, type TopicEntry, TopicTable } from './topic-table.js';
import type { FetchTarget } from './watch-list.js';
import { type AppendWaiter, notAppended, WorkerLink } from './worker-link.js';

export interface RouterOptions {
  readonly brokerId: BrokerId;
  readonly clusterId: string;
  readonly config: BrokerConfig;
  /** `HOST:PORT` that clients are told to connect to, or null for the address that they used. */
  readonly advertise: string | null;
  readonly writeBuffer: WriteBuffer;
  readonly readBuffer: ReadBuffer;
  /** Makes the pace of a data directory. */
  readonly readPace: () => ReadPace;
  readonly supervisor: Supervisor;
  readonly coordinator: GroupCoordinator;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly jobs: Jobs;
  readonly logger: Logger;
  /** Runs a function at the end of the current turn. */
  readonly defer: (run: () => void) => void;
  /** Runs a function in a later turn, after sockets had theirs. */
  readonly later: (run: () => void) => void;
  /** Of the buffer that small and idle connections share. */
  readonly sharedReceiveBytes?: number;
  readonly receiveSizes?: ReceiveSizes;
}

/** The rings and views that the router shares with one partition worker. */
export interface WorkerEnds {
  readonly submissions: RingProducer;
  readonly completions: RingConsumer;
  readonly capacity: number;
  readonly views: Int32Array;
}

/** How long a partition that could not be opened is answered with its error before another attempt. */
const OPEN_RETRY_MS = 1000;
/** How often connections are checked for being overdue. */
const SWEEP_MS = 1000;
/** While others wait for memory, a peer has so long to go on with the frame or the answer that holds it. */
const STALL_UNDER_PRESSURE_MS = 5000;
/** A frame that stopped in the middle holds more, and an honest peer sends on within a moment. */
const FRAME_STALL_UNDER_PRESSURE_MS = 1000;
const SHARED_RECEIVE_BYTES = 64 * 1024;
/** Streams of all subscriptions; half a KiB each. */
const STREAMS_MAX = 100_000;

export class Router {
  readonly options: RouterOptions;
  readonly topics = new TopicTable();
  /** Streams of all subscriptions. */
  readonly streams = new Budget(STREAMS_MAX);
  readonly counters = new BrokerCounters();
  readonly #connections = new Set<Connection>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #links = new Map<number, { readonly link: WorkerLink; readonly views: Int32Array }>();
  /** Partitions by worker and slot, to find who waits for news of a slot. */
  readonly #bySlot = new Map<number, Map<number, PartitionEntry>>();
  readonly #waitingForRoom = new Set<Connection>();
  readonly #fullDirectories = new Set<string>();
  /** By data directory. */
  readonly #paces = new Map<string, ReadPace>();
  readonly #producerIds = new ProducerIds((reply) => this.ask({ type: 'allocate-producer-ids' }, reply));
  readonly #sharedReceive: Buffer;
  /** Of topics that are gone. */
  readonly #trafficBefore = new Traffic();
  #draining = false;
  #drained: (() => void) | null = null;
  #sweepTimer: Timer | null = null;

  constructor(options: RouterOptions) {
    this.options = options;
    this.#sharedReceive = Buffer.allocUnsafeSlow(options.sharedReceiveBytes ?? SHARED_RECEIVE_BYTES);
    this.#sweepLater();
  }

  // ------------------------------------------------------------------------------------------------- connections

  /** A handler for a new connection that speaks the protocol of `door`, counted as one of the door of that name. */
  accept(
    transport: Transport,
    door: (connection: Connection) => Door,
    name: DoorName = 'native',
  ): ConnectionHandler {
    const { writeBuffer, readBuffer, clock, defer, config, logger, receiveSizes } = this.options;
    const connection = new Connection({
      transport,
      writeBuffer,
      sharedBuffer: this.#sharedReceive,
      ...(receiveSizes && { receiveSizes }),
      frameBytesMax: Math.min(config.socketRequestMaxBytes, writeBuffer.frameBytesMax),
      requestsMax: config.requestsMax,
      isScarce: (bytes) => readBuffer.owns(bytes),
      clock,
      defer,
      door,
      counters: this.counters.doors[name],
      delivered: () => this.#publish(),
      log: (reason) =>
        logger.warn('connection closed', { door: name, client: transport.remoteAddress, reason }),
      gone: (gone) => {
        this.#connections.delete(gone);
        this.#waitingForRoom.delete(gone);
        if (this.#draining) this.#checkDrained();
      },
    });
    this.#connections.add(connection);
    return connection;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * The broker's address as a client that came in by a door on `localAddress` should see it. What is advertised is the Kafka
   * door; the native one is on the same host, on its own port.
   */
  addressFor(door: 'kafka' | 'native', localAddress: string): { host: string; port: number } {
    const local = splitAddress(localAddress);
    const { advertise, config } = this.options;
    if (advertise === null) return local;
    const advertised = splitAddress(advertise);
    return door === 'kafka' || config.kafkaListen === null
      ? advertised
      : { host: advertised.host, port: local.port };
  }

  /** Stops taking frames; calls back when all requests are answered. */
  drain(done: () => void): void {
    this.#draining = true;
    this.#drained = done;
    for (const topic of this.topics.all()) for (const partition of topic.partitions) partition.wake();
    for (const connection of this.#connections) connection.drain();
    this.#checkDrained();
  }

  /** Closes all connections once their answers are out. */
  end(): void {
    for (const connection of this.#connections) connection.end();
  }

  /** Closes all connections at once, and the files that were read for them. Nothing of the router runs afterwards. */
  close(): void {
    if (this.#sweepTimer) this.options.clock.cancel(this.#sweepTimer);
    this.#sweepTimer = null;
    for (const connection of this.#connections) connection.close();
    for (const topic of this.topics.all()) this.#dropTopic(topic);
    for (const index of [...this.#links.keys()]) this.workerDied(index);
  }

  get draining(): boolean {
    return this.#draining;
  }

  #checkDrained(): void {
    for (const connection of this.#connections) if (connection.unanswered > 0) return;
    const drained = this.#drained;
    this.#drained = null;
    drained?.();
  }

  /** A request has been answered. */
  answered(): void {
    if (this.#draining) this.options.defer(() => this.#checkDrained());
  }

  #sweepLater(): void {
    this.#sweepTimer = this.options.clock.after(SWEEP_MS, () => {
      this.#sweep();
      this.#sweepLater();
    });
  }

  #sweep(): void {
    const { config, writeBuffer, readBuffer, logger } = this.options;
    const bounds = {
      frameTimeoutMs: config.frameTimeoutMs,
      idleTimeoutMs: config.connectionsMaxIdleMs < 0 ? Number.POSITIVE_INFINITY : config.connectionsMaxIdleMs,
      stallTimeoutMs: readBuffer.contended ? STALL_UNDER_PRESSURE_MS : Number.POSITIVE_INFINITY,
      receiveStallTimeoutMs: writeBuffer.contended ? FRAME_STALL_UNDER_PRESSURE_MS : Number.POSITIVE_INFINITY,
    };
    for (const connection of this.#connections) {
      const overdue = connection.overdue(bounds);
      if (overdue === null) continue;
      const { reason, counted } = overdue;
      if (reason !== 'idle') logger.warn('connection closed', { client: connection.remoteAddress, reason });
      connection.close(counted);
    }
  }

  // ------------------------------------------------------------------------------------------------------ produce

  /**
   * Whether batches can go to these partitions now. If not, the connection's frame must wait: its `retry` is called when
   * they can. A partition that cannot be opened counts as ready; it is answered with its error.
   */
  readyToAppend(entries: readonly PartitionEntry[], connection: Connection): boolean {
    // Most requests name one partition, which is open and has room.
    const [only] = entries;
    if (entries.length === 1 && only?.route && only.route.link.room > 0) return true;
    const unrouted = entries.filter((entry) => this.#needsRoute(entry));
    if (unrouted.length > 0) {
      connection.delayed('partition');
      this.withRoutes(unrouted, () => connection.retry());
      return false;
    }
    const wanted = new Map<WorkerLink, number>();
    for (const { route } of entries) {
      if (route) wanted.set(route.link, (wanted.get(route.link) ?? 0) + 1);
    }
    for (const [link, count] of wanted) {
      if (link.room >= count) continue;
      connection.delayed('ring');
      this.#waitingForRoom.add(connection);
      return false;
    }
    return true;
  }

  /**
   * Submits one batch, the waiter's in this place, to a partition that is {@link readyToAppend}; the waiter is told once, at once if
   * the batch is refused.
   */
  append(
    entry: PartitionEntry | undefined,
    { start, bytes, extent }: { start: number; bytes: number; extent: Extent },
    waiter: AppendWaiter,
    place: number,
  ): void {
    const route = entry?.route;
    if (!entry || entry.topic.deleted || entry.topic.image.internal || !route) {
      waiter.appended(place, notAppended(refusalOf(entry)));
      return;
    }
    extent.retain();
    const { link, slot, traffic } = route;
    link.submit({ slot, start, bytes, extent, traffic, waiter, place });
  }

  /**
   * Names a producer without a transactional id: a new id, or with the id and epoch that it has (null: none) the next epoch.
   * `done` is called once, maybe at once. Source: KIP-98, KIP-360.
   */
  initProducerId(current: ProducerIdentity | null, done: ProducerIdentityDone): void {
    this.#producerIds.next(current, done);
  }

  /** Shows the workers what was submitted since the last call. */
  #publish(): void {
    for (const { link } of this.#links.values()) link.publish();
  }

  // -------------------------------------------------------------------------------------------- fetch, list offsets

  /** Starts a fetch; `done` is called once, also with an answer of errors only. It may be called at once. */
  fetch<Target extends FetchTarget>(
    request: FetchRequest<Target>,
    connection: Connection,
    done: (answer: FetchAnswer<Target>) => void,
  ): Fetch<Target> {
    const { clock, disk, logger, readBuffer, defer, later } = this.options;
    const fetch = new Fetch(
      this.#draining ? { ...request, maxWaitMs: 0 } : request,
      {
        clock,
        disk,
        logger,
        readBuffer,
        counters: this.counters.fetches,
        withRoutes: (entries, opened) => this.withRoutes(entries, opened),
        inTurn: (read) => connection.readInTurn(read),
        defer,
        later,
        sliceBytesMin: connection.sendsFilesFrom,
      },
      done,
    );
    fetch.start();
    return fetch;
  }

  /** Begins a subscription without streams; {@link unsubscribe} must follow. */
  subscribe(
    options: SubscriptionOptions,
    connection: Connection,
    { push, ended }: Pick<SubscriptionPorts, 'push' | 'ended'>,
  ): Subscription {
    const { disk, logger, readBuffer, later } = this.options;
    const subscription = new Subscription(options, {
      ...{ disk, logger, readBuffer, later, push, ended },
      withRoutes: (entries, opened) => this.withRoutes(entries, opened),
      inTurn: (read) => connection.readInTurn(read),
    });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    subscription.end();
  }

  get subscriptionCount(): number {
    return this.#subscriptions.size;
  }

  listOffsets(targets: readonly ListOffsetsTarget[], done: (offsets: readonly ListedOffset[]) => void): void {
    const { disk, jobs, logger } = this.options;
    const entries = targets.flatMap(({ entry }) => (entry ? [entry] : []));
    this.withRoutes(entries, () => new ListOffsets(targets, { disk, jobs, logger }, done).next());
  }

  // -------------------------------------------------------------------------------------------------------- groups

  /**
   * Has the group's coordinator run a command; `reply` is called once, in a later turn: with `refused` if it cannot be run.
   * What the command holds of bytes must be copies (see group-messages.ts).
   */
  coordinate(command: GroupCommand, reply: (reply: GroupReply) => void): void {
    this.options.coordinator.ask(command, reply);
  }

  // -------------------------------------------------------------------------------------------------------- topics

  ask(command: SupervisorCommand, reply: (reply: SupervisorReply) => void): void {
    this.options.supervisor.ask(command, SUPERVISOR_DEADLINE_MS, reply);
  }

  /** Has the partitions opened that have no route, and calls back when each has one or has failed; at once if none has to be. */
  withRoutes(entries: readonly PartitionEntry[], done: () => void): void {
    let missing = 0;
    const opened = () => {
      if (--missing === 0) done();
    };
    const unrouted = new Set(entries.filter((entry) => this.#needsRoute(entry)));
    missing = unrouted.size;
    if (missing === 0) {
      done();
      return;
    }
    for (const entry of unrouted) this.#open(entry, opened);
  }

  #needsRoute(entry: PartitionEntry): boolean {
    if (entry.topic.deleted || entry.route) return false;
    return entry.failure === null || entry.failure.untilMs <= this.options.clock.monotonicMs();
  }

  #open(entry: PartitionEntry, opened: () => void): void {
    if (entry.opening) {
      entry.opening.push(opened);
      return;
    }
    entry.opening = [opened];
    entry.failure = null;
    const { name } = entry.topic.image;
    this.ask({ type: 'open-partition', topic: name, partition: entry.index }, (reply) => {
      if (reply.type === 'failed') this.#setFailure(entry, reply);
      else if (!entry.route) this.#setFailure(entry, { error: 'NOT_LEADER_OR_FOLLOWER' });
      const waiting = entry.opening ?? [];
      entry.opening = null;
      for (const done of waiting) done();
    });
  }

  #setFailure(entry: PartitionEntry, { error, detail }: Failure): void {
    entry.failure = { error, detail, untilMs: this.options.clock.monotonicMs() + OPEN_RETRY_MS };
  }

  /** What to tell a client whose batch for the partition was not appended, beyond what the error says of itself. */
  adviceFor(entry: PartitionEntry | undefined, error: ErrorName): string | undefined {
    if (!entry) return undefined;
    if (error === 'INVALID_RECORD' && entry.topic.config.cleanupPolicy.includes('compact'))
      return 'The topic is compacted: every record needs a key. Or the batch breaks a rule of the format.';
    if (error !== 'KAFKA_STORAGE_ERROR') return undefined;
    const directory = entry.route?.dataDirectory;
    if (directory === undefined) return entry.failure?.detail;
    if (!this.#fullDirectories.has(directory)) return undefined;
    return `The disk of ${directory} is full: free some space, writing goes on by itself.`;
  }

  // ------------------------------------------------------------------------------------- what the supervisor tells

  receive(event: SupervisorEvent): void {
    switch (event.type) {
      case 'topics':
        for (const image of event.updated) this.#setTopic(image);
        for (const name of event.deleted) this.#dropTopic(this.topics.delete(name));
        return;
      case 'routed':
        this.#setRoute(event.route);
        return;
      case 'unrouted': {
        const entry = this.topics.partition(event.topic, event.partition);
        if (!entry) return;
        this.#dropRoute(entry);
        this.#setFailure(entry, event);
        return;
      }
      case 'disk-room':
        if (event.full) this.#fullDirectories.add(event.directory);
        else this.#fullDirectories.delete(event.directory);
        return;
      case 'start-worker':
      case 'own-worker':
      case 'fatal':
        return; // For whoever holds the threads.
      default:
        assertNever(event);
    }
  }

  #setTopic(image: TopicImage): void {
    const { config } = resolveTopicConfig(this.options.config, Object.entries(image.overrides));
    this.#dropTopic(this.topics.set(image, config));
  }

  #dropTopic(topic: TopicEntry | null): void {
    if (topic) this.#trafficBefore.add(topic.traffic);
    for (const partition of topic?.partitions ?? []) this.#dropRoute(partition);
  }

  #setRoute(image: RouteImage): void {
    const entry = this.topics.partition(image.topic, image.partition);
    const worker = this.#links.get(image.worker);
    if (!entry || !worker || entry.topic.image.topicId !== image.topicId) return;
    this.#dropRoute(entry);
    entry.failure = null;
    entry.route = {
      link: worker.link,
      slot: image.slot,
      generation: image.generation,
      dataDirectory: dirname(image.directory),
      leaderEpoch: image.leaderEpoch,
      epochs: new LeaderEpochs(image.epochs),
      view: new ViewReader(worker.views, image.slot, image.generation),
      reader: new LogReader({ directory: image.directory, disk: this.options.disk }),
      traffic: entry.topic.traffic,
      pace: this.#paceOf(dirname(image.directory)),
    };
    this.#bySlot.get(image.worker)?.set(image.slot, entry);
    entry.wake();
  }

  #paceOf(directory: string): ReadPace {
    const known = this.#paces.get(directory);
    if (known) return known;
    const pace = this.options.readPace();
    this.#paces.set(directory, pace);
    return pace;
  }

  #dropRoute(entry: PartitionEntry): void {
    const { route } = entry;
    entry.route = null;
    if (route) {
      route.reader.close();
      const slots = this.#bySlot.get(route.link.index);
      // Another partition may have it by now.
      if (slots?.get(route.slot) === entry) slots.delete(route.slot);
    }
    entry.wake();
  }

  // ------------------------------------------------------------------------------------------------------- workers

  /** A partition worker has started. */
  attachWorker(index: number, { submissions, completions, capacity, views }: WorkerEnds): void {
    const slots = new Map<number, PartitionEntry>();
    const link = new WorkerLink({
      index,
      submissions,
      completions,
      capacity,
      advanced: (slot) => slots.get(slot)?.wake(),
      hasRoom: () => this.#retryWaiting(),
    });
    this.#links.set(index, { link, views });
    this.#bySlot.set(index, slots);
  }

  /** A partition worker's thread has ended. Its partitions have no route until the supervisor says otherwise. */
  workerDied(index: number): void {
    const worker = this.#links.get(index);
    if (!worker) return;
    this.#links.delete(index);
    const slots = this.#bySlot.get(index);
    this.#bySlot.delete(index);
    // Whoever is woken by the end of its requests must not be led to this worker again.
    for (const entry of slots?.values() ?? []) this.#dropRoute(entry);
    worker.link.died();
  }

  /** Records in and out, of all topics that there are and were. */
  get traffic(): Traffic {
    const all = new Traffic();
    all.add(this.#trafficBefore);
    for (const { traffic } of this.topics.all()) all.add(traffic);
    return all;
  }

  /** Batches that each worker has been given and has not completed. */
  get ringDepths(): { readonly worker: number; readonly batches: number }[] {
    return [...this.#links].map(([worker, { link }]) => ({ worker, batches: link.inFlight }));
  }

  /** Batches whose fate is not known yet. */
  get appendsInFlight(): number {
    let count = 0;
    for (const { link } of this.#links.values()) count += link.inFlight;
    return count;
  }

  #retryWaiting(): void {
    if (this.#waitingForRoom.size === 0) return;
    const waiting = [...this.#waitingForRoom];
    this.#waitingForRoom.clear();
    for (const connection of waiting) connection.retry();
  }
}

function refusalOf(entry: PartitionEntry | undefined): ErrorName {
  if (!entry || entry.topic.deleted) return 'UNKNOWN_TOPIC_OR_PARTITION';
  // Only coordinators write there, and they do not come this way.
  if (entry.topic.image.internal) return 'INVALID_TOPIC_EXCEPTION';
  return entry.failure?.error ?? 'NOT_LEADER_OR_FOLLOWER';
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
