import { metric, type Sample, sample } from '../../base/metric.js';

/** What the group coordinator counts. */
export const GROUP_METRICS = {
  groups: metric({
    name: 'odradek_groups',
    type: 'gauge',
    help: 'Consumer groups by state. Groups that are in PreparingRebalance or CompletingRebalance for long wait for a member that does not answer.',
    labels: ['state'],
  }),
  members: metric({
    name: 'odradek_group_members',
    type: 'gauge',
    help: 'Members of all consumer groups.',
    labels: [],
  }),
  offsets: metric({
    name: 'odradek_group_offsets',
    type: 'gauge',
    help: 'Committed offsets that are kept, of all groups: one for each group and partition.',
    labels: [],
  }),
  rebalances: metric({
    name: 'odradek_group_rebalances_total',
    type: 'counter',
    help: 'Rebalances that began, of all groups. While one goes on its group reads nothing.',
    labels: [],
  }),
  expiredMembers: metric({
    name: 'odradek_group_members_expired_total',
    type: 'counter',
    help: 'Members that were not heard of within their session timeout and were removed.',
    labels: [],
  }),
  commits: metric({
    name: 'odradek_group_commits_total',
    type: 'counter',
    help: 'Offsets that were committed, one for each partition of a commit.',
    labels: [],
  }),
  expiredOffsets: metric({
    name: 'odradek_group_offsets_expired_total',
    type: 'counter',
    help: 'Committed offsets that were forgotten after offsets.retention.minutes.',
    labels: [],
  }),
  committed: metric({
    name: 'odradek_group_committed_offset',
    type: 'gauge',
    help: 'Committed offset of the group in the partition: the next record that it wants. No series above odradek.metrics.partitions.max.',
    labels: ['group', 'topic', 'partition'],
  }),
  lag: metric({
    name: 'odradek_group_lag',
    type: 'gauge',
    help: 'Records that the group has not committed: high watermark less committed offset, if the partition is open. No series above odradek.metrics.partitions.max.',
    labels: ['group', 'topic', 'partition'],
  }),
} as const;

/** The lag of each committed offset among the samples; `highWatermark` is null for partitions of which it is not known. */
export function lagSamples(
  samples: readonly Sample[],
  highWatermark: (topic: string, partition: number) => number | null,
): Sample[] {
  return samples.flatMap(({ metric: name, labels: [group, topic, partition], value }) => {
    if (name !== GROUP_METRICS.committed.name || typeof value !== 'number') return [];
    if (group === undefined || topic === undefined || partition === undefined) return [];
    const end = highWatermark(topic, Number(partition));
    return end === null
      ? []
      : [sample(GROUP_METRICS.lag, [group, topic, partition], Math.max(0, end - value))];
  });
}
