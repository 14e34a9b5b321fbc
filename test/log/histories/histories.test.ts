import { expect, it, describe as suite } from 'vitest';
import { describe, explain, runHistories, traceOf } from './run-histories.js';

// HISTORIES: how many histories this file and its second half run together. SEED: replay this one only, with its trace.
const HISTORIES = Number(process.env['HISTORIES'] ?? 150);
const SEED = process.env['SEED'];

/** Seeds that once found a bug. */
const REGRESSIONS: readonly number[] = [];

function* oddSeeds(): Generator<number> {
  for (let seed = 1; seed <= HISTORIES; seed += 2) yield seed;
}

suite('Histories of a log', () => {
  it.skipIf(SEED !== undefined)(
    'agree with the model',
    () => {
      const summary = runHistories([...REGRESSIONS, ...oddSeeds()]);
      console.log(describe(summary));
      expect(summary.failures.map((failure) => explain(failure))).toEqual([]);
    },
    60 * 60_000,
  );

  it.skipIf(SEED === undefined)('replays one', () => {
    const seed = Number(SEED);
    console.log(traceOf(seed).join('\n'));
    const summary = runHistories([seed]);
    console.log(describe(summary));
    expect(summary.failures.map((failure) => explain(failure, 0))).toEqual([]);
  });

  it('are the same for the same seed', () => {
    expect(traceOf(7)).toEqual(traceOf(7));
    expect(traceOf(7).length).toBeGreaterThan(40);
  });
});
