// DescribeTopicPartitions: topics page by page (KIP-966).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int32, list, string, struct, topicId, ZERO_UUID } from '../schema.js';
import { errorCode, NO_OPERATIONS } from './common.js';

const CURSOR = {
  topicName: string('Name of the topic to go on with.'),
  partitionIndex: int32('Partition to go on with.'),
};

export const describeTopicPartitions = new Api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: '0',
  flexible: '0+',
  request: {
    topics: array('Topics to describe; none for all.', { name: string('Name of the topic.') }),
    responsePartitionLimit: int32('Partitions in the answer at most.', { default: 2000 }),
    cursor: struct('Where to go on, or null.', CURSOR, { nullable: true, default: null }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    topics: array('Topics, by name.', {
      errorCode,
      name: string('Name of the topic.', { nullable: true }),
      topicId: topicId('Id of the topic, or zero.', { default: ZERO_UUID }),
      isInternal: boolean('Whether it is a topic of the broker itself.', { default: false }),
      partitions: array('Partitions.', {
        errorCode,
        partitionIndex: int32('Index of the partition.'),
        leaderId: int32('Id of the leader, or -1.'),
        leaderEpoch: int32('Epoch of the leader, or -1.', { default: -1 }),
        replicaNodes: list(int32('Ids of the brokers that hold it.')),
        isrNodes: list(int32('Ids of those that are in sync.')),
        eligibleLeaderReplicas: list(
          int32('Ids of those that may lead without being in sync; null if unknown.'),
          {
            nullable: true,
            default: null,
          },
        ),
        lastKnownElr: list(int32('Ids of those that could lead last; null if unknown.'), {
          nullable: true,
          default: null,
        }),
        offlineReplicas: list(int32('Ids of those that are offline.')),
      }),
      topicAuthorizedOperations: int32('Bits of what the client may do to the topic.', {
        default: NO_OPERATIONS,
      }),
    }),
    nextCursor: struct('Where to go on, or null if this is all.', CURSOR, { nullable: true, default: null }),
  },
});

export type DescribeTopicPartitionsRequest = Decoded<typeof describeTopicPartitions.request>;
export type DescribeTopicPartitionsResponse = Encodable<typeof describeTopicPartitions.response>;
