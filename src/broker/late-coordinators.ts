// The coordinators' code takes tens of milliseconds to load, and many brokers have no groups: it is loaded when it is first needed,
// or a while after the start. Until then this remembers what the coordinators will have to know.
import type { MetricsSource, Sample } from '../base/metric.js';
import type { CoordinatorMessage } from './coordinator-channel.js';
import type { CoordinatorThread, CoordinatorThreadOptions } from './coordinator-thread.js';
import type { DataDirectories } from './data-directories.js';
import type { SupervisorEvent } from './messages.js';
import type { OwnWorker } from './own-worker.js';
import { OWN_WORKER } from './placement.js';
import type { SupervisorActor } from './supervisor.js';

const LOAD_AFTER_MS = 500;

export class LateCoordinators implements MetricsSource {
  readonly #options: CoordinatorThreadOptions;
  #coordinators: CoordinatorThread | null = null;
  #loading = false;
  /** What is to be done once they are there, in order. */
  readonly #early: ((coordinators: CoordinatorThread) => void)[] = [];

  constructor(options: CoordinatorThreadOptions) {
    this.#options = options;
  }

  /** The worker of this thread; null while there is no internal partition. */
  get worker(): OwnWorker | null {
    return this.#coordinators?.worker ?? null;
  }

  /** None before there are coordinators. */
  samples(): readonly Sample[] {
    return this.#coordinators?.samples() ?? [];
  }

  /** The supervisor runs. */
  start(supervisor: SupervisorActor, data: DataDirectories): void {
    this.#whenLoaded((coordinators) => coordinators.start(supervisor, data));
    this.#options.clock.after(LOAD_AFTER_MS, () => this.#load());
  }

  /** Passes on what the supervisor tells. */
  tell(event: SupervisorEvent): void {
    if (event.type === 'start-worker' && event.worker === OWN_WORKER) this.#load();
    else this.#options.tell(event);
    this.#whenLoaded((coordinators) => coordinators.observe(event));
  }

  /** The router's commands. */
  receive(message: CoordinatorMessage): void {
    this.#whenLoaded((coordinators) => coordinators.receive(message));
    if (message.type === 'commands') this.#load();
  }

  /** To be called before the supervisor stops. */
  close(done: () => void): void {
    if (this.#loading || this.#coordinators) this.#whenLoaded((coordinators) => coordinators.close(done));
    else done();
  }

  #whenLoaded(run: (coordinators: CoordinatorThread) => void): void {
    if (this.#coordinators) run(this.#coordinators);
    else this.#early.push(run);
  }

  /** If it fails the thread dies, and the broker with it. */
  async #load(): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    const { CoordinatorThread } = await import('./coordinator-thread.js');
    const coordinators = new CoordinatorThread(this.#options);
    this.#coordinators = coordinators;
    for (const run of this.#early.splice(0)) run(coordinators);
  }
}
