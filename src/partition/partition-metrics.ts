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
  compactions: metric({
    name: 'odradek_compactions_total',
    type: 'counter',
    help: 'Compactions of partitions that the worker has completed.',
    labels: ['thread'],
  }),
  compactionFailures: metric({
    name: 'odradek_compaction_failures_total',
    type: 'counter',
    help: 'Compactions of partitions that failed. The partition is as it was, and it is tried again; the log says why.',
    labels: ['thread'],
  }),
  compactionBytesRead: metric({
    name: 'odradek_compaction_read_bytes_total',
    type: 'counter',
    help: 'Bytes of record batches that compactions have read. All that is dirty is read twice.',
    labels: ['thread'],
  }),
  compactionBytesWritten: metric({
    name: 'odradek_compaction_written_bytes_total',
    type: 'counter',
    help: 'Bytes of record batches that compactions have written.',
    labels: ['thread'],
  }),
  compactionRecordsRemoved: metric({
    name: 'odradek_compaction_removed_records_total',
    type: 'counter',
    help: 'Records that compactions took out: a newer one had their key, or they were deletions that had been kept for long enough.',
    labels: ['thread'],
  }),
  compactionLastSeconds: metric({
    name: 'odradek_compaction_last_seconds',
    type: 'gauge',
    help: 'How long the last completed compaction took, pauses included; 0 before the first.',
    labels: ['thread'],
  }),
  uncleanable: metric({
    name: 'odradek_uncleanable_partitions',
    type: 'gauge',
    help: 'Partitions that are not compacted any more, because a batch in them cannot be read. They grow until that is mended.',
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
  partitionDirtyRatio: metric({
    name: 'odradek_partition_dirty_ratio',
    type: 'gauge',
    help: 'The part of the log of a compacted partition that came after its last compaction, of what can be compacted, from 0 to 1.',
    labels: ['topic', 'partition'],
  }),
} as const;
