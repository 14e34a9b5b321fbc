// Makes durable what a log appended, and knows how far it is: the recovery point. One flush runs at a time; who asks meanwhile
// shares the next one. The order:
//
//   data, then indexes, one segment after the other
//   the content of what else there is to write: whose folder it is, the epoch checkpoint, the producer snapshot
//   all names, by one sync of the folder
//
// No name needs another one to be durable before it. What a loss of power leaves before that sync may be a snapshot without the
// segments that it tells of, or a segment without its epoch: whoever opens the log removes the one, and reads the other.
//
// A step that finds no descriptor has not begun, and nothing is in doubt: it is tried again, a bounded number of times, while all
// who share the flush wait. After any other error of a sync the log is offline.
import { assert } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import type { Offset } from '../base/ids.js';
import { type Disk, DiskError } from '../io/disk.js';
import { TIMER_MS_MAX } from './file-names.js';
import { inTurn, runSteps, type Step, type StepDone } from './in-turn.js';
import type { LogConfig } from './log-config.js';
import type { Operations } from './operations.js';
import type { Segment } from './segment.js';

/** A file in the log's folder that a flush writes besides batches and indexes. */
export interface FlushedFile {
  /** Writes and syncs its content, and gives it its name. */
  readonly write: Step;
  /** All names of the folder are durable, or may not be. */
  readonly named: (error: DiskError | null, next: StepDone) => void;
}

/** The log as its flusher sees it. */
export interface FlushedLog {
  readonly segments: readonly Segment[];
  readonly active: Segment;
  readonly logEndOffset: Offset;
  readonly config: LogConfig;
  readonly offline: DiskError | null;
  readonly closed: boolean;
  /** No flush may begin now. */
  readonly truncating: boolean;
}

export interface FlusherOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly operations: Operations;
  /** The log at the moment. */
  readonly log: () => FlushedLog;
  /** Segments that are no longer part of the log, but still in its folder, and may not be durable. */
  readonly leaving: () => readonly Segment[];
  /** What is to be written once the batches are on the disk. Called as a flush begins. */
  readonly files: () => readonly FlushedFile[];
  readonly indexFailed: (error: unknown) => void;
  readonly goOffline: (error: DiskError) => void;
  readonly warn: (message: string, reason: string) => void;
  readonly recoveryPoint: Offset;
}

const ignore = (): void => {};

/** So often a step is tried for which there is no descriptor: for five and a half seconds with the pauses, each twice the one before. */
const TRIES_MAX = 10;
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 1000;

