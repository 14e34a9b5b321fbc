// What has to be verified before a log opens, which depends on how it was left.
import { type Offset, toOffset, ZERO_OFFSET } from '../base/ids.js';
import type { Disk } from '../io/disk.js';
import { OFFSET_ENTRY_BYTES, trustedOffsetEntries } from './offset-index.js';
import type { SegmentScanInput } from './scan-segment.js';
import { type KeptEntries, NO_ENTRIES, type Segment } from './segment.js';
import { TIME_ENTRY_BYTES, trustedTimeEntries } from './time-index.js';

/** What is known about the state in which the log was left. */
export type LogRecovery =
  /** It was closed in good order. */
  | { readonly type: 'clean' }
  /** The process or the machine stopped. All below the offset was durable before. */
  | { readonly type: 'from'; readonly recoveryPoint: Offset }
  /**
   * Its thread died, the process lives on. Everything before that position of that segment was published and is valid; all
   * below the recovery point is durable (absent: nothing is known to be).
   */
  | {
      readonly type: 'worker-died';
      readonly segmentBaseOffset: Offset;
      readonly bytes: number;
      readonly recoveryPoint?: Offset;
    };

/** Where the part of the log begins that must be verified. */
export interface RecoveryStart {
  /** Everything below is valid. */
  readonly offset: Offset;
  /** The first segment to be scanned is the last one that begins at or below this offset. */
  readonly segmentOffset: number;
  /** In that segment, batches that end below this offset and begin before this position are valid. */
  readonly verifyFromOffset: number;
  readonly verifyFromPosition: number;
}

/** Null: nothing is to be verified. */
export function recoveryStart(recovery: LogRecovery): RecoveryStart | null {
  switch (recovery.type) {
    case 'clean':
      return null;
    case 'from':
      return fromRecoveryPoint(recovery.recoveryPoint);
    case 'worker-died':
      return {
        offset: recovery.segmentBaseOffset,
        segmentOffset: recovery.segmentBaseOffset,
        verifyFromOffset: 0,
        verifyFromPosition: recovery.bytes,
      };
  }
}

/**
 * A segment that ends right at the recovery point is looked at too: its last index entries were written when it was sealed, which
 * may be after the sync that moved the recovery point.
 */
function fromRecoveryPoint(offset: Offset): RecoveryStart {
  return { offset, segmentOffset: offset - 1, verifyFromOffset: offset, verifyFromPosition: 0 };
}

/** What of the log is known to be durable. */
export function durableOffset(recovery: LogRecovery, logEndOffset: Offset): Offset {
  if (recovery.type === 'clean') return logEndOffset;
  return toOffset(Math.min(recovery.recoveryPoint ?? ZERO_OFFSET, logEndOffset));
}

/** A scan that recovers a segment: it stops at the first invalid batch, and its index entries go behind the kept ones. */
export interface RecoveryScan {
  readonly segment: Segment;
  readonly input: SegmentScanInput;
  readonly kept: KeptEntries;
}

/** Verifies all of a segment. */
export function wholeScan(segment: Segment, indexIntervalBytes: number): RecoveryScan {
  const input: SegmentScanInput = {
    path: segment.path,
    baseOffset: segment.baseOffset,
    fromPosition: 0,
    minOffset: segment.baseOffset,
    endPosition: null,
    verifyFromOffset: 0,
    verifyFromPosition: 0,
    stopAtInvalid: true,
    indexIntervalBytes,
    maxTimestampMs: -1,
    maxTimestampOffset: -1,
  };
  return { segment, input, kept: NO_ENTRIES };
}

/** The index files of a segment; null for one that is missing or larger than the batches can account for. */
export interface IndexContent {
  readonly offsets: Buffer | null;
  readonly times: Buffer | null;
}

/**
 * Verifies a segment from the start of the recovery on. Begins at the last entry of both indexes before it if that can be believed, else
 * at the start of the segment: index files are synced before the recovery point moves. Throws DiskError.
 */
export function firstScan(
  segment: Segment,
  start: RecoveryStart,
  { offsets, times }: IndexContent,
  indexIntervalBytes: number,
): RecoveryScan {
  const { verifyFromOffset, verifyFromPosition } = start;
  if (verifyFromPosition > 0 && segment.baseOffset !== start.offset)
    return wholeScan(segment, indexIntervalBytes);
  const whole = wholeScan(segment, indexIntervalBytes);
  const scan: RecoveryScan = { ...whole, input: { ...whole.input, verifyFromOffset, verifyFromPosition } };
  if (!offsets || !times) return scan;
  const offsetEnd = verifyFromOffset || Number.MAX_SAFE_INTEGER;
  const positionEnd = Math.min(verifyFromPosition || segment.bytes, segment.bytes);
  const { baseOffset } = segment;
  const known = trustedOffsetEntries(offsets, baseOffset, offsetEnd, positionEnd);
  const trusted = trustedTimeEntries(times, baseOffset, (known.last?.lastOffset ?? -1) + 1);
  if (!trusted.last) return scan;
  const { timestampMs, offset } = trusted.last;
  // The file of one index may have got further than that of the other: no batch behind the last entry of the time index is
  // known to be older than it says.
  const { last, count } = trustedOffsetEntries(
    offsets,
    baseOffset,
    Math.min(offsetEnd, offset + 1),
    positionEnd,
  );
  if (!last) return scan;
  const walker = segment.walkFrom(last.position);
  if (!walker.next() || walker.lastOffset !== last.lastOffset) return scan;
  return {
    segment,
    input: {
      ...scan.input,
      fromPosition: last.position,
      maxTimestampMs: timestampMs,
      maxTimestampOffset: offset,
    },
    kept: { offsetEntries: count, timeEntries: trusted.count, timestampMs },
  };
}

/** Where the first batch begins that reaches the offset, or what comes before it is no batch. Throws DiskError. */
export function positionOf(segment: Segment, fromPosition: number, offset: number): number {
  const walker = segment.walkFrom(fromPosition);
  let { position } = walker;
  while (walker.next() && walker.lastOffset < offset) position = walker.position;
  return position;
}

/** Reads the index files. Throws DiskError. */
export function readIndexes(disk: Disk, segment: Segment): IndexContent {
  const [, offsetPath, timePath] = segment.paths();
  const read = (path: string | undefined, entryBytes: number): Buffer | null => {
    if (path === undefined) return null;
    const content = disk.readFile(path);
    return content && content.length <= segment.possibleEntries * entryBytes ? content : null;
  };
  return { offsets: read(offsetPath, OFFSET_ENTRY_BYTES), times: read(timePath, TIME_ENTRY_BYTES) };
}
