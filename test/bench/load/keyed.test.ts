import { describe, expect, it } from 'vitest';
import { keptOffsets, keyOf } from '../../../bench/load/keyed.js';

describe('keyOf', () => {
  it('gives each key once, then any of them', () => {
    const keys = Array.from({ length: 3000 }, (_, record) => keyOf(record, 100));
    expect(keys.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, key) => key));
    expect(new Set(keys.slice(100)).size).toBe(100);
    expect(Math.max(...keys)).toBe(99);
  });
});

describe('keptOffsets', () => {
  it('keeps the newest of each key below the end of the compaction, and all from there on', () => {
    const [records, keys, compactedTo] = [1000, 60, 700];
    const newest = new Map<number, number>();
    for (let record = 0; record < compactedTo; record++) newest.set(keyOf(record, keys), record);
    const behind = Array.from({ length: records - compactedTo }, (_, i) => compactedTo + i);
    const expected = [...[...newest.values()].sort((a, b) => a - b), ...behind];
    expect([...keptOffsets(records, keys, compactedTo)]).toEqual(expected);
    expect(newest.size).toBe(60);
  });

  it('keeps all where nothing is compacted', () => {
    expect([...keptOffsets(5, 2, 0)]).toEqual([0, 1, 2, 3, 4]);
  });
});
