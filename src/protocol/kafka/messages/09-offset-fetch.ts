// OffsetFetch: the offsets that groups have stored.
//
// v2 null asks for all topics; v5 leader epochs; v6 flexible; v7 requireStable (KIP-447); v8 many groups at once (KIP-709), in
// fields of their own; v9 consumer groups (KIP-848); v10 topics by id.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, int16, int32, int64, list, string, topicId } from '../schema.js';
import { errorCode } from './common.js';

export const offsetFetch = new Api({
  key: 9,
  name: 'OffsetFetch',
  versions: '1-10',
  flexible: '6+',
  request: {
    groupId: string('Id of the group.', { versions: '0-7' }),
    topics: array(
      'Topics; null for all.',
      {
        name: string('Name of the topic.'),
        partitionIndexes: list(int32('Partitions.')),
      },
      { versions: '0-7', nullable: '2-7' },
    ),
    groups: array(
      'Groups.',
      {
        groupId: string('Id of the group.'),
        memberId: string('Id of the member, or null.', { versions: '9+', nullable: '9+', default: null }),
        memberEpoch: int32('Epoch of the member, or -1.', { versions: '9+', default: -1 }),
        topics: array(
          'Topics; null for all.',
          {
            name: string('Name of the topic.', { versions: '0-9' }),
            topicId: topicId('Id of the topic.', { versions: '10+' }),
            partitionIndexes: list(int32('Partitions.')),
          },
          { nullable: true },
        ),
      },
      { versions: '8+' },
    ),
    requireStable: boolean('Whether to fail for offsets that an open transaction may change.', {
      versions: '7+',
      default: false,
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '3+', default: 0 }),
    topics: array(
      'Topics.',
      {
        name: string('Name of the topic.'),
        partitions: array('Partitions.', {
          partitionIndex: int32('Index of the partition.'),
          committedOffset: int64('The offset; -1 if none is stored.'),
          committedLeaderEpoch: int32('The leader epoch stored with it, or -1.', {
            versions: '5+',
            default: -1,
          }),
          metadata: string('The text stored with it.', { nullable: true }),
          errorCode,
        }),
      },
      { versions: '0-7' },
    ),
    errorCode: int16('Error of the group.', { versions: '2-7', default: 0 }),
    groups: array(
      'Groups.',
      {
        groupId: string('Id of the group.'),
        topics: array('Topics.', {
          name: string('Name of the topic.', { versions: '0-9' }),
          topicId: topicId('Id of the topic.', { versions: '10+' }),
          partitions: array('Partitions.', {
            partitionIndex: int32('Index of the partition.'),
            committedOffset: int64('The offset; -1 if none is stored.'),
            committedLeaderEpoch: int32('The leader epoch stored with it, or -1.', { default: -1 }),
            metadata: string('The text stored with it.', { nullable: true }),
            errorCode,
          }),
        }),
        errorCode: int16('Error of the group.', { default: 0 }),
      },
      { versions: '8+' },
    ),
  },
});

export type OffsetFetchRequest = Decoded<typeof offsetFetch.request>;
export type OffsetFetchResponse = Encodable<typeof offsetFetch.response>;
