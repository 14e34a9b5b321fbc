import { type Metric, metric } from '../../base/metric.js';
import { GROUP_METRICS } from '../../coordinator/group/group-metric-rows.js';
import { DISK_METRICS } from '../../io/disk-meter.js';
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
  directoryFull: metric({
    name: 'odradek_data_directory_full',
    type: 'gauge',
    help: '1 while the disk of the data directory has no room: records for it are refused, and writing goes on by itself once there is some.',
    labels: ['directory'],
  }),
  directoryOffline: metric({
    name: 'odradek_data_directory_offline',
    type: 'gauge',
    help: '1 if the data directory could not be used at the start, or failed since: none of its partitions is served before the broker is started again on a sound disk.',
    labels: ['directory'],
  }),
  directoryPartitions: metric({
    name: 'odradek_data_directory_partitions',
    type: 'gauge',
    help: 'Partitions that lie in the data directory. A new one goes to the directory with the fewest.',
    labels: ['directory'],
  }),
  recovering: metric({
    name: 'odradek_partitions_recovering',
    type: 'gauge',
    help: 'Partitions that a crash or the death of a worker left behind and that are still to be opened and checked. They are served as soon as someone asks for them.',
    labels: [],
  }),
  recoveringBytes: metric({
    name: 'odradek_recovery_bytes',
    type: 'gauge',
    help: 'Bytes in the segments that a crash left behind and that are still to be checked; those of a log count until it is open.',
    labels: [],
  }),
} as const;

/** Every metric of `/metrics`, by what it tells of, in the order of the page. */
export const ALL_METRICS: Readonly<Record<string, readonly Metric[]>> = {
  'The broker': [...Object.values(STATE_METRICS), ...Object.values(BROKER_METRICS)],
  'Partition workers': Object.values(PARTITION_METRICS),
  'Consumer groups': Object.values(GROUP_METRICS),
  Threads: [...Object.values(THREAD_METRICS), ...Object.values(DISK_METRICS)],
  'The process': Object.values(PROCESS_METRICS),
};
