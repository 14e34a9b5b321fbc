import type { Failure } from '../../base/errors.js';
import { topicNameProblem } from '../../config/topic-name.js';
import {
  type MetadataRequest,
  REQUEST_PARTITIONS_MAX,
  type TopicMetadata,
} from '../../protocol/native/messages.js';
import { createMissing } from '../create-missing.js';
import type { TopicImage } from '../messages.js';
import type { PartitionEntry } from '../topic-table.js';
import type { RequestContext } from './context.js';

/** `current`: the router's partitions, which know the epochs in which they are served. */
export function topicMetadata(image: TopicImage, current: readonly PartitionEntry[] = []): TopicMetadata {
  return {
    name: image.name,
    error: null,
    topicId: image.topicId,
    internal: image.internal,
    partitions: image.partitions.map(({ leader, leaderEpoch, replicas, inSyncReplicas }, partition) => ({
      partition,
      leader: leader ?? -1,
      leaderEpoch: current[partition]?.leaderEpoch ?? leaderEpoch,
      replicas,
      inSyncReplicas,
    })),
  };
}

export function unknownTopic(name: string, failure: Failure): TopicMetadata {
  return { name, error: failure, topicId: '', internal: false, partitions: [] };
}

/** Describes topics, and creates those that are missing if client and broker agree on it. */
export function handleMetadata(context: RequestContext, request: MetadataRequest): void {
  const { router } = context;
  const names = [...new Set(request.topics)];
  if (names.length > REQUEST_PARTITIONS_MAX) {
    context.fail({
      error: 'INVALID_REQUEST',
      detail: `A request may name ${REQUEST_PARTITIONS_MAX} topics.`,
    });
    return;
  }
  if (names.length === 0) {
    const topics = request.all ? router.topics.all().filter(({ image }) => !image.internal) : [];
    answer(
      context,
      topics.map(({ image, partitions }) => topicMetadata(image, partitions)),
    );
    return;
  }
  const create = request.autoCreate && router.options.config.autoCreateTopicsEnable;
  createMissing(router, names, create, (failures) =>
    answer(
      context,
      names.map((name) => {
        const topic = router.topics.topic(name);
        return topic ? topicMetadata(topic.image, topic.partitions) : missingTopic(name, failures.get(name));
      }),
    ),
  );
}

function missingTopic(
  name: string,
  failure: Failure = { error: 'UNKNOWN_TOPIC_OR_PARTITION' },
): TopicMetadata {
  const problem = topicNameProblem(name);
  return unknownTopic(
    name,
    problem === null ? failure : { error: 'INVALID_TOPIC_EXCEPTION', detail: problem },
  );
}

function answer(context: RequestContext, topics: readonly TopicMetadata[]): void {
  const { brokerId, clusterId } = context.router.options;
  const { host, port } = context.router.addressFor('native', context.connection.localAddress);
  context.reply({
    type: 'metadata',
    clusterId,
    controllerId: brokerId,
    brokers: [{ id: brokerId, host, port }],
    topics,
  });
}
