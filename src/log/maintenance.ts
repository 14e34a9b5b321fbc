// Work on sealed segments that can wait until the log is open: verifying what lies before the recovery point after a crash,
// and rebuilding index files that were missing or broken. One job at a time; the log works without any of it.
import type { Clock, Timer } from '../base/clock.js';
import { type PartitionIndex, ZERO_OFFSET } from '../base/ids.js';
import type { LogFields, Logger } from '../base/log.js';
import { DiskError } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import type { LogConfig } from './log-config.js';
import type { SegmentScanInput, SegmentScanOutput } from './scan-segment.js';
import { NO_ENTRIES, type Segment } from './segment.js';

export interface MaintenanceTask {
  readonly type: 'verify' | 'rebuild-indexes';
  readonly segment: Segment;
  /** How much of the segment to look at. */
  readonly bytes: number;
}

export interface MaintenanceOptions {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly clock: Clock;
  readonly jobs: Jobs;
  readonly logger: Logger;
  readonly config: LogConfig;
  /** Syncs what was changed: after a crash nobody would know of indexes that were made anew that they may not be on the disk. */
  readonly flush: () => void;
}

/** Whether the log still has the segment, is about to have another one instead, and whether its index files may be replaced now. */
export type SegmentRole = 'sealed' | 'busy' | 'replaced' | 'gone';

/** A full job queue or a passing disk error: try again, but not forever. */
const ATTEMPTS = 5;
const RETRY_MS = 1_000;
/** On a full disk for as long as it takes. */
const FULL_RETRY_MS = 30_000;

export class Maintenance {
  readonly #options: MaintenanceOptions;
  readonly #tasks: MaintenanceTask[];
  readonly #roleOf: (segment: Segment) => SegmentRole;
  #attempt = 1;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(
    options: MaintenanceOptions,
    tasks: readonly MaintenanceTask[],
    roleOf: (segment: Segment) => SegmentRole,
  ) {
    this.#options = options;
    this.#tasks = [...tasks];
    this.#roleOf = roleOf;
  }

  /** Begins with the first task. Call it once. */
  start(): void {
    this.#next();
  }

  /** No task begins afterwards, and what comes of the one under way is dropped. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #next(): void {
    this.#timer = null;
    const [task] = this.#tasks;
    if (!task || this.#stopped) return;
    const ended = (error: Error | null, output: SegmentScanOutput | undefined): void => {
      if (this.#stopped) return;
      const role = this.#roleOf(task.segment);
      if (role === 'gone') this.#finished();
      else if (role === 'replaced') this.#failed(task, null);
      else if (output) this.#finish(task, output);
      else this.#failed(task, error);
    };
    this.#options.jobs.run('scan-segment', this.#input(task), ended, 'background');
  }

  #input({ type, segment, bytes }: MaintenanceTask): SegmentScanInput {
    const verify = type === 'verify';
    return {
      path: segment.path,
      baseOffset: segment.baseOffset,
      fromPosition: 0,
      minOffset: segment.baseOffset,
      endPosition: bytes,
      verifyFromOffset: verify ? ZERO_OFFSET : Number.POSITIVE_INFINITY,
      verifyFromPosition: verify ? 0 : Number.POSITIVE_INFINITY,
      stopAtInvalid: !verify,
      indexIntervalBytes: this.#options.config.indexIntervalBytes,
      maxTimestampMs: -1,
      maxTimestampOffset: -1,
    };
  }

  #finish(task: MaintenanceTask, output: SegmentScanOutput): void {
    for (const { position, reason } of output.invalid) {
      this.#options.logger.error(
        'invalid record batch',
        this.#fields({ file: task.segment.path, position, reason }),
      );
    }
    if (task.type === 'rebuild-indexes' && task.segment.bytes === task.bytes)
      this.#replaceIndexes(task, output);
    else this.#finished();
  }

  #replaceIndexes(task: MaintenanceTask, output: SegmentScanOutput): void {
    if (this.#roleOf(task.segment) === 'busy') {
      this.#failed(task, null);
      return;
    }
    try {
      task.segment.replaceIndexes(output, NO_ENTRIES);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#failed(task, error);
      return;
    }
    this.#options.flush();
    this.#finished();
  }

  #finished(): void {
    this.#tasks.shift();
    this.#attempt = 1;
    this.#next();
  }

  #failed(task: MaintenanceTask, error: Error | null): void {
    if (error instanceof DiskError && error.isFull) {
      this.#timer = this.#options.clock.after(FULL_RETRY_MS, () => this.#next());
      return;
    }
    if (this.#attempt < ATTEMPTS) {
      this.#attempt++;
      this.#timer = this.#options.clock.after(RETRY_MS, () => this.#next());
      return;
    }
    const fields = { file: task.segment.path, task: task.type, reason: error?.message };
    this.#options.logger.warn('a background task on a segment failed', this.#fields(fields));
    this.#finished();
  }

  #fields(fields: LogFields): LogFields {
    return { topic: this.#options.topic, partition: this.#options.partition, ...fields };
  }
}
