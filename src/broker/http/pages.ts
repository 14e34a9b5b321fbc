// The pages of the HTTP door: `/health/live`, `/health/ready`, `/metrics`. What they tell is got from the threads at most once
// a second, whoever asks.
import type { Clock } from '../../base/clock.js';
import { type MetricsSource, type Sample, sample } from '../../base/metric.js';
import { lagSamples } from '../../coordinator/group/group-metric-rows.js';
import type { InspectDetail } from '../../partition/messages.js';
import type { DataDirectoryReport } from '../data-directory-state.js';
import type { Inspected, ThreadReport } from '../inspect-workers.js';
import { notResponding } from '../inspect-workers.js';
import { ALL_METRICS, STATE_METRICS } from '../metrics/all-metrics.js';
import type { Exposition, ExpositionFormat } from '../metrics/exposition.js';
import { type Readiness, readinessOf } from './health.js';
import { jsonPage, type Page, type PageSource } from './http-door.js';
import { Recent } from './recent.js';

/** What the pages know of the broker. */
export interface BrokerState {
  /** Why the broker cannot go on, or null. */
  readonly failure: () => string | null;
  /** Why it takes no requests now: it starts, stops, has failed; null if it does. */
  readonly obstacle: () => string | null;
  /** Asks the supervisor's thread; null if it does not answer in time. */
  readonly inspect: (detail: InspectDetail) => Promise<Inspected | null>;
  /** What is counted on this thread, as far as it is there yet. */
  readonly sources: () => readonly MetricsSource[];
  /** Whether each partition has series of its own. */
  readonly perPartition: () => boolean;
  /** Of a partition, or null if it is not known just now. */
  readonly highWatermark: (topic: string, partition: number) => number | null;
  readonly clock: Clock;
}

const OPENMETRICS = 'application/openmetrics-text';

export function pagesOf(state: BrokerState): ReadonlyMap<string, PageSource> {
  const readiness = new Recent(state.clock, async () => readinessOf(null, await state.inspect('none')));
  const metrics = {
    prometheus: metricsPage(state, 'prometheus'),
    openmetrics: metricsPage(state, 'openmetrics'),
  };
  return new Map<string, PageSource>([
    [
      '/health/live',
      () => {
        const reason = state.failure();
        return reason === null ? jsonPage(200, { live: true }) : jsonPage(503, { live: false, reason });
      },
    ],
    ['/health/ready', () => readyPage(state, readiness)],
    ['/metrics', (accept) => metrics[accept.includes(OPENMETRICS) ? 'openmetrics' : 'prometheus'].value()],
  ]);
}

/** What the broker itself knows counts at once; what its threads say may be a second old. */
async function readyPage({ obstacle }: BrokerState, recent: Recent<Readiness>): Promise<Page> {
  const reason = obstacle();
  const readiness = reason === null ? await recent.value() : readinessOf(reason, null);
  return jsonPage(readiness.ready ? 200 : 503, readiness);
}

function metricsPage(state: BrokerState, format: ExpositionFormat): Recent<Page> {
  let exposition: Promise<Exposition> | null = null;
  return new Recent(state.clock, async () => {
    exposition ??= import('../metrics/exposition.js').then(
      ({ Exposition }) => new Exposition(Object.values(ALL_METRICS).flat(), format),
    );
    const [inspected, { render }] = await Promise.all([
      state.inspect(state.perPartition() ? 'partitions' : 'totals'),
      exposition.then((ready) => ({ render: (samples: readonly Sample[]) => ready.render(samples) })),
    ]);
    const { contentType, text } = await render(samplesOf(state, inspected));
    return { status: 200, contentType, body: Buffer.from(text) };
  });
}

function samplesOf(state: BrokerState, inspected: Inspected | null): Sample[] {
  const main: ThreadReport = {
    thread: 'main',
    responding: true,
    logsOffline: 0,
    samples: state.sources().flatMap((source) => source.samples()),
  };
  const threads = [main, ...(inspected?.threads ?? [notResponding('supervisor')])];
  const { ready } = readinessOf(state.obstacle(), inspected);
  return [
    sample(STATE_METRICS.ready, [], ready ? 1 : 0),
    sample(STATE_METRICS.recovering, [], inspected?.recovering ?? 0),
    sample(STATE_METRICS.recoveringBytes, [], inspected?.recoveringBytes ?? 0),
    ...threads.map(({ thread, responding }) =>
      sample(STATE_METRICS.responding, [thread], responding ? 1 : 0),
    ),
    ...threads.flatMap(({ thread, responding, logsOffline }) =>
      responding ? [sample(STATE_METRICS.logsOffline, [thread], logsOffline)] : [],
    ),
    ...(inspected?.directories ?? []).flatMap(directorySamples),
    ...threads.flatMap(({ samples }) => samples),
    ...threads.flatMap(({ samples }) => lagSamples(samples, state.highWatermark)),
  ];
}

const directorySamples = ({ path, full, offline, partitions }: DataDirectoryReport): Sample[] => [
  sample(STATE_METRICS.directoryFull, [path], full ? 1 : 0),
  sample(STATE_METRICS.directoryOffline, [path], offline === null ? 0 : 1),
  sample(STATE_METRICS.directoryPartitions, [path], partitions),
];
