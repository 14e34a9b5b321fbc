import { expect, it, describe as suite } from 'vitest';
import { describe, explain, runHistories, traceOf } from './run-histories.js';

// HISTORIES: how many histories this file and its second half run together. SEED: replay this one only, with its trace.
const HISTORIES = Number(process.env['HISTORIES'] ?? 60);
const SEED = process.env['SEED'];

/** Seeds that once found a bug. */
const REGRESSIONS = [1, 6, 62, 66, 198, 259, 629, 668, 1094, 1238, 1261, 1545];

function* oddSeeds(): Generator<number> {
  for (let seed = 1; seed <= HISTORIES; seed += 2) yield seed;
}

suite('Simulation', () => {
  it.skipIf(SEED !== undefined)(
    'agrees with the model in every history',
    () => {
      const summary = runHistories([...REGRESSIONS, ...oddSeeds()]);
      console.log(describe(summary));
      expect(summary.failures.map((failure) => explain(failure))).toEqual([]);
    },
    60 * 60_000,
  );

  it.skipIf(SEED === undefined)('replays one history', () => {
    const seed = Number(SEED);
    console.log(traceOf(seed).join('\n'));
    const summary = runHistories([seed]);
    console.log(describe(summary));
    expect(summary.failures.map((failure) => explain(failure, 0))).toEqual([]);
  });

  it('is the same history for the same seed', () => {
    expect(traceOf(7)).toEqual(traceOf(7));
  });
});
