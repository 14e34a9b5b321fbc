import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Commit, Machine } from './machine.js';
import type { BenchOptions } from './options.js';
import type { RowReport } from './report.js';
import { spread } from './statistics.js';

/** What a stored result says besides its figures. */
export interface Circumstances {
  readonly time: string;
  readonly commit: Commit;
  readonly node: string;
  readonly machine: Machine;
  readonly options: BenchOptions;
}

/** A row as it is stored: every value, in the order of the rounds, and the medians. */
export function resultLine(
  report: RowReport,
  { time, commit, node, machine, options }: Circumstances,
): string {
  const metrics = report.metrics.map(({ metric, broker, pump, ratio }) => {
    const of = (values: readonly number[]) =>
      values.length === 0 ? null : { median: rounded(spread(values).median), values: values.map(rounded) };
    return [metric, { broker: of(broker), pump: of(pump), ratio: of(ratio) }];
  });
  const { rounds, bytes, requests, latencySeconds, fetchBytes, pumpPieceBytes, brokerSettings } = options;
  return JSON.stringify({
    row: report.row,
    time,
    ...commit,
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
