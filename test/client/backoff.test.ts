import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { backoffMs } from '../../src/client/backoff.js';

describe('backoffMs', () => {
  const random = seededRandom(1);
  const bounds = (failures: number) => {
    const waits = Array.from({ length: 2000 }, () =>
      backoffMs(failures, { firstMs: 50, maxMs: 1000 }, random),
    );
    return [Math.min(...waits), Math.max(...waits)].map((wait) => Math.round(wait));
  };

  it.each([
    [1, 25, 50],
    [2, 50, 100],
    [5, 400, 800],
    [6, 500, 1000],
    [1_000_000, 500, 1000],
  ])('waits after %d failures between %d and %d ms', (failures, least, most) => {
    const [min = 0, max = 0] = bounds(failures);
    expect(min).toBeGreaterThanOrEqual(least);
    expect(min).toBeLessThan(least * 1.05);
    expect(max).toBeLessThanOrEqual(most);
    expect(max).toBeGreaterThan(most * 0.95);
  });
});
