import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metadata } from '../../../src/protocol/kafka/messages/03-metadata.js';
import { deleteTopics } from '../../../src/protocol/kafka/messages/20-delete-topics.js';
import { ZERO_UUID } from '../../../src/protocol/kafka/schema.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  describeTopic,
  fetchOne,
  offsetOf,
  type TopicName,
  UNKNOWN_ID,
  valuesOf,
  versionsOf,
} from './kafka-scene.js';

const BY_ID = 6;

describe('DeleteTopics', () => {
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

  async function remove(
    version: number,
    ...topics: readonly { readonly name: string | null; readonly topicId?: TopicName['topicId'] }[]
  ) {
    const { responses } = await connection.ask(deleteTopics, version, {
      topics,
      topicNames: topics.map(({ name }) => name ?? ''),
      timeoutMs: 30_000,
    });
    return responses;
  }

  it('deletes by name in every version', async () => {
    expect(versionsOf(deleteTopics)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const version of versionsOf(deleteTopics)) {
      const { name, topicId } = await createTopic(connection, `in-${version}`, 2);
      const answers = await remove(version, { name: 'unheard-of' }, { name });
      expect(answers, `v${version}`).toMatchObject([
        { name: 'unheard-of', topicId: ZERO_UUID, errorCode: 3 },
        { name, topicId: version >= BY_ID ? topicId : ZERO_UUID, errorCode: 0, errorMessage: null },
      ]);
      expect(answers[0]?.errorMessage === null, `v${version}`).toBe(version < 5);
      expect((await describeTopic(connection, name)).errorCode).toBe(3);
    }
  });

  it('deletes by id', async () => {
    const { name, topicId } = await createTopic(connection, 'by-id');
    expect(await remove(6, { name: null, topicId: UNKNOWN_ID }, { name: null, topicId })).toMatchObject([
      { name: null, topicId: UNKNOWN_ID, errorCode: 100 },
      { name, topicId, errorCode: 0 },
    ]);
    expect((await describeTopic(connection, name)).errorCode).toBe(3);
    expect(await remove(6, { name: null, topicId })).toMatchObject([{ name: null, topicId, errorCode: 100 }]);
    expect(await remove(6, { name: null })).toMatchObject([{ name: null, errorCode: 100 }]);
  });

  it('refuses what is named twice, or in two ways', async () => {
    const { name, topicId } = await createTopic(connection, 'twice');
    const codes = async (
      ...topics: Parameters<typeof remove> extends [number, ...infer Topics] ? Topics : never
    ) => (await remove(6, ...topics)).map(({ errorCode }) => errorCode);
    expect(await codes({ name, topicId })).toEqual([42]);
    expect(await codes({ name }, { name: null, topicId })).toEqual([0, 42]);
    expect(await codes({ name: '' }, { name: '' })).toEqual([3, 42]);
  });

  it('leaves nothing of a topic to one of the same name', async () => {
    const old = await createTopic(connection, 'again', 2);
    await append(connection, old, batchOf(['old']));
    const names = [{ name: old.name }];
    expect(await remove(6, ...names)).toMatchObject([{ errorCode: 0 }]);
    const anew = await createTopic(connection, 'again');
    expect(anew.topicId).not.toBe(old.topicId);
    expect(await append(connection, anew, batchOf(['new']))).toMatchObject({ errorCode: 0, baseOffset: 0 });
    // Who still has the old id is told that it is gone; who has the name gets the new one.
    expect((await append(connection, old, batchOf(['late']))).errorCode).toBe(100);
    expect((await append(connection, old, batchOf(['newer']), { version: 12 })).errorCode).toBe(0);
    expect((await fetchOne(connection, old)).errorCode).toBe(100);
    expect(valuesOf((await fetchOne(connection, old, {}, { version: 12 })).records)).toEqual([
      'new',
      'newer',
    ]);
    expect((await fetchOne(connection, anew, { partition: 1 })).errorCode).toBe(3);
    const { topics } = await connection.ask(metadata, 13, {
      topics: [{ name: null, topicId: old.topicId }, { name: 'again' }],
    });
    expect(topics).toMatchObject([
      { name: null, errorCode: 100 },
      { name: 'again', errorCode: 0, topicId: anew.topicId },
    ]);
    expect((await offsetOf(connection, 'again', -2)).offset).toBe(0);
  });

  it('deletes many at a time', async () => {
    const names = Array.from({ length: 120 }, (_, index) => `many-${index}`);
    await Promise.all(names.map((name) => createTopic(connection, name)));
    const answers = await remove(6, ...names.map((name) => ({ name })));
    expect(answers.map(({ name, errorCode }) => [name, errorCode])).toEqual(names.map((name) => [name, 0]));
    const other = await KafkaConnection.open(broker.kafka);
    const topics = Array.from({ length: 10_001 }, () => ({ name: 'x' }));
    await expect(other.ask(deleteTopics, 6, { topics, timeoutMs: 0 })).rejects.toThrow('closed');
  });
});
