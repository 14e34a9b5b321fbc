// What the broker counts, as an operator's monitoring sees it. Code on hot paths adds to plain numbers of its own; when
// someone asks, a MetricsSource turns them into samples. Samples are plain data and may cross threads. What a metric is
// called and what it means is declared once, in a table beside the code that counts; docs/operations.md is made from the
// tables. Names follow Prometheus' conventions: base units (seconds, bytes), counters end in `_total`.
import type { LatencyCounts } from './latency-counts.js';

/** A row of a table of metrics. */
export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Whole sentences, for operators. */
  readonly help: string;
  readonly labels: readonly string[];
}

/** Declares a row; keeps its literal types, from which {@link sample} knows how many labels there are. */
export const metric = <const Row extends Metric>(row: Row): Row => row;

/** The state of a histogram: how many values lie in each bucket, and their sum in seconds. */
export interface HistogramValue {
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

/** One value of a metric, for one set of labels. Structured-cloneable. */
export interface Sample {
  /** Name of the metric. */
  readonly metric: string;
  /** In the order of the row's labels. */
  readonly labels: readonly string[];
  readonly value: number | HistogramValue;
}

type Texts<Labels extends readonly string[]> = { readonly [Index in keyof Labels]: string };
type ValueOf<Row extends Metric> = Row['type'] extends 'histogram' ? HistogramValue : number;

/** A sample of a declared metric; the row says which labels and what kind of value it has. */
export function sample<const Row extends Metric>(
  row: Row,
  labels: Texts<Row['labels']>,
  value: ValueOf<Row>,
): Sample {
  return { metric: row.name, labels, value };
}

/** The value of a histogram at this moment. */
export const histogramValue = ({ counts, sumMs }: LatencyCounts): HistogramValue => ({
  counts: [...counts],
  sumSeconds: sumMs / 1000,
});

/**
 * Something that counts. `samples` runs on the thread that counts, takes time in proportion to what it returns, and is
 * called about once a second at most. Adding a source to its thread's list is all that is needed to show up in `/metrics`;
 * its rows belong in `ALL_METRICS`.
 */
export interface MetricsSource {
  samples(): readonly Sample[];
}
