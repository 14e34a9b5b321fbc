// OffsetDelete: forgets offsets of a group (KIP-496).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int16, int32, string } from '../schema.js';
import { errorCode } from './common.js';

export const offsetDelete = new Api({
  key: 47,
  name: 'OffsetDelete',
  versions: '0',
  flexible: null,
  request: {
    groupId: string('Id of the group.'),
    topics: array('Topics.', {
      name: string('Name of the topic.'),
      partitions: array('Partitions.', { partitionIndex: int32('Index of the partition.') }),
    }),
  },
  response: {
    errorCode: int16('Error of the request as a whole.', { default: 0 }),
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    topics: array('Topics.', {
      name: string('Name of the topic.'),
      partitions: array('What became of each partition.', {
        partitionIndex: int32('Index of the partition.'),
        errorCode,
      }),
    }),
  },
});

export type OffsetDeleteRequest = Decoded<typeof offsetDelete.request>;
export type OffsetDeleteResponse = Encodable<typeof offsetDelete.response>;
