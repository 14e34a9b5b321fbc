import { History, type HistoryOptions, REBALANCES_MIN, RESTARTS_MIN } from './history.js';

const TRACE_LINES = 80;

export interface HistoryFailure {
  readonly seed: number;
  readonly error: Error;
}

export interface HistoriesSummary {
  readonly histories: number;
  readonly rebalances: number;
  readonly restarts: number;
  readonly requests: number;
  readonly commits: number;
  readonly virtualMs: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly failures: readonly HistoryFailure[];
}

/** Runs the histories of these seeds, up to the first that fails. */
export function runHistories(seeds: Iterable<number>, options: HistoryOptions = {}): HistoriesSummary {
  const sums = { histories: 0, rebalances: 0, restarts: 0, requests: 0, commits: 0, virtualMs: 0 };
  const faults = new Map<string, number>();
  for (const seed of seeds) {
    sums.histories++;
    try {
      const result = new History(seed, options).run();
      if (result.rebalances < REBALANCES_MIN || result.restarts < RESTARTS_MIN)
        throw new Error('too little happened');
      sums.rebalances += result.rebalances;
      sums.restarts += result.restarts;
      sums.requests += result.requests;
      sums.commits += result.commits;
      sums.virtualMs += result.virtualMs;
      for (const [kind, count] of result.faults) faults.set(kind, (faults.get(kind) ?? 0) + count);
    } catch (error) {
      return {
        ...sums,
        faults,
        failures: [{ seed, error: error instanceof Error ? error : new Error(String(error)) }],
      };
    }
  }
  return { ...sums, faults, failures: [] };
}

/** How a failure can be seen again, and the end of its story. */
export function explain({ seed, error }: HistoryFailure, options: HistoryOptions = {}): string {
  const what = error.name === 'Verdict' ? error.message : error.stack;
  return [
    ...traceOf(seed, options).slice(-TRACE_LINES),
    '',
    `SEED=${seed} fails: ${what}`,
    `SEED=${seed} npx vitest run test/coordinator/group/histories.test.ts`,
  ].join('\n');
}

/** What happens in the history of the seed, line by line. */
export function traceOf(seed: number, options: HistoryOptions = {}): readonly string[] {
  const history = new History(seed, { ...options, trace: true });
  try {
    history.run();
  } catch {
    // The story up to there is what is wanted.
  }
  return history.lines;
}
