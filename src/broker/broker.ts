// The composition root: makes the threads, the memory that they share, and the doors, and takes them down again in order.
import type { MessagePort, Worker } from 'node:worker_threads';
import { ActorReference, exposeActor } from '../actor/remote.js';
import { systemClock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { limitLines } from '../base/limited-logger.js';
import type { Logger } from '../base/log.js';
import { systemRandom } from '../base/random.js';
import type { BrokerConfig } from '../config/broker-config.js';
import type { BrokerOptions } from '../config/broker-options.js';
import { openFilesPerThread } from '../io/descriptor-limit.js';
import type { Listener } from '../io/network.js';
import { NodeDisk } from '../io/node-disk.js';
import { NodeJobs } from '../io/node-jobs.js';
import { NodeNetwork } from '../io/node-network.js';
import { ProcessMeter } from '../io/process-meter.js';
import { ThreadMeter } from '../io/thread-meter.js';
import type { InspectDetail } from '../partition/messages.js';
import { WriteBuffer } from '../partition/write-buffer.js';
import type { Connection, Door } from './connection.js';
import { CoordinatorClient, type CoordinatorReplies } from './coordinator-channel.js';
import type { HttpDoor } from './http/http-door.js';
import type { BrokerState } from './http/pages.js';
import { INSPECTION_MS, type Inspected } from './inspect-workers.js';
import { type LockedDirectories, lockDirectories } from './lock-directories.js';
import { failed, STOP_DEADLINE_MS, type SupervisorEvent, type SupervisorReply } from './messages.js';
import type { BrokerMetrics } from './metrics/broker-metrics.js';
import type { DoorName } from './metrics/counters.js';
import { OWN_WORKER } from './placement.js';
import type { Router } from './router.js';
import type { MainThreadCommand, SupervisorThreadCommand, SupervisorThreadReply } from './worker-data.js';
import { type SupervisorPorts, WorkerHost, workerEnds } from './worker-host.js';

/** The real address of each open door, `HOST:PORT`. */
export interface BrokerAddresses {
  readonly native?: string;
  readonly kafka?: string;
  readonly http?: string;
}

/** How long a stop waits for requests that are being handled. */
const DRAIN_MS = 5000;
const START_DEADLINE_MS = 10 * 60_000;
const EXTENT_BYTES = 2 * 1024 * 1024;
const STARTING = 'the broker is starting';

/** What {@link loadFront} loads. */
type Front = Awaited<ReturnType<typeof loadFront>>;

/** A running broker. */
export class Broker {
  readonly #router: Router;
  readonly #host: WorkerHost;
  readonly #supervisor: SupervisorLink;
  readonly #directories: LockedDirectories;
  readonly #jobs: NodeJobs;
  readonly #logger: Logger;
  #native: Listener | null = null;
  #kafka: Listener | null = null;
  #http: HttpDoor | null = null;
  #metrics: BrokerMetrics | null = null;
  #serving = false;
  #closing: Promise<void> | null = null;
  #dead: string | null = null;
  readonly #died: Promise<Error>;
  readonly #die: (reason: string) => void;

  /**
   * Starts a broker; rejects with {@link OdradekError} ODR_START if it cannot. `supervisor` is a thread for the supervisor that was
   * started before, to save time.
   */
  static async start(options: BrokerOptions, lines: Logger, supervisor?: Worker): Promise<Broker> {
    const logger = limitLines(lines, systemClock);
    const directories = await lockDirectories(options.dataDirectories, new NodeDisk());
    // What other threads log they have limited themselves.
    const host = new WorkerHost(lines);
    try {
      return await Broker.#startLocked(options, logger, directories, host, supervisor);
    } catch (error) {
      await host.close();
      await directories.release();
      throw error;
    }
  }

  static async #startLocked(
    options: BrokerOptions,
    logger: Logger,
    directories: LockedDirectories,
    host: WorkerHost,
    thread: Worker | undefined,
  ): Promise<Broker> {
    const { config } = options;
    let broker: Broker | null = null;
    let lastWords = '';
    const supervisorExited = (reason: string) => {
      lastWords = reason;
      if (broker) broker.#die(`The supervisor died: ${reason}`);
      supervisor.close(reason);
    };
    const { paths: dataDirectories, absent } = directories;
    const ports = host.startSupervisor({ dataDirectories, absent, config }, supervisorExited, thread);
    // What is told before there is a router: the topics that exist.
    const early: SupervisorEvent[] = [];
    const supervisor = new SupervisorLink(ports, (event) =>
      broker ? broker.#receive(event) : early.push(event),
    );
    const state = stateOf(() => broker, supervisor);
    const [http, front, started] = await Promise.all([
      openHttp(options, state, logger),
      loadFront(options),
      supervisor.call({ type: 'start' }, START_DEADLINE_MS),
    ]);
    if (started?.type !== 'started') {
      await http?.close();
      const reason =
        started?.type === 'not-started' ? started.reason : `The supervisor does not start. ${lastWords}`;
      throw new OdradekError('ODR_START', reason);
    }
    for (const directory of started.unclean)
      logger.warn('the last stop was not clean: logs are recovered', { directory });
    const jobs = new NodeJobs();
    const router = new front.Router({
      brokerId: config.nodeId,
      clusterId: started.clusterId,
      config,
      advertise: options.advertise,
      writeBuffer: writeBufferOf(config),
      // The largest record batch must fit.
      readBuffer: new front.ReadBuffer(Math.max(config.readBufferBytes, config.socketRequestMaxBytes)),
      readPace: () => new front.MeasuredReadPace(systemClock, () => process.resourceUsage().fsRead),
      supervisor,
      coordinator: supervisor.coordinator,
      clock: systemClock,
      disk: new NodeDisk({ openFilesMax: openFilesPerThread(config.workers) }),
      jobs,
      logger,
      defer: process.nextTick,
      later: setImmediate,
    });
    broker = new Broker(router, host, supervisor, directories, jobs, logger);
    broker.#http = http;
    broker.#metrics = new front.BrokerMetrics(router);
    for (const event of early) broker.#receive(event);
    try {
      await broker.#openDoors(options, front);
      broker.#serving = true;
    } catch (error) {
      await broker.#closeDoors();
      throw error;
    }
    return broker;
  }

  private constructor(
    router: Router,
    host: WorkerHost,
    supervisor: SupervisorLink,
    directories: LockedDirectories,
    jobs: NodeJobs,
    logger: Logger,
  ) {
    this.#router = router;
    this.#host = host;
    this.#supervisor = supervisor;
    this.#directories = directories;
    this.#jobs = jobs;
    this.#logger = logger;
    let die: (error: Error) => void = () => {};
    this.#died = new Promise((resolve) => {
      die = resolve;
    });
    this.#die = (reason) => {
      if (this.#closing || this.#dead !== null) return;
      this.#dead = reason;
      die(new Error(reason));
    };
  }

  get addresses(): BrokerAddresses {
    return {
      ...(this.#native && { native: this.#native.address }),
      ...(this.#kafka && { kafka: this.#kafka.address }),
      ...(this.#http && { http: this.#http.address }),
    };
  }

  /** Resolves, with the reason, if the broker cannot go on. The caller should end the process. */
  get died(): Promise<Error> {
    return this.#died;
  }

  /** Partition workers that run, by index. */
  get partitionWorkers(): readonly number[] {
    return this.#host.partitionWorkers;
  }

  /** Ends a partition worker's thread as a crash would: for tests of what follows. */
  killPartitionWorker(index: number): Promise<void> {
    return this.#host.kill(index);
  }

  /** Answers what was asked, flushes and closes the logs, ends all threads. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#stopListening();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, DRAIN_MS);
      this.#router.drain(() => {
        clearTimeout(timer);
        resolve();
      });
      // Members that wait for others would wait on.
      this.#supervisor.coordinator.drain();
    });
    if (this.#dead === null) {
      const stopped = await new Promise<SupervisorReply>((resolve) => {
        this.#supervisor.ask({ type: 'stop' }, STOP_DEADLINE_MS, resolve);
      });
      if (stopped.type === 'failed') this.#logger.error('the stop was not clean', { reason: stopped.detail });
    }
    this.#router.end();
    await this.#closeDoors();
    this.#supervisor.close('the broker has stopped');
    await this.#host.close();
    await this.#jobs.close();
    await this.#directories.release();
  }

  async #openDoors(options: BrokerOptions, front: Front): Promise<void> {
    const { nativeListen, kafkaListen, config } = options;
    const { native, kafka, sessions } = front;
    const network = new NodeNetwork({
      connectionsMax: config.maxConnections,
      sendBufferBytes: config.socketSendBufferBytes,
      refused: (client) => {
        this.#router.counters.connectionsRefused++;
        this.#logger.warn('connection refused: max.connections are open', { client });
      },
    });
    if (nativeListen !== null && native) {
      this.#native = await this.#listen(
        network,
        nativeListen,
        'native',
        (connection, router) => new native.NativeDoor(connection, router),
      );
    }
    if (kafkaListen !== null && kafka && sessions) {
      const fetchSessions = new sessions.FetchSessions(systemClock, systemRandom);
      this.#kafka = await this.#listen(
        network,
        kafkaListen,
        'kafka',
        (connection, router) => new kafka.KafkaDoor(connection, router, fetchSessions),
      );
    }
  }

  #listen(
    network: NodeNetwork,
    address: string,
    name: DoorName,
    door: (connection: Connection, router: Router) => Door,
  ): Promise<Listener> {
    const router = this.#router;
    return new Promise((resolve, reject) => {
      network.listen(
        address,
        (transport) => router.accept(transport, (connection) => door(connection, router), name),
        (result) => (result instanceof Error ? reject(result) : resolve(result)),
      );
    });
  }

  async #stopListening(): Promise<void> {
    for (const listener of [this.#native, this.#kafka]) {
      if (listener) await new Promise<void>((resolve) => listener.close(resolve));
    }
  }

  async #closeDoors(): Promise<void> {
    await this.#stopListening();
    await this.#http?.close();
    this.#router.close();
  }

  /** Why the broker cannot go on, or null. */
  get failure(): string | null {
    return this.#dead;
  }

  /** Why no requests are served now, or null. */
  get obstacle(): string | null {
    if (this.#dead !== null) return 'the broker has failed';
    if (this.#closing) return 'the broker is stopping';
    return this.#serving ? null : STARTING;
  }

  /** What the main thread counts; null before there is something. */
  get metrics(): BrokerMetrics | null {
    return this.#metrics;
  }

  #receive(event: SupervisorEvent): void {
    if (event.type === 'start-worker') this.#startWorker(event.worker);
    else if (event.type === 'own-worker') this.#router.attachWorker(OWN_WORKER, workerEnds(event.memory));
    else if (event.type === 'fatal') this.#die(event.reason);
    else this.#router.receive(event);
  }

  #startWorker(index: number): void {
    const { config, writeBuffer } = this.#router.options;
    const { ends, port } = this.#host.startPartitionWorker(index, writeBuffer.memory, config, (reason) => {
      this.#router.counters.workerDeaths++;
      this.#router.workerDied(index);
      this.#supervisor.tell({ type: 'worker-exited', worker: index, reason });
    });
    this.#router.attachWorker(index, ends);
    this.#supervisor.tell({ type: 'worker-started', worker: index, views: ends.views, port }, [port]);
  }
}

