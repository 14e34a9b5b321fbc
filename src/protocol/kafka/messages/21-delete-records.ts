// DeleteRecords: has logs begin later (KIP-107).
//
// v1 throttling; v2 flexible.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int32, int64, string } from '../schema.js';
import { errorCode } from './common.js';

export const deleteRecords = new Api({
  key: 21,
  name: 'DeleteRecords',
  versions: '0-2',
  flexible: '2+',
  request: {
    topics: array('Topics to delete records of.', {
      name: string('Name of the topic.'),
      partitions: array('Partitions to delete records of.', {
        partitionIndex: int32('Partition.'),
        offset: int64('The first offset that stays; -1 for the high watermark.'),
      }),
    }),
    timeoutMs: int32('How long to wait for the deletion.'),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    topics: array('Topics.', {
      name: string('Name of the topic.'),
      partitions: array('Partitions.', {
        partitionIndex: int32('Partition.'),
        lowWatermark: int64('Where the log begins now, -1 if that is not known.'),
        errorCode,
      }),
    }),
  },
});

export type DeleteRecordsRequest = Decoded<typeof deleteRecords.request>;
export type DeleteRecordsResponse = Encodable<typeof deleteRecords.response>;
