// Leader epochs as clients meet them: a partition's epoch rises with each start of the broker.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetch } from '../../../src/protocol/kafka/messages/01-fetch.js';
import { listOffsets } from '../../../src/protocol/kafka/messages/02-list-offsets.js';
import { offsetForLeaderEpoch } from '../../../src/protocol/kafka/messages/23-offset-for-leader-epoch.js';
import { describeTopicPartitions } from '../../../src/protocol/kafka/messages/75-describe-topic-partitions.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  describeTopic,
  fetchFrom,
  fetchOne,
  type TopicName,
  valuesOf,
  versionsOf,
} from './kafka-scene.js';

const LATEST = offsetForLeaderEpoch.request.versions.last;
const PARTITIONS = 4;

describe('OffsetForLeaderEpoch', () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'odradek-epochs-'));
  let broker: TestBroker;
  let connection: KafkaConnection;
  let topic: TopicName;

  async function start(): Promise<void> {
    broker = await startBroker({ workers: 2, dataDirectory });
    connection = await KafkaConnection.open(broker.kafka);
  }

  async function stop(): Promise<void> {
    await connection.close();
    await broker.close();
  }

  // Epoch 0 has the offsets 0–2, epoch 1 has 3–4, epoch 2 none, epoch 3 has 5.
  beforeAll(async () => {
    await start();
    topic = await createTopic(connection, 'orders', PARTITIONS);
    await append(connection, topic, batchOf(['a', 'b', 'c']));
    await stop();
    await start();
    await append(connection, topic, batchOf(['d', 'e']));
    await stop();
    await start();
    expect((await fetchOne(connection, topic)).errorCode).toBe(0); // So that it is led, and nothing more.
    await stop();
    await start();
  });

  afterAll(async () => {
    await stop();
    rmSync(dataDirectory, { recursive: true, force: true });
  });

  async function ask(
    version: number,
    leaderEpoch: number,
    { name = 'orders', partition = 0, currentLeaderEpoch = -1 } = {},
  ) {
    const { topics } = await connection.ask(offsetForLeaderEpoch, version, {
      topics: [{ topic: name, partitions: [{ partition, currentLeaderEpoch, leaderEpoch }] }],
    });
    expect(topics[0]?.topic).toBe(name);
    const answer = topics[0]?.partitions[0];
    if (!answer) throw new Error('an answer without the partition');
    expect(answer.partition).toBe(partition);
    return answer;
  }

  it('follows a start at which clients were told the epoch that they are served in', async () => {
    // Told before the partitions are opened: by Metadata and by DescribeTopicPartitions.
    const told = (await describeTopic(connection, 'orders')).partitions.map(({ leaderEpoch }) => leaderEpoch);
    expect(told[0]).toBe(3);
    const described = await connection.ask(describeTopicPartitions, 0, { topics: [{ name: 'orders' }] });
    expect(described.topics[0]?.partitions.map(({ leaderEpoch }) => leaderEpoch)).toEqual(told);
    const from = told.map((currentLeaderEpoch, partition) => ({ partition, currentLeaderEpoch }));
    const { responses } = await fetchFrom(connection, topic, from);
    expect(responses[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(told.map(() => 0));
    const listed = await connection.ask(listOffsets, 11, {
      replicaId: -1,
      topics: [
        {
          name: 'orders',
          partitions: told.map((currentLeaderEpoch, partitionIndex) => {
            return { partitionIndex, currentLeaderEpoch, timestamp: -1 };
          }),
        },
      ],
    });
    expect(listed.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual(told.map(() => 0));
    for (const [partition, currentLeaderEpoch] of told.entries()) {
      expect(await ask(LATEST, 0, { partition, currentLeaderEpoch })).toMatchObject({ errorCode: 0 });
    }
    expect(
      (await describeTopic(connection, 'orders')).partitions.map(({ leaderEpoch }) => leaderEpoch),
    ).toEqual(told);
    await append(connection, topic, batchOf(['f']));
  });

  it('says where each epoch ends, in every version', async () => {
    expect(versionsOf(offsetForLeaderEpoch)).toEqual([2, 3, 4]);
    for (const version of versionsOf(offsetForLeaderEpoch)) {
      expect(await ask(version, 0), `v${version}`).toMatchObject({
        errorCode: 0,
        leaderEpoch: 0,
        endOffset: 3,
      });
      expect(await ask(version, 3), `v${version}`).toMatchObject({
        errorCode: 0,
        leaderEpoch: 3,
        endOffset: 6,
      });
      const none = { errorCode: 0, leaderEpoch: -1, endOffset: -1 };
      for (const unknown of [-1, -2, 4, 2 ** 31 - 1, -(2 ** 31)]) {
        expect(await ask(version, unknown), `epoch ${unknown} in v${version}`).toMatchObject(none);
      }
    }
    expect((await ask(LATEST, 1)).endOffset).toBe(5);
    expect((await ask(LATEST, 2)).endOffset).toBe(5);
  });

  it('refuses epochs other than the current one, and names what it does not know', async () => {
    for (const version of versionsOf(offsetForLeaderEpoch)) {
      const none = { leaderEpoch: -1, endOffset: -1 };
      for (const currentLeaderEpoch of [0, 2, 4, 2 ** 31 - 1]) {
        const errorCode = currentLeaderEpoch < 3 ? 74 : 75;
        const answer = await ask(version, 0, { currentLeaderEpoch });
        expect(answer, `epoch ${currentLeaderEpoch} in v${version}`).toMatchObject({ errorCode, ...none });
      }
      expect(await ask(version, 0, { currentLeaderEpoch: 3 })).toMatchObject({ errorCode: 0 });
      expect(await ask(version, 0, { partition: PARTITIONS })).toMatchObject({ errorCode: 3, ...none });
      expect(await ask(version, 0, { partition: -1 })).toMatchObject({ errorCode: 3, ...none });
      expect(await ask(version, 0, { name: 'unheard-of' })).toMatchObject({ errorCode: 3, ...none });
    }
    const greedy = await KafkaConnection.open(broker.kafka);
    const partitions = Array.from({ length: 10_001 }, () => ({ partition: 0, leaderEpoch: 0 }));
    await expect(
      greedy.ask(offsetForLeaderEpoch, LATEST, { topics: [{ topic: 'orders', partitions }] }),
    ).rejects.toThrow('closed');
  });

  it('goes with what Fetch and ListOffsets say of epochs', async () => {
    for (const version of versionsOf(fetch).filter((one) => one >= 9)) {
      const code = async (currentLeaderEpoch: number) =>
        (await fetchOne(connection, topic, { currentLeaderEpoch }, { version })).errorCode;
      expect(await Promise.all([-1, 0, 2, 3, 4].map(code)), `v${version}`).toEqual([0, 74, 74, 0, 75]);
    }
    const list = async (currentLeaderEpoch: number) => {
      const partitions = [{ partitionIndex: 0, currentLeaderEpoch, timestamp: -1 }];
      const request = { replicaId: -1, topics: [{ name: 'orders', partitions }] };
      const { topics } = await connection.ask(listOffsets, 4, request);
      const { errorCode, offset, leaderEpoch } = topics[0]?.partitions[0] ?? {};
      return [errorCode, offset, leaderEpoch];
    };
    expect(await list(3)).toEqual([0, 6, 3]);
    expect(await list(2)).toEqual([74, -1, -1]);
    expect(await list(4)).toEqual([75, -1, -1]);
  });

  it('goes with what Fetch says of histories that part', async () => {
    for (const version of versionsOf(fetch)) {
      const at = async (offset: number, lastFetchedEpoch: number) => {
        const from = { offset, lastFetchedEpoch };
        const { errorCode, divergingEpoch, records } = await fetchOne(connection, topic, from, { version });
        return { errorCode, ...divergingEpoch, values: valuesOf(records).join('') };
      };
      const same = { errorCode: 0, epoch: -1, endOffset: -1 };
      const knows = version >= 12;
      // Read up to 3 in epoch 0, up to 4 in epoch 1: so it is here too.
      expect(await at(3, 0), `v${version}`).toEqual({ ...same, values: 'def' });
      expect(await at(4, 1), `v${version}`).toEqual({ ...same, values: 'def' });
      expect(await at(6, 3), `v${version}`).toEqual({ ...same, values: '' });
      expect(await at(0, -1), `v${version}`).toEqual({ ...same, values: 'abcdef' });
      // Read more in an epoch than it has here.
      expect(await at(4, 0), `v${version}`).toEqual(
        knows ? { errorCode: 0, epoch: 0, endOffset: 3, values: '' } : { ...same, values: 'def' },
      );
      expect((await at(6, 1)).endOffset, `v${version}`).toBe(knows ? 5 : -1);
      // Read in an epoch that was never here.
      expect((await at(2, 9)).errorCode, `v${version}`).toBe(knows ? 1 : 0);
    }
    const waits = { maxWaitMs: 2 ** 31 - 1, minBytes: 1_000_000 };
    const answer = await fetchOne(connection, topic, { offset: 5, lastFetchedEpoch: 0 }, waits);
    expect(answer.divergingEpoch).toEqual({ epoch: 0, endOffset: 3 });
  });

  it('is told of in a session each time', async () => {
    const open = { sessionId: 0, sessionEpoch: 0 };
    const { sessionId } = await fetchFrom(connection, topic, [{ offset: 5, lastFetchedEpoch: 0 }], open);
    for (const sessionEpoch of [1, 2]) {
      const { responses } = await fetchFrom(connection, topic, [], { sessionId, sessionEpoch });
      expect(responses[0]?.partitions).toMatchObject([{ divergingEpoch: { epoch: 0, endOffset: 3 } }]);
    }
  });
});
