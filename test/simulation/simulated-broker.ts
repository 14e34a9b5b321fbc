// A broker process of the simulation: the real router, doors, supervisor, partition hosts, logs and metadata store, each on a
// thread of its own, wired as src/broker/broker.ts, worker-host.ts and supervisor-thread.ts wire them, but over virtual
// time, a simulated disk and a simulated network, and with small buffers, so that every limit is met.
import {
  createRing,
  RingConsumer,
  type RingMemory,
  RingProducer,
  ringIsAsleep,
} from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { createViews, ViewReader } from '../../src/actor/view.js';
import type { Clock } from '../../src/base/clock.js';
import type { Logger } from '../../src/base/log.js';
import type { Random } from '../../src/base/random.js';
import type { SimulatedClock } from '../../src/base/simulated-clock.js';
import {
  CoordinatorClient,
  type CoordinatorMessage,
  type CoordinatorReplies,
} from '../../src/broker/coordinator-channel.js';
import { CoordinatorThread } from '../../src/broker/coordinator-thread.js';
import {
  failed,
  type RouteImage,
  SUPERVISOR_DEADLINE_MS,
  type SupervisorCommand,
  type SupervisorEvent,
  type SupervisorReply,
} from '../../src/broker/messages.js';
import { NativeDoor } from '../../src/broker/native/native-door.js';
import { OWN_WORKER } from '../../src/broker/placement.js';
import { ReadBuffer } from '../../src/broker/read-buffer.js';
import type { ReadPace } from '../../src/broker/read-pace.js';
import { Router } from '../../src/broker/router.js';
import { startSupervisor } from '../../src/broker/start-supervisor.js';
import type { SupervisorActor } from '../../src/broker/supervisor.js';
import type { BrokerConfig } from '../../src/config/broker-config.js';
import type { Disk } from '../../src/io/disk.js';
import type { JobFunctions } from '../../src/io/job-functions.js';
import type { Listener } from '../../src/io/network.js';
import type { SimulatedDisk } from '../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../src/io/simulated-jobs.js';
import type { SimulatedNetwork } from '../../src/io/simulated-network.js';
import type { LogRecovery } from '../../src/log/open-log.js';
import { compactionSettings } from '../../src/partition/compaction-settings.js';
import type { PartitionCommand, PartitionEvent, PartitionReply } from '../../src/partition/messages.js';
import { PartitionHost } from '../../src/partition/partition-host.js';
import { WriteBuffer } from '../../src/partition/write-buffer.js';
import { jobFunctions } from '../../workers/job-functions.js';
import { ControlLink, type LinkDelay } from './control-link.js';
import type { DiskWeather } from './disk-weather.js';
import { chance, pick, type Streams } from './streams.js';
import { Thread } from './thread.js';
import type { Trace } from './trace.js';

export const ADDRESS = '127.0.0.1:9091';
export const DATA_DIRECTORY = '/data';

const RING_CAPACITY = 8;
const SLOTS = 256;
const EXTENTS = 4;
const EXTENT_BYTES = 4096;
const LARGE_BYTES = 12 * 1024;
const READ_BUFFER_BYTES = 16 * 1024;
const READ_CHUNK_BYTES = 1024;
const SHARED_RECEIVE_BYTES = 1500;
const RECEIVE_SIZES = { smallFrameBytes: 400, largeReadBytes: 700, extentReadBytes: 2048 };
const DRAIN_MS = 5000;
const THREAD_START_MS_MAX = 20;
const BELL_MS_MAX = 1;
const LATER_MS = 0.02;

/** Replaces parts of the broker, to see whether the judge notices. */
export interface Sabotage {
  readonly disk?: (disk: Disk, weather: { readonly clock: SimulatedClock }) => Disk;
  readonly jobs?: (functions: JobFunctions) => JobFunctions;
  readonly workerClock?: (clock: Clock) => Clock;
  readonly readBuffer?: (bytes: number, chunkBytes: number) => ReadBuffer;
  readonly submissions?: (ring: RingMemory, bell: LocalDoorbell) => RingConsumer;
  readonly completions?: (ring: RingMemory, bell: LocalDoorbell) => RingProducer;
}

