import { expect, it, describe as suite } from 'vitest';
import { describe, explain, runHistories } from './run-histories.js';

const HISTORIES = Number(process.env['HISTORIES'] ?? 150);

function* evenSeeds(): Generator<number> {
  for (let seed = 2; seed <= HISTORIES; seed += 2) yield seed;
}

// A file of its own, so that vitest gives it a process of its own.
suite('Histories of a log, second half', () => {
  it.skipIf(process.env['SEED'] !== undefined)(
    'agree with the model',
    () => {
      const summary = runHistories(evenSeeds());
      console.log(describe(summary));
      expect(summary.failures.map((failure) => explain(failure))).toEqual([]);
    },
    60 * 60_000,
  );
});
