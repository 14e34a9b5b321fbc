import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { decodeBatch } from '../../src/record/batch-reader.js';
import { CODEC_NAMES, type CodecName } from '../../src/record/compression/codec.js';
import { findByTimestamp, findMaxTimestamp, runFindByTimestamp } from '../../src/record/find-by-timestamp.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

function batchOf(timestamps: readonly number[], codec: CodecName = 'none', logAppendTimeMs?: number): Buffer {
  const builder = new BatchBuilder();
  const value = Buffer.alloc(200);
  for (const timestampMs of timestamps) builder.add({ timestampMs, key: null, value, headers: [] });
  return builder.build({ codec, baseOffset: toOffset(50), logAppendTimeMs });
}

describe('findByTimestamp', () => {
  it('passes records over that were deleted', () => {
    const bytes = batchOf([100, 300, 200]);
    const batch = decodeBatch(bytes);
    expect(findByTimestamp(batch, 100, 51)).toEqual({ offset: 51, timestampMs: 300 });
    expect(findByTimestamp(batch, 0, 53)).toBe(null);
    expect(findMaxTimestamp(batch, 53)).toBe(null);
    expect(findMaxTimestamp(batch, 52)).toEqual({ offset: 52, timestampMs: 200 });
    expect(runFindByTimestamp({ batch: bytes, target: 0, fromOffset: 51 })?.offset).toBe(51);
  });

  it.each(CODEC_NAMES)('finds the first record that is late enough, with codec %s', (codec) => {
    const batch = decodeBatch(batchOf([100, 300, 200, 300], codec));
    expect(batch.codec).toBe(codec);
    expect(findByTimestamp(batch, 0)).toEqual({ offset: 50, timestampMs: 100 });
    expect(findByTimestamp(batch, 100)).toEqual({ offset: 50, timestampMs: 100 });
    expect(findByTimestamp(batch, 101)).toEqual({ offset: 51, timestampMs: 300 });
    expect(findByTimestamp(batch, 300)).toEqual({ offset: 51, timestampMs: 300 });
    expect(findByTimestamp(batch, 301)).toBe(null);
  });

  it('takes the time of the batch with LogAppendTime', () => {
    const batch = decodeBatch(batchOf([100, 200], 'none', 1000));
    expect(findByTimestamp(batch, 500)).toEqual({ offset: 50, timestampMs: 1000 });
    expect(findByTimestamp(batch, 1001)).toBe(null);
    expect(findMaxTimestamp(batch)).toEqual({ offset: 50, timestampMs: 1000 });
  });

  it('finds what a plain search over the list finds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(30), { minLength: 1, maxLength: 12 }),
        fc.nat(31),
        (timestamps, targetMs) => {
          const batch = decodeBatch(batchOf(timestamps));
          const index = timestamps.findIndex((timestampMs) => timestampMs >= targetMs);
          const expected = index < 0 ? null : { offset: 50 + index, timestampMs: timestamps[index] };
          expect(findByTimestamp(batch, targetMs)).toEqual(expected);
          const timestampMs = Math.max(...timestamps);
          expect(findMaxTimestamp(batch)).toEqual({
            offset: 50 + timestamps.indexOf(timestampMs),
            timestampMs,
          });
        },
      ),
      seed,
    );
  });
});

describe('findMaxTimestamp', () => {
  it('finds nothing in a batch that compaction emptied', () => {
    const batch = decodeBatch(new BatchBuilder().build({ lastOffsetDelta: 3, maxTimestampMs: 10 }));
    expect(findMaxTimestamp(batch)).toBe(null);
    expect(findByTimestamp(batch, 0)).toBe(null);
  });
});

describe('runFindByTimestamp', () => {
  it('answers what came through a structured clone', () => {
    const batch = structuredClone(batchOf([100, 300, 200], 'zstd'));
    expect(runFindByTimestamp({ batch, target: 150 })).toEqual({ offset: 51, timestampMs: 300 });
    expect(runFindByTimestamp({ batch, target: 'max' })).toEqual({ offset: 51, timestampMs: 300 });
  });

  it('throws an error of ours for bytes that are no batch', () => {
    expect(() => runFindByTimestamp({ batch: new Uint8Array(80), target: 1 })).toThrow(
      expect.objectContaining({ code: 'ODR_CORRUPT' }),
    );
  });
});
