// Runs many histories and says what came of them. A history that fails is run again with its trace.
import { FaultCounts } from './faults.js';
import { ACKNOWLEDGED_RECORDS_MIN, FAULTS_MIN, History, type HistoryOptions } from './history.js';

const TRACE_LINES = 120;

export interface Failure {
  readonly seed: number;
  readonly error: Error;
}

export interface Summary {
  readonly histories: number;
  readonly acknowledgedRecords: number;
  readonly batchesRead: number;
  readonly compactions: number;
  readonly compactedRecords: number;
  readonly faults: FaultCounts;
  readonly failures: readonly Failure[];
  readonly elapsedMs: number;
}

/** Runs the histories of these seeds, up to the first that fails. */
export function runHistories(seeds: Iterable<number>, options: HistoryOptions = {}): Summary {
  const startMs = performance.now();
  const faults = new FaultCounts();
  const failures: Failure[] = [];
  let histories = 0;
  let acknowledgedRecords = 0;
  let batchesRead = 0;
  let compactions = 0;
  let compactedRecords = 0;
  for (const seed of seeds) {
    histories++;
    try {
      const result = new History(seed, options).run();
      if (result.acknowledgedRecords < ACKNOWLEDGED_RECORDS_MIN)
        throw new Error('too few records were acknowledged');
      if (result.faults.total < FAULTS_MIN) throw new Error('too few faults took effect');
      acknowledgedRecords += result.acknowledgedRecords;
      batchesRead += result.batchesRead;
      compactions += result.compactions;
      compactedRecords += result.compactedRecords;
      faults.addAll(result.faults);
    } catch (error) {
      failures.push({ seed, error: error instanceof Error ? error : new Error(String(error)) });
      break;
    }
  }
  return {
    histories,
    acknowledgedRecords,
    batchesRead,
    compactions,
    compactedRecords,
    faults,
    failures,
    elapsedMs: performance.now() - startMs,
  };
}

/** One line about all of them. */
export function describe({
  histories,
  acknowledgedRecords,
  batchesRead,
  compactions,
  compactedRecords,
  faults,
  elapsedMs,
}: Summary): string {
  const rate = ((1000 * histories) / elapsedMs).toFixed(1);
  return (
    `${histories} histories (${rate} a second), ${acknowledgedRecords} records acknowledged, ${batchesRead} batches read, ` +
    `${compactions} compactions that took ${compactedRecords} records; ` +
    `faults that took effect: ${faults}`
  );
}

/** How a failure can be seen again, and the end of its story. */
export function explain({ seed, error }: Failure, traceLines = TRACE_LINES): string {
  const what = error.name === 'Verdict' ? error.message : error.stack;
  return [
    ...traceOf(seed).slice(-traceLines),
    '',
    `SEED=${seed} fails: ${what}`,
    `SEED=${seed} npx vitest run test/simulation/simulation.test.ts`,
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
