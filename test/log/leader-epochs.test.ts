import { describe, expect, it } from 'vitest';
import { OdradekError } from '../../src/base/errors.js';
import { toOffset } from '../../src/base/ids.js';
import { LeaderEpochs } from '../../src/log/leader-epochs.js';
import { epoch } from './log-fixture.js';

const epochs = (...entries: [number, number][]) =>
  new LeaderEpochs(
    entries.map(([number, startOffset]) => ({ epoch: epoch(number), startOffset: toOffset(startOffset) })),
  );
const pairs = (of: LeaderEpochs) => of.entries.map(({ epoch: number, startOffset }) => [number, startOffset]);

describe('LeaderEpochs', () => {
  it('keeps epochs with the offsets at which they begin', () => {
    const cache = epochs();
    expect(cache.latest).toBe(-1);
    expect(cache.assign(epoch(2), toOffset(10))).toBe(true);
    expect(cache.assign(epoch(2), toOffset(20))).toBe(false);
    expect(cache.assign(epoch(4), toOffset(20))).toBe(true);
    expect(pairs(cache)).toEqual([
      [2, 10],
      [4, 20],
    ]);
    expect(cache.latest).toBe(4);
  });

  it('drops epochs without records', () => {
    const cache = epochs([1, 0], [2, 10], [3, 10]);
    cache.assign(epoch(4), toOffset(10));
    expect(pairs(cache)).toEqual([
      [1, 0],
      [4, 10],
    ]);
  });

  it('drops newer epochs that turn out not to be part of the history', () => {
    const cache = epochs([1, 0], [5, 10]);
    cache.assign(epoch(3), toOffset(20));
    expect(pairs(cache)).toEqual([
      [1, 0],
      [3, 20],
    ]);
  });

  it('tells where an epoch ends', () => {
    const cache = epochs([2, 10], [4, 20], [7, 30]);
    const end = (number: number) => cache.endOffsetFor(epoch(number), toOffset(40));
    expect(end(7)).toEqual({ epoch: 7, endOffset: 40 });
    expect(end(4)).toEqual({ epoch: 4, endOffset: 30 });
    expect(end(5)).toEqual({ epoch: 4, endOffset: 30 });
    expect(end(3)).toEqual({ epoch: 2, endOffset: 20 });
    expect(end(1)).toEqual({ epoch: 1, endOffset: 10 });
    expect(end(8)).toBeNull();
    expect(end(-1)).toBeNull();
    expect(epochs().endOffsetFor(epoch(0), toOffset(0))).toBeNull();
  });

  it('tells the epoch of an offset', () => {
    const cache = epochs([2, 10], [4, 20]);
    expect([9, 10, 19, 20, 99].map((offset) => cache.epochAt(toOffset(offset)))).toEqual([-1, 2, 2, 4, 4]);
  });

  it('truncates from the end', () => {
    const cache = epochs([2, 10], [4, 20], [7, 30]);
    expect(cache.truncateFromEnd(toOffset(31))).toBe(false);
    expect(cache.truncateFromEnd(toOffset(20))).toBe(true);
    expect(pairs(cache)).toEqual([[2, 10]]);
  });

  it('keeps the newest epoch when a crash cut the log', () => {
    const cache = epochs([2, 10], [4, 20], [7, 30]);
    expect(cache.clampToEnd(toOffset(30))).toBe(false);
    expect(cache.clampToEnd(toOffset(15))).toBe(true);
    expect(pairs(cache)).toEqual([
      [2, 10],
      [7, 15],
    ]);
  });

  it('truncates from the start and keeps the epoch that goes on', () => {
    const cache = epochs([2, 10], [4, 20], [7, 30]);
    expect(cache.truncateFromStart(toOffset(5))).toBe(false);
    expect(cache.truncateFromStart(toOffset(10))).toBe(false);
    expect(cache.truncateFromStart(toOffset(25))).toBe(true);
    expect(pairs(cache)).toEqual([
      [4, 25],
      [7, 30],
    ]);
  });

  it('reads what it formats', () => {
    const cache = epochs([0, 3], [5, 9]);
    expect(cache.format()).toBe('0\n2\n0 3\n5 9\n');
    expect(pairs(LeaderEpochs.parse('file', cache.format()))).toEqual(pairs(cache));
    expect(pairs(LeaderEpochs.parse('file', '0\n0\n'))).toEqual([]);
  });

  for (const text of [
    '',
    '1\n0\n',
    '0\n1\n',
    '0\n1\n5\n',
    '0\n2\n5 0\n5 3\n',
    '0\n2\n5 9\n6 3\n',
    '0\n1\n-1 0\n',
    '0\n1\n1 -3\n',
    '0\n1\n1 1e99\n',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => LeaderEpochs.parse('/data/file', text)).toThrow(OdradekError);
      expect(() => LeaderEpochs.parse('/data/file', text)).toThrow('/data/file');
    });
  }
});
