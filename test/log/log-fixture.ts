// A log on a simulated machine, and batches to append to it.
import type { Clock } from '../../src/base/clock.js';
import {
  type LeaderEpoch,
  type Offset,
  toLeaderEpoch,
  toOffset,
  toPartitionIndex,
  toTopicId,
} from '../../src/base/ids.js';
import type { LogFields, Logger } from '../../src/base/log.js';
import { type Random, seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { SimulatedDisk } from '../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../src/io/simulated-jobs.js';
import type { AppendBatch, Log } from '../../src/log/log.js';
import type { LogConfig } from '../../src/log/log-config.js';
import type { Published } from '../../src/log/log-reader.js';
import { type LogRecovery, type OpenLogOptions, openLog } from '../../src/log/open-log.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { jobFunctions } from '../../workers/job-functions.js';
import { mortalClock } from '../base/mortal-clock.js';

export const DIRECTORY = '/data/orders-0';
export const TOPIC_ID = toTopicId('o_EPBDsTQkm1Ua--nqUtaQ');

/** Limits that a test reaches quickly, and no retention. */
export const CONFIG: LogConfig = {
  segmentBytes: 1024,
  segmentMs: 1_000_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 4096,
  indexIntervalBytes: 150,
  retentionMs: -1,
  retentionBytes: -1,
  deletes: true,
  compaction: null,
  fileDeleteDelayMs: 60_000,
  flushMessages: Number.POSITIVE_INFINITY,
  flushMs: Number.POSITIVE_INFINITY,
};

export interface BatchSpec {
  readonly baseOffset: number;
  /** Records; 1 if absent. */
  readonly count?: number;
  /** Of all records; the base offset if absent. */
  readonly timestampMs?: number;
  readonly leaderEpoch?: number;
  /** Bytes of each value; 8 if absent, which makes a batch of one record 76 bytes long. */
  readonly valueBytes?: number;
}

export function batch({
  baseOffset,
  count = 1,
  timestampMs = baseOffset,
  leaderEpoch = 0,
  valueBytes = 8,
}: BatchSpec): AppendBatch {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++) {
    builder.add({ timestampMs, key: null, value: Buffer.alloc(valueBytes, baseOffset + i), headers: [] });
  }
  const epoch = toLeaderEpoch(leaderEpoch);
  const bytes = builder.build({ baseOffset: toOffset(baseOffset), leaderEpoch: epoch });
  return {
    bytes,
    baseOffset: toOffset(baseOffset),
    lastOffset: toOffset(baseOffset + count - 1),
    maxTimestampMs: timestampMs,
    leaderEpoch: epoch,
  };
}

/** Batches of one record each, from an offset on. */
export function batches(
  fromOffset: number,
  count: number,
  spec: Omit<BatchSpec, 'baseOffset'> = {},
): AppendBatch[] {
  return Array.from({ length: count }, (_, i) => batch({ ...spec, baseOffset: fromOffset + i }));
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that keeps its lines. */
export function collectingLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const keep =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields });
    };
  return { lines, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}

export type OpenOverrides = Partial<
  Pick<
    OpenLogOptions,
    | 'recovery'
    | 'logStartOffset'
    | 'firstDirtyOffset'
    | 'leaderEpoch'
    | 'config'
    | 'topicId'
    | 'directory'
    | 'scanHereBytes'
    | 'wentOffline'
  >
>;

/** A machine with a simulated disk that a log lives on. */
export class LogMachine {
  readonly clock = new SimulatedClock();
  readonly disk: SimulatedDisk;
  readonly jobs: SimulatedJobs;
  readonly logger = collectingLogger();
  readonly random: Random;
  #process = 0;

  constructor(seed = 1) {
    this.random = seededRandom(seed);
    this.disk = new SimulatedDisk({ random: this.random, scheduler: this.clock });
    this.jobs = new SimulatedJobs({
      random: this.random,
      scheduler: this.clock,
      disk: this.disk,
      functions: jobFunctions,
    });
    this.disk.makeDirectory('/data');
    this.disk.syncDirectory('/', () => {});
    this.settle();
  }

  options(overrides: OpenOverrides = {}): OpenLogOptions {
    return {
      directory: DIRECTORY,
      topic: 'orders',
      partition: toPartitionIndex(0),
      topicId: TOPIC_ID,
      disk: this.disk,
      clock: this.#processClock(),
      random: this.random,
      jobs: this.jobs,
      logger: this.logger,
      config: CONFIG,
      recovery: { type: 'clean' },
      logStartOffset: toOffset(0),
      firstDirtyOffset: toOffset(0),
      ...overrides,
    };
  }

  #processClock(): Clock {
    const process = this.#process;
    return mortalClock(this.clock, () => process === this.#process);
  }

  tryOpen(overrides: OpenOverrides = {}): Log | Error {
    let result: Log | Error | null = null;
    openLog(this.options(overrides), (opened) => {
      result = opened;
    });
    this.clock.runUntil(() => result !== null);
    if (result === null) throw new Error('the log did not open');
    return result;
  }

  open(overrides: OpenOverrides = {}): Log {
    const result = this.tryOpen(overrides);
    if (result instanceof Error) throw result;
    return result;
  }

  /** Waits for an operation of the log, whose error it returns. */
  wait(start: (done: (error: Error | null) => void) => void): Error | null {
    let outcome: { error: Error | null } | null = null;
    start((error) => {
      outcome = { error };
    });
    this.clock.runUntil(() => outcome !== null);
    if (outcome === null) throw new Error('the operation did not end');
    return (outcome as { error: Error | null }).error;
  }

  /** Lets everything under way end. */
  settle(): void {
    this.clock.advance(10_000);
  }

  crash(): void {
    this.disk.crashProcess();
    this.#restart();
  }

  losePower(): void {
    this.disk.losePower();
    this.#restart();
  }

  #restart(): void {
    this.jobs.crashProcess();
    this.#process++;
  }

  /** The batches in all segment files, one after the other. */
  bytes(): Buffer {
    const logs = this.disk.files().filter((path) => path.startsWith(DIRECTORY) && path.endsWith('.log'));
    return Buffer.concat(logs.map((path) => this.disk.contents(path)));
  }

  /** Names of the files in the partition's folder. */
  names(): string[] {
    return this.disk
      .files()
      .filter((path) => path.startsWith(`${DIRECTORY}/`))
      .map((path) => path.slice(DIRECTORY.length + 1));
  }
}

export function concat(of: readonly AppendBatch[]): Buffer {
  return Buffer.concat(of.map(({ bytes }) => bytes));
}

/** What the owner of a log publishes: everything. */
export function publish(log: Log, highWatermark: Offset = log.logEndOffset): Published {
  return {
    logStartOffset: log.logStartOffset,
    highWatermark,
    logEndOffset: log.logEndOffset,
    segmentBaseOffset: log.activeSegmentBaseOffset,
    segmentBytes: log.activeSegmentBytes,
    replacements: log.replacements,
  };
}

export const epoch = (value: number): LeaderEpoch => toLeaderEpoch(value);
export const from = (recoveryPoint: number): LogRecovery => ({
  type: 'from',
  recoveryPoint: toOffset(recoveryPoint),
});
