// OffsetForLeaderEpoch: where a leader epoch ends, so that a reader finds where its log departs (KIP-320).
//
// v3 replica id; v4 flexible.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int32, int64, string } from '../schema.js';
import { errorCode } from './common.js';

export const offsetForLeaderEpoch = new Api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: '2-4',
  flexible: '4+',
  request: {
    replicaId: int32('Id of the broker that follows; -1 for a consumer, -2 if unknown.', {
      versions: '3+',
      default: -2,
    }),
    topics: array('Topics.', {
      topic: string('Name of the topic.'),
      partitions: array('Partitions.', {
        partition: int32('Index of the partition.'),
        currentLeaderEpoch: int32('Leader epoch that the client knows, or -1.', { default: -1 }),
        leaderEpoch: int32('Epoch to find the end of.'),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    topics: array('Topics.', {
      topic: string('Name of the topic.'),
      partitions: array('Partitions.', {
        errorCode,
        partition: int32('Index of the partition.'),
        leaderEpoch: int32('Largest known epoch that is not larger than the one asked for, or -1.', {
          default: -1,
        }),
        endOffset: int64('Its end, or -1.', { default: -1 }),
      }),
    }),
  },
});

export type OffsetForLeaderEpochRequest = Decoded<typeof offsetForLeaderEpoch.request>;
export type OffsetForLeaderEpochResponse = Encodable<typeof offsetForLeaderEpoch.response>;
