import { type FetchRequest, REQUEST_PARTITIONS_MAX } from '../../protocol/native/messages.js';
import type { FetchAnswer } from '../fetch.js';
import type { RequestContext } from './context.js';

export function handleFetch(context: RequestContext, request: FetchRequest): void {
  const { router, connection } = context;
  if (request.partitions.length > REQUEST_PARTITIONS_MAX) {
    context.fail({
      error: 'INVALID_REQUEST',
      detail: `A request may name ${REQUEST_PARTITIONS_MAX} partitions.`,
    });
    return;
  }
  const fetch = router.fetch(
    {
      minBytes: request.minBytes,
      maxWaitMs: request.maxWaitMs,
      maxBytes: request.maxBytes,
      targets: request.partitions.map(({ topic, partition, offset, maxBytes }) => ({
        entry: router.topics.partition(topic, partition),
        offset,
        maxBytes,
      })),
    },
    connection,
    (answer) => reply(context, request, answer),
  );
  context.onCancel(
    () => fetch.cancel(),
    () => fetch.abandon(),
  );
}

function reply(context: RequestContext, request: FetchRequest, { partitions, release }: FetchAnswer): void {
  const payload = partitions.flatMap(({ records }) => (records ? [records] : []));
  context.reply(
    {
      type: 'fetch',
      partitions: partitions.map((fetched, index) => ({
        topic: request.partitions[index]?.topic ?? '',
        partition: request.partitions[index]?.partition ?? 0,
        error: fetched.error === 'NONE' ? null : { error: fetched.error },
        recordsBytes: fetched.records?.length ?? 0,
        highWatermark: fetched.highWatermark,
        lastStableOffset: fetched.lastStableOffset,
        logStartOffset: fetched.logStartOffset,
      })),
    },
    payload,
    release,
  );
}
