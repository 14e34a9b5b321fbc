import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeRequest } from '../../../src/protocol/kafka/headers.js';
import { listOffsets } from '../../../src/protocol/kafka/messages/02-list-offsets.js';
import { CODEC_NAMES } from '../../../src/record/compression/codec.js';
import { KafkaConnection } from './kafka-connection.js';
import { append, batchOf, createTopic, TIMESTAMP_MS, versionsOf } from './kafka-scene.js';

const LATEST = listOffsets.request.versions.last;
/** Special places, with the first version that knows each. */
const PLACES = [
  { timestamp: -1, since: 1 },
  { timestamp: -2, since: 1 },
  { timestamp: -3, since: 7 },
  { timestamp: -4, since: 8 },
  { timestamp: -5, since: 9 },
  { timestamp: -6, since: 11 },
];

interface Asked {
  readonly name?: string;
  readonly partitionIndex?: number;
  readonly currentLeaderEpoch?: number;
  readonly timestamp: number;
}

describe('ListOffsets', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2 });
    connection = await KafkaConnection.open(broker.kafka);
    const topic = await createTopic(connection, 'orders', 2);
    // Partition 0: offsets 0–9, 10 ms apart from batch to batch; the largest time is that of offset 4.
    const times = [0, 10, 500, 20, 30];
    for (const time of times)
      await append(connection, topic, batchOf(['a', 'b'], { timestampMs: TIMESTAMP_MS + time }));
    await createTopic(connection, 'empty');
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  async function list(version: number, ...asked: readonly Asked[]) {
    const { topics, throttleTimeMs } = await connection.ask(listOffsets, version, {
      replicaId: -1,
      topics: asked.map(({ name = 'orders', partitionIndex = 0, ...partition }) => ({
        name,
        partitions: [{ partitionIndex, ...partition }],
      })),
    });
    expect(throttleTimeMs).toBe(0);
    expect(topics.map(({ name }) => name)).toEqual(asked.map(({ name = 'orders' }) => name));
    return topics.map(({ partitions }) => {
      const [partition] = partitions;
      if (!partition || partitions.length > 1) throw new Error('an answer with other partitions');
      return partition;
    });
  }

  it('knows the special places, each from its version on', async () => {
    expect(versionsOf(listOffsets)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    const none = { errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: -1 };
    const found = new Map<number, object>([
      [-1, { errorCode: 0, timestamp: -1, offset: 10 }],
      [-2, { errorCode: 0, timestamp: -1, offset: 0 }],
      [-3, { errorCode: 0, timestamp: TIMESTAMP_MS + 501, offset: 5 }],
      [-4, { errorCode: 0, timestamp: -1, offset: 0 }],
      [-5, none],
      [-6, none],
    ]);
    for (const version of versionsOf(listOffsets)) {
      for (const { timestamp, since } of PLACES) {
        const [partition] = await list(version, { timestamp });
        const expected = { leaderEpoch: version >= 4 ? 0 : -1, ...found.get(timestamp) };
        const unknown = { errorCode: 35, timestamp: -1, offset: -1, leaderEpoch: -1 };
        expect(partition, `${timestamp} in v${version}`).toEqual({
          partitionIndex: 0,
          ...(version >= since ? expected : unknown),
        });
      }
      for (const timestamp of [-7, -1000, Number.MIN_SAFE_INTEGER]) {
        expect((await list(version, { timestamp }))[0]?.errorCode, `${timestamp} in v${version}`).toBe(35);
      }
    }
  });

  it('finds the first record that is not older, in every version', async () => {
    for (const version of versionsOf(listOffsets)) {
      const offsets = new Map([
        [0, [0, 0]],
        [TIMESTAMP_MS, [0, 0]],
        [TIMESTAMP_MS + 1, [1, 1]],
        [TIMESTAMP_MS + 2, [2, 10]],
        [TIMESTAMP_MS + 11, [3, 11]],
        [TIMESTAMP_MS + 12, [4, 500]],
        [TIMESTAMP_MS + 501, [5, 501]],
      ]);
      for (const [timestamp, [offset, time = 0]] of offsets) {
        const [partition] = await list(version, { timestamp });
        expect(partition, `${timestamp} in v${version}`).toMatchObject({
          errorCode: 0,
          offset,
          timestamp: TIMESTAMP_MS + time,
        });
      }
      for (const timestamp of [TIMESTAMP_MS + 502, Number.MAX_SAFE_INTEGER]) {
        const [partition] = await list(version, { timestamp });
        expect(partition).toMatchObject({ errorCode: 0, offset: -1, timestamp: -1, leaderEpoch: -1 });
      }
    }
  });

  it('finds records within compressed batches', async () => {
    for (const codec of CODEC_NAMES) {
      const topic = await createTopic(connection, `of-${codec}`);
      const values = Array.from({ length: 100 }, (_, index) => `a value like others, number ${index}`);
      await append(connection, topic, batchOf(values, { codec }));
      await append(connection, topic, batchOf(values, { codec, timestampMs: TIMESTAMP_MS + 1000 }));
      const at = async (timestamp: number) => (await list(LATEST, { name: topic.name, timestamp }))[0];
      expect(await at(TIMESTAMP_MS + 42), codec).toMatchObject({ offset: 42, timestamp: TIMESTAMP_MS + 42 });
      expect(await at(TIMESTAMP_MS + 1007), codec).toMatchObject({
        offset: 107,
        timestamp: TIMESTAMP_MS + 1007,
      });
      expect(await at(-3), codec).toMatchObject({ offset: 199, timestamp: TIMESTAMP_MS + 1099 });
      expect(await at(TIMESTAMP_MS + 2000), codec).toMatchObject({ errorCode: 0, offset: -1 });
    }
  });

  it('finds nothing in an empty log but its bounds', async () => {
    const name = 'empty';
    for (const timestamp of [-1, -2, -4]) {
      expect((await list(LATEST, { name, timestamp }))[0]).toMatchObject({ errorCode: 0, offset: 0 });
    }
    for (const timestamp of [-3, 0, TIMESTAMP_MS]) {
      expect((await list(LATEST, { name, timestamp }))[0]).toMatchObject({
        ...{ errorCode: 0, offset: -1, timestamp: -1 },
      });
    }
  });

  it('takes timestamps beyond the safe integers for the nearest', async () => {
    const marker = 0x1234_5678_9abc;
    const request = {
      replicaId: -1,
      topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: marker }] }],
    };
    for (const [wide, errorCode] of [
      [2n ** 63n - 1n, 0],
      [-(2n ** 63n), 35],
    ] as const) {
      const frame = Buffer.concat(
        encodeRequest(listOffsets, 5, { correlationId: 9000, clientId: null }, request),
      );
      frame.writeBigInt64BE(wide, frame.indexOf('0000123456789abc', 0, 'hex'));
      connection.raw([frame]);
      const answer = await connection.expect(9000);
      expect(answer.readInt16BE(answer.indexOf('orders') + 6 + 4 + 4)).toBe(errorCode);
    }
  });

  it('answers for each partition by itself', async () => {
    for (const version of versionsOf(listOffsets)) {
      const answers = await list(
        version,
        { partitionIndex: 7, timestamp: -1 },
        { name: 'unheard-of', timestamp: -2 },
        { partitionIndex: -1, timestamp: 0 },
        { partitionIndex: 1, timestamp: -1 },
        { timestamp: -9 },
      );
      expect(answers.map(({ errorCode }) => errorCode)).toEqual([3, 3, 3, 0, 35]);
    }
    expect((await list(LATEST, { name: 'unheard-of', timestamp: -5 }))[0]?.errorCode).toBe(3);
  });

  it('answers a partition that is asked for twice once', async () => {
    const answers = await list(
      LATEST,
      { timestamp: -1 },
      { timestamp: -2 },
      { partitionIndex: 1, timestamp: 0 },
    );
    expect(answers.map(({ errorCode, offset }) => [errorCode, offset])).toEqual([
      [0, 10],
      [42, -1],
      [0, -1],
    ]);
  });

  it('refuses leader epochs other than its own, from version 4 on', async () => {
    for (const version of versionsOf(listOffsets)) {
      const code = async (currentLeaderEpoch: number, timestamp = -1) =>
        (await list(version, { timestamp, currentLeaderEpoch }))[0]?.errorCode;
      expect(await code(-1)).toBe(0);
      expect(await code(0)).toBe(0);
      expect(await code(1), `v${version}`).toBe(version >= 4 ? 75 : 0);
      if (version >= 9) expect(await code(1, -5)).toBe(75);
    }
  });

  it('looks up many partitions without keeping others waiting for all of them', async () => {
    const many = await createTopic(connection, 'many', 250);
    for (let index = 0; index < 250; index += 50) await append(connection, many, batchOf(['x']), { index });
    const { topics } = await connection.ask(listOffsets, LATEST, {
      replicaId: -1,
      topics: [
        {
          name: 'many',
          partitions: Array.from({ length: 250 }, (_, partitionIndex) => ({ partitionIndex, timestamp: 0 })),
        },
      ],
    });
    const offsets = topics[0]?.partitions.map(({ errorCode, offset }) => [errorCode, offset]);
    expect(offsets).toEqual(Array.from({ length: 250 }, (_, index) => [0, index % 50 === 0 ? 0 : -1]));
  });
});
