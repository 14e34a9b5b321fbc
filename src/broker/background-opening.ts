// Opens the partitions that nobody uses, so that recovery and retention reach them too. After a crash at once, several at a time
// and whatever clients ask for beside them; after a clean stop one after the other when the first retention check is due; and so
// from then on with each. New partitions, and the others of a topic that clients begin to use, follow at once, many at a time: who uses
// one of them mostly uses the next one a moment later, and should not wait for each. So do those of a worker that died.
//
// How many at a time: a log with little to scan waits for the disk more than it computes, so many of those are under way together;
// of logs that take long only as many as there are threads to scan them. What an opening takes is what one that a client asks for
// now will wait behind the others.
import type { LogToMeasure } from '../log/measure-recovery.js';
import type { PartitionLifecycle } from './partition-lifecycle.js';
import { RecoveryProgress } from './recovery-progress.js';
import { recoveryThreads } from './recovery-threads.js';
import type { SupervisorOptions } from './supervisor-options.js';
import type { SupervisedPartition, SupervisedTopic, TopicRegistry } from './topic-registry.js';

export type BackgroundOpeningOptions = Pick<
  SupervisorOptions,
  'config' | 'data' | 'clock' | 'logger' | 'jobs'
>;

/** While an opening takes less, one more is begun at a time; if it takes longer, half as many. */
const QUICK_MS = 250;
const OPENINGS_MAX = 32;
/** Openings of partitions that are wanted soon: they share writes and syncs of the metadata. */
const SOON_MAX = 128;
/** Begun together, when so many have ended. */
const SOON_GROUP = 64;

export class BackgroundOpening {
  readonly #options: BackgroundOpeningOptions;
  readonly #registry: TopicRegistry;
  readonly #lifecycle: PartitionLifecycle;
  /** What a crash left behind of partitions that are to be recovered. */
  readonly #leftBehind = new Map<SupervisedPartition, LogToMeasure>();
  #waiting: SupervisedPartition[] = [];
  #progress: RecoveryProgress | null = null;
  #recovered: boolean;
  #succeeded = true;
  /** Openings under way, and how many there may be. */
  #openings = 0;
  #openingsMax = 1;
  #isBeginning = false;
  /** What is wanted soon, in order. */
  readonly #soon = new Set<SupervisedPartition>();
  #soonUnderWay = 0;
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

  /** Logs that a crash left behind and that are not open yet. */
  get unrecovered(): number {
    return this.#progress?.left ?? 0;
  }

  /** What they hold behind their recovery points; 0 until that was measured. */
  get unrecoveredBytes(): number {
    return this.#progress?.bytesLeft ?? 0;
  }

