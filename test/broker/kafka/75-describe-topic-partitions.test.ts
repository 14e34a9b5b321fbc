import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DescribeTopicPartitionsResponse,
  describeTopicPartitions,
} from '../../../src/protocol/kafka/messages/75-describe-topic-partitions.js';
import { ZERO_UUID } from '../../../src/protocol/kafka/schema.js';
import { KafkaConnection } from './kafka-connection.js';
import { createTopic, type TopicName, versionsOf } from './kafka-scene.js';

type Cursor = DescribeTopicPartitionsResponse['nextCursor'];

describe('DescribeTopicPartitions', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;
  const topics: TopicName[] = [];

  beforeAll(async () => {
    broker = await startBroker({ workers: 2 });
    connection = await KafkaConnection.open(broker.kafka);
    topics.push(await createTopic(connection, 'c', 3));
    topics.push(await createTopic(connection, 'a', 2));
    topics.push(await createTopic(connection, 'B', 1));
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  const ask = (names: readonly string[], responsePartitionLimit = 2000, cursor: Cursor = null) =>
    connection.ask(describeTopicPartitions, 0, {
      topics: names.map((name) => ({ name })),
      ...{ responsePartitionLimit, cursor },
    });

  const summary = ({ topics: described }: Awaited<ReturnType<typeof ask>>) =>
    described.map(({ name, errorCode, partitions }) => [
      ...[name, errorCode],
      ...partitions.map(({ partitionIndex }) => partitionIndex),
    ]);

  it('describes topics in order of their names', async () => {
    expect(versionsOf(describeTopicPartitions)).toEqual([0]);
    const answer = await ask([]);
    expect(summary(answer)).toEqual([
      ['B', 0, 0],
      ['a', 0, 0, 1],
      ['c', 0, 0, 1, 2],
    ]);
    expect(answer.nextCursor).toBeNull();
    expect(answer.topics[1]).toMatchObject({
      ...{ topicId: topics[1]?.topicId, isInternal: false, topicAuthorizedOperations: -2147483648 },
    });
    expect(answer.topics[1]?.partitions[1]).toEqual({
      ...{ errorCode: 0, partitionIndex: 1, leaderId: 1, leaderEpoch: 0, replicaNodes: [1], isrNodes: [1] },
      ...{ eligibleLeaderReplicas: [], lastKnownElr: [], offlineReplicas: [] },
    });
    expect(summary(await ask(['c', 'a', 'c', 'c']))).toEqual([
      ['a', 0, 0, 1],
      ['c', 0, 0, 1, 2],
    ]);
  });

  it('names what it does not know', async () => {
    const answer = await ask(['unheard-of', 'a/b', '', 'a', '__proto__']);
    expect(summary(answer)).toEqual([
      ['', 17],
      ['__proto__', 3],
      ['a', 0, 0, 1],
      ['a/b', 17],
      ['unheard-of', 3],
    ]);
    expect(answer.topics[1]?.topicId).toBe(ZERO_UUID);
  });

  it('goes on page by page to the end, whatever size the pages have', async () => {
    const all = [...['B/0', 'a/0', 'a/1'], ...['c/0', 'c/1', 'c/2']];
    for (const names of [[], ['c', 'B', 'a']]) {
      for (const limit of [1, 2, 3, 4, 5, 6, 7, 2 ** 31 - 1]) {
        const seen: string[] = [];
        let cursor: Cursor = null;
        let pages = 0;
        do {
          const answer = await ask(names, limit, cursor);
          const page = answer.topics.flatMap(({ name, partitions }) =>
            partitions.map(({ partitionIndex }) => `${name}/${partitionIndex}`),
          );
          expect(page.length).toBeLessThanOrEqual(limit);
          seen.push(...page);
          cursor = answer.nextCursor;
        } while (cursor && ++pages < 20);
        expect(seen, `pages of ${limit}`).toEqual(all);
      }
    }
  });

  it('bears limits and cursors of all kinds', async () => {
    for (const limit of [0, -1, -(2 ** 31)]) {
      const answer = await ask([], limit);
      expect(summary(answer)).toEqual([['B', 0, 0]]);
      expect(answer.nextCursor).toEqual({ topicName: 'a', partitionIndex: 0 });
    }
    const from = async (topicName: string, partitionIndex: number) =>
      summary(await ask([], 2000, { topicName, partitionIndex }));
    const rest = [['c', 0, 0, 1, 2]];
    expect(await from('a', 1)).toEqual([['a', 0, 1], ...rest]);
    expect(await from('a', 99)).toEqual([['a', 0], ...rest]);
    expect(await from('b', 5)).toEqual(rest);
    expect(await from('c', -7)).toEqual(rest);
    expect(await from('', 0)).toHaveLength(3);
    expect(await from('z', 0)).toEqual([]);
  });

  it('bounds a page', async () => {
    await createTopic(connection, 'large', 2500);
    const first = await ask(['large'], 2 ** 31 - 1);
    expect(first.topics[0]?.partitions).toHaveLength(2000);
    const { topics: second, nextCursor } = await ask(['large'], 2 ** 31 - 1, first.nextCursor ?? null);
    expect(second[0]?.partitions[0]?.partitionIndex).toBe(2000);
    expect(second[0]?.partitions).toHaveLength(500);
    expect(nextCursor).toBeNull();
  });
});
