import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeRequest } from '../../../src/protocol/kafka/headers.js';
import { fetch } from '../../../src/protocol/kafka/messages/01-fetch.js';
import { listOffsets } from '../../../src/protocol/kafka/messages/02-list-offsets.js';
import {
  type CreateTopicsRequest,
  createTopics,
} from '../../../src/protocol/kafka/messages/19-create-topics.js';
import { ZERO_UUID } from '../../../src/protocol/kafka/schema.js';
import { KafkaConnection } from './kafka-connection.js';
import {
  append,
  batchOf,
  describeTopic,
  fetchFrom,
  fetchOf,
  LATEST_FETCH,
  newTopic,
  offsetOf,
  UNKNOWN_ID,
  versionsOf,
} from './kafka-scene.js';

type NewTopic = Parameters<typeof createTopics.request.encode>[1]['topics'][number];

const LATEST = createTopics.request.versions.last;
const BROKER_ID = 5;

describe('CreateTopics', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    broker = await startBroker({
      workers: 2,
      config: { 'num.partitions': 3, 'node.id': BROKER_ID, 'log.retention.ms': 12_345_000 },
    });
    connection = await KafkaConnection.open(broker.kafka);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  async function create(
    topics: readonly NewTopic[],
    { version = LATEST, ...options }: Partial<CreateTopicsRequest> & { readonly version?: number } = {},
  ) {
    const answer = await connection.ask(createTopics, version, { ...options, topics });
    expect(answer.topics.map(({ name }) => name)).toEqual(topics.map(({ name }) => name));
    return answer.topics;
  }

  const codes = async (...topics: readonly NewTopic[]) =>
    (await create(topics)).map(({ errorCode }) => errorCode);

  it('creates in every version', async () => {
    expect(versionsOf(createTopics)).toEqual([2, 3, 4, 5, 6, 7]);
    for (const version of versionsOf(createTopics)) {
      const name = `in-${version}`;
      const [created] = await create([newTopic(name, 2, { 'retention.ms': '1000' })], { version });
      const { topicId } = await describeTopic(connection, name);
      expect(created, `v${version}`).toMatchObject({
        name,
        topicId: version >= 7 ? topicId : ZERO_UUID,
        errorCode: 0,
        errorMessage: null,
        numPartitions: version >= 5 ? 2 : -1,
        replicationFactor: version >= 5 ? 1 : -1,
      });
      if (version < 5) continue;
      const configs = new Map(created?.configs?.map((config) => [config.name, config]));
      expect(configs.get('retention.ms')).toEqual({
        ...{ name: 'retention.ms', value: '1000', readOnly: false, configSource: 1, isSensitive: false },
      });
      expect(configs.get('cleanup.policy')).toMatchObject({ value: 'delete', configSource: 5 });
    }
  });

  it('takes the defaults of the broker where the request says -1', async () => {
    const topic = { ...newTopic('by-default', -1), replicationFactor: -1 };
    for (const version of [4, 7]) {
      const [created] = await create([{ ...topic, name: `by-default-${version}` }], { version });
      expect(created).toMatchObject({ errorCode: 0 });
      expect((await describeTopic(connection, `by-default-${version}`)).partitions).toHaveLength(3);
    }
    const [checked] = await create([topic], { validateOnly: true });
    const retention = checked?.configs?.find(({ name }) => name === 'retention.ms');
    expect(retention).toMatchObject({ value: '12345000', configSource: 4 });
  });

  it('takes assignments to the only broker there is', async () => {
    const assigned = (name: string, ...brokers: readonly (readonly [number, readonly number[]])[]) => ({
      ...{ name, numPartitions: -1, replicationFactor: -1, configs: [] },
      assignments: brokers.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
    });
    const good = assigned('assigned', [1, [BROKER_ID]], [0, [BROKER_ID]]);
    expect(await codes(good)).toEqual([0]);
    expect((await describeTopic(connection, 'assigned')).partitions).toHaveLength(2);
    expect(
      await codes(
        assigned('gap', [0, [BROKER_ID]], [2, [BROKER_ID]]),
        assigned('twice', [0, [BROKER_ID]], [0, [BROKER_ID]]),
        assigned('negative', [-1, [BROKER_ID]]),
        assigned('nowhere', [0, []]),
        assigned('elsewhere', [0, [BROKER_ID + 1]]),
        assigned('two-replicas', [0, [BROKER_ID, BROKER_ID]]),
        { ...assigned('both', [0, [BROKER_ID]]), numPartitions: 1 },
        { ...assigned('both-too', [0, [BROKER_ID]]), replicationFactor: 1 },
      ),
    ).toEqual([39, 39, 39, 39, 39, 39, 42, 42]);
  });

  it('says for each topic what is wrong with it, and creates the others', async () => {
    await create([newTopic('taken')]);
    const cases: readonly [NewTopic, number][] = [
      [newTopic('taken'), 36],
      [newTopic(''), 17],
      [newTopic('..'), 17],
      [newTopic('b!'), 17],
      [newTopic('x'.repeat(250)), 17],
      [newTopic('none', 0), 37],
      [newTopic('fewer', -2), 37],
      [{ ...newTopic('no-copies'), replicationFactor: 0 }, 38],
      [{ ...newTopic('less-copies'), replicationFactor: -2 }, 38],
      [{ ...newTopic('copies'), replicationFactor: 3 }, 38],
      [{ ...newTopic('many-copies'), replicationFactor: 32_767 }, 38],
      [newTopic('odd', 1, { 'retention.hours': '1' }), 40],
      [newTopic('odd-value', 1, { 'retention.ms': 'soon' }), 40],
      [{ ...newTopic('no-value'), configs: [{ name: 'retention.ms', value: null }] }, 40],
      [{ ...newTopic('prototype'), configs: [{ name: '__proto__', value: 'x' }] }, 40],
      [{ ...newTopic('constructor-config'), configs: [{ name: 'constructor', value: 'x' }] }, 40],
      [newTopic('good', 1), 0],
    ];
    const answers = await create(cases.map(([topic]) => topic));
    for (const [index, { name, errorCode, errorMessage, topicId, configs }] of answers.entries()) {
      expect(errorCode, name).toBe(cases[index]?.[1]);
      if (errorCode === 0) continue;
      expect(errorMessage, name).toMatch(/\w{3}.*\.$/);
      expect([topicId, configs]).toEqual([ZERO_UUID, null]);
      if (name !== 'taken') expect((await describeTopic(connection, name)).errorCode, name).not.toBe(0);
    }
    expect(await codes(newTopic('more-than-allowed', 10_001))).toEqual([44]);
    expect(await codes(newTopic('half', 5001), newTopic('other-half', 5000))).toEqual([44, 44]);
    expect(await codes(newTopic('huge', 2 ** 31 - 1))).toEqual([44]);
  });

  it('refuses a topic that one request names twice', async () => {
    expect(await codes(newTopic('twice'), newTopic('once'), newTopic('twice', 2))).toEqual([42, 0, 42]);
    expect((await describeTopic(connection, 'twice')).errorCode).toBe(3);
  });

  it('only checks, if that is asked for', async () => {
    for (const version of versionsOf(createTopics)) {
      const [checked, taken] = await create([newTopic('checked', 7), newTopic('once')], {
        ...{ version, validateOnly: true },
      });
      expect(checked, `v${version}`).toMatchObject({ errorCode: 0, topicId: ZERO_UUID });
      if (version >= 5) expect(checked).toMatchObject({ numPartitions: 7, replicationFactor: 1 });
      expect(taken).toMatchObject({ errorCode: 36 });
    }
    expect((await describeTopic(connection, 'checked')).errorCode).toBe(3);
  });

  it('answers however long the names and values of settings are', async () => {
    const name = 'n'.repeat(32_767);
    const long = [
      { ...newTopic('long-name'), configs: [{ name, value: 'x' }] },
      { ...newTopic('long-value'), configs: [{ name: 'retention.ms', value: name }] },
      { ...newTopic('long-null'), configs: [{ name, value: null }] },
      newTopic(name),
    ];
    for (const topic of long) {
      const [answer] = await create([topic]);
      expect(answer?.errorCode).toBe(topic.name === name ? 17 : 40);
      expect(answer?.errorMessage?.length).toBeLessThanOrEqual(1000);
    }
  });

  it('closes only the connection whose names cannot be said back', async () => {
    for (const version of versionsOf(createTopics)) {
      const other = await KafkaConnection.open(broker.kafka);
      // Each byte becomes a character of three bytes: more than a string may have.
      const marker = 'z'.repeat(20_000);
      const request = { topics: [newTopic(marker), newTopic(`beside-${version}`)] };
      const frame = Buffer.concat(
        encodeRequest(createTopics, version, { correlationId: 1, clientId: null }, request),
      );
      const at = frame.indexOf(marker);
      frame.fill(0xff, at, at + marker.length);
      other.raw([frame]);
      await other.closed;
    }
    expect(await codes(newTopic('after-them'))).toEqual([0]);
  });

  it('closes the connection over more topics than a request may name', async () => {
    const other = await KafkaConnection.open(broker.kafka);
    const topics = Array.from({ length: 10_001 }, (_, index) => newTopic(`t${index}`));
    await expect(other.ask(createTopics, LATEST, { topics, validateOnly: true })).rejects.toThrow('closed');
  });

  it('answers when the topics are served: no client ever has to try again', async () => {
    const others = await Promise.all([1, 2, 3, 4].map(() => KafkaConnection.open(broker.kafka)));
    const PARTITIONS = 3;
    const all = [0, 1, 2];
    const rounds = others.map(async (other, lane) => {
      for (let round = 0; round < 25; round++) {
        const name = `fresh-${lane}-${round}`;
        const { topics } = await other.ask(createTopics, LATEST, { topics: [newTopic(name, PARTITIONS)] });
        const topic = { name, topicId: topics[0]?.topicId ?? UNKNOWN_ID };
        const leaderEpochs = (await describeTopic(other, name)).partitions.map(
          ({ leaderEpoch }) => leaderEpoch,
        );
        const codes: Promise<number>[] = [];
        // Each round begins with another API.
        const apis = [
          () => all.map(async (index) => (await append(other, topic, batchOf(['x']), { index })).errorCode),
          () => [
            fetchFrom(
              ...([other, topic] as const),
              all.map((partition) => ({ partition, currentLeaderEpoch: leaderEpochs[partition] ?? -1 })),
            ).then(({ responses }) =>
              Math.max(...(responses[0]?.partitions.map(({ errorCode }) => errorCode) ?? [99])),
            ),
          ],
          () => all.map(async (index) => (await offsetOf(other, name, -1, index)).errorCode),
        ];
        for (let step = 0; step < apis.length; step++) codes.push(...(apis[(round + step) % 3]?.() ?? []));
        expect(await Promise.all(codes), name).toEqual([0, 0, 0, 0, 0, 0, 0]);
      }
    });
    await Promise.all(rounds);
    await Promise.all(others.map((other) => other.close()));
  });

  it('has a topic served to requests that were sent before its creation was answered', async () => {
    const other = await KafkaConnection.open(broker.kafka);
    const name = 'in-a-hurry';
    const creation = other.ask(createTopics, LATEST, { topics: [newTopic(name)] });
    const early = other.ask(listOffsets, 11, {
      replicaId: -1,
      topics: [{ name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    });
    const byName = other.ask(fetch, 12, fetchOf({ name, topicId: ZERO_UUID }, [{}]));
    expect((await creation).topics[0]?.errorCode).toBe(0);
    // They run side by side: the topic was not there, or is served.
    expect([0, 3]).toContain((await early).topics[0]?.partitions[0]?.errorCode);
    expect([0, 3]).toContain((await byName).responses[0]?.partitions[0]?.errorCode);
    const { topicId } = await describeTopic(other, name);
    expect((await fetchFrom(other, { name, topicId }, [{}], { version: LATEST_FETCH })).errorCode).toBe(0);
    await other.close();
  });
});
