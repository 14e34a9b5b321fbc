import type { Random } from '../base/random.js';

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait before the next try after `failures` (1, 2, …) of them: doubling from `firstMs` to `maxMs`, and
 * between half of that and all of it, so that clients that failed together do not come back together.
 */
export function backoffMs(failures: number, { firstMs, maxMs }: BackoffOptions, random: Random): number {
  const ceilingMs = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return ceilingMs / 2 + (random.uint32() / 2 ** 32) * (ceilingMs / 2);
}
