import { OdradekError } from '../base/errors.js';
import { askLeaders } from './ask-leaders.js';
import type { Cluster } from './cluster.js';
import { listOffsets } from './list-offsets.js';
import { wholeNumber } from './option-check.js';

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
  const deleted = await askLeaders(cluster, topic, offsets, async (connection, questions) => {
    const { body } = await connection.request({
      type: 'deleteRecords',
      partitions: questions.map(([partition, before]) => ({ topic, partition, before })),
    });
    return body.partitions;
  });
  return [...deleted.values()]
    .map(({ partition, logStartOffset }) => ({ partition, logStartOffset }))
    .sort((a, b) => a.partition - b.partition);
}
