// AlterConfigs and IncrementalAlterConfigs. The codes are those of a real broker of 4.3.1, but for what cannot be changed here.
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeConfigs } from '../../../src/protocol/kafka/messages/32-describe-configs.js';
import { alterConfigs } from '../../../src/protocol/kafka/messages/33-alter-configs.js';
import { incrementalAlterConfigs } from '../../../src/protocol/kafka/messages/44-incremental-alter-configs.js';
import { KafkaConnection } from './kafka-connection.js';
import { append, batchOf, createTopic, fetchOne, TIMESTAMP_MS, versionsOf } from './kafka-scene.js';

const TOPIC = 2;
const BROKER = 4;
const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

type Change = readonly [name: string, configOperation: number, value?: string | null];

const change = ([name, configOperation, value = null]: Change) => ({ name, configOperation, value });

describe('configs of the Kafka door', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2, config: { 'node.id': 5 } });
    connection = await KafkaConnection.open(broker.kafka);
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  const ofTopic = (resourceName: string, ...changes: readonly Change[]) => ({
    ...{ resourceType: TOPIC, resourceName },
    configs: changes.map(change),
  });
  const ofBroker = (resourceName: string, ...changes: readonly Change[]) => ({
    ...ofTopic(resourceName, ...changes),
    resourceType: BROKER,
  });

  async function alter(
    resources: readonly ReturnType<typeof ofTopic>[],
    { version = 1, validateOnly = false } = {},
  ) {
    const { responses } = await connection.ask(incrementalAlterConfigs, version, { resources, validateOnly });
    return responses;
  }

  const codeOf = async (resource: ReturnType<typeof ofTopic>) => (await alter([resource]))[0]?.errorCode;

  async function replace(name: string, configs: Readonly<Record<string, string | null>>, version = 2) {
    const { responses } = await connection.ask(alterConfigs, version, {
      resources: [
        {
          ...{ resourceType: TOPIC, resourceName: name },
          configs: Object.entries(configs).map(([config, value]) => ({ name: config, value })),
        },
      ],
    });
    return responses[0];
  }

  /** What is set for the topic itself. */
  async function configsOf(name: string): Promise<Record<string, string | null>> {
    const { results } = await connection.ask(describeConfigs, 4, {
      resources: [{ resourceType: TOPIC, resourceName: name, configurationKeys: null }],
    });
    const set = results[0]?.configs.filter(({ configSource }) => configSource === 1) ?? [];
    return Object.fromEntries(set.map(({ name: config, value }) => [config, value]));
  }

  describe('IncrementalAlterConfigs', () => {
    it('sets and deletes, in every version', async () => {
      expect(versionsOf(incrementalAlterConfigs)).toEqual([0, 1]);
      for (const version of versionsOf(incrementalAlterConfigs)) {
        const { name } = await createTopic(connection, `inc-${version}`, 2, {
          'flush.ms': '5',
          'segment.ms': '7',
        });
        const resource = ofTopic(name, ['retention.ms', SET, '99'], ['flush.ms', DELETE], ['zzz', DELETE]);
        expect(await alter([resource], { version })).toEqual([
          { errorCode: 0, errorMessage: null, resourceType: TOPIC, resourceName: name },
        ]);
        expect(await configsOf(name)).toEqual({ 'retention.ms': '99', 'segment.ms': '7' });
      }
    });

    it('is in force at once', async () => {
      const topic = await createTopic(connection, 'limits');
      const large = batchOf(['x'.repeat(5000)]);
      expect((await append(connection, topic, large)).errorCode).toBe(0);
      await alter([ofTopic('limits', ['max.message.bytes', SET, '1000'])]);
      expect((await append(connection, topic, large)).errorCode).toBe(10);
      await alter([ofTopic('limits', ['message.timestamp.type', SET, 'LogAppendTime'])]);
      const { errorCode, logAppendTimeMs } = await append(connection, topic, batchOf(['y']));
      expect(errorCode).toBe(0);
      expect(logAppendTimeMs).toBeGreaterThan(TIMESTAMP_MS);
      await alter([ofTopic('limits', ['max.message.bytes', DELETE], ['message.timestamp.type', DELETE])]);
      expect((await append(connection, topic, large)).logAppendTimeMs).toBe(-1);
      expect((await fetchOne(connection, topic)).highWatermark).toBe(3);
    });

    it('changes lists by their items', async () => {
      await createTopic(connection, 'lists');
      expect(await codeOf(ofTopic('lists', ['cleanup.policy', APPEND, 'delete']))).toBe(0);
      expect(await configsOf('lists')).toEqual({ 'cleanup.policy': 'delete' });
      expect(await codeOf(ofTopic('lists', ['cleanup.policy', SUBTRACT, 'other']))).toBe(0);
      expect(await configsOf('lists')).toEqual({ 'cleanup.policy': 'delete' });
      expect(await codeOf(ofTopic('lists', ['retention.ms', APPEND, '5']))).toBe(40);
    });

    it('changes nothing where something is wrong, and says what', async () => {
      await createTopic(connection, 'kept', 1, { 'retention.ms': '1000' });
      const answers = await alter([
        ofTopic('kept', ['retention.ms', SET, '2000'], ['segment.bytes', SET, 'abc']),
        ofTopic('other', ['retention.ms', SET, '1']),
      ]);
      expect(answers).toMatchObject([
        { errorCode: 40, errorMessage: expect.stringContaining('segment.bytes=abc') },
        { errorCode: 3, resourceName: 'other' },
      ]);
      expect(await codeOf(ofTopic('kept', ['zzz', SET, '1']))).toBe(40);
      expect(await codeOf(ofTopic('n!', ['retention.ms', SET, '1']))).toBe(17);
      expect(await codeOf(ofTopic('', ['retention.ms', SET, '1']))).toBe(42);
      expect(await codeOf(ofTopic('kept', ['retention.ms', SET, null]))).toBe(42);
      expect(await codeOf(ofTopic('kept', ['cleanup.policy', APPEND, null]))).toBe(42);
      expect(await codeOf(ofTopic('kept', ['retention.ms', 9, '1']))).toBe(42);
      expect(await codeOf(ofTopic('kept', ['retention.ms', SET, '1'], ['retention.ms', DELETE]))).toBe(42);
      const twice = await alter([
        ofTopic('kept', ['retention.ms', SET, '1']),
        ofTopic('kept', ['retention.ms', SET, '2']),
      ]);
      expect(twice.map(({ errorCode }) => errorCode)).toEqual([42, 42]);
      expect(await codeOf(ofTopic('kept'))).toBe(0);
      expect(await alter([])).toEqual([]);
      expect(await configsOf('kept')).toEqual({ 'retention.ms': '1000' });
    });

    it('only checks when it is asked to', async () => {
      await createTopic(connection, 'checked');
      const good = ofTopic('checked', ['retention.ms', SET, '1']);
      const bad = ofTopic('checked', ['retention.ms', SET, 'x']);
      expect(await alter([good], { validateOnly: true })).toMatchObject([{ errorCode: 0 }]);
      expect(await alter([bad], { validateOnly: true })).toMatchObject([{ errorCode: 40 }]);
      expect(await configsOf('checked')).toEqual({});
    });

    it('refuses to change what a broker was started with, and other resources', async () => {
      const [answer] = await alter([ofBroker('5', ['log.retention.ms', SET, '1'])]);
      expect(answer).toMatchObject({
        errorCode: 42,
        errorMessage: expect.stringContaining('log.retention.ms'),
      });
      expect(await codeOf(ofBroker('', ['log.retention.ms', SET, '1']))).toBe(42);
      expect(await codeOf(ofBroker('7', ['log.retention.ms', SET, '1']))).toBe(42);
      expect(await codeOf(ofBroker('5'))).toBe(0);
      expect(await codeOf({ ...ofTopic('g', ['a', SET, '1']), resourceType: 32 })).toBe(42);
    });
  });

  describe('AlterConfigs', () => {
    it('replaces all that is set, in every version', async () => {
      expect(versionsOf(alterConfigs)).toEqual([0, 1, 2]);
      for (const version of versionsOf(alterConfigs)) {
        const { name } = await createTopic(connection, `all-${version}`, 1, { 'flush.ms': '5' });
        expect(await replace(name, { 'retention.ms': '99' }, version)).toEqual({
          ...{ errorCode: 0, errorMessage: null, resourceType: TOPIC, resourceName: name },
        });
        expect(await configsOf(name)).toEqual({ 'retention.ms': '99' });
        await replace(name, {}, version);
        expect(await configsOf(name)).toEqual({});
      }
    });

    it('changes nothing where something is wrong', async () => {
      await createTopic(connection, 'all-kept', 1, { 'flush.ms': '5' });
      expect(await replace('all-kept', { 'retention.ms': null })).toMatchObject({ errorCode: 42 });
      expect(await replace('all-kept', { zzz: '1' })).toMatchObject({ errorCode: 40 });
      expect(await replace('nothing', { 'retention.ms': '1' })).toMatchObject({ errorCode: 3 });
      expect(await configsOf('all-kept')).toEqual({ 'flush.ms': '5' });
    });
  });
});
