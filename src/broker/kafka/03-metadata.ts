// Metadata: the broker, and topics by name or id. Topics that are missing are created first, if client and broker agree on it,
// and served with the answer; Kafka answers first and creates later.
//
// v0 asks for all topics with an empty array, later versions with null; v4 says whether to create; v12 asks by id. What is
// asked for twice is answered once.
import { ERRORS, type ErrorName, type Failure } from '../../base/errors.js';
import { topicNameProblem } from '../../config/topic-name.js';
import { type MetadataRequest, metadata } from '../../protocol/kafka/messages/03-metadata.js';
import { ZERO_UUID } from '../../protocol/kafka/schema.js';
import { createMissing } from '../create-missing.js';
import type { Router } from '../router.js';
import type { TopicEntry } from '../topic-table.js';
import { serveAtOnce } from './context.js';
import { refuseTooMany, TOPICS_CREATED_BY_USE_MAX, TOPICS_MAX } from './limits.js';
import { describePartitions } from './topics.js';

const BY_ID_VERSION = 12;

type Asked = NonNullable<MetadataRequest['topics']>[number];

const describe = (topic: TopicEntry) => ({
  errorCode: 0,
  name: topic.image.name,
  topicId: topic.image.topicId,
  isInternal: topic.image.internal,
  partitions: describePartitions(topic),
});

const unknown = (error: ErrorName, { name, topicId }: Asked) => ({
  errorCode: ERRORS[error].code,
  name,
  topicId,
  isInternal: false,
  partitions: [],
});

function describeAsked(
  router: Router,
  asked: Asked,
  version: number,
  failures: ReadonlyMap<string, Failure>,
) {
  const { name, topicId } = asked;
  // Versions 10 and 11 have the field, but no way to answer an id that is unknown.
  if (version < BY_ID_VERSION && (name === null || topicId !== ZERO_UUID))
    return unknown('INVALID_REQUEST', { ...asked, name: name ?? '' });
  if (name === null || (name === '' && topicId !== ZERO_UUID)) {
    const topic = router.topics.topicById(topicId);
    return topic ? describe(topic) : unknown('UNKNOWN_TOPIC_ID', asked);
  }
  const topic = router.topics.topic(name);
  if (topic) return describe(topic);
  if (topicNameProblem(name) !== null) return unknown('INVALID_TOPIC_EXCEPTION', asked);
  return unknown(failures.get(name)?.error ?? 'UNKNOWN_TOPIC_OR_PARTITION', asked);
}

export const serveMetadata = serveAtOnce(metadata, ({ router, connection, version, body }, answer) => {
  const { brokerId, clusterId, config } = router.options;
  const everything = body.topics === null || (version === 0 && body.topics.length === 0);
  refuseTooMany(body.topics ?? [], TOPICS_MAX, 'topics');
  const asked = [
    ...new Map(body.topics?.map((topic) => [`${topic.topicId}/${topic.name ?? ''}`, topic])).values(),
  ];
  const reply = (failures: ReadonlyMap<string, Failure>) => {
    const topics = everything
      ? router.topics.all().map(describe)
      : asked.map((topic) => describeAsked(router, topic, version, failures));
    const { host, port } = router.addressFor('kafka', connection.localAddress);
    answer.reply({ brokers: [{ nodeId: brokerId, host, port }], clusterId, controllerId: brokerId, topics });
  };
  const missing = asked.flatMap(({ name }) => (name && !router.topics.topic(name) ? [name] : []));
  const names = missing.slice(0, TOPICS_CREATED_BY_USE_MAX);
  createMissing(router, names, body.allowAutoTopicCreation && config.autoCreateTopicsEnable, reply);
});