export interface BrokerWorld {
  readonly clock: SimulatedClock;
  readonly disk: SimulatedDisk;
  readonly network: SimulatedNetwork;
  readonly weather: DiskWeather;
  readonly config: BrokerConfig;
  readonly linkDelay: LinkDelay;
  readonly trace: Trace;
  readonly sabotage: Sabotage;
  /** A partition was opened. */
  readonly routed: (route: RouteImage) => void;
  /** A worker has compacted a partition. */
  readonly compacted: () => void;
}

export interface BrokerOptions {
  readonly world: BrokerWorld;
  /** Of this process. */
  readonly streams: Streams;
  /** The doors are open. */
  readonly ready: () => void;
  /** The process ended by itself: it did not start, or it cannot go on. */
  readonly died: (reason: string, started: boolean) => void;
}

type SupervisorThreadCommand =
  | { readonly type: 'command'; readonly command: SupervisorCommand }
  | { readonly type: 'worker-started'; readonly worker: number }
  | { readonly type: 'worker-exited'; readonly worker: number; readonly reason: string };

type FromSupervisor = SupervisorEvent | { readonly type: 'started'; readonly clusterId: string };

interface Worker {
  readonly index: number;
  readonly thread: Thread;
  readonly views: Int32Array;
  readonly link: ControlLink<PartitionCommand, PartitionReply, PartitionEvent>;
}

export class SimulatedBroker {
  readonly #options: BrokerOptions;
  readonly #jobs: SimulatedJobs;
  readonly #disk: Disk;
  readonly #random: Random;
  readonly #main: Thread;
  readonly #supervisorThread: Thread;
  readonly #supervisorLink: ControlLink<SupervisorThreadCommand, SupervisorReply, FromSupervisor>;
  readonly #coordinator: CoordinatorClient;
  readonly #coordinatorLink: ControlLink<CoordinatorMessage, null, CoordinatorReplies>;
  readonly #ownBells = new Map<Int32Array, LocalDoorbell>();
  #coordinatorThread: CoordinatorThread | null = null;
  readonly #workers = new Map<number, Worker>();
  readonly #deferred: (() => void)[] = [];
  #supervisor: SupervisorActor | null = null;
  #router: Router | null = null;
  #writeBuffer: WriteBuffer | null = null;
  #readBuffer: ReadBuffer | null = null;
  #early: SupervisorEvent[] = [];
  #listener: Listener | null = null;
  #generations = 0;
  #stopping = false;

