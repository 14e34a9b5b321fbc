// The coordinator of groups in a real broker: its internal topic as clients of Kafka see it, and what becomes of it over a restart.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ERRORS } from '../../src/base/errors.js';
import { decodeRecord } from '../../src/coordinator/group/records.js';
import { partitionFor } from '../../src/coordinator/partition-for.js';
import { produce } from '../../src/protocol/kafka/messages/00-produce.js';
import { fetch } from '../../src/protocol/kafka/messages/01-fetch.js';
import { listOffsets } from '../../src/protocol/kafka/messages/02-list-offsets.js';
import { metadata } from '../../src/protocol/kafka/messages/03-metadata.js';
import { offsetCommit } from '../../src/protocol/kafka/messages/08-offset-commit.js';
import { offsetFetch } from '../../src/protocol/kafka/messages/09-offset-fetch.js';
import { joinGroup } from '../../src/protocol/kafka/messages/11-join-group.js';
import { listGroups } from '../../src/protocol/kafka/messages/16-list-groups.js';
import { deleteTopics } from '../../src/protocol/kafka/messages/20-delete-topics.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { KafkaConnection } from '../broker/kafka/kafka-connection.js';

const TOPIC = 'orders';
const OFFSETS = '__consumer_offsets';
const PARTITIONS = 3;
const INVALID_TOPIC = ERRORS.INVALID_TOPIC_EXCEPTION.code;

const config = {
  'offsets.topic.num.partitions': PARTITIONS,
  'group.initial.rebalance.delay.ms': 60_000,
  'num.partitions': 1,
};

const commit = (groupId: string, committedOffset: number) => ({
  groupId,
  topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: '' }] }],
});

