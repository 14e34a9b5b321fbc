// When a log is compacted, and what became of it: how far it is, what it cannot read, when it may be tried again. One compaction at
// a time; compaction-run.ts does it.
import { assert, present } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { type Offset, toOffset } from '../../base/ids.js';
import type { LogFields, Logger } from '../../base/log.js';
import type { Random } from '../../base/random.js';
import { type Disk, DiskError } from '../../io/disk.js';
import type { Jobs } from '../../io/jobs.js';
import { runSteps, type StepDone } from '../in-turn.js';
import type { Operations } from '../operations.js';
import type { Segment } from '../segment.js';
import {
  type CompactionDone,
  type CompactionNeed,
  type CompactionRequest,
  NOTHING_DONE,
  type Uncleanable,
} from './compaction.js';
import { type CompactionBounds, compactableCount, dirtyShare } from './compaction-plan.js';
import { type CompactedLog, CompactionRun, UnreadableSegment } from './compaction-run.js';
import type { SegmentSwap } from './swap.js';

export interface CompactableLog extends CompactedLog {
  readonly recoveryPoint: Offset;
  /** Nothing may be begun: the log is closed, offline or being cut. */
  readonly isBusy: boolean;
}

export interface CompactorOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly jobs: Jobs;
  readonly logger: Logger;
  readonly directory: string;
  readonly operations: Operations;
  /** Of log lines. */
  readonly fields: (fields: LogFields) => LogFields;
  readonly log: () => CompactableLog;
  readonly firstDirtyOffset: Offset;
  /** Seals the active segment. Throws DiskError. */
  readonly roll: () => void;
  readonly flush: (done: StepDone) => void;
  /** Calls back when no sync uses the segments' files; at once if none does. */
  readonly whenNotFlushing: (run: () => void) => void;
  /** The segment takes the place of the others, which are neighbours. */
  readonly replace: (segments: readonly Segment[], by: Segment) => void;
}

/** A compaction that failed is tried again after so long; each time it fails again, after twice as long. */
const RETRY_MS_MIN = 15_000;
const RETRY_MS_MAX = 600_000;

interface Unreadable extends Uncleanable {
  readonly segment: Segment;
}

export class Compactor {
  readonly #options: CompactorOptions;
  #firstDirtyOffset: Offset;
  #run: CompactionRun | null = null;
  #isCompacting = false;
  #swap: SegmentSwap | null = null;
  /** What the log has of the swap: its segments, and once they are replaced the new one. */
  #swapping: readonly Segment[] = [];
  /** Stops waiting for the flush of what was sealed. */
  #sealing: (() => void) | null = null;
  #replacements = 0;
  #unreadable: Unreadable | null = null;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #retryMs = RETRY_MS_MIN;

  constructor(options: CompactorOptions) {
    this.#options = options;
    this.#firstDirtyOffset = options.firstDirtyOffset;
  }

  get firstDirtyOffset(): Offset {
    return this.#firstDirtyOffset;
  }

  get replacements(): number {
    return this.#replacements;
  }

  /** Segments that are about to be replaced, or whose files are not all in their place yet: nothing else may happen to them. */
  get swapping(): readonly Segment[] {
    return this.#swapping;
  }