  start(): void {
    if (this.#recovered) this.#openAllLater();
    else this.#recoverAll();
  }

  stop(): void {
    this.#stopping = true;
    this.#progress?.stop();
  }

  /** Has partitions opened before somebody waits for them, if they are not open. */
  openSoon(partitions: readonly SupervisedPartition[]): void {
    // What a crash left behind is opened at the recovery's own pace.
    for (const partition of partitions)
      if (partition.phase === 'closed' && !this.#leftBehind.has(partition)) this.#soon.add(partition);
    this.#openSoon();
  }

  /**
   * Has partitions opened whose worker died: at once those that somebody waits for; of the others so many at a time as of what is
   * wanted soon, and before that, so that who asks for one of them meanwhile does not wait for all.
   */
  openAgain(partitions: readonly SupervisedPartition[]): void {
    const others: SupervisedPartition[] = [];
    const awaited: SupervisedPartition[] = [];
    for (const partition of partitions) (partition.waiting.length > 0 ? awaited : others).push(partition);
    for (let start = 0; start < awaited.length; start += SOON_GROUP)
      this.#lifecycle.openAll(awaited.slice(start, start + SOON_GROUP), () => {});
    const later = [...this.#soon];
    this.#soon.clear();
    for (const partition of [...others, ...later]) this.#soon.add(partition);
    this.#openSoon();
  }

  /** A client uses the topic: what was not opened of it is wanted soon. Not while a crash is recovered from, which opens them too. */
  used(topic: SupervisedTopic): void {
    if (topic.used || topic.record.internal || !this.#recovered) return;
    topic.used = true;
    this.openSoon(topic.partitions);
  }

  #openSoon(): void {
    if (this.#stopping || this.#soonUnderWay > SOON_MAX - SOON_GROUP) return;
    const group: SupervisedPartition[] = [];
    for (const partition of this.#soon) {
      if (group.length === SOON_GROUP) break;
      this.#soon.delete(partition);
      if (partition.phase === 'closed' && this.#registry.exists(partition)) group.push(partition);
    }
    if (group.length === 0) return;
    this.#soonUnderWay += group.length;
    // What fails is told to who asks for it, and tried again then.
    this.#lifecycle.openAll(group, () => {
      this.#soonUnderWay--;
      this.#openSoon();
    });
  }

  #recoverAll(): void {
    const { config, data } = this.#options;
    for (const partition of this.#closed()) {
      const log = data.leftBehind(partition.topic, partition.partition);
      if (log) this.#leftBehind.set(partition, log);
    }
    this.#waiting = [...this.#leftBehind.keys()].reverse();
    if (this.#waiting.length > 0)
      this.#progress = new RecoveryProgress(this.#options, [...this.#leftBehind.values()]);
    this.#openingsMax = recoveryThreads(config);
    this.#openMore();
  }

  #openAllLater(): void {
    this.#options.clock.after(this.#options.config.logRetentionCheckIntervalMs, () => {
      if (this.#stopping) return;
      this.#succeeded = true;
      this.#waiting = [...this.#closed()];
      this.#openMore();
    });
  }

  /** Partitions that are on the disk and not open. */
  *#closed(): Iterable<SupervisedPartition> {
    for (const { partitions } of this.#registry.topics()) {
      for (const partition of partitions) {
        const { phase, topic, partition: index } = partition;
        if (phase === 'closed' && this.#options.data.hasFolder(topic, index)) yield partition;
      }
    }
  }

  #openMore(): void {
    if (this.#isBeginning) return; // An opening failed at once: the loop below goes on.
    this.#isBeginning = true;
    while (!this.#stopping && this.#openings < this.#openingsMax) {
      const partition = this.#waiting.pop();
      if (!partition) break;
      if (partition.phase === 'open' || !this.#registry.exists(partition)) this.#ended(partition, true);
      else this.#open(partition);
    }
    this.#isBeginning = false;
    if (!this.#stopping && this.#openings === 0 && this.#waiting.length === 0) this.#finished();
  }

  #open(partition: SupervisedPartition): void {
    const { clock } = this.#options;
    const begunMs = clock.monotonicMs();
    this.#openings++;
    this.#lifecycle.open(partition, (reply) => {
      this.#openings--;
      this.#adapt(clock.monotonicMs() - begunMs);
      this.#ended(partition, reply.type !== 'failed' || !this.#registry.exists(partition));
      this.#openMore();
    });
  }

  #adapt(tookMs: number): void {
    if (this.#progress === null) return;
    const atLeast = recoveryThreads(this.#options.config);
    const next = tookMs < QUICK_MS ? this.#openingsMax + 1 : Math.floor(this.#openingsMax / 2);
    this.#openingsMax = Math.max(atLeast, Math.min(next, OPENINGS_MAX));
  }

  #ended(partition: SupervisedPartition, succeeded: boolean): void {
    if (!succeeded) this.#succeeded = false;
    const log = this.#leftBehind.get(partition);
    if (log) this.#progress?.ended(log, succeeded);
    this.#leftBehind.delete(partition);
  }

  #finished(): void {
    this.#recovered ||= this.#succeeded;
    this.#progress = null;
    this.#openingsMax = 1;
    this.#openAllLater();
  }
}
