// CreateTopics: answered when the topics are served. From v5 on the answer shows the configs (KIP-525).
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { resolveTopicConfig } from '../../config/topic-config.js';
import { type CreateTopicsRequest, createTopics } from '../../protocol/kafka/messages/19-create-topics.js';
import type { NewTopic, TopicImage } from '../messages.js';
import type { Router } from '../router.js';
import { atATime } from './at-a-time.js';
import { CONFIG_SOURCE } from './config-source.js';
import { serveAtOnce } from './context.js';
import { DETAIL_CHARACTERS_MAX, PARTITIONS_MAX, refuseTooMany, TOPIC_CHANGES_MAX } from './limits.js';

/** How many the supervisor is asked for at a time. */
const CREATED_AT_A_TIME = 100;

type Asked = CreateTopicsRequest['topics'][number];

interface Refusal {
  readonly error: ErrorName;
  readonly detail: string;
}

/** What the request asks for in our terms, or what is wrong with it. */
function newTopic(
  router: Router,
  { name, numPartitions, replicationFactor, assignments, configs }: Asked,
): NewTopic | Refusal {
  const refuse = (error: ErrorName, detail: string): Refusal => ({ error, detail });
  const settings: [string, string][] = [];
  for (const { name: config, value } of configs) {
    if (value === null) return refuse('INVALID_CONFIG', `${config} has no value.`);
    settings.push([config, value]);
  }
  // Makes fields of all names, even of __proto__.
  const overrides = Object.fromEntries(settings);
  if (assignments.length > 0) {
    if (numPartitions !== -1 || replicationFactor !== -1) {
      return refuse(
        'INVALID_REQUEST',
        'With an assignment, partitions and replication factor must both be -1.',
      );
    }
    const indexes = assignments.map(({ partitionIndex }) => partitionIndex).sort((a, b) => a - b);
    const dense = indexes.every((index, position) => index === position);
    const here = assignments.every(
      ({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === router.options.brokerId,
    );
    if (!dense || !here) {
      return refuse(
        'INVALID_REPLICA_ASSIGNMENT',
        `The only broker is ${router.options.brokerId}; partitions count from 0.`,
      );
    }
    return { name, partitions: assignments.length, replicationFactor: 1, overrides };
  }
  if (numPartitions < -1 || numPartitions === 0) {
    return refuse(
      'INVALID_PARTITIONS',
      'The number of partitions must be at least 1, or -1 for the default.',
    );
  }
  if (replicationFactor < -1 || replicationFactor === 0) {
    return refuse(
      'INVALID_REPLICATION_FACTOR',
      'The replication factor must be at least 1, or -1 for the default.',
    );
  }
  return {
    name,
    partitions: Math.max(0, numPartitions),
    replicationFactor: Math.max(0, replicationFactor),
    overrides,
  };
}

function created(
  router: Router,
  { name, topicId, overrides, partitions }: TopicImage,
  validateOnly: boolean,
) {
  const { entries } = resolveTopicConfig(router.options.config, Object.entries(overrides));
  return {
    name,
    ...(!validateOnly && { topicId }),
    errorCode: 0,
    errorMessage: null,
    numPartitions: partitions.length,
    replicationFactor: partitions[0]?.replicas.length ?? 1,
    configs: entries.map(({ name: config, value, source }) => ({
      name: config,
      value,
      readOnly: false,
      configSource: CONFIG_SOURCE[source],
      isSensitive: false,
    })),
  };
}

const refused = (name: string, { error, detail }: Refusal) => ({
  name,
  errorCode: ERRORS[error].code,
  errorMessage: detail.slice(0, DETAIL_CHARACTERS_MAX),
  configs: null,
});

export const serveCreateTopics = serveAtOnce(createTopics, ({ router, body }, answer) => {
  const { topics, validateOnly } = body;
  refuseTooMany(topics, TOPIC_CHANGES_MAX, 'topics');
  const results: ReturnType<typeof created | typeof refused>[] = new Array(topics.length);
  const times = new Map<string, number>();
  for (const { name } of topics) times.set(name, (times.get(name) ?? 0) + 1);
  const partitions = topics.reduce(
    (sum, { numPartitions, assignments }) => sum + Math.max(1, numPartitions, assignments.length),
    0,
  );
  const create = (asked: Asked, index: number, ended: () => void) => {
    const { name } = asked;
    const end = (result: ReturnType<typeof created | typeof refused>) => {
      results[index] = result;
      ended();
    };
    if ((times.get(name) ?? 0) > 1) {
      end(refused(name, { error: 'INVALID_REQUEST', detail: 'The topic is named twice.' }));
      return;
    }
    if (partitions > PARTITIONS_MAX) {
      const detail = `A request may create ${PARTITIONS_MAX} partitions, not ${partitions}.`;
      end(refused(name, { error: 'POLICY_VIOLATION', detail }));
      return;
    }
    const topic = newTopic(router, asked);
    if ('error' in topic) {
      end(refused(name, topic));
      return;
    }
    router.ask({ type: 'create-topic', topic, validateOnly }, (reply) => {
      if (reply.type === 'topic') end(created(router, reply.topic, validateOnly));
      else {
        const failure: Refusal =
          reply.type === 'failed' ? reply : { error: 'UNKNOWN_SERVER_ERROR', detail: '' };
        end(refused(name, failure));
      }
    });
  };
  atATime(topics, CREATED_AT_A_TIME, create, () => answer.reply({ topics: results }));
});
