// The composition root: makes the threads, the memory that they share, and the doors, and takes them down again in order.
import type { MessagePort } from 'node:worker_threads';
import { ActorReference, exposeActor } from '../actor/remote.js';
import { present } from '../base/assert.js';
import { systemClock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { systemRandom } from '../base/random.js';
import { parseAddress } from '../config/address.js';
import type { BrokerOptions } from '../config/broker-options.js';
import { acquireDirectoryLock, type DirectoryLock } from '../io/data-lock.js';
import type { Listener } from '../io/network.js';
import { NodeDisk } from '../io/node-disk.js';
import { NodeJobs } from '../io/node-jobs.js';
import { NodeNetwork } from '../io/node-network.js';
import { WriteBuffer } from '../partition/write-buffer.js';
import type { Connection, Door } from './connection.js';
import type { HealthServer } from './http/health.js';
import { failed, SUPERVISOR_DEADLINE_MS, type SupervisorEvent, type SupervisorReply } from './messages.js';
import type { Router } from './router.js';
import type { MainThreadCommand, SupervisorThreadCommand, SupervisorThreadReply } from './worker-data.js';
import { WorkerHost } from './worker-host.js';

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

/** The code of {@link front.ts}, loaded when it is wanted. */
type Front = typeof import('./front.js');

/** A running broker. */
export class Broker {
  readonly #router: Router;
  readonly #host: WorkerHost;
  readonly #supervisor: SupervisorLink;
  readonly #lock: DirectoryLock;
  readonly #jobs: NodeJobs;
  readonly #logger: Logger;
  #native: Listener | null = null;
  #kafka: Listener | null = null;
  #health: HealthServer | null = null;
  #closing: Promise<void> | null = null;
  #dead: string | null = null;
  readonly #died: Promise<Error>;
  readonly #die: (reason: string) => void;

  /** Starts a broker; rejects with {@link OdradekError} ODR_START if it cannot. */
  static async start(options: BrokerOptions, logger: Logger): Promise<Broker> {
    const dataDirectory = present(options.dataDirectories[0], 'a data directory');
    if (options.dataDirectories.length > 1) {
      logger.warn('only the first data directory is used', { used: dataDirectory });
    }
    new NodeDisk().makeDirectory(dataDirectory);
    const lock = await acquireDirectoryLock(dataDirectory);
    const host = new WorkerHost(logger);
    try {
      return await Broker.#startLocked(options, logger, dataDirectory, lock, host);
    } catch (error) {
      await host.close();
      await lock.release();
      throw error;
    }
  }

  static async #startLocked(
    options: BrokerOptions,
    logger: Logger,
    dataDirectory: string,
    lock: DirectoryLock,
    host: WorkerHost,
  ): Promise<Broker> {
    const { config } = options;
    let broker: Broker | null = null;
    let lastWords = '';
    const supervisorExited = (reason: string) => {
      lastWords = reason;
      if (broker) broker.#die(`The supervisor died: ${reason}`);
      supervisor.close(reason);
    };
    const port = host.startSupervisor({ dataDirectory, config }, supervisorExited);
    // What is told before there is a router: the topics that exist.
    const early: SupervisorEvent[] = [];
    const supervisor = new SupervisorLink(port, (event) =>
      broker ? broker.#receive(event) : early.push(event),
    );
    const [front, started] = await Promise.all([
      import('./front.js'),
      supervisor.call({ type: 'start' }, START_DEADLINE_MS),
    ]);
    if (started?.type !== 'started') {
      const reason =
        started?.type === 'not-started' ? started.reason : `The supervisor does not start. ${lastWords}`;
      throw new OdradekError('ODR_START', reason);
    }
    if (!started.clean)
      logger.warn('the last stop was not clean: logs are recovered', { directory: dataDirectory });
    const writeBuffer = new WriteBuffer({
      extentBytes: EXTENT_BYTES,
      extents: Math.max(2, Math.floor(config.writeBufferBytes / EXTENT_BYTES)),
      largeBytes: config.socketRequestMaxBytes,
    });
    const jobs = new NodeJobs();
    const router = new front.Router({
      brokerId: config.nodeId,
      clusterId: started.clusterId,
      config,
      advertise: options.advertise,
      writeBuffer,
      // The largest record batch must fit.
      readBuffer: new front.ReadBuffer(Math.max(config.readBufferBytes, config.socketRequestMaxBytes)),
      supervisor,
      clock: systemClock,
      disk: new NodeDisk(),
      jobs,
      logger,
      defer: queueMicrotask,
    });
    broker = new Broker(router, host, supervisor, lock, jobs, logger);
    for (const event of early) broker.#receive(event);
    try {
      await broker.#openDoors(options, front);
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
    lock: DirectoryLock,
    jobs: NodeJobs,
    logger: Logger,
  ) {
    this.#router = router;
    this.#host = host;
    this.#supervisor = supervisor;
    this.#lock = lock;
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
      ...(this.#health && { http: this.#health.address }),
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
    });
    if (this.#dead === null) {
      const stopped = await new Promise<SupervisorReply>((resolve) => {
        this.#supervisor.ask({ type: 'stop' }, SUPERVISOR_DEADLINE_MS, resolve);
      });
      if (stopped.type === 'failed') this.#logger.error('the stop was not clean', { reason: stopped.detail });
    }
    this.#router.end();
    await this.#closeDoors();
    this.#supervisor.close('the broker has stopped');
    await this.#host.close();
    await this.#jobs.close();
    await this.#lock.release();
  }

  async #openDoors(options: BrokerOptions, front: Front): Promise<void> {
    const { FetchSessions, HealthServer, KafkaDoor, NativeDoor } = front;
    const { nativeListen, kafkaListen, httpListen, config } = options;
    const network = new NodeNetwork({ connectionsMax: config.maxConnections });
    if (nativeListen !== null) {
      this.#native = await this.#listen(
        network,
        nativeListen,
        (connection, router) => new NativeDoor(connection, router),
      );
    }
    if (kafkaListen !== null) {
      const sessions = new FetchSessions(systemClock, systemRandom);
      this.#kafka = await this.#listen(
        network,
        kafkaListen,
        (connection, router) => new KafkaDoor(connection, router, sessions),
      );
    }
    if (httpListen !== null) {
      this.#health = await HealthServer.start(
        present(parseAddress(httpListen), 'the address of the HTTP door'),
        {
          live: () => this.#dead === null,
          ready: () => this.#readiness(),
        },
      );
    }
  }

  #listen(
    network: NodeNetwork,
    address: string,
    door: (connection: Connection, router: Router) => Door,
  ): Promise<Listener> {
    const router = this.#router;
    return new Promise((resolve, reject) => {
      network.listen(
        address,
        (transport) => router.accept(transport, (connection) => door(connection, router)),
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
    await this.#health?.close();
    this.#router.close();
  }

  #readiness(): { ready: boolean; reason?: string } {
    if (this.#dead !== null) return { ready: false, reason: 'the broker has failed' };
    if (this.#closing) return { ready: false, reason: 'the broker is stopping' };
    return { ready: true };
  }

  #receive(event: SupervisorEvent): void {
    if (event.type === 'start-worker') this.#startWorker(event.worker);
    else if (event.type === 'fatal') this.#die(event.reason);
    else this.#router.receive(event);
  }

  #startWorker(index: number): void {
    const { config, writeBuffer } = this.#router.options;
    const { ends, port } = this.#host.startPartitionWorker(index, writeBuffer.memory, config, (reason) => {
      this.#router.workerDied(index);
      this.#supervisor.tell({ type: 'worker-exited', worker: index, reason });
    });
    this.#router.attachWorker(index, ends);
    this.#supervisor.tell({ type: 'worker-started', worker: index, views: ends.views, port }, [port]);
  }
}

