// The way out for segments that retention took from the log: their files are renamed to `.deleted`, one segment after the other
// from the oldest on, and removed after a delay, so that readers on other threads can finish.
//
// What is not durable yet is flushed before its name goes: a loss of power that brings a part of it back would leave a hole before
// segments that a flush has promised, and recovery would cut them off.
import { present } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import type { Disk } from '../io/disk.js';
import { DELETED_SUFFIX, TIMER_MS_MAX } from './file-names.js';
import { inTurn, runSteps, type Step, type StepDone } from './in-turn.js';
import type { Operations } from './operations.js';
import type { Segment } from './segment.js';

export interface SegmentRemovalOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly operations: Operations;
  /** Makes durable what was appended, {@link SegmentRemoval.leaving} included. */
  readonly flush: (done: StepDone) => void;
  /** Calls back when no sync uses the segments' files; at once if none does. */
  readonly whenNotFlushing: (run: () => void) => void;
  readonly warn: (message: string, reason: string) => void;
}

export class SegmentRemoval {
  readonly #options: SegmentRemovalOptions;
  /** Segments whose files are still to be renamed. */
  readonly #segments: Segment[] = [];
  #renaming = false;
  #delayMs = 0;
  #closed = false;
  /** Files that were renamed and wait for their removal. */
  readonly #files = new Map<Timer, readonly string[]>();

  constructor(options: SegmentRemovalOptions) {
    this.#options = options;
  }

  /** Segments that are still to be renamed, and may not be durable. */
  get leaving(): readonly Segment[] {
    return this.#segments.filter((segment) => !segment.isDurable);
  }

  /** Takes segments, the oldest first. Also tries again what failed the last time. */
  add(segments: readonly Segment[], delayMs: number): void {
    this.#delayMs = Math.min(delayMs, TIMER_MS_MAX);
    this.#segments.push(...segments);
    if (!this.#renaming) this.#next();
  }

  /** Removes at once what waits, and leaves no timer. */
  close(): void {
    this.#closed = true;
    for (const [timer, paths] of this.#files) {
      this.#options.clock.cancel(timer);
      this.#remove(paths);
    }
    this.#files.clear();
  }

  #next(): void {
    const [segment] = this.#segments;
    this.#renaming = segment !== undefined;
    if (segment) this.#whenDurable(segment, () => this.#options.whenNotFlushing(() => this.#renameFirst()));
  }

  #whenDurable(segment: Segment, then: () => void): void {
    if (segment.isDurable) {
      then();
      return;
    }
    this.#options.flush(() => {
      if (segment.isDurable) then();
      else this.#renaming = false; // It is tried again when the next ones come.
    });
  }

  #renameFirst(): void {
    const { operations, warn } = this.#options;
    const segment = present(this.#segments[0], 'a segment');
    operations.begin();
    segment.release();
    this.#rename(segment.paths(), (error) => {
      if (error) {
        // The next ones must not go before it: it is tried again when the next ones come.
        this.#renaming = false;
        warn('a segment could not be deleted', error.message);
      } else {
        this.#segments.shift();
        this.#next();
      }
      operations.end();
    });
  }

  /**
   * The folder is synced before the next segment follows: what a loss of power brings back then joins up with what is left,
   * and recovery does not take it for a log with a hole.
   */
  #rename([batches, ...indexes]: readonly string[], done: StepDone): void {
    const { disk, clock, directory } = this.#options;
    const log = present(batches, 'a log file');
    const rename = (path: string, next: StepDone): void =>
      disk.rename(path, path + DELETED_SUFFIX, (error) => next(error?.code === 'ENOENT' ? null : error));
    runSteps(
      clock,
      [
        (next) => rename(log, next),
        (next) => disk.syncDirectory(directory, next),
        (next) => inTurn(indexes, rename, next),
      ],
      (error) => {
        if (!error) this.#removeLater([log, ...indexes].map((path) => path + DELETED_SUFFIX));
        done(error);
      },
    );
  }

  #removeLater(paths: readonly string[]): void {
    if (this.#closed) {
      this.#remove(paths);
      return;
    }
    const timer = this.#options.clock.after(this.#delayMs, () => {
      this.#files.delete(timer);
      this.#remove(paths);
    });
    this.#files.set(timer, paths);
  }

  #remove(paths: readonly string[]): void {
    const { disk, operations, warn } = this.#options;
    operations.begin();
    inTurn(
      paths,
      (path, next) => disk.remove(path, next),
      (error) => {
        if (error) warn('a deleted file could not be removed', error.message);
        operations.end();
      },
    );
  }
}

/**
 * The steps that remove segments from the end of a log: the newest goes first, each for good before the next, so that whenever a crash
 * comes a log without holes is left. They are released at once.
 */
export function removalOfEnd(disk: Disk, directory: string, segments: readonly Segment[]): Step[] {
  for (const segment of segments) segment.release();
  return [...segments]
    .reverse()
    .flatMap((segment): Step[] => [
      (next) => inTurn(segment.paths(), (path, nextPath) => disk.remove(path, nextPath), next),
      (next) => disk.syncDirectory(directory, next),
    ]);
}
