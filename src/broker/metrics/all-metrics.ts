import { type Metric, metric } from '../../base/metric.js';
import { GROUP_METRICS } from '../../coordinator/group/group-metric-rows.js';
import { PROCESS_METRICS } from '../../io/process-meter.js';
import { THREAD_METRICS } from '../../io/thread-meter.js';
import { PARTITION_METRICS } from '../../partition/partition-metrics.js';
import { BROKER_METRICS } from './broker-metrics.js';

/** What the broker says of its own state, whichever thread answers. */
export const STATE_METRICS = {
  responding: metric({
    name: 'odradek_thread_responding',
    type: 'gauge',
    help: '1 if the thread answered within the time that a scrape gives it, else 0: it is stuck or overloaded, and its other series are missing. Without the supervisor the workers cannot be asked.',
    labels: ['thread'],
  }),
  ready: metric({
    name: 'odradek_ready',
    type: 'gauge',
    help: '1 if /health/ready says so, else 0.',
    labels: [],
  }),
  logsOffline: metric({
    name: 'odradek_logs_offline',
    type: 'gauge',
    help: 'Logs that take no more records because the disk refused a write or a flush and the files are in doubt; the metadata log is one of the supervisor. Any value above 0 needs an operator: see the log, mend the disk, restart the broker.',
    labels: ['thread'],
  }),
  recovering: metric({
    name: 'odradek_partitions_recovering',
    type: 'gauge',
    help: 'Partitions that a crash or the death of a worker left behind and that are still to be opened and checked. They are served as soon as someone asks for them.',
    labels: [],
  }),
} as const;

/** Every metric of `/metrics`, by what it tells of, in the order of the page. */
export const ALL_METRICS: Readonly<Record<string, readonly Metric[]>> = {
  'The broker': [...Object.values(STATE_METRICS), ...Object.values(BROKER_METRICS)],
  'Partition workers': Object.values(PARTITION_METRICS),
  'Consumer groups': Object.values(GROUP_METRICS),
  Threads: Object.values(THREAD_METRICS),
  'The process': Object.values(PROCESS_METRICS),
};
