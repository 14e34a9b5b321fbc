// ListOffsets: the offset of a timestamp, or of a special place of the log.
//
// v2 isolation level; v4 leader epochs (KIP-320); v6 flexible; v7 place -3 (KIP-734); v8 place -4; v9 place -5; v10 timeout;
// v11 place -6.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int8, int32, int64, string } from '../schema.js';
import { errorCode } from './common.js';

export const listOffsets = new Api({
  key: 2,
  name: 'ListOffsets',
  versions: '1-11',
  flexible: '6+',
  request: {
    replicaId: int32('Id of the broker that asks; -1 for a client.'),
    isolationLevel: int8('0: the latest is the high watermark; 1: the last stable offset.', {
      versions: '2+',
      default: 0,
    }),
    topics: array('Topics.', {
      name: string('Name of the topic.'),
      partitions: array('Partitions.', {
        partitionIndex: int32('Index of the partition.'),
        currentLeaderEpoch: int32('Leader epoch that the client knows, or -1.', {
          versions: '4+',
          default: -1,
        }),
        timestamp: int64(
          'Look for the first record that is not older (ms since 1970), or: -1 the end, -2 the start, -3 the largest timestamp, -4 the local start, -5 the end of what is tiered, -6 the start of what is not.',
          { clamp: true },
        ),
      }),
    }),
    timeoutMs: int32('How long a look at tiered data may take.', { versions: '10+', default: 0 }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '2+', default: 0 }),
    topics: array('Topics.', {
      name: string('Name of the topic.'),
      partitions: array('Partitions.', {
        partitionIndex: int32('Index of the partition.'),
        errorCode,
        timestamp: int64('Timestamp of the record, or -1.', { default: -1 }),
        offset: int64('The offset; -1 if there is none.', { default: -1 }),
        leaderEpoch: int32('Leader epoch of the record, or -1.', { versions: '4+', default: -1 }),
      }),
    }),
  },
});

export type ListOffsetsRequest = Decoded<typeof listOffsets.request>;
export type ListOffsetsResponse = Encodable<typeof listOffsets.response>;
