import { describe, expect, it } from 'vitest';
import { toOffset } from '../../../src/base/ids.js';
import { CleanedSegment } from '../../../src/log/compaction/cleaned-segment.js';
import type { CompactionProgress } from '../../../src/log/compaction/compaction-jobs.js';
import { batch } from '../log-fixture.js';
import { INDEX_INTERVAL_BYTES, NO_PROGRESS, scanTarget, simulatedDisk, TARGET } from './segment-fixture.js';

/** Appends batches in two slices; returns what the last one says and what a scan of the files finds. */
function write(sizes: readonly number[], cutAt = sizes.length) {
  const disk = simulatedDisk();
  let progress: CompactionProgress = NO_PROGRESS;
  const all = sizes.map((valueBytes, i) =>
    batch({ baseOffset: 10 * i, valueBytes, timestampMs: (i * 37) % 100 }),
  );
  for (const part of [all.slice(0, cutAt), all.slice(cutAt)]) {
    const cleaned = new CleanedSegment(disk, TARGET, progress, INDEX_INTERVAL_BYTES);
    for (const { bytes, lastOffset, maxTimestampMs } of part)
      cleaned.append([bytes.subarray(0, 61), bytes.subarray(61)], lastOffset, maxTimestampMs);
    progress = cleaned.finish(part.length === 0 || part.at(-1) === all.at(-1));
    cleaned.close();
  }
  expect(disk.contents(TARGET.logPath).equals(Buffer.concat(all.map(({ bytes }) => bytes)))).toBe(true);
  const scan = scanTarget(disk);
  return { disk, progress, scan };
}

describe('CleanedSegment', () => {
  it.each([
    ['small batches', Array.from({ length: 500 }, (_, i) => i % 90)],
    ['batches larger than what is gathered', [8, 3_000_000, 8, 1_048_576, 1_048_500, 200, 8]],
    ['batches that fill what is gathered', [500_000, 500_000, 48_000, 500_000, 8]],
  ])('writes %s with the index entries of a segment that they were appended to', (_, sizes) => {
    for (const cutAt of [0, 3, sizes.length]) {
      const { disk, progress, scan } = write(sizes, cutAt);
      expect(scan.invalid).toEqual([]);
      expect(disk.contents(TARGET.offsetIndexPath).equals(scan.offsetIndex)).toBe(true);
      expect(disk.contents(TARGET.timeIndexPath).equals(scan.timeIndex)).toBe(true);
      expect(progress).toEqual({
        bytes: scan.validBytes,
        offsetEntries: scan.offsetIndex.length / 8,
        timeEntries: scan.timeIndex.length / 12,
        bytesSinceIndexEntry: scan.bytesSinceIndexEntry,
        maxTimestampMs: scan.maxTimestampMs,
        maxTimestampOffset: scan.maxTimestampOffset,
        indexedTimestampMs: scan.maxTimestampMs,
        nextOffset: scan.nextOffset,
      });
    }
  });

  it('keeps the greatest timestamp for the last slice', () => {
    const disk = simulatedDisk();
    const first = new CleanedSegment(disk, TARGET, NO_PROGRESS, INDEX_INTERVAL_BYTES);
    const { bytes } = batch({ baseOffset: 0 });
    first.append([bytes], toOffset(0), 500);
    const progress = first.finish(false);
    first.close();
    expect(progress).toMatchObject({ timeEntries: 0, maxTimestampMs: 500, indexedTimestampMs: -1 });
    const second = new CleanedSegment(disk, TARGET, progress, INDEX_INTERVAL_BYTES);
    expect(second.finish(true)).toMatchObject({ timeEntries: 1, indexedTimestampMs: 500 });
    second.close();
    expect(disk.contents(TARGET.timeIndexPath).toString('hex')).toBe('00000000000001f400000000');
  });
});
