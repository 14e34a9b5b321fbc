// Writes samples as text for Prometheus. prom-client knows the two formats and their escapes; its metrics are told what was
// counted elsewhere at the moment of a scrape. Loaded with the first scrape only.
import {
  Counter,
  Gauge,
  Histogram,
  type OpenMetricsContentType,
  type PrometheusContentType,
  Registry,
} from 'prom-client';
import { LATENCY_BOUNDS_SECONDS } from '../../base/latency-counts.js';
import type { HistogramValue, Metric, Sample } from '../../base/metric.js';

export type ExpositionFormat = 'prometheus' | 'openmetrics';

export interface ExpositionPage {
  readonly contentType: string;
  readonly text: string;
}

type Labels = Record<string, string | number>;

/** What the metrics show; replaced before each rendering. */
interface Shown {
  samples: ReadonlyMap<string, readonly Sample[]>;
}

const labelsOf = ({ labels: names }: Metric, { labels }: Sample): Labels =>
  Object.fromEntries(names.map((name, index) => [name, labels[index] ?? '']));

class ShownCounter extends Counter<string> {
  readonly #values: () => { value: number; labels: Labels }[];

  constructor(row: Metric, shown: Shown) {
    super({ name: row.name, help: row.help, labelNames: [...row.labels], registers: [] });
    this.#values = () => plainValues(row, shown);
  }

  override async get() {
    return { ...(await super.get()), values: this.#values() };
  }
}

class ShownGauge extends Gauge<string> {
  readonly #values: () => { value: number; labels: Labels }[];

  constructor(row: Metric, shown: Shown) {
    super({ name: row.name, help: row.help, labelNames: [...row.labels], registers: [] });
    this.#values = () => plainValues(row, shown);
  }

  override async get() {
    return { ...(await super.get()), values: this.#values() };
  }
}

class ShownHistogram extends Histogram<string> {
  readonly #row: Metric;
  readonly #shown: Shown;

  constructor(row: Metric, shown: Shown) {
    super({
      name: row.name,
      help: row.help,
      labelNames: [...row.labels],
      buckets: [...LATENCY_BOUNDS_SECONDS],
      registers: [],
    });
    this.#row = row;
    this.#shown = shown;
  }

  /** What the registry calls for text; it is not in the library's types. */
  getForPromString() {
    const { name, help } = this.#row;
    const samples = this.#shown.samples.get(name) ?? [];
    return {
      name,
      help,
      type: 'histogram',
      values: samples.flatMap((one) => histogramLines(this.#row, one)),
    };
  }
}

function plainValues(row: Metric, { samples }: Shown): { value: number; labels: Labels }[] {
  return (samples.get(row.name) ?? []).flatMap((one) =>
    typeof one.value === 'number' ? [{ value: one.value, labels: labelsOf(row, one) }] : [],
  );
}

function histogramLines(row: Metric, one: Sample) {
  if (typeof one.value === 'number') return [];
  const { counts, sumSeconds }: HistogramValue = one.value;
  const labels = labelsOf(row, one);
  let total = 0;
  const lines = counts.map((count, bucket) => {
    total += count;
    const le = LATENCY_BOUNDS_SECONDS[bucket] ?? '+Inf';
    return { metricName: `${row.name}_bucket`, labels: { le, ...labels }, value: total };
  });
  return [
    ...lines,
    { metricName: `${row.name}_sum`, labels, value: sumSeconds },
    { metricName: `${row.name}_count`, labels, value: total },
  ];
}

/** The metrics of some tables in one format. */
export class Exposition {
  readonly #registry: Registry<PrometheusContentType> | Registry<OpenMetricsContentType>;
  readonly #shown: Shown = { samples: new Map() };
  #rendering: Promise<unknown> = Promise.resolve();

  constructor(rows: readonly Metric[], format: ExpositionFormat) {
    // OpenMetrics renames counters for good, so each format has metrics of its own.
    const registry = new Registry();
    this.#registry = registry;
    if (format === 'openmetrics') {
      const open = new Registry<OpenMetricsContentType>();
      open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
      this.#registry = open;
    }
    for (const row of rows) this.#registry.registerMetric(shownMetric(row, this.#shown));
  }

  /** Samples of metrics that are in no table are left out. */
  render(samples: readonly Sample[]): Promise<ExpositionPage> {
    const page = this.#rendering.then(async () => {
      this.#shown.samples = byMetric(samples);
      const text = await this.#registry.metrics();
      this.#shown.samples = new Map();
      return { contentType: this.#registry.contentType, text };
    });
    this.#rendering = page.catch(() => {}); // Whoever asked for that page has the error.
    return page;
  }
}

function shownMetric(row: Metric, shown: Shown): Counter<string> | Gauge<string> | Histogram<string> {
  switch (row.type) {
    case 'counter':
      return new ShownCounter(row, shown);
    case 'gauge':
      return new ShownGauge(row, shown);
    case 'histogram':
      return new ShownHistogram(row, shown);
  }
}

function byMetric(samples: readonly Sample[]): Map<string, Sample[]> {
  const groups = new Map<string, Sample[]>();
  for (const one of samples) {
    const group = groups.get(one.metric);
    if (group) group.push(one);
    else groups.set(one.metric, [one]);
  }
  return groups;
}