const writeBufferOf = ({ writeBufferBytes, socketRequestMaxBytes }: BrokerConfig): WriteBuffer =>
  new WriteBuffer({
    extentBytes: EXTENT_BYTES,
    extents: Math.max(2, Math.floor(writeBufferBytes / EXTENT_BYTES)),
    largeBytes: socketRequestMaxBytes,
  });

/**
 * The code that stands between clients and partitions, but for doors that stay closed. It is loaded while the supervisor's thread
 * starts, so that the two share the time.
 */
async function loadFront({ nativeListen, kafkaListen }: BrokerOptions) {
  const [router, readBuffer, readPace, metrics, native, kafka, sessions] = await Promise.all([
    import('./router.js'),
    import('./read-buffer.js'),
    import('./read-pace.js'),
    import('./metrics/broker-metrics.js'),
    nativeListen === null ? null : import('./native/native-door.js'),
    kafkaListen === null ? null : import('./kafka/kafka-door.js'),
    kafkaListen === null ? null : import('./kafka/fetch-sessions.js'),
  ]);
  return { ...router, ...readBuffer, ...readPace, ...metrics, native, kafka, sessions };
}

/** What the HTTP door tells of a broker, from before it runs. */
function stateOf(running: () => Broker | null, supervisor: SupervisorLink): BrokerState {
  const meters = [new ProcessMeter(), new ThreadMeter('main')];
  return {
    failure: () => running()?.failure ?? null,
    obstacle: () => {
      const broker = running();
      return broker ? broker.obstacle : STARTING;
    },
    inspect: (detail) => supervisor.inspect(detail),
    sources: () => {
      const metrics = running()?.metrics;
      return metrics ? [...meters, metrics] : meters;
    },
    perPartition: () => running()?.metrics?.perPartition ?? false,
    highWatermark: (topic, partition) => running()?.metrics?.highWatermark(topic, partition) ?? null,
    clock: systemClock,
  };
}