describe('The group coordinator of a broker', () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'odradek-coordinator-'));
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    broker = await startBroker({ dataDirectory, workers: 1, config });
    connection = await KafkaConnection.open(broker.kafka);
    await connection.ask(metadata, 4, { topics: [{ name: TOPIC }], allowAutoTopicCreation: true });
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
    rmSync(dataDirectory, { recursive: true, force: true });
  });

  const folders = () => readdirSync(dataDirectory).filter((name) => name.startsWith(OFFSETS));
  const topics = async () => (await connection.ask(metadata, 4, { topics: null })).topics;

  async function committed(groupId: string): Promise<number | undefined> {
    const asked = { groupId, topics: [{ name: TOPIC, partitionIndexes: [0] }], groups: [] };
    const answer = await connection.ask(offsetFetch, 7, asked);
    expect(answer.errorCode).toBe(0);
    return answer.topics[0]?.partitions[0]?.committedOffset;
  }

  /** Commits an offset, and returns the error. */
  async function commits(groupId: string, offset: number): Promise<number | undefined> {
    const answer = await connection.ask(offsetCommit, 8, commit(groupId, offset));
    return answer.topics[0]?.partitions[0]?.errorCode;
  }

  const fetchFrom = (partition: number, fetchOffset: number, maxWaitMs = 0) => ({
    maxWaitMs,
    minBytes: 1,
    topics: [{ topic: OFFSETS, partitions: [{ partition, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
  });

  it('keeps nothing on the disk as long as there are no groups', async () => {
    expect((await topics()).map(({ name }) => name)).toEqual([TOPIC]);
    const { groups } = await connection.ask(listGroups, 4, { statesFilter: [] });
    expect(groups).toEqual([]);
    expect(folders()).toEqual([]);
  });

  it('keeps offsets in an internal topic, of which only what is used is opened', async () => {
    expect(await commits('g1', 5)).toBe(0);
    expect(await committed('g1')).toBe(5);
    const offsets = (await topics()).find(({ name }) => name === OFFSETS);
    expect(offsets).toMatchObject({ isInternal: true, errorCode: 0 });
    expect(offsets?.partitions).toHaveLength(PARTITIONS);
    expect(folders()).toEqual([`${OFFSETS}-${partitionFor('g1', PARTITIONS)}`]);
  });

  it('lets consumers read the topic, and wakes those that wait for more', async () => {
    const partition = partitionFor('g1', PARTITIONS);
    const place = { name: OFFSETS, partitions: [{ partitionIndex: partition, timestamp: -1 }] };
    const listed = await connection.ask(listOffsets, 5, { replicaId: -1, topics: [place] });
    const end = listed.topics[0]?.partitions[0]?.offset ?? -1;
    expect(end).toBeGreaterThan(0);
    const consumer = await KafkaConnection.open(broker.kafka);
    const waiting = consumer.ask(fetch, 11, fetchFrom(partition, end, 60_000));
    await vi.waitUntil(() => consumer.unanswered === 1, { timeout: 20_000 });
    expect(await commits('g1', 6)).toBe(0);
    const [answer] = (await waiting).responses[0]?.partitions ?? [];
    expect(answer).toMatchObject({ errorCode: 0, highWatermark: end + 1 });
    const { bytes, start, length } = answer?.records ?? { bytes: Buffer.alloc(0), start: 0, length: 0 };
    const [batch] = new BatchReader(bytes, { start, end: start + length });
    const [record] = [...(batch?.records() ?? [])];
    expect(decodeRecord({ key: record?.key ?? Buffer.alloc(0), value: record?.value ?? null })).toMatchObject(
      {
        type: 'offset',
        place: { group: 'g1', topic: TOPIC, partition: 0 },
        stored: { offset: 6 },
      },
    );
    await consumer.close();
  });

  it('lets nobody else write to the topic, at either door, or delete it', async () => {
    const builder = new BatchBuilder();
    builder.add({ timestampMs: 1, key: Buffer.from('k'), value: Buffer.from('v'), headers: [] });
    const partitionData = [{ index: 0, records: builder.build() }];
    const produced = await connection.ask(produce, 7, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: OFFSETS, partitionData }],
    });
    expect(produced.responses[0]?.partitionResponses[0]?.errorCode).toBe(INVALID_TOPIC);
    const client = new Client({ brokers: [broker.native] });
    await expect(client.producer().send({ topic: OFFSETS, value: 'x' })).rejects.toMatchObject({
      errorName: 'INVALID_TOPIC_EXCEPTION',
    });
    await expect(client.admin().deleteTopic(OFFSETS)).rejects.toMatchObject({
      errorName: 'INVALID_TOPIC_EXCEPTION',
    });
    await client.close();
    const deleted = await connection.ask(deleteTopics, 4, {
      topics: [],
      topicNames: [OFFSETS],
      timeoutMs: 1000,
    });
    expect(deleted.responses[0]?.errorCode).toBe(INVALID_TOPIC);
    expect(await committed('g1')).toBe(6);
  });

  it('knows all groups after a restart, and answers members that wait for others when it stops', async () => {
    const groups = Array.from({ length: 6 }, (_, i) => `group ${i}`);
    for (const [i, group] of groups.entries()) expect(await commits(group, i)).toBe(0);
    const member = await KafkaConnection.open(broker.kafka);
    const joining = member.ask(joinGroup, 3, {
      groupId: 'waiting',
      sessionTimeoutMs: 60_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from([0]) }],
    });
    await vi.waitUntil(() => member.unanswered === 1, { timeout: 20_000 });
    // Answered in order, so the join is with the coordinator.
    await vi.waitUntil(
      async () => {
        const listed = await connection.ask(listGroups, 4, { statesFilter: ['PreparingRebalance'] });
        return listed.groups.some(({ groupId }) => groupId === 'waiting');
      },
      { timeout: 20_000 },
    );
    await broker.close();
    expect((await joining).errorCode).toBe(ERRORS.NOT_COORDINATOR.code);
    await member.close();
    await connection.close();

    broker = await startBroker({ dataDirectory, workers: 1, config });
    connection = await KafkaConnection.open(broker.kafka);
    const { errorCode, groups: listed } = await connection.ask(listGroups, 4, { statesFilter: [] });
    expect(errorCode).toBe(0);
    expect(listed.map(({ groupId }) => groupId).sort()).toEqual(['g1', ...groups]);
    for (const [i, group] of groups.entries()) expect(await committed(group)).toBe(i);
    expect(await committed('g1')).toBe(6);
  });
});
