import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPartitions } from '../../../src/protocol/kafka/messages/37-create-partitions.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  describeTopic,
  fetchOne,
  valuesOf,
  versionsOf,
} from './kafka-scene.js';

const LATEST = 3;

describe('CreatePartitions', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2 });
    connection = await KafkaConnection.open(broker.kafka);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  type Growth = readonly [name: string, count: number, assignments?: readonly (readonly number[])[]];

  async function grow(growths: readonly Growth[], { version = LATEST, validateOnly = false } = {}) {
    const { results } = await connection.ask(createPartitions, version, {
      topics: growths.map(([name, count, assignments]) => ({
        ...{ name, count },
        assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
      })),
      timeoutMs: 30_000,
      validateOnly,
    });
    return results;
  }

  const codeOf = async (...growth: Growth) => (await grow([growth]))[0]?.errorCode;

  it('adds partitions that are served at once, in every version', async () => {
    expect(versionsOf(createPartitions)).toEqual([0, 1, 2, 3]);
    for (const version of versionsOf(createPartitions)) {
      const topic = await createTopic(connection, `in-${version}`, 1);
      await append(connection, topic, batchOf(['first']));
      expect(await grow([[topic.name, 3]], { version })).toEqual([
        { name: topic.name, errorCode: 0, errorMessage: null },
      ]);
      const { topicId, partitions } = await describeTopic(connection, topic.name);
      expect(topicId).toBe(topic.topicId);
      expect(
        partitions.map(({ partitionIndex, leaderId, errorCode }) => [partitionIndex, leaderId, errorCode]),
      ).toEqual([
        [0, 1, 0],
        [1, 1, 0],
        [2, 1, 0],
      ]);
      await append(connection, topic, batchOf(['new']), { index: 2 });
      expect(valuesOf((await fetchOne(connection, topic, { partition: 2 })).records)).toEqual(['new']);
      expect(valuesOf((await fetchOne(connection, topic)).records)).toEqual(['first']);
    }
  });

  it('refuses what is no increase, and topics that are not there', async () => {
    await createTopic(connection, 'two', 2);
    for (const count of [2, 1, 0, -1]) expect(await codeOf('two', count)).toBe(37);
    expect(await codeOf('unheard-of', 3)).toBe(3);
    expect(await codeOf('n!', 3)).toBe(3);
    expect(await codeOf('two', 100_000)).toBe(44);
    expect(
      await grow([
        ['two', 3],
        ['two', 4],
      ]),
    ).toMatchObject([{ name: 'two', errorCode: 42 }]);
    expect((await describeTopic(connection, 'two')).partitions).toHaveLength(2);
  });

  it('takes assignments to the only broker', async () => {
    await createTopic(connection, 'assigned', 2);
    expect(await codeOf('assigned', 3, [[9]])).toBe(39);
    expect(await codeOf('assigned', 3, [[]])).toBe(39);
    expect(await codeOf('assigned', 3, [[1, 1]])).toBe(39);
    expect(await codeOf('assigned', 4, [[1]])).toBe(39);
    expect(await codeOf('assigned', 3, [])).toBe(39);
    expect(await codeOf('assigned', 3, [[1]])).toBe(0);
    expect((await describeTopic(connection, 'assigned')).partitions).toHaveLength(3);
  });

  it('only checks when it is asked to', async () => {
    await createTopic(connection, 'checked', 1);
    expect(await grow([['checked', 5]], { validateOnly: true })).toMatchObject([{ errorCode: 0 }]);
    expect(await grow([['checked', 1]], { validateOnly: true })).toMatchObject([{ errorCode: 37 }]);
    expect((await describeTopic(connection, 'checked')).partitions).toHaveLength(1);
  });
});
