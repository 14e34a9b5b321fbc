import type { Failure } from '../../base/errors.js';
import { topicNameProblem } from '../../config/topic-name.js';
import {
  type MetadataRequest,
  REQUEST_PARTITIONS_MAX,
  type TopicMetadata,
} from '../../protocol/native/messages.js';
import type { TopicImage } from '../messages.js';
import type { RequestContext } from './context.js';

export function topicMetadata(image: TopicImage): TopicMetadata {
  return {
    name: image.name,
    error: null,
    topicId: image.topicId,
    internal: image.internal,
    partitions: image.partitions.map(({ leader, leaderEpoch, replicas, inSyncReplicas }, partition) => ({
      partition,
      leader: leader ?? -1,
      leaderEpoch,
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
      topics.map(({ image }) => topicMetadata(image)),
    );
    return;
  }
  const failures = new Map<string, Failure>();
  const describe = () =>
    answer(
      context,
      names.map((name) => {
        const topic = router.topics.topic(name);
        const failure = failures.get(name) ?? { error: 'UNKNOWN_TOPIC_OR_PARTITION' };
        return topic ? topicMetadata(topic.image) : unknownTopic(name, failure);
      }),
    );
  const missing = names.filter((name) => !router.topics.topic(name));
  for (const name of missing) {
    const problem = topicNameProblem(name);
    if (problem !== null) failures.set(name, { error: 'INVALID_TOPIC_EXCEPTION', detail: problem });
  }
  const create = request.autoCreate && router.options.config.autoCreateTopicsEnable;
  const creatable = create ? missing.filter((name) => !failures.has(name)) : [];
  if (creatable.length === 0) {
    describe();
    return;
  }
  let left = creatable.length;
  for (const name of creatable) {
    const topic = { name, partitions: 0, replicationFactor: 0, overrides: {} };
    router.ask({ type: 'create-topic', topic, validateOnly: false }, (reply) => {
      // Another client may have been faster.
      if (reply.type === 'failed' && reply.error !== 'TOPIC_ALREADY_EXISTS') failures.set(name, reply);
      if (--left === 0) describe();
    });
  }
}

function answer(context: RequestContext, topics: readonly TopicMetadata[]): void {
  const { brokerId, clusterId } = context.router.options;
  const { host, port } = context.router.addressFor(context.connection.localAddress);
  context.reply({
    type: 'metadata',
    clusterId,
    controllerId: brokerId,
    brokers: [{ id: brokerId, host, port }],
    topics,
  });
}
