// CreateTopics.
//
// v2 first with v1's validateOnly and a throttle time; v4 -1 for the broker's defaults (KIP-464); v5 flexible, the configs in
// the answer (KIP-525); v6 quotas (KIP-599); v7 topic id in the answer (KIP-516).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int8, int16, int32, list, string, topicId, ZERO_UUID } from '../schema.js';
import { errorCode } from './common.js';

export const createTopics = new Api({
  key: 19,
  name: 'CreateTopics',
  versions: '2-7',
  flexible: '5+',
  request: {
    topics: array('Topics to create.', {
      name: string('Name of the topic.'),
      numPartitions: int32('Number of partitions; -1 for the default, or with assignments.'),
      replicationFactor: int16('Copies of each partition; -1 for the default, or with assignments.'),
      assignments: array('Brokers of each partition, if the client chooses them.', {
        partitionIndex: int32('Index of the partition.'),
        brokerIds: list(int32('Brokers that shall hold it.')),
      }),
      configs: array('Configs to set.', {
        name: string('Name of the config.'),
        value: string('Its value.', { nullable: true }),
      }),
    }),
    timeoutMs: int32('How long to wait for the topics.', { default: 60000 }),
    validateOnly: boolean('Whether to check only, and create nothing.', { default: false }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    topics: array('What became of each topic.', {
      name: string('Name of the topic.'),
      topicId: topicId('Id of the topic, or zero.', { versions: '7+', default: ZERO_UUID }),
      errorCode,
      errorMessage: string('What is wrong, or null.', { nullable: true }),
      topicConfigErrorCode: int16('Why there are no configs in the answer.', { versions: '5+', tag: 0 }),
      numPartitions: int32('Number of partitions, or -1.', { versions: '5+', default: -1 }),
      replicationFactor: int16('Copies of each partition, or -1.', { versions: '5+', default: -1 }),
      configs: array(
        'Configs of the topic, or null beside an error.',
        {
          name: string('Name of the config.'),
          value: string('Its value.', { nullable: true }),
          readOnly: boolean('Whether it cannot be changed.'),
          configSource: int8('Where the value comes from, as in DescribeConfigs; -1 if unknown.', {
            default: -1,
          }),
          isSensitive: boolean('Whether the value is kept secret.'),
        },
        { versions: '5+', nullable: '5+' },
      ),
    }),
  },
});

export type CreateTopicsRequest = Decoded<typeof createTopics.request>;
export type CreateTopicsResponse = Encodable<typeof createTopics.response>;
