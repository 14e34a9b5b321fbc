// The threads of a broker: the main thread starts them, because only it can share memory with all, and tells the supervisor
// when one starts or ends.
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { createRing, RING_SLEEPING_INDEX, RingConsumer, RingProducer } from '../actor/descriptor-ring.js';
import { SharedDoorbell } from '../actor/doorbell.js';
import { createViews } from '../actor/view.js';
import type { Logger } from '../base/log.js';
import { type WorkerName, workerEntry } from '../base/worker-entry.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { SLOTS_PER_WORKER } from './placement.js';
import type { WorkerEnds } from './router.js';
import type { LogLine, PartitionWorkerData, SupervisorData } from './worker-data.js';

/** Batches on their way to and from one worker. */
const RING_CAPACITY = 4096;
const OPEN_FILES_PER_WORKER = 512;

export interface StartedWorker {
  readonly ends: WorkerEnds;
  /** For the supervisor: to the worker. */
  readonly port: MessagePort;
}

export class WorkerHost {
  readonly #logger: Logger;
  readonly #threads = new Set<Worker>();
  readonly #partitionWorkers = new Map<number, Worker>();
  #closing = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  startSupervisor(data: Omit<SupervisorData, 'port'>, exited: (reason: string) => void): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#start('supervisor', { ...data, port: port2 }, port2, exited);
    return port1;
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
      openFilesMax: OPEN_FILES_PER_WORKER,
      port: port2,
    };
    const thread = this.#start('partition', data, port2, (reason) => {
      if (this.#partitionWorkers.get(index) === thread) this.#partitionWorkers.delete(index);
      exited(reason);
    });
    this.#partitionWorkers.set(index, thread);
    const bell = (words: Int32Array) => new SharedDoorbell(words, RING_SLEEPING_INDEX);
    return {
      ends: {
        submissions: new RingProducer(submissions, bell(submissions.words)),
        completions: new RingConsumer(completions, bell(completions.words)),
        capacity: RING_CAPACITY,
        views,
      },
      port: port1,
    };
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

  #start(name: WorkerName, data: object, port: MessagePort, exited: (reason: string) => void): Worker {
    const thread = new Worker(workerEntry(name), {
      workerData: data,
      transferList: [port],
      name: `odradek-${name}`,
    });
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
    return thread;
  }
}
