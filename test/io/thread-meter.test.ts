import { describe, expect, it, vi } from 'vitest';
import type { HistogramValue } from '../../src/base/metric.js';
import { THREAD_METRICS, ThreadMeter } from '../../src/io/thread-meter.js';

function valuesOf(meter: ThreadMeter): ReadonlyMap<string, number | HistogramValue> {
  const samples = meter.samples();
  for (const { labels } of samples) expect(labels).toEqual(['worker-7']);
  return new Map(samples.map(({ metric, value }) => [metric, value]));
}

/** Keeps the thread busy until it has used so much CPU time. */
function work(cpuMs: number): void {
  const start = process.cpuUsage();
  while (process.cpuUsage(start).user / 1000 < cpuMs);
}

describe('ThreadMeter', () => {
  it('tells CPU time, the time that the loop was active, and the heap', () => {
    const meter = new ThreadMeter('worker-7');
    const before = valuesOf(meter);
    work(50);
    const after = valuesOf(meter);
    const grew = (name: string) => Number(after.get(name)) - Number(before.get(name));
    if (before.has(THREAD_METRICS.cpu.name)) expect(grew(THREAD_METRICS.cpu.name)).toBeGreaterThan(0.02);
    else expect(process.platform).not.toBe('linux');
    expect(grew(THREAD_METRICS.loopActive.name)).toBeGreaterThan(0.02);
    expect(after.get(THREAD_METRICS.heap.name)).toBeGreaterThan(1_000_000);
  });

  it('does not take the time for activity in which the thread was held', () => {
    let heldMs = 0;
    const meter = new ThreadMeter('worker-7', () => heldMs);
    const before = Number(valuesOf(meter).get(THREAD_METRICS.loopActive.name));
    heldMs = 3_600_000;
    expect(Number(valuesOf(meter).get(THREAD_METRICS.loopActive.name)) - before).toBeLessThan(-3000);
  });

  it('counts how late timers fire, from the first look on', async () => {
    const meter = new ThreadMeter('worker-7');
    const delays = (): HistogramValue => {
      const value = valuesOf(meter).get(THREAD_METRICS.loopDelay.name);
      if (value === undefined || typeof value === 'number') throw new Error('a histogram');
      return value;
    };
    const total = () => delays().counts.reduce((sum, count) => sum + count, 0);
    expect(total()).toBe(0);
    work(200);
    await vi.waitUntil(() => total() > 0, { timeout: 20_000 });
    expect(delays().sumSeconds).toBeGreaterThan(0.05);
  });
});
