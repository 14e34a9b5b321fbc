import { describe, expect, it } from 'vitest';
import { explain, runHistories, traceOf } from './history/run-histories.js';
import { runtimeHistoryHost } from './history/runtime-history-host.js';

// HISTORIES: how many. SEED: replay this one only, with its trace.
const HISTORIES = Number(process.env['HISTORIES'] ?? 100);
const SEED = process.env['SEED'];

/** The runtime costs more than the groups: so many times fewer histories run over it. */
const RUNTIME_SHARE = 5;

describe('a group over its coordinator', () => {
  it.skipIf(SEED !== undefined)(
    'keeps its promises in every history',
    () => {
      const seeds = Array.from({ length: HISTORIES }, (_, index) => index + 1);
      const { failures, faults, ...sums } = runHistories(seeds);
      console.log(JSON.stringify({ ...sums, ...Object.fromEntries(faults) }));
      expect(failures.map((failure) => explain(failure))).toEqual([]);
      expect(sums.rebalances).toBeGreaterThanOrEqual(3 * HISTORIES);
      expect(sums.restarts).toBeGreaterThanOrEqual(HISTORIES);
    },
    60 * 60_000,
  );

  it.skipIf(SEED !== undefined)(
    'keeps its promises over the real runtime, log and a disk that fails',
    () => {
      const options = { makeHost: runtimeHistoryHost };
      const count = Math.ceil(HISTORIES / RUNTIME_SHARE);
      const seeds = Array.from({ length: count }, (_, index) => index + 1);
      const { failures, faults, ...sums } = runHistories(seeds, options);
      console.log(JSON.stringify({ ...sums, ...Object.fromEntries(faults) }));
      expect(failures.map((failure) => explain(failure, options))).toEqual([]);
      expect(sums.restarts).toBeGreaterThanOrEqual(count);
    },
    60 * 60_000,
  );

  it.skipIf(SEED === undefined)('keeps its promises in one history', () => {
    const seed = Number(SEED);
    for (const options of [{}, { makeHost: runtimeHistoryHost }]) {
      console.log(traceOf(seed, options).join('\n'));
      expect(runHistories([seed], options).failures.map((failure) => explain(failure, options))).toEqual([]);
    }
  });

  it('has the same history for the same seed', () => {
    expect(traceOf(7)).toEqual(traceOf(7));
    expect(traceOf(7)).not.toEqual(traceOf(8));
  });
});
