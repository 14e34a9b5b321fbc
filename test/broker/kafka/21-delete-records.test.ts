import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteRecords } from '../../../src/protocol/kafka/messages/21-delete-records.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  fetchOne,
  offsetOf,
  TIMESTAMP_MS,
  valuesOf,
  versionsOf,
} from './kafka-scene.js';

const LATEST = 2;

describe('DeleteRecords', () => {
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

  type Deletion = readonly [topic: string, ...partitions: (readonly [partition: number, offset: number])[]];

  async function remove(version: number, ...deletions: readonly Deletion[]) {
    const { topics } = await connection.ask(deleteRecords, version, {
      topics: deletions.map(([name, ...partitions]) => ({
        name,
        partitions: partitions.map(([partitionIndex, offset]) => ({ partitionIndex, offset })),
      })),
      timeoutMs: 30_000,
    });
    return topics;
  }

  it('has a log begin later, in every version', async () => {
    expect(versionsOf(deleteRecords)).toEqual([0, 1, 2]);
    for (const version of versionsOf(deleteRecords)) {
      const topic = await createTopic(connection, `in-${version}`);
      for (const value of ['a', 'b', 'c', 'd']) await append(connection, topic, batchOf([value]));
      const [answer] = await remove(version, [topic.name, [0, 2]]);
      expect(answer, `v${version}`).toEqual({
        name: topic.name,
        partitions: [{ partitionIndex: 0, lowWatermark: 2, errorCode: 0 }],
      });
      expect((await offsetOf(connection, topic.name, -2)).offset).toBe(2);
      expect((await fetchOne(connection, topic, { offset: 1 })).errorCode).toBe(1);
      const { records, logStartOffset } = await fetchOne(connection, topic, { offset: 2 });
      expect([valuesOf(records), logStartOffset]).toEqual([['c', 'd'], 2]);
    }
  });

  it('answers as a real broker does', async () => {
    const topic = await createTopic(connection, 'answers', 2);
    for (let i = 0; i < 5; i++) await append(connection, topic, batchOf([`${i}`]));
    const one = async (partition: number, offset: number) => {
      const [answer] = await remove(LATEST, ['answers', [partition, offset]]);
      const { lowWatermark, errorCode } = answer?.partitions[0] ?? {};
      return [lowWatermark, errorCode];
    };
    expect(await one(0, 2)).toEqual([2, 0]);
    expect(await one(0, 1)).toEqual([2, 0]); // It begins later already.
    expect(await one(0, 6)).toEqual([-1, 1]);
    expect(await one(0, -2)).toEqual([-1, 1]);
    expect(await one(0, -1)).toEqual([5, 0]); // The high watermark.
    expect(await one(77, 0)).toEqual([-1, 3]);
    expect(await one(-1, 0)).toEqual([-1, 3]);
    expect(await remove(LATEST, ['unheard-of', [0, 0]])).toMatchObject([
      { name: 'unheard-of', partitions: [{ lowWatermark: -1, errorCode: 3 }] },
    ]);
    expect(await remove(LATEST)).toEqual([]);
    expect(await remove(LATEST, ['answers', [0, 5], [0, 5]], ['answers', [1, 0]])).toEqual([
      {
        name: 'answers',
        partitions: [
          { partitionIndex: 0, lowWatermark: 5, errorCode: 0 },
          { partitionIndex: 1, lowWatermark: 0, errorCode: 0 },
        ],
      },
    ]);
  });

  it('counts single records, in the midst of a batch too', async () => {
    for (const codec of ['none', 'gzip'] as const) {
      const topic = await createTopic(connection, `records-${codec}`);
      const values = Array.from({ length: 10 }, (_, index) => `${index}`);
      const timestampMs = TIMESTAMP_MS + 10;
      await append(connection, topic, batchOf(values, { codec }));
      await append(connection, topic, batchOf(['later'], { codec, timestampMs }));
      expect(await remove(LATEST, [topic.name, [0, 4]])).toMatchObject([
        { partitions: [{ lowWatermark: 4 }] },
      ]);
      // Batches come whole: the client drops what lies before the offset that it asked for.
      const { errorCode, records } = await fetchOne(connection, topic, { offset: 4 });
      expect([errorCode, valuesOf(records)]).toEqual([0, [...values, 'later']]);
      expect((await fetchOne(connection, topic, { offset: 3 })).errorCode).toBe(1);
      // By time only what is still there is found.
      expect(await offsetOf(connection, topic.name, TIMESTAMP_MS)).toMatchObject({
        offset: 4,
        timestamp: TIMESTAMP_MS + 4,
      });
      await remove(LATEST, [topic.name, [0, 9]]);
      expect((await offsetOf(connection, topic.name, TIMESTAMP_MS + 8)).offset).toBe(9);
      await remove(LATEST, [topic.name, [0, 10]]);
      expect((await offsetOf(connection, topic.name, TIMESTAMP_MS + 8)).offset).toBe(10);
    }
  });

  it('goes on behind a batch that has the time only in records that were deleted', async () => {
    const topic = await createTopic(connection, 'back-in-time');
    const older = batchOf(['x', 'y'], { timestampMs: TIMESTAMP_MS + 1000 });
    await append(connection, topic, older);
    await append(connection, topic, batchOf(['z'], { timestampMs: TIMESTAMP_MS + 1001 }));
    await remove(LATEST, ['back-in-time', [0, 1]]);
    expect((await offsetOf(connection, 'back-in-time', TIMESTAMP_MS + 1000)).offset).toBe(1);
    expect((await offsetOf(connection, 'back-in-time', TIMESTAMP_MS + 1002)).offset).toBe(-1);
  });
});