  constructor(options: BrokerOptions) {
    this.#options = options;
    const { world, streams } = options;
    const { clock, disk, sabotage } = world;
    this.#random = streams('threads');
    this.#disk = sabotage.disk?.(disk, { clock }) ?? disk;
    this.#jobs = new SimulatedJobs({
      random: streams('jobs'),
      scheduler: clock,
      disk: this.#disk,
      functions: sabotage.jobs?.(jobFunctions) ?? jobFunctions,
      jobsMax: 4,
    });
    this.#main = this.#thread('main');
    this.#supervisorThread = this.#thread('supervisor');
    this.#supervisorLink = new ControlLink(this.#main, this.#supervisorThread, world.linkDelay, (event) =>
      this.#told(event),
    );
    this.#coordinatorLink = new ControlLink(this.#main, this.#supervisorThread, world.linkDelay, (replies) =>
      this.#coordinator.receive(replies),
    );
    this.#coordinator = new CoordinatorClient({
      send: (message) => this.#coordinatorLink.tell(message),
      later: (run) => this.#main.clock.schedule(LATER_MS, run),
    });
    this.#supervisorThread.clock.schedule(this.#random.below(THREAD_START_MS_MAX), () =>
      this.#startSupervisor(),
    );
  }

  #thread(name: string): Thread {
    const { clock, weather } = this.#options.world;
    return new Thread(name, { clock, disk: this.#disk, jobs: this.#jobs, weather });
  }

  // ------------------------------------------------------------------------------------------------------ supervisor

  #startSupervisor(): void {
    const { world, streams } = this.#options;
    const { clock, disk, jobs } = this.#supervisorThread;
    const link = this.#supervisorLink;
    const config = world.config;
    const random = streams('supervisor');
    const logger = world.trace.logger('supervisor');
    const later = (run: () => void) => clock.schedule(LATER_MS, run);
    const coordinators = new CoordinatorThread({
      ...{ config, disk, jobs, clock, random, logger, later },
      endOfTurn: (run) => clock.schedule(0, run),
      bell: (ring, waits) => this.#ownBell(ring, waits === 'here' ? this.#supervisorThread : this.#main),
      tell: (event) => link.emit(event),
      reply: (replies) => this.#coordinatorLink.emit(replies),
    });
    startSupervisor(
      {
        dataDirectories: [DATA_DIRECTORY],
        ...{ config, disk, jobs, clock, random, logger },
        tell: (event) => {
          link.emit(event);
          coordinators.observe(event);
        },
        publishedBy: (index, slot, generation) => this.#publishedBy(index, slot, generation),
      },
      (result) => {
        if (result instanceof Error) {
          this.#options.died(result.message, false);
          return;
        }
        this.#supervisor = result.supervisor;
        this.#coordinatorThread = coordinators;
        coordinators.start(result.supervisor, result.data);
        this.#coordinatorLink.attach((message) => coordinators.receive(message));
        link.attach((command, reply) => this.#supervise(result.supervisor, command, reply));
        link.emit({ type: 'started', clusterId: result.clusterId });
      },
    );
  }

  #supervise(
    supervisor: SupervisorActor,
    command: SupervisorThreadCommand,
    reply: (reply: SupervisorReply) => void,
  ): void {
    switch (command.type) {
      case 'command':
        if (command.command.type === 'stop')
          this.#coordinatorThread?.close(() => supervisor.receive(command.command, reply));
        else supervisor.receive(command.command, reply);
        return;
      case 'worker-started': {
        const worker = this.#workers.get(command.worker);
        if (!worker) return;
        supervisor.workerStarted(command.worker, {
          ask: (asked, deadlineMs, answer) =>
            worker.link.ask(asked, deadlineMs, (answered, failure) =>
              answer(answered ?? { type: 'failed', error: 'NOT_LEADER_OR_FOLLOWER', detail: failure }),
            ),
        });
        return;
      }
      case 'worker-exited':
        this.#workers.get(command.worker)?.link.close('the worker has died');
        supervisor.workerExited(command.worker, command.reason);
        return;
    }
  }

  #publishedBy(index: number, slot: number, generation: number): LogRecovery | null {
    const worker = this.#workers.get(index);
    const published = worker ? new ViewReader(worker.views, slot, generation).read() : null;
    if (!published) return null;
    return {
      type: 'worker-died',
      segmentBaseOffset: published.segmentBaseOffset,
      bytes: published.segmentBytes,
    };
  }

  // ----------------------------------------------------------------------------------------------------- main thread

  #told(event: FromSupervisor): void {
    if (event.type === 'started') this.#startRouter(event.clusterId);
    else if (!this.#router) this.#early.push(event);
    else if (event.type === 'start-worker') {
      if (event.worker !== OWN_WORKER) this.#startWorker(event.worker, this.#router);
    } else if (event.type === 'own-worker') this.#attachOwnWorker(this.#router);
    else if (event.type === 'fatal') this.#options.died(event.reason, true);
    else {
      if (event.type === 'routed') this.#options.world.routed(event.route);
      this.#router.receive(event);
    }
  }

  /** Any of two reads may find that disks are slow at the moment. */
  #readPace(): ReadPace {
    const random = this.#options.streams('read pace');
    return {
      get mayBlock() {
        return chance(random, 0.5);
      },
      here: (_bytes, read) => read(),
      sending: (send) => send(),
      elsewhere: () => () => {},
    };
  }

  #startRouter(clusterId: string): void {
    const { world } = this.#options;
    const { clock, disk, jobs } = this.#main;
    const { config, sabotage } = world;
    const writeBuffer = new WriteBuffer({
      extentBytes: EXTENT_BYTES,
      extents: EXTENTS,
      largeBytes: LARGE_BYTES,
    });
    const readBuffer =
      sabotage.readBuffer?.(READ_BUFFER_BYTES, READ_CHUNK_BYTES) ??
      new ReadBuffer(READ_BUFFER_BYTES, READ_CHUNK_BYTES);
    const router = new Router({
      brokerId: config.nodeId,
      clusterId,
      config,
      advertise: null,
      writeBuffer,
      readBuffer,
      readPace: () => this.#readPace(),
      supervisor: {
        ask: (command, deadlineMs, reply) =>
          this.#supervisorLink.ask({ type: 'command', command }, deadlineMs, (result, failure) =>
            reply(result ?? failed('REQUEST_TIMED_OUT', failure)),
          ),
      },
      coordinator: this.#coordinator,
      clock,
      disk,
      jobs,
      logger: world.trace.logger('main'),
      defer: (run) => this.#defer(run),
      later: (run) => clock.schedule(LATER_MS, run),
      sharedReceiveBytes: SHARED_RECEIVE_BYTES,
      receiveSizes: RECEIVE_SIZES,
    });
    this.#router = router;
    this.#writeBuffer = writeBuffer;
    this.#readBuffer = readBuffer;
    for (const event of this.#early.splice(0)) this.#told(event);
    world.network.listen(
      ADDRESS,
      (transport) => router.accept(transport, (connection) => new NativeDoor(connection, router)),
      (result) => {
        if (!this.#main.alive) return;
        if (result instanceof Error) throw result;
        this.#listener = result;
        this.#options.ready();
      },
    );
  }

  /** At the end of the turn, in order, as microtasks run. */
  #defer(run: () => void): void {
    this.#deferred.push(run);
    if (this.#deferred.length > 1) return;
    this.#main.clock.schedule(0, () => {
      for (const next of this.#deferred) next(); // More may come meanwhile.
      this.#deferred.length = 0;
    });
  }

  // --------------------------------------------------------------------------------------------------------- workers

  /** Each ring of the supervisor's own partitions has one bell, which both sides hold. */
  #ownBell(ring: RingMemory, waiting: Thread): LocalDoorbell {
    const bell = new LocalDoorbell(
      (run) => waiting.clock.schedule(this.#random.below(1000 * BELL_MS_MAX) / 1000, run),
      () => ringIsAsleep(ring),
    );
    this.#ownBells.set(ring.words, bell);
    return bell;
  }

  #attachOwnWorker(router: Router): void {
    const memory = this.#coordinatorThread?.worker?.memory;
    if (!memory) throw new Error('the supervisor hosts no partitions');
    const bell = ({ words }: RingMemory) => {
      const found = this.#ownBells.get(words);
      if (!found) throw new Error('a ring has a bell');
      return found;
    };
    const { submissions, completions, views } = memory;
    router.attachWorker(OWN_WORKER, {
      submissions: new RingProducer(submissions, bell(submissions)),
      completions: new RingConsumer(completions, bell(completions)),
      capacity: submissions.capacity,
      views,
    });
  }

  #startWorker(index: number, router: Router): void {
    const { world, streams } = this.#options;
    const { sabotage } = world;
    const thread = this.#thread(`worker ${index}`);
    const views = createViews(SLOTS);
    const submissions = createRing(RING_CAPACITY);
    const completions = createRing(RING_CAPACITY);
    const link = new ControlLink<PartitionCommand, PartitionReply, PartitionEvent>(
      this.#supervisorThread,
      thread,
      world.linkDelay,
      (event) => this.#supervisor?.workerTold(event),
    );
    this.#workers.set(index, { index, thread, views, link });
    const bell = (consumer: Thread, ring: RingMemory) =>
      new LocalDoorbell(
        (run) => consumer.clock.schedule(this.#random.below(1000 * BELL_MS_MAX) / 1000, run),
        () => ringIsAsleep(ring),
      );
    const submissionBell = bell(thread, submissions);
    const completionBell = bell(this.#main, completions);
    router.attachWorker(index, {
      submissions: new RingProducer(submissions, submissionBell),
      completions: new RingConsumer(completions, completionBell),
      capacity: RING_CAPACITY,
      views,
    });
    this.#supervisorLink.tell({ type: 'worker-started', worker: index });
    const random = streams(`worker ${index}, generation ${++this.#generations}`);
    thread.clock.schedule(this.#random.below(THREAD_START_MS_MAX), () => {
      const host = new PartitionHost({
        submissions:
          sabotage.submissions?.(submissions, submissionBell) ??
          new RingConsumer(submissions, submissionBell),
        completions:
          sabotage.completions?.(completions, completionBell) ??
          new RingProducer(completions, completionBell),
        views,
        memory: Buffer.from(router.options.writeBuffer.memory),
        disk: thread.disk,
        jobs: thread.jobs,
        clock: sabotage.workerClock?.(thread.clock) ?? thread.clock,
        random,
        logger: this.#listeningLogger(world.trace.logger(thread.name)),
        retentionCheckIntervalMs: world.config.logRetentionCheckIntervalMs,
        compaction: compactionSettings(world.config),
        tell: (event) => link.emit(event),
        // Time passes, or a worker that tries again at once would try for ever.
        later: (run) => thread.clock.schedule(LATER_MS, run),
      });
      link.attach((command, reply) => host.receive(command, reply));
    });
  }

  /** Hears of compactions. */
  #listeningLogger(logger: Logger): Logger {
    const { compacted } = this.#options.world;
    return {
      ...logger,
      info: (message, fields) => {
        if (message === 'log compacted') compacted();
        logger.info(message, fields);
      },
    };
  }

  #workerDied(worker: Worker, reason: string): void {
    worker.thread.end({ closeFiles: true });
    this.#main.clock.schedule(this.#random.below(3), () => {
      this.#router?.workerDied(worker.index);
      this.#supervisorLink.tell({ type: 'worker-exited', worker: worker.index, reason });
    });
  }

  // ------------------------------------------------------------------------------------- what a history does to it

  /** A random worker that runs, or null. */
  #someWorker(): Worker | null {
    const alive = [...this.#workers.values()].filter(({ thread }) => thread.alive);
    return alive.length > 0 ? pick(this.#random, alive) : null;
  }

  /** Ends a worker's thread at once; false if none runs. */
  killWorker(): boolean {
    const worker = this.#someWorker();
    if (!worker || this.#stopping) return false;
    this.#workerDied(worker, 'killed');
    return true;
  }

  /** A worker's thread will end in a disk call soon. */
  killWorkerInDiskCall(count: number): void {
    if (!this.#stopping) this.#someWorker()?.thread.dieInDiskCall(count);
  }

  /** A thread died inside a disk call; what kind of death that was. */
  threadDied(thread: Thread): void {
    for (const worker of this.#workers.values())
      if (worker.thread === thread) this.#workerDied(worker, 'died in a disk call');
  }

  /** The process is gone. What becomes of the disk is decided elsewhere. */
  end(): void {
    for (const thread of [this.#main, this.#supervisorThread]) thread.end({ closeFiles: false });
    for (const { thread } of this.#workers.values()) thread.end({ closeFiles: false });
    this.#jobs.crashProcess();
    this.#options.world.network.crashProcess();
  }

  /** Stops as a broker does that gets SIGTERM. `done`: everything is flushed and closed, and whether that worked. */
  stop(done: (clean: boolean) => void): void {
    const router = this.#router;
    const listener = this.#listener;
    if (!router || !listener || this.#stopping) throw new Error('only a running broker can be stopped');
    this.#stopping = true;
    const { clock } = this.#main;
    let drained = false;
    const afterDrain = () => {
      if (drained) return;
      drained = true;
      router.options.supervisor.ask({ type: 'stop' }, SUPERVISOR_DEADLINE_MS, (reply) => {
        router.end();
        clock.after(0, () => done(reply.type === 'done'));
      });
    };
    listener.close(() => {
      clock.after(DRAIN_MS, afterDrain);
      router.drain(afterDrain);
      this.#coordinator.drain();
    });
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** What is still held though no client is connected; null if nothing is. */
  leak(): string | null {
    const router = this.#router;
    const writeBuffer = this.#writeBuffer;
    const readBuffer = this.#readBuffer;
    if (!router || !writeBuffer || !readBuffer) return 'the broker has not started';
    if (router.connectionCount > 0) return `${router.connectionCount} connections are left`;
    if (router.subscriptionCount > 0 || router.streams.taken > 0)
      return `${router.subscriptionCount} subscriptions with ${router.streams.taken} streams are left`;
    if (router.appendsInFlight > 0) return `${router.appendsInFlight} appends are in flight`;
    if (readBuffer.freeBytes !== readBuffer.bytes)
      return `${readBuffer.bytes - readBuffer.freeBytes} bytes of the read buffer are held`;
    // One extent is kept for staging.
    if (writeBuffer.freeExtents < EXTENTS - 1) return `${EXTENTS - writeBuffer.freeExtents} extents are held`;
    if (writeBuffer.contended || readBuffer.contended) return 'somebody waits for memory';
    const large = writeBuffer.acquire(LARGE_BYTES);
    if (!large) return 'a part of the region for large frames is held';
    large.release();
    return null;
  }
}
