import { type ListOffsetsRequest, REQUEST_PARTITIONS_MAX } from '../../protocol/native/messages.js';
import type { RequestContext } from './context.js';

export function handleListOffsets(context: RequestContext, request: ListOffsetsRequest): void {
  const { router } = context;
  if (request.partitions.length > REQUEST_PARTITIONS_MAX) {
    context.fail({
      error: 'INVALID_REQUEST',
      detail: `A request may name ${REQUEST_PARTITIONS_MAX} partitions.`,
    });
    return;
  }
  const targets = request.partitions.map(({ topic, partition, position }) => ({
    entry: router.topics.partition(topic, partition),
    position,
  }));
  router.listOffsets(targets, (listed) => {
    context.reply({
      type: 'listOffsets',
      partitions: listed.map(({ error, offset, timestampMs }, index) => ({
        topic: request.partitions[index]?.topic ?? '',
        partition: request.partitions[index]?.partition ?? 0,
        error: error === 'NONE' ? null : { error },
        offset,
        timestampMs,
      })),
    });
  });
}
