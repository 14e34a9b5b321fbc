// CreatePartitions: adds partitions to topics (KIP-195).
//
// v1 throttling; v2 flexible; v3 THROTTLING_QUOTA_EXCEEDED (KIP-599).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int32, list, string } from '../schema.js';
import { errorCode } from './common.js';

export const createPartitions = new Api({
  key: 37,
  name: 'CreatePartitions',
  versions: '0-3',
  flexible: '2+',
  request: {
    topics: array('Topics that are to grow.', {
      name: string('Name of the topic.'),
      count: int32('So many partitions in all.'),
      assignments: array(
        'The replicas of each new partition; null: the broker decides.',
        { brokerIds: list(int32('Ids of the brokers, the preferred leader first.')) },
        { nullable: true },
      ),
    }),
    timeoutMs: int32('How long to wait.'),
    validateOnly: boolean('Whether to check everything and change nothing.', { default: false }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    results: array('What became of each topic.', {
      name: string('Name of the topic.'),
      errorCode,
      errorMessage: string('What is wrong, or null.', { nullable: true, default: null }),
    }),
  },
});

export type CreatePartitionsRequest = Decoded<typeof createPartitions.request>;
export type CreatePartitionsResponse = Encodable<typeof createPartitions.response>;
