import { networkInterfaces } from 'node:os';
import { Client } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeRequest } from '../../../src/protocol/kafka/headers.js';
import { metadata } from '../../../src/protocol/kafka/messages/03-metadata.js';
import { describeCluster } from '../../../src/protocol/kafka/messages/60-describe-cluster.js';
import { ZERO_UUID } from '../../../src/protocol/kafka/schema.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  createTopic,
  fetchOne,
  type TopicName,
  UNKNOWN_ID,
  versionsOf,
} from './kafka-scene.js';

const BY_ID = 12;
const LATEST = metadata.request.versions.last;

describe('Metadata', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;
  let topic: TopicName;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2, config: { 'num.partitions': 2, 'node.id': 7 } });
    connection = await KafkaConnection.open(broker.kafka);
    topic = await createTopic(connection, 'orders', 3);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  const ask = (
    version: number,
    ...topics: readonly { name: string | null; topicId?: TopicName['topicId'] }[]
  ) => connection.ask(metadata, version, { topics, allowAutoTopicCreation: false });

  it('creates a topic once for all who ask for it at the same time, and tells each of it', async () => {
    const connections = await Promise.all(
      Array.from({ length: 12 }, () => KafkaConnection.open(broker.kafka)),
    );
    const request = { topics: [{ name: 'wanted' }], allowAutoTopicCreation: true };
    const answers = await Promise.all(connections.map((one) => one.ask(metadata, LATEST, request)));
    const topics = answers.flatMap((answer) => answer.topics);
    expect(topics.map(({ errorCode }) => errorCode)).toEqual(connections.map(() => 0));
    expect(new Set(topics.map(({ topicId }) => topicId)).size).toBe(1);
    await Promise.all(connections.map((one) => one.close()));
    await new Client({ brokers: [broker.native] }).admin().deleteTopic('wanted');
  });

  it('describes the broker and its topics in every version', async () => {
    expect(versionsOf(metadata)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    for (const version of versionsOf(metadata)) {
      const answer = await ask(version, { name: 'orders' });
      const port = Number(broker.kafka.split(':')[1]);
      expect(answer, `v${version}`).toMatchObject({
        throttleTimeMs: 0,
        brokers: [{ nodeId: 7, host: '127.0.0.1', port, rack: null }],
        controllerId: version >= 1 ? 7 : -1,
        errorCode: 0,
        clusterAuthorizedOperations: -2147483648,
      });
      expect(answer.clusterId === null, `v${version}`).toBe(version < 2);
      expect(answer.topics, `v${version}`).toEqual([
        {
          errorCode: 0,
          name: 'orders',
          topicId: version >= 10 ? topic.topicId : ZERO_UUID,
          isInternal: false,
          topicAuthorizedOperations: -2147483648,
          partitions: [0, 1, 2].map((partitionIndex) => ({
            ...{ errorCode: 0, partitionIndex, leaderId: 7, leaderEpoch: version >= 7 ? 0 : -1 },
            ...{ replicaNodes: [7], isrNodes: [7], offlineReplicas: [] },
          })),
        },
      ]);
    }
  });

  it('has a cluster id that stays', async () => {
    const { clusterId } = await ask(LATEST);
    expect(clusterId).toMatch(/^[\w-]{22}$/);
    const { clusterId: again } = await connection.ask(describeCluster, 0, {
      includeClusterAuthorizedOperations: false,
    });
    expect(again).toBe(clusterId);
  });

  it('lists all topics, or none', async () => {
    await createTopic(connection, 'another');
    const all = async (version: number, topics: [] | null) =>
      (await connection.ask(metadata, version, { topics })).topics.map(({ name }) => name);
    for (const version of versionsOf(metadata)) {
      expect(await all(version, []), `v${version}`).toEqual(version === 0 ? ['another', 'orders'] : []);
      if (version > 0) expect(await all(version, null), `v${version}`).toEqual(['another', 'orders']);
    }
  });

  it('names what it does not know, and what cannot be', async () => {
    for (const version of versionsOf(metadata).filter((one) => one >= 4)) {
      const names = ['unheard-of', '.', '', 'a/b', 'x'.repeat(250), 'ü', '__proto__'];
      const { topics } = await ask(version, ...names.map((name) => ({ name })));
      const seen = topics.map(({ name, errorCode, topicId, partitions }) => [
        ...[name, errorCode, topicId],
        partitions.length,
      ]);
      const codes = [3, 17, 17, 17, 17, 17, 3];
      expect(seen, `v${version}`).toEqual(names.map((name, index) => [name, codes[index], ZERO_UUID, 0]));
    }
  });

  it('knows topics by their ids from version 12 on', async () => {
    for (const version of [12, 13]) {
      const { topics } = await ask(
        version,
        { name: null, topicId: topic.topicId },
        { name: null, topicId: UNKNOWN_ID },
        { name: '', topicId: topic.topicId },
      );
      expect(topics, `v${version}`).toMatchObject([
        { name: 'orders', topicId: topic.topicId, errorCode: 0 },
        { name: null, topicId: UNKNOWN_ID, errorCode: 100, partitions: [] },
      ]);
    }
    for (const version of [10, 11]) {
      // These have a field for the id, but no way to answer without a name.
      const { topics } = await ask(
        version,
        { name: null, topicId: topic.topicId },
        { name: null, topicId: UNKNOWN_ID },
        { name: null },
        { name: 'orders', topicId: topic.topicId },
        { name: 'orders' },
      );
      expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
        ['', 42],
        ['', 42],
        ['', 42],
        ['orders', 42],
        ['orders', 0],
      ]);
    }
    expect(BY_ID).toBeLessThanOrEqual(LATEST);
  });

  it('answers once what is asked for twice', async () => {
    const names = ['orders', 'unheard-of', 'orders', 'unheard-of', 'orders'];
    const { topics } = await ask(LATEST, ...names.map((name) => ({ name })));
    expect(topics.map(({ name }) => name)).toEqual(['orders', 'unheard-of']);
  });

  it('creates topics that are missing, if asked to, and serves them at once', async () => {
    for (const version of versionsOf(metadata)) {
      const name = `by-use-${version}`;
      const { topics } = await connection.ask(metadata, version, {
        topics: [{ name }],
        allowAutoTopicCreation: true,
      });
      expect(topics, `v${version}`).toMatchObject([{ name, errorCode: 0 }]);
      expect(topics[0]?.partitions.map(({ leaderId }) => leaderId)).toEqual([7, 7]);
      const known = { name, topicId: topics[0]?.topicId ?? UNKNOWN_ID };
      const produced = await append(connection, known, batchOf(['x']), { version: 9, index: 1 });
      expect(produced).toMatchObject({ errorCode: 0, baseOffset: 0 });
    }
    const { topics } = await connection.ask(metadata, LATEST, {
      topics: [{ name: 'a/b' }, { name: 'by-use-0' }],
      allowAutoTopicCreation: true,
    });
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([17, 0]);
  });

  it('creates nothing if the broker says so', async () => {
    await using strict = await startBroker({ workers: 1, config: { 'auto.create.topics.enable': false } });
    const other = await KafkaConnection.open(strict.kafka);
    const request = { topics: [{ name: 'wanted' }], allowAutoTopicCreation: true };
    expect((await other.ask(metadata, 4, request)).topics).toMatchObject([{ errorCode: 3 }]);
    expect((await other.ask(metadata, 4, { topics: null })).topics).toEqual([]);
    await other.close();
  });

  it('serves two clients that create one topic at the same time', async () => {
    const others = await Promise.all([1, 2, 3].map(() => KafkaConnection.open(broker.kafka)));
    const request = { topics: [{ name: 'wanted-by-all' }], allowAutoTopicCreation: true };
    const answers = await Promise.all(others.map((other) => other.ask(metadata, LATEST, request)));
    // Who comes while another one's topic is being made may have to ask again, as with Kafka.
    const codes = answers.map(({ topics }) => topics[0]?.errorCode);
    expect(codes.filter((code) => code !== 3)).toContain(0);
    const again = await Promise.all(others.map((other) => other.ask(metadata, LATEST, request)));
    const ids = again.map(({ topics }) => `${topics[0]?.errorCode} ${topics[0]?.topicId}`);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^0 /);
    await Promise.all(others.map((other) => other.close()));
  });

  it('creates so many topics at a time, and closes the connection over more names than it may have', async () => {
    await using narrow = await startBroker({ workers: 1, config: { 'num.partitions': 10_000 } });
    const other = await KafkaConnection.open(narrow.kafka);
    // There is room for one such topic.
    for (const [name, errorCode] of [
      ['first', 0],
      ['second', 37],
    ] as const) {
      const request = { topics: [{ name }], allowAutoTopicCreation: true };
      expect((await other.ask(metadata, 4, request)).topics).toMatchObject([{ name, errorCode }]);
    }
    const names = Array.from({ length: 100_001 }, (_, index) => ({ name: `t${index}` }));
    await expect(other.ask(metadata, 4, { topics: names, allowAutoTopicCreation: false })).rejects.toThrow(
      'closed',
    );
  });

  it('closes only the connection whose names cannot be said back', async () => {
    // Each byte becomes a character of three bytes: more than a string may have.
    for (const version of [4, 9]) {
      const other = await KafkaConnection.open(broker.kafka);
      const marker = 'z'.repeat(30_000);
      const request = {
        topics: [{ name: `made-${version}` }, { name: marker }],
        allowAutoTopicCreation: true,
      };
      const frame = Buffer.concat(
        encodeRequest(metadata, version, { correlationId: 1, clientId: null }, request),
      );
      const at = frame.indexOf(marker);
      frame.fill(0xff, at, at + marker.length);
      other.raw([frame]);
      await other.closed;
    }
    expect((await ask(LATEST, { name: 'orders' })).topics).toHaveLength(1);
  });

  it('tells each client the address that it has reached', async () => {
    await using both = await startBroker({ workers: 1, config: { 'odradek.kafka.listen': 'localhost:0' } });
    const port = both.kafka.split(':')[1];
    const hosts = ['127.0.0.1'];
    const hasIpv6 = Object.values(networkInterfaces()).some((some) =>
      some?.some(({ address }) => address === '::1'),
    );
    if (hasIpv6) hosts.push('::1');
    for (const host of hosts) {
      const other = await KafkaConnection.open(host === '::1' ? `[::1]:${port}` : `${host}:${port}`);
      const { brokers } = await other.ask(metadata, LATEST, { topics: [] });
      expect(brokers).toMatchObject([{ host, port: Number(port) }]);
      const cluster = await other.ask(describeCluster, 2, { includeClusterAuthorizedOperations: false });
      expect(cluster.brokers).toMatchObject([{ host, port: Number(port) }]);
      await other.close();
    }
  });

  it('tells all clients the address that is advertised', async () => {
    await using hidden = await startBroker({
      workers: 1,
      config: { 'odradek.advertise': 'kafka.example:19092' },
    });
    const other = await KafkaConnection.open(hidden.kafka);
    for (const version of versionsOf(metadata)) {
      const { brokers } = await other.ask(metadata, version, { topics: [] });
      expect(brokers).toMatchObject([{ host: 'kafka.example', port: 19_092 }]);
    }
    const cluster = await other.ask(describeCluster, 2, { includeClusterAuthorizedOperations: false });
    expect(cluster.brokers).toMatchObject([{ host: 'kafka.example', port: 19_092 }]);
    await other.close();
  });

  it('sees what the native door does, and the other way round', async () => {
    const client = new Client({ brokers: [broker.native] });
    await client.producer().send({ topic: 'native', value: 'from afar' });
    const { topics } = await ask(LATEST, { name: 'native' });
    const known = { name: 'native', topicId: topics[0]?.topicId ?? UNKNOWN_ID };
    const counts = await Promise.all(
      [0, 1].map(async (partition) => (await fetchOne(connection, known, { partition })).highWatermark),
    );
    expect(counts.sort()).toEqual([0, 1]);
    expect((await client.admin().describeTopic('orders')).partitions).toHaveLength(3);
    await client.close();
  });
});
