// What the supervisor's thread does for coordinators: hosts the partitions of internal topics, runs the coordinators, and answers
// the router's commands. It stands between the supervisor and the main thread, because it has to know of topics and routes too.
import type { MetricsSource, Sample } from '../base/metric.js';
import { groupConfigOf } from '../coordinator/group/group-config.js';
import { GroupMetrics } from '../coordinator/group/group-metrics.js';
import {
  type CoordinatorMessage,
  type CoordinatorReplies,
  CoordinatorServer,
} from './coordinator-channel.js';
import { CoordinatorHost } from './coordinator-host.js';
import type { DataDirectories } from './data-directories.js';
import type { SupervisorEvent } from './messages.js';
import { OwnWorker, type OwnWorkerOptions } from './own-worker.js';
import { OWN_WORKER } from './placement.js';
import type { SupervisorActor } from './supervisor.js';

export interface CoordinatorThreadOptions extends Omit<OwnWorkerOptions, 'tell'> {
  /** To the main thread. */
  readonly tell: (event: SupervisorEvent) => void;
  readonly reply: (replies: CoordinatorReplies) => void;
  /** Runs a function at the end of the current turn. */
  readonly endOfTurn: (run: () => void) => void;
}

export class CoordinatorThread implements MetricsSource {
  readonly #options: CoordinatorThreadOptions;
  readonly #host: CoordinatorHost;
  readonly #server: CoordinatorServer;
  readonly #groups: GroupMetrics;
  #supervisor: SupervisorActor | null = null;
  #own: OwnWorker | null = null;

  constructor(options: CoordinatorThreadOptions) {
    this.#options = options;
    this.#groups = new GroupMetrics(groupConfigOf(options.config), options.config.metricsPartitionsMax);
    this.#host = new CoordinatorHost({
      ...options,
      makeShard: this.#groups.makeShard,
      partition: (route, { overrides }) => this.#worker().partition(route, overrides),
    });
    this.#server = new CoordinatorServer({
      handle: (command, reply) => this.#host.handle(command, reply),
      drain: () => this.#host.close(() => {}),
      send: options.reply,
      endOfTurn: options.endOfTurn,
    });
  }

  /** The worker of this thread; null while there is no internal partition. */
  get worker(): OwnWorker | null {
    return this.#own;
  }

  samples(): readonly Sample[] {
    return this.#groups.samples();
  }

  /** The supervisor runs. */
  start(supervisor: SupervisorActor, data: DataDirectories): void {
    this.#supervisor = supervisor;
    this.#host.start(supervisor, data);
  }

  /** Takes note of what the supervisor tells. */
  observe(event: SupervisorEvent): void {
    if (event.type === 'start-worker' && event.worker === OWN_WORKER) this.#startWorker();
    else this.#host.observe(event);
  }

  /** The router's commands. */
  receive(message: CoordinatorMessage): void {
    this.#server.receive(message);
  }

  /** To be called before the supervisor stops: ends the coordinators, when all that they appended is committed. */
  close(done: () => void): void {
    this.#host.close(done);
  }

  #startWorker(): void {
    const worker = this.#worker();
    this.#options.tell({ type: 'own-worker', memory: worker.memory });
    this.#options.clock.after(0, () => this.#supervisor?.workerStarted(OWN_WORKER, worker));
  }

  #worker(): OwnWorker {
    this.#own ??= new OwnWorker({
      ...this.#options,
      tell: (event) => this.#supervisor?.workerTold(event),
    });
    return this.#own;
  }
}
