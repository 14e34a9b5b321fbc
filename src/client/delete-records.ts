import { brokerError, OdradekError } from '../base/errors.js';
import { type DeleteRecordsPartition, REQUEST_PARTITIONS_MAX } from '../protocol/native/messages.js';
import type { Cluster } from './cluster.js';
import { listOffsets } from './list-offsets.js';
import { wholeNumber } from './option-check.js';
import { retry } from './retry.js';

/** What is to be deleted of a partition. */
export interface RecordsBefore {
  readonly partition: number;
  /** The first offset that stays; `'highWatermark'`: everything that there is goes. */
  readonly before: number | 'highWatermark';
}

/** Where a partition's log begins after records were deleted. */
export interface DeletedRecords {
  readonly partition: number;
  readonly logStartOffset: number;
}

/**
 * Has the logs of partitions begin at these offsets or later. What passes (a leader that moved, a timeout) is tried again within
 * the cluster's request timeout; that deletes no more than the first try would have, because a high watermark is looked up
 * once, before.
 *
 * @throws OdradekError ODR_USAGE; the last error, if a partition had no answer until then or refused
 */
export async function deleteRecords(
  cluster: Cluster,
  topic: string,
  partitions: readonly RecordsBefore[],
): Promise<DeletedRecords[]> {
  const { partitionCount } = await cluster.refreshTopic(topic);
  const offsets = new Map<number, number>();
  const highWatermarks = new Map<number, 'latest'>();
  for (const { partition, before } of partitions) {
    wholeNumber('partition', partition, 0, partitionCount - 1);
    if (offsets.has(partition) || highWatermarks.has(partition))
      throw new OdradekError('ODR_USAGE', `Partition ${partition} is named twice.`);
    if (before === 'highWatermark') highWatermarks.set(partition, 'latest');
    else offsets.set(partition, wholeNumber('before', before, 0));
  }
  if (highWatermarks.size > 0) {
    const listed = await listOffsets(cluster, topic, highWatermarks);
    for (const { partition, offset } of listed.values()) offsets.set(partition, offset);
  }
  const deleted = new Map<number, DeletedRecords>();
  await retry(cluster, { timeoutMs: cluster.options.requestTimeoutMs }, async (failures) => {
    if (failures > 0) await cluster.refreshTopic(topic);
    const left = new Map([...offsets].filter(([partition]) => !deleted.has(partition)));
    const error = await deleteOnce(cluster, topic, left, deleted);
    if (error) throw error;
  });
  return [...deleted.values()].sort((a, b) => a.partition - b.partition);
}

/** Adds what it can to `deleted`; returns an error if something is left. */
async function deleteOnce(
  cluster: Cluster,
  topic: string,
  offsets: ReadonlyMap<number, number>,
  deleted: Map<number, DeletedRecords>,
): Promise<OdradekError | null> {
  const { leaders } = await cluster.topic(topic);
  const byLeader = new Map<number, DeleteRecordsPartition[]>();
  for (const [partition, before] of offsets) {
    const leader = leaders[partition] ?? -1;
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), { topic, partition, before }]);
  }
  let failure: OdradekError | null = null;
  for (const [leader, partitions] of byLeader) {
    if (leader === -1) return brokerError('LEADER_NOT_AVAILABLE');
    for (let start = 0; start < partitions.length; start += REQUEST_PARTITIONS_MAX) {
      const connection = await cluster.connection(leader);
      const { body } = await connection.request({
        type: 'deleteRecords',
        partitions: partitions.slice(start, start + REQUEST_PARTITIONS_MAX),
      });
      for (const { partition, logStartOffset, error } of body.partitions) {
        if (error) failure = brokerError(error.error, error.detail);
        else deleted.set(partition, { partition, logStartOffset });
      }
    }
  }
  if (failure || [...offsets.keys()].every((partition) => deleted.has(partition))) return failure;
  return new OdradekError('ODR_PROTOCOL', `The broker did not answer for all partitions of ${topic}.`);
}