/** Before all else, so that whoever watches can tell a start that takes long from one that has failed. */
async function openHttp(
  { httpListen }: BrokerOptions,
  state: BrokerState,
  logger: Logger,
): Promise<HttpDoor | null> {
  if (httpListen === null) return null;
  const { openHttpDoor } = await import('./http/open-http-door.js');
  return openHttpDoor(httpListen, state, logger);
}

/** The main thread's ends of the ports to the supervisor. */
class SupervisorLink {
  /** Commands of groups go past comlink, which would cost more than they do. */
  readonly coordinator: CoordinatorClient;
  readonly #reference: ActorReference<SupervisorThreadCommand, SupervisorThreadReply>;
  readonly #ports: SupervisorPorts;

  constructor(ports: SupervisorPorts, receive: (event: SupervisorEvent) => void) {
    this.#ports = ports;
    this.#reference = new ActorReference(ports.control, systemClock);
    exposeActor<MainThreadCommand, null>(ports.control, ({ event }, reply) => {
      receive(event);
      reply(null);
    });
    this.coordinator = new CoordinatorClient({
      send: (message) => ports.coordinator.postMessage(message),
      later: setImmediate,
    });
    ports.coordinator.on('message', (replies: CoordinatorReplies) => this.coordinator.receive(replies));
  }

