// A log of keyed records on a simulated machine, compacted as its owner would.
import { toLeaderEpoch, toOffset } from '../../../src/base/ids.js';
import type { CompactionResult } from '../../../src/log/compaction/compaction.js';
import type { AppendBatch, Log } from '../../../src/log/log.js';
import type { LogConfig } from '../../../src/log/log-config.js';
import { LogReader } from '../../../src/log/log-reader.js';
import type { BuildOptions } from '../../../src/record/batch-builder.js';
import { readLastOffset } from '../../../src/record/batch-header.js';
import { type Batch, BatchReader } from '../../../src/record/batch-reader.js';
import { CONFIG, DIRECTORY, type LogMachine, publish } from '../log-fixture.js';
import { keyedBatch } from './segment-fixture.js';

export const COMPACTED: LogConfig = {
  ...CONFIG,
  segmentBytes: 400,
  deletes: false,
  compaction: {
    minDirtyRatio: 0.5,
    minLagMs: 0,
    maxLagMs: Number.MAX_SAFE_INTEGER,
    deleteRetentionMs: 1_000_000,
    maxMessageBytes: 1_000_000,
  },
};

/** `key`, or `key!` for a tombstone; the value is that of the offset. */
export interface Keyed {
  readonly offset: number;
  readonly key: string;
}

/** One batch of records with these keys; see {@link Keyed}. */
export function keyed(
  baseOffset: number,
  keys: readonly string[],
  timestampMs?: number,
  producer: Pick<BuildOptions, 'producerId' | 'producerEpoch' | 'baseSequence'> = {},
): AppendBatch {
  const records = keys.map((key, i) => ({
    offset: baseOffset + i,
    key: key.replace('!', ''),
    ...(key.endsWith('!') ? { value: null } : {}),
    ...(timestampMs === undefined ? {} : { timestampMs }),
  }));
  const bytes = keyedBatch({ records, leaderEpoch: toLeaderEpoch(0), ...producer });
  const lastOffset = toOffset(baseOffset + keys.length - 1);
  const maxTimestampMs = timestampMs ?? 1000 + lastOffset;
  return {
    bytes,
    baseOffset: toOffset(baseOffset),
    lastOffset,
    maxTimestampMs,
    leaderEpoch: toLeaderEpoch(0),
  };
}

/** Appends one batch for each key, from the log's end on. */
export function appendKeys(log: Log, keys: readonly string[]): void {
  const { logEndOffset } = log;
  const { error } = log.append(keys.map((key, i) => keyed(logEndOffset + i, [key])));
  if (error) throw error;
}

/** The batches that a consumer gets, in order, each located anew. */
export function batchesIn(machine: LogMachine, log: Log, reader = newReader(machine)): Batch[] {
  const batches: Batch[] = [];
  const published = publish(log);
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const located = reader.locate(offset, published);
    if (located.type !== 'found') throw new Error(`offset ${offset}: ${located.type}`);
    const bytes = Buffer.alloc(located.endPosition - located.position);
    machine.disk.read(located.file, located.position, bytes);
    const batch = new BatchReader(bytes).next();
    if (!batch) throw new Error(`offset ${offset}: no batch`);
    if (batch.lastOffset < offset)
      throw new Error(`offset ${offset}: a batch up to ${readLastOffset(bytes, 0)}`);
    batches.push(batch);
    offset = toOffset(batch.lastOffset + 1);
    reader.remember(offset, located, located.position + batch.sizeBytes);
  }
  return batches;
}

export const newReader = (machine: LogMachine): LogReader =>
  new LogReader({ directory: DIRECTORY, disk: machine.disk });

/** What a consumer gets, as `offset key`, with an exclamation mark behind the key of a tombstone. */
export function recordsIn(machine: LogMachine, log: Log, reader = newReader(machine)): string[] {
  return batchesIn(machine, log, reader).flatMap((batch) =>
    [...batch.records()].map(
      ({ offset, key, value }) => `${offset} ${key?.toString()}${value === null ? '!' : ''}`,
    ),
  );
}

export interface CompactOptions {
  readonly keysBytesMax?: number;
  readonly pace?: (bytes: number) => number;
  readonly replaced?: () => void;
  readonly limitOffset?: number;
}

/** Starts a compaction; what becomes of it is found in the answer. */
export function startCompaction(
  machine: LogMachine,
  log: Log,
  { keysBytesMax = 1_000_000, pace = () => 0, replaced = () => {}, limitOffset }: CompactOptions = {},
): { error: Error | null; result: CompactionResult | null; isOver: boolean } {
  const outcome: ReturnType<typeof startCompaction> = { error: null, result: null, isOver: false };
  const request = {
    nowMs: machine.clock.wallMs(),
    limitOffset: toOffset(limitOffset ?? log.logEndOffset),
    ...{ keysBytesMax, pace, replaced },
  };
  log.compact(request, (error, result) => Object.assign(outcome, { error, result, isOver: true }));
  return outcome;
}

/** Compacts, and throws if that fails. */
export function compact(machine: LogMachine, log: Log, options: CompactOptions = {}): CompactionResult {
  const outcome = startCompaction(machine, log, options);
  machine.clock.runUntil(() => outcome.isOver);
  if (outcome.error) throw outcome.error;
  if (!outcome.result) throw new Error('the compaction did not end');
  return outcome.result;
}

/** Seals what was appended, and makes it durable. */
export function seal(machine: LogMachine, log: Log): void {
  log.roll();
  const error = machine.wait((done) => log.flush(done));
  if (error) throw error;
}
