import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LATENCY_BOUNDS_SECONDS, LatencyCounts } from '../../src/base/latency-counts.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

function bucketOf(milliseconds: number): number {
  const counts = new LatencyCounts();
  counts.record(milliseconds);
  expect(counts.count).toBe(1);
  return counts.counts.indexOf(1);
}

describe('LatencyCounts', () => {
  it('has ascending bounds, two for each power of two', () => {
    expect(LATENCY_BOUNDS_SECONDS.slice(0, 5)).toEqual([0.000128, 0.000192, 0.000256, 0.000384, 0.000512]);
    expect(LATENCY_BOUNDS_SECONDS.at(-1)).toBe(16.777216);
    expect(LATENCY_BOUNDS_SECONDS).toEqual([...LATENCY_BOUNDS_SECONDS].sort((a, b) => a - b));
    expect(new LatencyCounts().counts).toHaveLength(LATENCY_BOUNDS_SECONDS.length + 1);
  });

  it('counts a duration that equals a bound below it', () => {
    LATENCY_BOUNDS_SECONDS.forEach((bound, index) => {
      const microseconds = Math.round(bound * 1e6);
      expect(bucketOf(microseconds / 1000)).toBe(index);
      expect(bucketOf((microseconds + 1) / 1000)).toBe(index + 1);
    });
  });

  it('puts each duration into the one bucket whose bounds hold it', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 40_000, noNaN: true }), (milliseconds) => {
        const microseconds = Math.ceil(milliseconds * 1000);
        const expected = LATENCY_BOUNDS_SECONDS.findIndex((bound) => microseconds <= Math.round(bound * 1e6));
        expect(bucketOf(milliseconds)).toBe(expected < 0 ? LATENCY_BOUNDS_SECONDS.length : expected);
      }),
      seed,
    );
  });

  it('takes what a clock should not say: times below 0, and beyond all bounds', () => {
    const counts = new LatencyCounts();
    for (const milliseconds of [-5, 1e12, Number.POSITIVE_INFINITY]) counts.record(milliseconds);
    expect(counts.counts[0]).toBe(1);
    expect(counts.counts.at(-1)).toBe(2);
  });

  it('sums', () => {
    const counts = new LatencyCounts();
    counts.record(1.5);
    counts.record(2);
    expect(counts.sumMs).toBe(3.5);
  });
});