export class Flusher {
  readonly #options: FlusherOptions;
  #recoveryPoint: Offset;
  #flushing = false;
  /** Files were made whose names no sync of the folder has covered. */
  #newNames = false;
  #waiters: StepDone[] = [];
  #afterFlush: (() => void)[] = [];
  #timer: Timer | null = null;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#recoveryPoint = options.recoveryPoint;
  }

  /** All below it survives a loss of power. */
  get recoveryPoint(): Offset {
    return this.#recoveryPoint;
  }

  /** The log was cut to end at the offset. */
  cutTo(logEndOffset: Offset): void {
    if (this.#recoveryPoint > logEndOffset) this.#recoveryPoint = logEndOffset;
  }

  /** Calls back when no sync uses the segments' files; at once if none does. */
  whenNotFlushing(run: () => void): void {
    if (this.#flushing) this.#afterFlush.push(run);
    else run();
  }

  /** Flushes what was appended until the flush begins. Calls at a time share one. */
  flush(done: StepDone = ignore): void {
    this.#waiters.push(done);
    this.#start();
  }

  /** A truncation has ended: flushes that were asked for meanwhile begin. */
  resume(): void {
    if (this.#waiters.length > 0) this.#start();
  }

  /** Begins a flush, or sets a timer for one, as the config asks for; a timer too if that is not to be sooner than `leastMs` from now. */
  flushIfDue(leastMs = 0): void {
    const { config, closed, offline, logEndOffset } = this.#options.log();
    const { flushMessages, flushMs } = config;
    if (this.#flushing || closed || offline || this.#recoveryPoint === logEndOffset) return;
    const isDue = logEndOffset - this.#recoveryPoint >= flushMessages;
    const delayMs = Math.max(isDue ? 0 : flushMs, leastMs);
    if (isDue && leastMs === 0) this.flush();
    else if (!this.#timer && Number.isFinite(delayMs)) {
      this.#timer = this.#options.clock.after(Math.min(delayMs, TIMER_MS_MAX), () => {
        this.#timer = null;
        this.flush();
      });
    }
  }

  /** The config has changed: a timer that it set may be too long now. */
  reconsider(): void {
    this.stop();
    this.flushIfDue();
  }

  /** Leaves no timer. */
  stop(): void {
    if (this.#timer) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #start(): void {
    const { clock, operations } = this.#options;
    const log = this.#options.log();
    if (this.#flushing || log.truncating) return;
    this.stop();
    const waiters = this.#waiters;
    this.#waiters = [];
    this.#flushing = true;
    operations.begin();
    const target = log.logEndOffset;
    const segments = [...this.#options.leaving(), ...log.segments];
    const dirty = segments.filter((segment) => segment.dirty);
    const steps = log.offline ? [] : this.#steps(segments, dirty);
    if (steps.length === 0) steps.push((next) => clock.after(0, () => next(log.offline)));
    runSteps(clock, steps, (error) => {
      if (!error && this.#recoveryPoint < target) this.#recoveryPoint = target;
      const { active } = this.#options.log();
      for (const segment of dirty) if (segment !== active && !segment.dirty) segment.release();
      this.#ended(waiters, error);
    });
  }

  #steps(segments: readonly Segment[], dirty: readonly Segment[]): Step[] {
    const { indexFailed, goOffline } = this.#options;
    const files = this.#options.files();
    const orOffline =
      (next: StepDone): StepDone =>
      (error) => {
        if (error instanceof DiskError) goOffline(error);
        next(error);
      };
    const orIncomplete =
      (next: StepDone): StepDone =>
      (error) => {
        if (error) indexFailed(error);
        next(null);
      };
    const steps = dirty.flatMap((segment): Step[] => {
      const indexes: Step = (next) => segment.syncIndexes(indexFailed, next);
      return [
        (next) => this.#patiently((then) => segment.sync(then), orOffline(next)),
        (next) => this.#patiently(indexes, orIncomplete(next)),
      ];
    });
    for (const segment of segments) this.#newNames = segment.takeNewNames() || this.#newNames;
    steps.push(
      ...files.map(
        ({ write }): Step =>
          (next) =>
            this.#patiently(write, next),
      ),
    );
    if (this.#newNames || files.length > 0) steps.push((next) => this.#syncNames(files, next));
    return steps;
  }

  /** Runs a step again, after pauses, while it finds no descriptor. */
  #patiently(step: Step, done: StepDone): void {
    const { clock, log, warn } = this.#options;
    const attempt = (triesLeft: number, pauseMs: number): void =>
      runSteps(clock, [step], (error) => {
        if (!(error instanceof DiskError && error.lacksDescriptors) || triesLeft === 1) {
          done(error);
          return;
        }
        if (triesLeft === TRIES_MAX) warn('a flush waits for a file descriptor', error.message);
        clock.after(pauseMs, () => {
          const { offline } = log();
          if (offline) done(offline);
          else attempt(triesLeft - 1, Math.min(2 * pauseMs, PAUSE_MS_MAX));
        });
      });
    attempt(TRIES_MAX, PAUSE_MS_MIN);
  }

  #syncNames(files: readonly FlushedFile[], next: StepDone): void {
    const { disk, directory, goOffline } = this.#options;
    const hasSegments = this.#newNames;
    this.#newNames = false;
    this.#patiently(
      (then) => disk.syncDirectory(directory, then),
      (failed) => {
        assert(failed === null || failed instanceof DiskError, "a sync fails with the disk's error");
        const error = failed;
        if (error && hasSegments) goOffline(error);
        inTurn(
          files,
          ({ named }, then) => named(error, then),
          (failure) => next(hasSegments ? (error ?? failure) : failure),
        );
      },
    );
  }

  #ended(waiters: readonly StepDone[], error: Error | null): void {
    const { log, operations } = this.#options;
    assert(this.#recoveryPoint <= log().logEndOffset, 'nothing is durable behind the end');
    this.#flushing = false;
    for (const run of this.#afterFlush.splice(0)) run();
    for (const done of waiters) done(error);
    if (this.#waiters.length > 0) this.#start();
    // What failed would most likely fail again at once.
    else this.flushIfDue(error ? PAUSE_MS_MAX : 0);
    operations.end();
  }
}
