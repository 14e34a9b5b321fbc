// Fetch: reads record batches, waiting for them if need be.
//
// v4 isolation level; v5 log start offset; v7 sessions (KIP-227); v9 leader epochs (KIP-320); v11 racks (KIP-392);
// v12 flexible, diverging epochs (KIP-595); v13 topics by id (KIP-516); v15 replica state (KIP-903); v16 the new leader
// (KIP-951); v17 replica directory (KIP-853); v18 the follower's high watermark (KIP-1166).
// In v12 and later an empty answer has records of no bytes, not null.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int8, int16, int32, int64, list, records, string, struct, topicId, uuid } from '../schema.js';
import { errorCode, LEADER_ID_AND_EPOCH, nodeEndpoints } from './common.js';

export const fetch = new Api({
  key: 1,
  name: 'Fetch',
  versions: '4-18',
  flexible: '12+',
  request: {
    clusterId: string('Id of the cluster that a replica means to talk to, or null.', {
      versions: '12+',
      nullable: '12+',
      tag: 0,
      default: null,
    }),
    replicaId: int32('Id of the broker that follows; -1 for a consumer.', { versions: '0-14', default: -1 }),
    replicaState: struct(
      'The broker that follows.',
      {
        replicaId: int32('Its id; -1 for a consumer.', { default: -1 }),
        replicaEpoch: int64('Its broker epoch, or -1.', { default: -1 }),
      },
      { versions: '15+', tag: 1 },
    ),
    maxWaitMs: int32('How long to wait for minBytes.'),
    minBytes: int32('Bytes that are worth an answer before the time is up.'),
    maxBytes: int32('Bytes that the answer should not exceed; its first batch may.', {
      default: 0x7fff_ffff,
    }),
    isolationLevel: int8('0: read uncommitted; 1: read committed.', { default: 0 }),
    sessionId: int32('Id of the session; 0 for none or a new one.', { versions: '7+', default: 0 }),
    sessionEpoch: int32('Number of the request in the session; 0 opens, -1 ends it or means none.', {
      versions: '7+',
      default: -1,
    }),
    topics: array('Topics to read; in a session those that are new or changed.', {
      topic: string('Name of the topic.', { versions: '0-12' }),
      topicId: topicId('Id of the topic.', { versions: '13+' }),
      partitions: array('Partitions to read.', {
        partition: int32('Index of the partition.'),
        currentLeaderEpoch: int32('Leader epoch that the client knows, or -1.', {
          versions: '9+',
          default: -1,
        }),
        fetchOffset: int64('Offset to read from.', { clamp: true }),
        lastFetchedEpoch: int32('Leader epoch of the last record that was read, or -1.', {
          versions: '12+',
          default: -1,
        }),
        logStartOffset: int64('First offset of a follower; -1 from a consumer.', {
          versions: '5+',
          default: -1,
          clamp: true,
        }),
        partitionMaxBytes: int32('Bytes of this partition that the answer should not exceed.'),
        replicaDirectoryId: uuid('Id of the directory of the follower that reads.', {
          versions: '17+',
          tag: 0,
        }),
        highWatermark: int64('High watermark that a follower knows; the largest number if it says nothing.', {
          versions: '18+',
          tag: 1,
          default: Number.MAX_SAFE_INTEGER,
          clamp: true,
        }),
      }),
    }),
    forgottenTopicsData: array(
      'Topics to drop from the session.',
      {
        topic: string('Name of the topic.', { versions: '0-12' }),
        topicId: topicId('Id of the topic.', { versions: '13+' }),
        partitions: list(int32('Partitions to drop.')),
      },
      { versions: '7+', default: [] },
    ),
    rackId: string('Rack of the consumer, or empty.', { versions: '11+', default: '' }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    errorCode: int16('Error of the session or the request as a whole.', { versions: '7+', default: 0 }),
    sessionId: int32('Id of the session; 0 for none.', { versions: '7+', default: 0 }),
    responses: array('Topics.', {
      topic: string('Name of the topic.', { versions: '0-12' }),
      topicId: topicId('Id of the topic.', { versions: '13+' }),
      partitions: array('Partitions; outside of sessions all that were asked for.', {
        partitionIndex: int32('Index of the partition.'),
        errorCode,
        highWatermark: int64('High watermark, or -1 beside an error.'),
        lastStableOffset: int64('End of what is visible to read committed, or -1.', { default: -1 }),
        logStartOffset: int64('First offset of the log, or -1.', { versions: '5+', default: -1 }),
        divergingEpoch: struct(
          'Where the log of the reader departs from this one.',
          {
            epoch: int32('Largest epoch that both have, or -1.', { default: -1 }),
            endOffset: int64('End of that epoch here, or -1.', { default: -1 }),
          },
          { versions: '12+', tag: 0 },
        ),
        currentLeader: struct('The leader, if it is another one.', LEADER_ID_AND_EPOCH, {
          versions: '12+',
          tag: 1,
        }),
        snapshotId: struct(
          'Snapshot to read first, in the metadata log of Kafka.',
          {
            endOffset: int64('Its end, or -1.', { default: -1 }),
            epoch: int32('Its epoch, or -1.', { default: -1 }),
          },
          { versions: '12+', tag: 2 },
        ),
        abortedTransactions: array(
          'Aborted transactions in the range; null for read uncommitted.',
          {
            producerId: int64('Producer of the transaction.'),
            firstOffset: int64('First offset of the transaction.'),
          },
          { nullable: true },
        ),
        preferredReadReplica: int32('Broker to read from instead, or -1.', { versions: '11+', default: -1 }),
        records: records('Record batches; the last one may be cut.', { nullable: true }),
      }),
    }),
    nodeEndpoints: nodeEndpoints.sinceVersion16,
  },
});

export type FetchRequest = Decoded<typeof fetch.request>;
export type FetchResponse = Encodable<typeof fetch.response>;