  get uncleanable(): Uncleanable | null {
    if (this.#unreadable && !this.#options.log().segments.includes(this.#unreadable.segment))
      this.#unreadable = null;
    return this.#unreadable;
  }

  /** The log was cut to end at the offset. */
  cutTo(logEndOffset: Offset): void {
    if (this.#firstDirtyOffset > logEndOffset) this.#firstDirtyOffset = logEndOffset;
  }

  dirtyRatio(nowMs: number, limitOffset: Offset): number {
    const bounds = this.#bounds(nowMs, limitOffset);
    return bounds ? dirtyShare(this.#options.log().segments, bounds).ratio : 0;
  }

  due(nowMs: number, limitOffset: Offset): CompactionNeed | null {
    const { isBusy, segments } = this.#options.log();
    const { clock } = this.#options;
    if (isBusy || this.#isCompacting || clock.monotonicMs() < this.#retryAtMs) return null;
    if (this.#swap) return { dirtyRatio: 1, dirtyBytes: 0, forced: true };
    const bounds = this.#bounds(nowMs, limitOffset);
    if (!bounds || this.uncleanable) return null;
    const { ratio, bytes } = dirtyShare(segments, bounds);
    const forced = this.#isLate(bounds);
    if (!forced && (bytes === 0 || ratio < bounds.config.minDirtyRatio)) return null;
    return { dirtyRatio: ratio, dirtyBytes: bytes, forced };
  }

  /** See `Log.compact`. */
  compact(request: CompactionRequest, done: CompactionDone): void {
    assert(!this.#isCompacting, 'a log is compacted once at a time');
    const { clock, operations } = this.#options;
    this.#isCompacting = true;
    operations.begin();
    let result = NOTHING_DONE;
    runSteps(
      clock,
      [
        (next) => clock.after(0, () => next(null)),
        (next) => (this.#swap ? this.#goOn(this.#swap, next) : next(null)),
        (next) => this.#sealWhatIsLate(request, next),
        (next) => {
          this.#start(request, (error, outcome) => {
            result = outcome ?? NOTHING_DONE;
            next(error);
          });
        },
      ],
      (error) => {
        this.#run = null;
        this.#isCompacting = false;
        this.#ended(error);
        done(error, error ? null : result);
        operations.end();
      },
    );
  }

  /** Ends a compaction as soon as what is under way lets it. The log's operations tell when it has. */
  stop(): void {
    this.#run?.stop();
    this.#sealing?.();
  }

  /** Completes a swap that is decided and failed: before it the log must not be cut. */
  completeSwap(done: StepDone): void {
    if (this.#swap) this.#goOn(this.#swap, done);
    else done(null);
  }

  #goOn(swap: SegmentSwap, done: StepDone): void {
    swap.run((error) => {
      if (!error) this.#setSwap(null);
      done(error);
    });
  }

  #setSwap(swap: SegmentSwap | null): void {
    this.#swap = swap;
    this.#swapping = swap?.segments ?? [];
  }

  #bounds(nowMs: number, limitOffset: Offset): CompactionBounds | null {
    const { config, recoveryPoint } = this.#options.log();
    if (!config.compaction) return null;
    const firstDirtyOffset = this.#firstDirtyOffset;
    return { config: config.compaction, nowMs, limitOffset, recoveryPoint, firstDirtyOffset };
  }

  /** Whether a record that was not compacted is older than `max.compaction.lag.ms`. */
  #isLate({ config, nowMs, firstDirtyOffset, limitOffset }: CompactionBounds): boolean {
    const oldestMs = nowMs - config.maxLagMs;
    if (!(oldestMs > 0)) return false;
    const { segments } = this.#options.log();
    try {
      return segments.some((segment, i) => {
        const end = segments[i + 1]?.baseOffset ?? limitOffset;
        if (end <= firstDirtyOffset || end > limitOffset) return false;
        const { firstTimestampMs } = segment;
        if (i < segments.length - 1 && !segment.dirty) segment.release();
        return firstTimestampMs >= 0 && firstTimestampMs < oldestMs;
      });
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return false;
    }
  }

  /** What must not wait any longer may lie in the active segment, or may not be on the disk. */
  #sealWhatIsLate({ nowMs, limitOffset, replaced }: CompactionRequest, next: StepDone): void {
    const bounds = this.#bounds(nowMs, limitOffset);
    const { segments, isBusy } = this.#options.log();
    const active = segments.at(-1);
    if (!bounds || !active || isBusy) {
      next(null);
      return;
    }
    const oldestMs = nowMs - bounds.config.maxLagMs;
    const isLate = oldestMs > 0 && active.firstTimestampMs >= 0 && active.firstTimestampMs < oldestMs;
    if (!isLate) {
      next(null);
      return;
    }
    this.#options.roll();
    replaced();
    // No flush begins while the log is being cut, and a cut waits until this is over.
    let isOver = false;
    const goOn: StepDone = (error) => {
      if (isOver) return;
      isOver = true;
      this.#sealing = null;
      next(error);
    };
    this.#sealing = () => goOn(null);
    this.#options.flush(goOn);
  }

  #start(request: CompactionRequest, done: CompactionDone): void {
    const { disk, clock, random, jobs, directory, log, whenNotFlushing } = this.#options;
    const { segments, isBusy } = this.#options.log();
    const bounds = this.#bounds(request.nowMs, request.limitOffset);
    if (!bounds || isBusy) {
      done(null, NOTHING_DONE);
      return;
    }
    const { config } = bounds;
    const behind = present(segments[compactableCount(segments, bounds)], 'the active segment');
    const run: CompactionRun = new CompactionRun(
      {
        ...{ disk, clock, random, jobs, directory, log, config, whenNotFlushing },
        endOffset: behind.baseOffset,
        firstDirtyOffset: this.#firstDirtyOffset,
        advanced: (offset) => {
          this.#firstDirtyOffset = toOffset(Math.max(this.#firstDirtyOffset, offset));
        },
        swapping: (swap) => this.#setSwap(swap),
        replaced: (swap, by) => {
          this.#options.replace(swap.segments, by);
          this.#swapping = [by];
          this.#replacements = (this.#replacements + 1) | 0;
          request.replaced();
        },
      },
      request,
      done,
    );
    this.#run = run;
    run.start();
  }

  #ended(error: Error | null): void {
    const { clock, logger, fields } = this.#options;
    if (!error) {
      this.#retryMs = RETRY_MS_MIN;
      this.#retryAtMs = Number.NEGATIVE_INFINITY;
      return;
    }
    if (error instanceof UnreadableSegment) {
      const { segment, message: reason } = error;
      this.#unreadable = { segment, path: segment.path, reason };
      logger.warn('the log is not compacted any more: a batch cannot be read', fields({ reason }));
      return;
    }
    const retryMs = this.#retryMs;
    this.#retryAtMs = clock.monotonicMs() + retryMs;
    this.#retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
    logger.warn('a compaction failed', fields({ reason: error.message, retryMs }));
  }
}
