// Results as lines of JSON, one for each row of a run. `bench/results/YYYY-MM.ndjson` is the history that is committed, of a machine
// that is worth comparing with; `bench/results/local` has all other runs and stays with the clone.
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { judge } from './comparison.js';
import type { Commit, Machine } from './machine.js';
import type { BenchOptions } from './options.js';
import type { RowReport } from './report.js';
import { spread } from './statistics.js';

/** What a stored result says besides its figures. */
export interface Circumstances {
  readonly time: string;
  /** Whose broker it is. */
  readonly commit: Commit;
  /** Whose broker stands beside it; null: a pump does. */
  readonly base: Commit | null;
  readonly node: string;
  readonly machine: Machine;
  readonly options: BenchOptions;
}

/** A row as it is stored: every value, in the order of the rounds, and the medians. */
export function resultLine(report: RowReport, circumstances: Circumstances): string {
  const { time, commit, base, node, machine, options } = circumstances;
  const metrics = report.metrics.map(({ metric, broker, other, ratio }) => {
    const of = (values: readonly number[]) =>
      values.length === 0 ? null : { median: rounded(spread(values).median), values: values.map(rounded) };
    const judged = base === null ? {} : judge(metric, ratio);
    return [metric, { broker: of(broker), [report.other]: of(other), ratio: of(ratio), ...judged }];
  });
  const { rounds, bytes, requests, latencySeconds, fetchBytes, pumpPieceBytes, brokerSettings } = options;
  return JSON.stringify({
    row: report.row,
    time,
    ...commit,
    ...(base && { base }),
    node,
    ...machine,
    options: { rounds, bytes, requests, latencySeconds, fetchBytes, pumpPieceBytes, brokerSettings },
    moved: report.moved,
    others: report.others.map(rounded),
    metrics: Object.fromEntries(metrics),
  });
}

/** Six digits are more than was measured. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/** Appends to the file of the month; returns its path. */
export function storeResults(
  folder: string,
  reports: readonly RowReport[],
  circumstances: Circumstances,
): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${circumstances.time.slice(0, 7)}.ndjson`);
  appendFileSync(path, reports.map((report) => `${resultLine(report, circumstances)}\n`).join(''));
  return path;
}
