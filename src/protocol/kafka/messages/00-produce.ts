// Produce: appends record batches.
//
// v3 record batches of magic 2; v5 log start offset; v7 zstd; v8 errors per record (KIP-467); v9 flexible; v10 the new leader
// (KIP-951); v12 adds the partition to the transaction (KIP-890); v13 topics by id (KIP-516).
// With acks 0 there is no answer. ApiVersions lists v0, from which old librdkafka concludes what it may compress with.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int16, int32, int64, records, string, struct, topicId } from '../schema.js';
import { errorCode, LEADER_ID_AND_EPOCH, nodeEndpoints } from './common.js';

export const produce = new Api({
  key: 0,
  name: 'Produce',
  versions: '3-13',
  flexible: '9+',
  advertisedFirst: 0,
  request: {
    transactionalId: string('Id of the transaction that the batches belong to, or null.', {
      nullable: true,
      default: null,
    }),
    acks: int16(
      'Who must have the batches before the answer: 0 nobody, and no answer; 1 the leader; -1 all in-sync replicas.',
    ),
    timeoutMs: int32('How long to wait for the replicas.'),
    topicData: array('Topics to append to.', {
      name: string('Name of the topic.', { versions: '0-12' }),
      topicId: topicId('Id of the topic.', { versions: '13+' }),
      partitionData: array('Partitions to append to.', {
        index: int32('Index of the partition.'),
        records: records('One record batch.', { nullable: true }),
      }),
    }),
  },
  response: {
    responses: array('Topics, as they were asked for.', {
      name: string('Name of the topic.', { versions: '0-12' }),
      topicId: topicId('Id of the topic.', { versions: '13+' }),
      partitionResponses: array('What became of each partition.', {
        index: int32('Index of the partition.'),
        errorCode,
        baseOffset: int64('Offset of the first record, or -1.'),
        logAppendTimeMs: int64('Timestamp that the broker gave to the records; -1 if they kept theirs.', {
          default: -1,
        }),
        logStartOffset: int64('First offset of the log, or -1.', { versions: '5+', default: -1 }),
        recordErrors: array(
          'Records for which the batch was refused.',
          {
            batchIndex: int32('Index of the record in the batch.'),
            batchIndexErrorMessage: string('What is wrong with it, or null.', {
              nullable: true,
              default: null,
            }),
          },
          { versions: '8+', default: [] },
        ),
        errorMessage: string('What is wrong with the batch, or null.', {
          versions: '8+',
          nullable: '8+',
          default: null,
        }),
        currentLeader: struct('The leader, if it is another one.', LEADER_ID_AND_EPOCH, {
          versions: '10+',
          tag: 0,
        }),
      }),
    }),
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    nodeEndpoints: nodeEndpoints.sinceVersion10,
  },
});

export type ProduceRequest = Decoded<typeof produce.request>;
export type ProduceResponse = Encodable<typeof produce.response>;
