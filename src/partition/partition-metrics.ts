import { metric } from '../base/metric.js';

/** What a partition worker counts. */
export const PARTITION_METRICS = {
  open: metric({
    name: 'odradek_partitions_open',
    type: 'gauge',
    help: 'Partitions whose log is open on the worker. After a clean start they open when they are first used.',
    labels: ['thread'],
  }),
  batches: metric({
    name: 'odradek_appended_batches_total',
    type: 'counter',
    help: 'Record batches written to logs by the worker.',
    labels: ['thread'],
  }),
  records: metric({
    name: 'odradek_appended_records_total',
    type: 'counter',
    help: 'Records written to logs by the worker. Divided by the batches: how well producers batch.',
    labels: ['thread'],
  }),
  bytes: metric({
    name: 'odradek_appended_bytes_total',
    type: 'counter',
    help: 'Bytes of record batches written to logs by the worker.',
    labels: ['thread'],
  }),
  groups: metric({
    name: 'odradek_append_groups_total',
    type: 'counter',
    help: 'Groups of batches that the worker took from its ring at once. Batches per group rise with the load.',
    labels: ['thread'],
  }),
  refused: metric({
    name: 'odradek_refused_batches_total',
    type: 'counter',
    help: 'Batches that the worker did not append, by error. NONE is not among them; a batch that was appended before and is sent again is not refused.',
    labels: ['thread', 'error'],
  }),
  logBytes: metric({
    name: 'odradek_log_bytes',
    type: 'gauge',
    help: 'Bytes of record batches in the open logs of the worker, indexes left out.',
    labels: ['thread'],
  }),
  segments: metric({
    name: 'odradek_log_segments',
    type: 'gauge',
    help: 'Segments of the open logs of the worker.',
    labels: ['thread'],
  }),
  partitionBytes: metric({
    name: 'odradek_partition_log_bytes',
    type: 'gauge',
    help: 'Bytes of record batches in the log of the partition, if it is open.',
    labels: ['topic', 'partition'],
  }),
  partitionSegments: metric({
    name: 'odradek_partition_log_segments',
    type: 'gauge',
    help: 'Segments of the log of the partition, if it is open.',
    labels: ['topic', 'partition'],
  }),
} as const;
