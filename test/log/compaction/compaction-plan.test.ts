import { describe, expect, it } from 'vitest';
import { toOffset } from '../../../src/base/ids.js';
import {
  type CompactionBounds,
  compactableCount,
  dirtyShare,
  groupSegments,
  type PlannedSegment,
} from '../../../src/log/compaction/compaction-plan.js';
import { RELATIVE_OFFSET_MAX } from '../../../src/log/offset-index.js';

/** Segments of 100 offsets and 100 bytes each, whose greatest timestamps are the numbers of their last offsets. */
const segments = (count: number, changes: Partial<PlannedSegment> = {}): PlannedSegment[] =>
  Array.from({ length: count }, (_, i) => ({
    baseOffset: toOffset(100 * i),
    bytes: 100,
    maxTimestampMs: 100 * i + 99,
    openedAtMs: 0,
    offsetEntries: 1,
    timeEntries: 1,
    isDurable: true,
    ...changes,
  }));

const bounds = (changes: Partial<CompactionBounds> = {}, minLagMs = 0): CompactionBounds => ({
  config: { minDirtyRatio: 0.5, minLagMs, maxLagMs: 1e15, deleteRetentionMs: 0, maxMessageBytes: 1000 },
  nowMs: 1_000_000,
  firstDirtyOffset: toOffset(0),
  recoveryPoint: toOffset(1_000_000),
  limitOffset: toOffset(1_000_000),
  ...changes,
});

const limits = { segmentBytes: 1000, segmentIndexBytes: 1000 };
const bases = (groups: readonly (readonly PlannedSegment[])[]): number[][] =>
  groups.map((group) => group.map(({ baseOffset }) => baseOffset / 100));

describe('compactableCount', () => {
  it('leaves the active segment out', () => {
    expect([0, 1, 2, 5].map((count) => compactableCount(segments(count), bounds()))).toEqual([0, 0, 1, 4]);
  });

  it.each(['recoveryPoint', 'limitOffset'] as const)('takes whole segments below %s', (name) => {
    for (const [offset, count] of [
      [0, 0],
      [199, 1],
      [200, 2],
      [201, 2],
    ] as const) {
      expect(compactableCount(segments(5), bounds({ [name]: toOffset(offset) }))).toBe(count);
    }
  });

  it('ends at batches that are not on the disk', () => {
    const [first, second, ...others] = segments(5);
    if (!first || !second) throw new Error('no segments');
    expect(compactableCount([first, { ...second, isDurable: false }, ...others], bounds())).toBe(1);
  });

  it('ends at the first dirty segment that is too young', () => {
    const nowMs = 1000;
    expect(compactableCount(segments(9), bounds({ nowMs }, 701))).toBe(3);
    expect(compactableCount(segments(9), bounds({ nowMs }, 702))).toBe(2);
    expect(compactableCount(segments(9), bounds({ nowMs }, 802))).toBe(1);
    expect(compactableCount(segments(9), bounds({ nowMs }, 0))).toBe(8);
    // What was compacted is not young any more.
    expect(compactableCount(segments(9), bounds({ nowMs, firstDirtyOffset: toOffset(400) }, 701))).toBe(4);
  });

  it('goes by when a segment was opened if it has no timestamps', () => {
    const unknown = segments(5, { maxTimestampMs: -1, openedAtMs: 900 });
    expect(compactableCount(unknown, bounds({ nowMs: 1000 }, 100))).toBe(4);
    expect(compactableCount(unknown, bounds({ nowMs: 1000 }, 101))).toBe(0);
  });
});

describe('dirtyShare', () => {
  it('weighs the bytes of what came after the last compaction against all that can be compacted', () => {
    const share = (firstDirtyOffset: number) =>
      dirtyShare(segments(5), bounds({ firstDirtyOffset: toOffset(firstDirtyOffset) }));
    expect(share(0)).toEqual({ bytes: 400, ratio: 1 });
    expect(share(100)).toEqual({ bytes: 300, ratio: 0.75 });
    expect(share(150)).toEqual({ bytes: 300, ratio: 0.75 });
    expect(share(400)).toEqual({ bytes: 0, ratio: 0 });
    expect(dirtyShare(segments(1), bounds())).toEqual({ bytes: 0, ratio: 0 });
  });
});

describe('groupSegments', () => {
  const group = (of: readonly PlannedSegment[], changes: Partial<typeof limits> = {}) =>
    bases(groupSegments(of, toOffset(100 * of.length), { ...limits, ...changes }));

  it('merges neighbours as far as their bytes fit', () => {
    expect(group(segments(7), { segmentBytes: 300 })).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    expect(group(segments(3), { segmentBytes: 299 })).toEqual([[0, 1], [2]]);
    expect(group([])).toEqual([]);
  });

  it('leaves a segment that is too large alone', () => {
    expect(group(segments(3), { segmentBytes: 10 })).toEqual([[0], [1], [2]]);
  });

  it('merges as far as their index entries fit', () => {
    expect(group(segments(4, { offsetEntries: 10 }), { segmentIndexBytes: 160 })).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(group(segments(4, { timeEntries: 10 }), { segmentIndexBytes: 239 })).toEqual([[0], [1], [2], [3]]);
  });

  it('merges as far as an index entry can tell offsets', () => {
    const far = segments(3).map((segment, i) => ({
      ...segment,
      baseOffset: toOffset(i * (RELATIVE_OFFSET_MAX - 10)),
    }));
    const merged = (endOffset: number) =>
      groupSegments(far, toOffset(endOffset), limits).map(({ length }) => length);
    expect(merged(2 * RELATIVE_OFFSET_MAX - 9)).toEqual([1, 2]);
    expect(merged(2 * RELATIVE_OFFSET_MAX - 8)).toEqual([1, 1, 1]);
    expect(groupSegments(far.slice(0, 2), toOffset(RELATIVE_OFFSET_MAX + 1), limits)).toHaveLength(1);
    expect(groupSegments(far.slice(0, 2), toOffset(RELATIVE_OFFSET_MAX + 2), limits)).toHaveLength(2);
  });
});
