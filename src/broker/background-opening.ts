// Opens the partitions that nobody uses, one after the other, so that recovery and retention reach them too. After a crash at
// once (a first use goes before), after a clean stop when the first retention check is due; and from then on with each.
import type { PartitionLifecycle } from './partition-lifecycle.js';
import type { SupervisorOptions } from './supervisor-options.js';
import type { SupervisedPartition, TopicRegistry } from './topic-registry.js';

export type BackgroundOpeningOptions = Pick<SupervisorOptions, 'config' | 'data' | 'clock'>;

export class BackgroundOpening {
  readonly #options: BackgroundOpeningOptions;
  readonly #registry: TopicRegistry;
  readonly #lifecycle: PartitionLifecycle;
  readonly #partitions: SupervisedPartition[] = [];
  #recovered: boolean;
  #succeeded = true;
  #opening = false;
  #stopping = false;

  constructor(options: BackgroundOpeningOptions, registry: TopicRegistry, lifecycle: PartitionLifecycle) {
    this.#options = options;
    this.#registry = registry;
    this.#lifecycle = lifecycle;
    this.#recovered = options.data.clean;
  }

  /** Whether each log that a crash left behind has been recovered: a stop before that is no clean one. */
  get recovered(): boolean {
    return this.#recovered;
  }

  /** Logs that a crash left behind and whose turn has not come. */
  get unrecovered(): number {
    return this.#recovered ? 0 : this.#partitions.length + (this.#opening ? 1 : 0);
  }

  start(): void {
    if (this.#options.data.clean) this.#openAllLater();
    else this.#openAll();
  }

  stop(): void {
    this.#stopping = true;
  }

  #openAllLater(): void {
    this.#options.clock.after(this.#options.config.logRetentionCheckIntervalMs, () => this.#openAll());
  }

  #openAll(): void {
    if (this.#partitions.length > 0) return;
    this.#succeeded = true;
    for (const { partitions } of this.#registry.topics()) {
      for (const partition of partitions) {
        if (
          partition.phase === 'closed' &&
          this.#options.data.hasFolder(partition.topic, partition.partition)
        ) {
          this.#partitions.push(partition);
        }
      }
    }
    this.#openNext();
  }

  #openNext(): void {
    for (;;) {
      if (this.#stopping) return;
      const partition = this.#partitions.pop();
      if (!partition) {
        this.#recovered ||= this.#succeeded;
        this.#openAllLater();
        return;
      }
      if (partition.phase === 'open' || !this.#registry.exists(partition)) continue;
      this.#opening = true;
      this.#lifecycle.open(partition, (reply) => {
        this.#opening = false;
        if (reply.type === 'failed') this.#succeeded = false;
        this.#openNext();
      });
      return;
    }
  }
}
