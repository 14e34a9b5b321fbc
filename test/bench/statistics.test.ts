import { describe, expect, it } from 'vitest';
import { percentile, ratios, spread } from '../../bench/statistics.js';

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
