import { describe, expect, it } from 'vitest';
import { percentile, ratios, signedRankProbability, spread } from '../../bench/statistics.js';

describe('spread', () => {
  it('takes the middle of an odd number of values', () => {
    expect(spread([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 });
  });

  it('takes the mean of the two in the middle of an even number', () => {
    expect(spread([4, 1, 10, 2])).toEqual({ median: 3, min: 1, max: 10 });
  });

  it('sorts by value, not by text, and leaves the values as they were', () => {
    const values = [100, 9, 20];
    expect(spread(values).median).toBe(20);
    expect(values).toEqual([100, 9, 20]);
  });

  it('refuses no values', () => {
    expect(() => spread([])).toThrow(RangeError);
  });
});

describe('percentile', () => {
  const hundred = () => Float64Array.from({ length: 100 }, (_, index) => 100 - index);

  it('is the nearest rank', () => {
    expect(percentile(hundred(), 0.5)).toBe(50);
    expect(percentile(hundred(), 0.99)).toBe(99);
    expect(percentile(hundred(), 1)).toBe(100);
    expect(percentile(Float64Array.of(3, 1, 2), 0.5)).toBe(2);
    expect(percentile(Float64Array.of(7), 0.001)).toBe(7);
  });

  it('refuses no values and what is no share', () => {
    expect(() => percentile(new Float64Array(0), 0.5)).toThrow(RangeError);
    for (const share of [0, -1, 1.5, Number.NaN])
      expect(() => percentile(hundred(), share)).toThrow(RangeError);
  });
});

describe('ratios', () => {
  it('divides within each round and leaves out rounds that miss a side', () => {
    expect(ratios([10, 20, undefined, 6], [5, undefined, 2, 3])).toEqual([2, 2]);
  });

  it('has no ratio to nothing', () => {
    expect(ratios([1, 4], [0, 2])).toEqual([2]);
  });
});

describe('signedRankProbability', () => {
  it('is that of all signs alike, and of one against the others', () => {
    expect(signedRankProbability([1, 2, 3, 4, 5, 6])).toBe(2 / 2 ** 6);
    expect(signedRankProbability([-1, -2, -3, -4, -5, -6, -7])).toBe(2 / 2 ** 7);
    // The smallest of eight against the others: signs that lean so far are these and all alike.
    expect(signedRankProbability([-0.1, 2, 3, 4, 5, 6, 7, 8])).toBe(4 / 2 ** 8);
    // The largest of three against the others leans to no side.
    expect(signedRankProbability([1, 2, -3])).toBe(1);
  });

  it('gives equal differences the mean of their ranks', () => {
    // Ranks 2, 2, 2: in half of the ways at most one is negative.
    expect(signedRankProbability([1, 1, -1])).toBe(1);
    // Ranks 1.5, 1.5, 3 and 4, of which 1.5 is negative: that, the other 1.5, or none.
    expect(signedRankProbability([5, -5, 6, 7])).toBe((2 * 3) / 2 ** 4);
  });

  it('leaves out differences of 0, and knows nothing without others', () => {
    expect(signedRankProbability([0, 1, 2, 0, 3])).toBe(signedRankProbability([1, 2, 3]));
    expect(signedRankProbability([0, 0])).toBe(1);
    expect(signedRankProbability([])).toBe(1);
  });

  it('is the share of all ways to choose signs that lean at least so far', () => {
    const sizes = [1, 2, 2, 3, 5, 5, 5, 8];
    const ways = Array.from({ length: 2 ** sizes.length }, (_, way) =>
      sizes.map((size, index) => ((way >> index) & 1 ? size : -size)),
    );
    // Mean ranks of the sizes, in their order.
    const ranks = [1, 2.5, 2.5, 4, 6, 6, 6, 8];
    const lean = (way: readonly number[]) =>
      Math.abs(way.reduce((sum, value, index) => sum + Math.sign(value) * (ranks[index] ?? Number.NaN), 0));
    for (const way of ways) {
      const atLeastSoFar = ways.filter((other) => lean(other) >= lean(way)).length;
      expect(signedRankProbability(way)).toBeCloseTo(atLeastSoFar / ways.length, 12);
    }
  });
});
