// Runs many histories and says what came of them. A history that fails is run again with its trace.
import { History, type HistoryOptions } from './history.js';
import { addTotals, describeTotals, noTotals, type Totals } from './totals.js';

const TRACE_LINES = 120;

export interface Failure {
  readonly seed: number;
  readonly error: Error;
}

export interface Summary {
  readonly totals: Totals;
  readonly failures: readonly Failure[];
  readonly elapsedMs: number;
}

/** Runs the histories of these seeds, up to the first that fails. */
export function runHistories(seeds: Iterable<number>, options: HistoryOptions = {}): Summary {
  const startMs = performance.now();
  // Thousands of errors come and go; where one was made the trace of the history tells.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const totals = noTotals();
  const failures: Failure[] = [];
  for (const seed of seeds) {
    try {
      addTotals(totals, new History(seed, options).run());
    } catch (error) {
      failures.push({ seed, error: error instanceof Error ? error : new Error(String(error)) });
      break;
    }
  }
  Error.stackTraceLimit = stackTraceLimit;
  return { totals, failures, elapsedMs: performance.now() - startMs };
}

/** One line about all of them. */
export function describe({ totals, elapsedMs }: Summary): string {
  return `${(elapsedMs / Math.max(1, totals.histories)).toFixed(1)} ms a history; ${describeTotals(totals)}`;
}

/** How a failure can be seen again, and the end of its story. */
export function explain({ seed, error }: Failure, traceLines = TRACE_LINES): string {
  return [
    ...traceOf(seed).slice(-traceLines),
    '',
    `SEED=${seed} fails: ${error.name === 'Difference' ? error.message : error.stack}`,
    `SEED=${seed} npx vitest run test/log/histories/histories.test.ts`,
  ].join('\n');
}

/** What happens in the history of the seed, line by line. */
export function traceOf(seed: number): readonly string[] {
  const history = new History(seed, { trace: true });
  try {
    history.run();
  } catch {
    // The story up to there is what is wanted.
  }
  return history.trace.lines;
}