/** The main thread's end of the port to the supervisor. */
class SupervisorLink {
  readonly #reference: ActorReference<SupervisorThreadCommand, SupervisorThreadReply>;
  readonly #port: MessagePort;

  constructor(port: MessagePort, receive: (event: SupervisorEvent) => void) {
    this.#port = port;
    this.#reference = new ActorReference(port, systemClock);
    exposeActor<MainThreadCommand, null>(port, ({ event }, reply) => {
      receive(event);
      reply(null);
    });
  }

  ask(...[command, deadlineMs, reply]: Parameters<Router['options']['supervisor']['ask']>): void {
    this.#reference.ask({ type: 'command', command }, deadlineMs, (result, failure) => {
      if (result === null) reply(failed('REQUEST_TIMED_OUT', failure));
      else if (result.type === 'started' || result.type === 'not-started') {
        reply(failed('UNKNOWN_SERVER_ERROR', 'the supervisor has not started'));
      } else reply(result);
    });
  }

  call(command: SupervisorThreadCommand, deadlineMs: number): Promise<SupervisorThreadReply | null> {
    return new Promise((resolve) => this.#reference.ask(command, deadlineMs, resolve));
  }

  tell(command: SupervisorThreadCommand, transferred: MessagePort[] = []): void {
    this.#reference.tell(command, transferred);
  }

  close(reason: string): void {
    this.#reference.close(reason);
    this.#port.close();
  }
}