  ask(...[command, deadlineMs, reply]: Parameters<Router['options']['supervisor']['ask']>): void {
    this.#reference.ask({ type: 'command', command }, deadlineMs, (result, failure) => {
      if (result === null) reply(failed('REQUEST_TIMED_OUT', failure));
      else if (result.type === 'started' || result.type === 'not-started' || result.type === 'inspected') {
        reply(failed('UNKNOWN_SERVER_ERROR', 'the supervisor has not started'));
      } else reply(result);
    });
  }

  call(command: SupervisorThreadCommand, deadlineMs: number): Promise<SupervisorThreadReply | null> {
    return new Promise((resolve) => this.#reference.ask(command, deadlineMs, resolve));
  }

  /** How the threads are; null if the supervisor does not say so in time. */
  inspect(detail: InspectDetail): Promise<Inspected | null> {
    return new Promise((resolve) =>
      this.#reference.ask({ type: 'inspect', detail }, INSPECTION_MS, (result) =>
        resolve(result?.type === 'inspected' ? result : null),
      ),
    );
  }

  tell(command: SupervisorThreadCommand, transferred: MessagePort[] = []): void {
    this.#reference.tell(command, transferred);
  }

  close(reason: string): void {
    this.#reference.close(reason);
    for (const port of Object.values(this.#ports)) port.close();
  }
}
