// What of a log may be compacted, how much of that is new, and which segments become one. Pure. Source: Kafka documentation,
// "Log Compaction" and "Topic Configs"; KIP-58 and KIP-354 for the lags.
import type { Offset } from '../../base/ids.js';
import type { CompactionConfig, LogConfig } from '../log-config.js';
import { OFFSET_ENTRY_BYTES, RELATIVE_OFFSET_MAX } from '../offset-index.js';
import { TIME_ENTRY_BYTES } from '../time-index.js';

export interface PlannedSegment {
  readonly baseOffset: Offset;
  readonly bytes: number;
  /** -1: none is known. */
  readonly maxTimestampMs: number;
  /** Stands in for the timestamps of a segment without any. */
  readonly openedAtMs: number;
  readonly offsetEntries: number;
  readonly timeEntries: number;
  /** All batches are on the disk. */
  readonly isDurable: boolean;
}

export interface CompactionBounds {
  readonly config: CompactionConfig;
  readonly nowMs: number;
  readonly firstDirtyOffset: Offset;
  /** Only what lies below both is compacted. */
  readonly recoveryPoint: Offset;
  readonly limitOffset: Offset;
}

/**
 * How many of the leading segments may be compacted; never the last one, which is active. What is not on the disk stays as it
 * is: recovery would take the gaps for losses. So does what is too young by its greatest timestamp.
 */
export function compactableCount(segments: readonly PlannedSegment[], bounds: CompactionBounds): number {
  const { config, nowMs, firstDirtyOffset, recoveryPoint, limitOffset } = bounds;
  const endMax = Math.min(recoveryPoint, limitOffset);
  for (const [i, segment] of segments.entries()) {
    const next = segments[i + 1];
    if (!next || next.baseOffset > endMax || !segment.isDurable) return i;
    const youngestMs = segment.maxTimestampMs >= 0 ? segment.maxTimestampMs : segment.openedAtMs;
    const isDirty = next.baseOffset > firstDirtyOffset;
    if (isDirty && config.minLagMs > 0 && youngestMs > nowMs - config.minLagMs) return i;
  }
  return segments.length;
}

/** How many of the compactable bytes came after the last compaction, and which part of all compactable bytes that is. */
export function dirtyShare(
  segments: readonly PlannedSegment[],
  bounds: CompactionBounds,
): { bytes: number; ratio: number } {
  const count = compactableCount(segments, bounds);
  let clean = 0;
  let dirty = 0;
  for (let i = 0; i < count; i++) {
    const segment = segments[i];
    const end = segments[i + 1]?.baseOffset;
    if (!segment || end === undefined) break;
    if (end <= bounds.firstDirtyOffset) clean += segment.bytes;
    else dirty += segment.bytes;
  }
  return { bytes: dirty, ratio: dirty === 0 ? 0 : dirty / (clean + dirty) };
}

/**
 * Neighbours that become one segment, as many as fit by their sizes before. `endOffset` is where the last of them ends, which is
 * where the segment behind it begins.
 */
export function groupSegments<Planned extends PlannedSegment>(
  segments: readonly Planned[],
  endOffset: Offset,
  { segmentBytes, segmentIndexBytes }: Pick<LogConfig, 'segmentBytes' | 'segmentIndexBytes'>,
): Planned[][] {
  const groups: Planned[][] = [];
  let group: Planned[] = [];
  let bytes = 0;
  let offsetBytes = 0;
  let timeBytes = 0;
  for (const [i, segment] of segments.entries()) {
    const end = segments[i + 1]?.baseOffset ?? endOffset;
    bytes += segment.bytes;
    offsetBytes += segment.offsetEntries * OFFSET_ENTRY_BYTES;
    timeBytes += segment.timeEntries * TIME_ENTRY_BYTES;
    const fits =
      bytes <= segmentBytes &&
      offsetBytes <= segmentIndexBytes &&
      timeBytes <= segmentIndexBytes &&
      end - 1 - (group[0] ?? segment).baseOffset <= RELATIVE_OFFSET_MAX;
    if (group.length > 0 && !fits) {
      groups.push(group);
      group = [];
      bytes = segment.bytes;
      offsetBytes = segment.offsetEntries * OFFSET_ENTRY_BYTES;
      timeBytes = segment.timeEntries * TIME_ENTRY_BYTES;
    }
    group.push(segment);
  }
  return group.length > 0 ? [...groups, group] : groups;
}
