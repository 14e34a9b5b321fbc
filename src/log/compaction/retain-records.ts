import type { Batch } from '../../record/batch-reader.js';
import type { RecordWalk } from '../../record/record-walk.js';
import type { CompactBatchesInput } from './compaction-jobs.js';
import type { KeyOffsets } from './key-offsets.js';

/** What stays of the records of a batch. */
export interface RetainedRecords {
  /** Not compressed, one behind the other: the memory that the batch was decompressed to, or lies in. */
  readonly bytes: Buffer;
  readonly count: number;
  /** The greatest of their timestamps; -1: none has one. With LogAppendTime that of the batch. */
  readonly maxTimestampMs: number;
  /**
   * Whether there are tombstones, and all have been passed by the map: no older records of their keys are left once the pass
   * is over.
   */
  readonly hasSettledTombstones: boolean;
}

export type RetentionRules = Pick<CompactBatchesInput, 'indexedTo' | 'logStartOffset' | 'nowMs'>;

/**
 * Moves the records that stay to the front of the memory they lie in, which is the batch's own if it is not compressed. A
 * record stays if the map does not know it yet, or if it is the newest of its key and no tombstone whose time has come.
 * Records without a key go: no newer record could ever replace them. Source: KIP-58, KIP-534, and Kafka's Cleaner.
 */
export function retainRecords(batch: Batch, keys: KeyOffsets, rules: RetentionRules): RetainedRecords {
  const { deleteHorizonMs } = batch;
  const dropsTombstones = deleteHorizonMs !== null && deleteHorizonMs <= rules.nowMs;
  const walk = batch.walk();
  const { bytes, cursor } = walk;
  let count = 0;
  let maxTimestampMs = -1;
  let tombstones = 0;
  let unsettledTombstones = 0;
  // Records that stay are moved run by run; so a batch of which all stay is only read.
  let end = 0;
  let runStart = 0;
  while (walk.next()) {
    const offset = batch.baseOffset + cursor.offsetDelta;
    const isTombstone = cursor.valueLength < 0;
    if (retains(walk, offset, keys, rules, isTombstone && dropsTombstones)) {
      count++;
      if (walk.timestampMs > maxTimestampMs) maxTimestampMs = walk.timestampMs;
      if (isTombstone) tombstones++;
      if (isTombstone && offset >= rules.indexedTo) unsettledTombstones++;
      continue;
    }
    end = move(bytes, runStart, cursor.recordStart, end);
    runStart = cursor.recordEnd;
  }
  end = move(bytes, runStart, cursor.recordEnd, end);
  return {
    bytes: bytes.subarray(0, end),
    count,
    maxTimestampMs,
    hasSettledTombstones: tombstones > 0 && unsettledTombstones === 0,
  };
}

function retains(
  { bytes, cursor }: RecordWalk,
  offset: number,
  keys: KeyOffsets,
  rules: RetentionRules,
  isExpired: boolean,
): boolean {
  if (offset < rules.logStartOffset) return false;
  if (offset >= rules.indexedTo) return true;
  if (cursor.keyLength < 0 || isExpired) return false;
  return keys.get(bytes, cursor.keyStart, cursor.keyLength) <= offset;
}

/** Moves bytes to `target`, at or before them, and returns where they end then. */
function move(bytes: Buffer, start: number, end: number, target: number): number {
  if (start !== target && end > start) bytes.copyWithin(target, start, end);
  return target + end - start;
}
