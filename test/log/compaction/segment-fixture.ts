// Segments of keyed records for the tests of the jobs, and the jobs run slice by slice over them.
import { toOffset, ZERO_OFFSET } from '../../../src/base/ids.js';
import { seededRandom } from '../../../src/base/random.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import type { Disk } from '../../../src/io/disk.js';
import { SimulatedDisk } from '../../../src/io/simulated-disk.js';
import { compactBatches } from '../../../src/log/compaction/compact-batches.js';
import type {
  CompactBatchesInput,
  CompactBatchesOutput,
  CompactionProgress,
  CompactionTarget,
} from '../../../src/log/compaction/compaction-jobs.js';
import { indexKeys } from '../../../src/log/compaction/index-keys.js';
import { KeyOffsets, SALT_BYTES } from '../../../src/log/compaction/key-offsets.js';
import { type SegmentScanOutput, scanSegment } from '../../../src/log/scan-segment.js';
import { BatchBuilder, type BuildOptions } from '../../../src/record/batch-builder.js';
import { type Batch, BatchReader } from '../../../src/record/batch-reader.js';
import type { RecordHeader } from '../../../src/record/record.js';

export const PATH = '/data/00000000000000000000.log';
export const TARGET: CompactionTarget = {
  baseOffset: ZERO_OFFSET,
  logPath: '/data/00000000000000000000.log.cleaned',
  offsetIndexPath: '/data/00000000000000000000.index.cleaned',
  timeIndexPath: '/data/00000000000000000000.timeindex.cleaned',
};
export const NO_PROGRESS: CompactionProgress = {
  bytes: 0,
  offsetEntries: 0,
  timeEntries: 0,
  bytesSinceIndexEntry: 0,
  maxTimestampMs: -1,
  maxTimestampOffset: -1,
  indexedTimestampMs: -1,
  nextOffset: ZERO_OFFSET,
};
export const INDEX_INTERVAL_BYTES = 150;

/** What a recovery would find in the segment that was written. */
export function scanTarget(disk: Disk, indexIntervalBytes = INDEX_INTERVAL_BYTES): SegmentScanOutput {
  return scanSegment(disk, {
    path: TARGET.logPath,
    baseOffset: ZERO_OFFSET,
    fromPosition: 0,
    minOffset: ZERO_OFFSET,
    endPosition: null,
    verifyFromOffset: 0,
    verifyFromPosition: 0,
    stopAtInvalid: true,
    indexIntervalBytes,
    maxTimestampMs: -1,
    maxTimestampOffset: -1,
  });
}

export interface KeyedRecord {
  readonly offset: number;
  readonly key: string | null;
  /** Null: a tombstone. Of its offset if absent. */
  readonly value?: string | null;
  /** 1000 and the offset if absent. */
  readonly timestampMs?: number;
  readonly headers?: readonly RecordHeader[];
}

export interface KeyedBatch extends BuildOptions {
  readonly records: readonly KeyedRecord[];
  readonly deleteHorizonMs?: number | undefined;
}

export function simulatedDisk(): SimulatedDisk {
  const disk = new SimulatedDisk({ random: seededRandom(1), scheduler: new SimulatedClock() });
  disk.makeDirectory('/data');
  return disk;
}

/** The batch begins with its first record, unless it is told otherwise. */
export function keyedBatch({ records, deleteHorizonMs, ...options }: KeyedBatch): Buffer {
  const baseOffset = options.baseOffset ?? toOffset(records[0]?.offset ?? 0);
  const builder = new BatchBuilder({ deleteHorizonMs });
  for (const { offset, key, value, timestampMs = 1000 + offset, headers = [] } of records) {
    builder.add(
      {
        timestampMs,
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : Buffer.from(value ?? `value ${offset}`),
        headers,
      },
      offset - baseOffset,
    );
  }
  return builder.build({ ...options, baseOffset });
}

/** One batch for each list of keys; a key with an exclamation mark behind it is a tombstone's. */
export function batchesOfKeys(...lists: readonly (readonly string[])[]): Buffer[] {
  let offset = 0;
  return lists.map((list) =>
    keyedBatch({
      records: list.map((key) => {
        const isTombstone = key.endsWith('!');
        const record = { offset: offset++, key: isTombstone ? key.slice(0, -1) : key };
        return isTombstone ? { ...record, value: null } : record;
      }),
    }),
  );
}

export function writeFile(disk: Disk, path: string, pieces: readonly Buffer[]): void {
  const file = disk.open(path, 'write');
  disk.truncate(file, 0);
  disk.write(file, 0, pieces);
  disk.close(file);
}

export const sizeOf = (disk: Disk, path: string): number => disk.readFile(path)?.length ?? 0;

export function newKeys(count = 1000): SharedArrayBuffer {
  return KeyOffsets.create(KeyOffsets.bytesFor(count), Buffer.alloc(SALT_BYTES, 3));
}

/** The map of a whole segment. */
export function indexed(disk: Disk, path = PATH, keys = newKeys()): SharedArrayBuffer {
  const endPosition = sizeOf(disk, path);
  const source = { path, fromPosition: 0, endPosition, bytesMax: endPosition };
  indexKeys(disk, { ...source, minOffset: ZERO_OFFSET, keys });
  return keys;
}

/** What a slice is given unless a test says otherwise: the whole segment, everything known. */
export function compactInput(disk: Disk, changes: Partial<CompactBatchesInput> = {}): CompactBatchesInput {
  const endPosition = sizeOf(disk, PATH);
  return {
    path: PATH,
    fromPosition: 0,
    endPosition,
    bytesMax: endPosition,
    target: TARGET,
    progress: NO_PROGRESS,
    keys: changes.keys ?? indexed(disk),
    indexedTo: toOffset(1_000_000),
    logStartOffset: ZERO_OFFSET,
    nowMs: 1_000_000,
    deleteRetentionMs: 5000,
    producersLastOffsets: new Set(),
    indexIntervalBytes: INDEX_INTERVAL_BYTES,
    maxMessageBytes: 1_000_000,
    last: true,
    ...changes,
  };
}

export interface Compacted extends CompactBatchesOutput {
  readonly batches: readonly Batch[];
  readonly bytes: Buffer;
}

/** Compacts a segment of these batches in one slice. */
export function compacted(
  batches: readonly Buffer[],
  changes: Partial<CompactBatchesInput> = {},
  disk = simulatedDisk(),
): Compacted {
  writeFile(disk, PATH, batches);
  const output = compactBatches(disk, compactInput(disk, changes));
  const bytes = disk.contents(TARGET.logPath);
  return { ...output, bytes, batches: [...new BatchReader(bytes)] };
}

/** Keys of the records, batch by batch; with an exclamation mark if it is a tombstone. */
export function keysOf(batches: readonly Batch[]): string[][] {
  return batches.map((batch) =>
    [...batch.records()].map(({ key, value }) => `${key ?? ''}${value === null ? '!' : ''}`),
  );
}
