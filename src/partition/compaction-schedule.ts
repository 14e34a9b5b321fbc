// Has the partitions of a thread compacted: one at a time, in the order of compaction-queue.ts, and the next one as soon as that is
// done. While there is none it looks again after a while. One that was compacted because a record had waited for too long
// rests that while: where records are old as they come, each one has. The work itself is the log's, which has job threads do
// it in slices.
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { type MetricsSource, type Sample, sample } from '../base/metric.js';
import type { CompactionResult } from '../log/compaction/compaction.js';
import { CompactionQueue, type Urgent } from './compaction-queue.js';
import type { CompactionSettings } from './compaction-settings.js';
import type { PartitionActor } from './partition-actor.js';
import { PARTITION_METRICS } from './partition-metrics.js';

export interface CompactionScheduleOptions {
  readonly settings: CompactionSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The partitions that are open. */
  readonly actors: () => Iterable<PartitionActor>;
  /** What the thread is called in metrics. */
  readonly thread: string;
}

/** What the compactions of a thread did since it started. */
interface CompactionCounts {
  completed: number;
  failed: number;
  bytesRead: number;
  bytesWritten: number;
  recordsRemoved: number;
  /** How long the last one took; 0 before the first. */
  lastMs: number;
}

/** With `log.cleaner.backoff.ms` 0 the thread has time for others too. */
const BACKOFF_MS_MIN = 10;

export class CompactionSchedule implements MetricsSource {
  readonly #counts: CompactionCounts = {
    completed: 0,
    failed: 0,
    bytesRead: 0,
    bytesWritten: 0,
    recordsRemoved: 0,
    lastMs: 0,
  };
  readonly #options: CompactionScheduleOptions;
  readonly #queue: CompactionQueue<PartitionActor>;
  readonly #backoffMs: number;
  #timer: Timer | null = null;
  #isRunning = false;
  #isStopped: boolean;
  /** When what was read and written so far is paid for, by the monotonic clock. */
  #paidForMs = Number.NEGATIVE_INFINITY;

  constructor(options: CompactionScheduleOptions) {
    this.#options = options;
    const { isEnabled, backoffMs } = options.settings;
    this.#backoffMs = Math.max(backoffMs, BACKOFF_MS_MIN);
    this.#queue = new CompactionQueue({ partitions: options.actors, lookAgainMs: this.#backoffMs });
    this.#isStopped = !isEnabled;
    this.#lookLater(this.#backoffMs);
  }

  /** Begins nothing more. What is under way ends when its partition is closed. */
  stop(): void {
    this.#isStopped = true;
    if (this.#timer) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
  }

  samples(): Sample[] {
    const thread = [this.#options.thread] as const;
    const { completed, failed, bytesRead, bytesWritten, recordsRemoved, lastMs } = this.#counts;
    return [
      sample(PARTITION_METRICS.compactions, thread, completed),
      sample(PARTITION_METRICS.compactionFailures, thread, failed),
      sample(PARTITION_METRICS.compactionBytesRead, thread, bytesRead),
      sample(PARTITION_METRICS.compactionBytesWritten, thread, bytesWritten),
      sample(PARTITION_METRICS.compactionRecordsRemoved, thread, recordsRemoved),
      sample(PARTITION_METRICS.compactionLastSeconds, thread, lastMs / 1000),
    ];
  }

  #lookLater(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer ??= this.#options.clock.after(Math.max(delayMs, BACKOFF_MS_MIN), () => {
      this.#timer = null;
      this.#look();
    });
  }

  #look(): void {
    if (this.#isStopped || this.#isRunning) return;
    const nowMs = this.#options.clock.monotonicMs();
    const chosen = this.#queue.next(nowMs);
    if (chosen) this.#compact(chosen);
    else this.#lookLater(this.#queue.lookAgainAtMs - nowMs);
  }

  #compact({ partition: actor, need }: Urgent<PartitionActor>): void {
    this.#isRunning = true;
    const { clock, settings } = this.#options;
    const { keysBytesMax } = settings;
    actor.compact({ keysBytesMax, pace: (bytes) => this.#delayFor(bytes) }, (error, result) => {
      this.#isRunning = false;
      if (error) this.#counts.failed++; // The log says why.
      if (result) this.#ended(actor, result);
      const isSoonAgain = need.forced || !result || result.passes === 0;
      if (isSoonAgain) this.#queue.rest(actor, clock.monotonicMs() + this.#backoffMs);
      this.#look();
    });
  }

  #ended({ name }: PartitionActor, result: CompactionResult): void {
    const counts = this.#counts;
    counts.bytesRead += result.bytesRead;
    counts.bytesWritten += result.bytesWritten;
    counts.recordsRemoved += result.recordsRemoved;
    if (result.outcome === 'stopped' || result.passes === 0) return;
    counts.completed++;
    counts.lastMs = result.elapsedMs;
    const { topic, partition } = name;
    const { passes, recordsRead, recordsRemoved, bytesFreed, elapsedMs } = result;
    this.#options.logger.info('log compacted', {
      ...{ topic, partition, passes, recordsRead, recordsRemoved, bytesFreed },
      elapsedMs: Math.round(elapsedMs),
    });
  }

  /** How long to wait until so many more bytes keep to the rate that is allowed. */
  #delayFor(bytes: number): number {
    const { clock, settings } = this.#options;
    const nowMs = clock.monotonicMs();
    const costMs = (1000 * bytes) / settings.bytesPerSecondMax;
    this.#paidForMs = Math.max(this.#paidForMs, nowMs) + costMs;
    return this.#paidForMs - nowMs;
  }
}
