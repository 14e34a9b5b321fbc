// OffsetCommit: stores the offsets of a group.
//
// v2-4 retention time of its own; v5 none; v6 leader epochs (KIP-320); v7 static members (KIP-345); v8 flexible; v9 consumer
// groups (KIP-848); v10 topics by id.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int32, int64, string, topicId } from '../schema.js';
import { errorCode } from './common.js';

export const offsetCommit = new Api({
  key: 8,
  name: 'OffsetCommit',
  versions: '2-10',
  flexible: '8+',
  request: {
    groupId: string('Id of the group.'),
    generationIdOrMemberEpoch: int32(
      'Generation of the group or epoch of the member; -1 from outside of the group.',
      {
        default: -1,
      },
    ),
    memberId: string('Id of the member, or empty.', { default: '' }),
    groupInstanceId: string('Id of the static member, or null.', {
      versions: '7+',
      nullable: '7+',
      default: null,
    }),
    retentionTimeMs: int64('How long to keep the offsets; -1 for the default.', {
      versions: '2-4',
      default: -1,
      clamp: true,
    }),
    topics: array('Topics.', {
      name: string('Name of the topic.', { versions: '0-9' }),
      topicId: topicId('Id of the topic.', { versions: '10+' }),
      partitions: array('Partitions.', {
        partitionIndex: int32('Index of the partition.'),
        committedOffset: int64('Offset of the next record to read.'),
        committedLeaderEpoch: int32('Leader epoch of the last record that was read, or -1.', {
          versions: '6+',
          default: -1,
        }),
        committedMetadata: string('Text of the client.', { nullable: true }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '3+', default: 0 }),
    topics: array('Topics.', {
      name: string('Name of the topic.', { versions: '0-9' }),
      topicId: topicId('Id of the topic.', { versions: '10+' }),
      partitions: array('Partitions.', {
        partitionIndex: int32('Index of the partition.'),
        errorCode,
      }),
    }),
  },
});

export type OffsetCommitRequest = Decoded<typeof offsetCommit.request>;
export type OffsetCommitResponse = Encodable<typeof offsetCommit.response>;
