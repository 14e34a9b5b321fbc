// From the turns to a table and to lines of JSON.
import { type Column, renderTable } from '../src/cli/commands/table.js';
import { METRIC_NAMES, METRICS, type MetricName } from './metrics.js';
import { ratios, type Spread, spread } from './statistics.js';
import type { Other, Side, Turn } from './suite.js';

/** Above this share of the machine in other hands, a row's figures are marked. */
export const QUIET_SHARE = 0.25;

/** Three digits that count: 1,234 or 12.3 or 1.23 or 0.012. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** `median [smallest–largest]`; the values alone if there is only one. */
export function formatSpread({ median, min, max }: Spread): string {
  return min === max
    ? formatNumber(median)
    : `${formatNumber(median)} [${formatNumber(min)}–${formatNumber(max)}]`;
}

/** The values of one metric in one row, by round; undefined where a round has none. */
interface MetricValues {
  readonly metric: MetricName;
  readonly broker: readonly number[];
  /** Of what stands beside the broker. */
  readonly other: readonly number[];
  /** Broker ÷ other, each within its round. */
  readonly ratio: readonly number[];
}

/** What a row's turns gave. */
export class RowReport {
  readonly row: string;
  /** What stands beside the broker. */
  readonly other: Other;
  readonly #turns: Readonly<Record<Side, Turn[]>> = { broker: [], pump: [], base: [] };

  constructor(row: string, other: Other = 'pump') {
    this.row = row;
    this.other = other;
  }

  /** Turns of one side come in the order of the rounds. */
  add(side: Side, turn: Turn): void {
    this.#turns[side].push(turn);
  }

  get isEmpty(): boolean {
    return this.#turns.broker.length === 0;
  }

  /** Bytes and records of all turns of the broker. */
  get moved(): { bytes: number; records: number } {
    const { broker } = this.#turns;
    const total = (of: (turn: Turn) => number) => broker.reduce((sum, turn) => sum + of(turn), 0);
    return { bytes: total(({ bytes }) => bytes), records: total(({ records }) => records) };
  }

  /** Of each turn of which it is known. */
  get others(): number[] {
    return [...this.#turns.broker, ...this.#turns[this.other]].flatMap(({ others }) =>
      others === null ? [] : [others],
    );
  }

  get isQuiet(): boolean {
    return this.others.every((share) => share <= QUIET_SHARE);
  }

  get metrics(): MetricValues[] {
    return METRIC_NAMES.flatMap((metric) => {
      const of = (side: Side) => this.#turns[side].map(({ metrics }) => metrics[metric]);
      const broker = of('broker');
      const other = of(this.other);
      const values = {
        metric,
        broker: broker.filter(isNumber),
        other: other.filter(isNumber),
        ratio: ratios(broker, other),
      };
      return values.broker.length > 0 ? [values] : [];
    });
  }
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined;
}

/** Of a table whose lines are {@link metricLines}. */
export function columnsOf(measured: string, other: string): Column[] {
  return [
    { title: 'row' },
    { title: measured, align: 'right' },
    { title: other, align: 'right' },
    { title: `${measured} ÷ ${other}`, align: 'right' },
    { title: '' },
  ];
}

const ARROWS = { higher: '↑', lower: '↓', neither: ' ' };

/** Marked if others disturbed it. */
export function rowName({ row, isQuiet }: RowReport): string {
  return isQuiet ? row : `${row} ~`;
}

/** A line per metric: medians with the smallest and the largest value, and the same of the rounds' own ratios. */
export function metricLines(
  reports: readonly RowReport[],
  further: (metric: RowReport['metrics'][number]) => readonly string[] = () => [],
): string[][] {
  const cell = (values: readonly number[]) => (values.length === 0 ? '' : formatSpread(spread(values)));
  return reports.flatMap((report) =>
    report.metrics.map((reported, index) => {
      const { metric, broker, other, ratio } = reported;
      const { unit, better } = METRICS[metric];
      const name = index === 0 ? rowName(report) : '';
      const cells = [name, cell(broker), cell(other), cell(ratio), `${ARROWS[better]} ${unit}`];
      return [...cells, ...further(reported)];
    }),
  );
}

export function table(reports: readonly RowReport[], color: boolean): string {
  return renderTable(columnsOf('broker', 'pump'), metricLines(reports), color);
}

/** How much of the machine others had; empty if that is not known. */
export function quietness(reports: readonly RowReport[]): string {
  const shares = reports.flatMap(({ others }) => others);
  if (shares.length === 0) return '';
  const { median, max } = spread(shares);
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  const mark = reports.some(({ isQuiet }) => !isQuiet)
    ? `\n~ marks rows with a turn above ${percent(QUIET_SHARE)}: measure them again on a quiet machine.`
    : '';
  return `Other programs had ${percent(median)} of the machine (median of the turns), at most ${percent(max)}.${mark}\n`;
}
