import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { deletableSegments, type RetentionState } from '../../src/log/retention.js';
import { CONFIG } from './log-fixture.js';

const segment = (baseOffset: number, bytes: number, maxTimestampMs: number, openedAtMs = 0) => ({
  baseOffset: toOffset(baseOffset),
  bytes,
  maxTimestampMs,
  openedAtMs,
});
const segments = [
  segment(0, 100, 1000),
  segment(10, 100, 3000),
  segment(20, 100, 2000),
  segment(30, 50, 4000),
];

const count = (
  state: Partial<Omit<RetentionState, 'config'>> & { retentionMs?: number; retentionBytes?: number },
  of = segments,
) => {
  const { retentionMs = -1, retentionBytes = -1, ...rest } = state;
  const { count: number, reason } = deletableSegments(of, {
    config: { ...CONFIG, retentionMs, retentionBytes },
    nowMs: 10_000,
    logStartOffset: toOffset(0),
    logEndOffset: toOffset(35),
    limitOffset: toOffset(35),
    ...rest,
  });
  return [number, reason];
};

describe('deletableSegments', () => {
  it('keeps everything without limits', () => {
    expect(count({})).toEqual([0, null]);
  });

  it('stops at the first segment that is young enough, even if older ones follow', () => {
    expect(count({ retentionMs: 7500 })).toEqual([1, 'retention.ms']);
    expect(count({ retentionMs: 9000 })).toEqual([0, null]);
    expect(count({ retentionMs: 8999 })).toEqual([1, 'retention.ms']);
  });

  it('takes the active segment too if it is old enough and not empty', () => {
    expect(count({ retentionMs: 1 })).toEqual([4, 'retention.ms']);
    expect(count({ retentionMs: 1 }, [segment(0, 100, 1000), segment(35, 0, -1)])).toEqual([
      1,
      'retention.ms',
    ]);
    expect(count({ retentionMs: 1 }, [segment(35, 0, -1)])).toEqual([0, null]);
  });

  it('keeps at least retention.bytes', () => {
    expect(count({ retentionBytes: 251 })).toEqual([0, null]);
    expect(count({ retentionBytes: 250 })).toEqual([1, 'retention.bytes']);
    expect(count({ retentionBytes: 150 })).toEqual([2, 'retention.bytes']);
    expect(count({ retentionBytes: 0 })).toEqual([4, 'retention.bytes']);
  });

  it('counts bytes after what time took', () => {
    expect(count({ retentionMs: 7500, retentionBytes: 250 })).toEqual([1, 'retention.ms']);
    expect(count({ retentionMs: 8500, retentionBytes: 150 })).toEqual([2, 'retention.bytes']);
  });

  it('takes sealed segments below the log start', () => {
    expect(count({ logStartOffset: toOffset(29) })).toEqual([2, 'log-start-offset']);
    expect(count({ logStartOffset: toOffset(35) })).toEqual([3, 'log-start-offset']);
  });

  it('stops at the high watermark', () => {
    expect(count({ retentionMs: 1, limitOffset: toOffset(29) })).toEqual([2, 'retention.ms']);
    expect(count({ retentionMs: 1, limitOffset: toOffset(30) })).toEqual([3, 'retention.ms']);
  });

  it('takes the time of opening for segments without timestamps', () => {
    expect(count({ retentionMs: 500 }, [segment(0, 100, -1, 9400), segment(10, 100, -1, 9600)])).toEqual([
      1,
      'retention.ms',
    ]);
  });
});
