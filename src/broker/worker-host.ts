// The threads of a broker: the main thread starts them, because only it can share memory with all, and tells the supervisor
// when one starts or ends.
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import {
  createRing,
  RING_SLEEPING_INDEX,
  RingConsumer,
  type RingMemory,
  RingProducer,
} from '../actor/descriptor-ring.js';
import { SharedDoorbell } from '../actor/doorbell.js';
import { createViews } from '../actor/view.js';
import type { Logger } from '../base/log.js';
import { type WorkerName, workerEntry } from '../base/worker-entry.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { openFilesPerThread } from '../io/descriptor-limit.js';
import { syncsPerThread } from '../io/thread-pool.js';
import { compactionSettings } from '../partition/compaction-settings.js';
import type { WorkerMemory } from './messages.js';
import { SLOTS_PER_WORKER } from './placement.js';
import { recoveryThreadsPerWorker } from './recovery-threads.js';
import type { WorkerEnds } from './router.js';
import type { LogLine, PartitionWorkerData, SupervisorData } from './worker-data.js';

/** Batches on their way to and from one worker. */
const RING_CAPACITY = 4096;

/** The main thread's ends of the ports to the supervisor. */
export interface SupervisorPorts {
  readonly control: MessagePort;
  /** For commands of groups, and their replies. */
  readonly coordinator: MessagePort;
}

export interface StartedWorker {
  readonly ends: WorkerEnds;
  /** For the supervisor: to the worker. */
  readonly port: MessagePort;
}

/** The main thread's ends of what it shares with a worker. */
export function workerEnds({ submissions, completions, views }: WorkerMemory): WorkerEnds {
  const bell = ({ words }: RingMemory) => new SharedDoorbell(words, RING_SLEEPING_INDEX);
  return {
    submissions: new RingProducer(submissions, bell(submissions)),
    completions: new RingConsumer(completions, bell(completions)),
    capacity: Math.min(submissions.capacity, completions.capacity),
    views,
  };
}

export class WorkerHost {
  readonly #logger: Logger;
  readonly #threads = new Set<Worker>();
  readonly #partitionWorkers = new Map<number, Worker>();
  #closing = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** `thread` is one that was started already, and has been given nothing. */
  startSupervisor(
    data: Omit<SupervisorData, 'port' | 'coordinatorPort'>,
    exited: (reason: string) => void,
    thread: Worker = startThread('supervisor', {}, []),
  ): SupervisorPorts {
    const control = new MessageChannel();
    const coordinator = new MessageChannel();
    const ports = { port: control.port2, coordinatorPort: coordinator.port2 };
    thread.ref();
    thread.postMessage({ ...data, ...ports }, Object.values(ports));
    this.#watch(thread, exited);
    return { control: control.port1, coordinator: coordinator.port1 };
  }

  startPartitionWorker(
    index: number,
    memory: SharedArrayBuffer,
    config: BrokerConfig,
    exited: (reason: string) => void,
  ): StartedWorker {
    const { port1, port2 } = new MessageChannel();
    const submissions = createRing(RING_CAPACITY);
    const completions = createRing(RING_CAPACITY);
    const views = createViews(SLOTS_PER_WORKER);
    const data: PartitionWorkerData = {
      index,
      submissions,
      completions,
      views,
      memory,
      retentionCheckIntervalMs: config.logRetentionCheckIntervalMs,
      compaction: compactionSettings(config),
      openFilesMax: openFilesPerThread(config.workers),
      syncsMax: syncsPerThread(config.workers, process.env['UV_THREADPOOL_SIZE']),
      jobThreads: recoveryThreadsPerWorker(config),
      port: port2,
    };
    const thread = startThread('partition', data, [port2]);
    this.#watch(thread, (reason) => {
      if (this.#partitionWorkers.get(index) === thread) this.#partitionWorkers.delete(index);
      exited(reason);
    });
    this.#partitionWorkers.set(index, thread);
    return { ends: workerEnds({ submissions, completions, views }), port: port1 };
  }

  /** Indexes of the partition workers that run. */
  get partitionWorkers(): readonly number[] {
    return [...this.#partitionWorkers.keys()];
  }

  /** Ends a partition worker's thread as a crash would; the supervisor sees to the rest. */
  async kill(index: number): Promise<void> {
    await this.#partitionWorkers.get(index)?.terminate();
  }

  /** Ends all threads. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#threads].map((thread) => thread.terminate()));
  }

  #watch(thread: Worker, exited: (reason: string) => void): void {
    let reason = '';
    this.#threads.add(thread);
    thread.on('message', (line: LogLine) => this.#logger[line.level](line.message, line.fields));
    thread.on('error', (error: unknown) => {
      reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    thread.on('exit', (code) => {
      this.#threads.delete(thread);
      if (!this.#closing) exited(reason || `the thread ended with code ${code}`);
    });
  }
}

function startThread(name: WorkerName, data: object, ports: MessagePort[]): Worker {
  return new Worker(workerEntry(name), {
    workerData: data,
    transferList: ports,
    name: `odradek-${name}`,
  });
}
