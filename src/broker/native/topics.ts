import { assert } from '../../base/assert.js';
import type {
  CreateTopicRequest,
  DeleteTopicRequest,
  DescribeTopicRequest,
  PartitionDescription,
} from '../../protocol/native/messages.js';
import { type PartitionSize, unknownTopic } from '../messages.js';
import type { PartitionEntry, TopicEntry } from '../topic-table.js';
import type { RequestContext } from './context.js';
import { topicMetadata } from './metadata.js';
import { topicConfigs } from './topic-changes.js';

/** Answers when the topic is served. */
export function handleCreateTopic(context: RequestContext, request: CreateTopicRequest): void {
  const { name, partitions, replicationFactor, validateOnly } = request;
  const overrides: Record<string, string> = {};
  for (const config of request.configs) {
    if (Object.hasOwn(overrides, config.name)) {
      context.fail({ error: 'INVALID_CONFIG', detail: `${config.name} is set twice.` });
      return;
    }
    overrides[config.name] = config.value;
  }
  const topic = { name, partitions, replicationFactor, overrides };
  context.router.ask({ type: 'create-topic', topic, validateOnly }, (reply) => {
    if (reply.type === 'failed') context.fail(reply);
    else {
      assert(reply.type === 'topic', 'a topic that was created is described');
      context.reply({ type: 'createTopic', topic: topicMetadata(reply.topic) });
    }
  });
}

export function handleDeleteTopic(context: RequestContext, { name }: DeleteTopicRequest): void {
  context.router.ask({ type: 'delete-topic', name }, (reply) => {
    if (reply.type === 'failed') context.fail(reply);
    else context.reply({ type: 'deleteTopic' });
  });
}

/** Answers with the topic's configs and with offsets and sizes of its partitions, which are opened for it. */
export function handleDescribeTopic(context: RequestContext, { name }: DescribeTopicRequest): void {
  const { router } = context;
  const topic = router.topics.topic(name);
  if (!topic) {
    context.fail(unknownTopic(name));
    return;
  }
  router.withRoutes(topic.partitions, () => {
    router.ask({ type: 'describe-topic', name }, (reply) => {
      if (reply.type === 'failed') context.fail(reply);
      else {
        assert(reply.type === 'sizes', 'a topic is described by its sizes');
        answer(context, topic, reply.sizes);
      }
    });
  });
}

function answer(context: RequestContext, topic: TopicEntry, sizes: readonly PartitionSize[]): void {
  context.reply({
    type: 'describeTopic',
    topic: topicMetadata(topic.image, topic.partitions),
    configs: topicConfigs(context.router, topic.image.overrides),
    partitions: topic.partitions.map((partition) => describePartition(partition, sizes[partition.index])),
  });
}

function describePartition(
  { route, index, failure }: PartitionEntry,
  size: PartitionSize | undefined,
): PartitionDescription {
  const published = route?.view.read();
  if (!published || !size || size.error !== 'NONE') {
    const sizeError = size && size.error !== 'NONE' ? size.error : 'NOT_LEADER_OR_FOLLOWER';
    return {
      partition: index,
      logStartOffset: 0,
      highWatermark: 0,
      logEndOffset: 0,
      sizeBytes: 0,
      error: failure ? { error: failure.error, detail: failure.detail } : { error: sizeError },
    };
  }
  const { logStartOffset, highWatermark, logEndOffset } = published;
  return {
    partition: index,
    logStartOffset,
    highWatermark,
    logEndOffset,
    sizeBytes: size.sizeBytes,
    error: null,
  };
}
