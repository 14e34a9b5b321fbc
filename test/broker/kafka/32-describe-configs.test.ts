import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BROKER_PROPERTIES } from '../../../src/config/broker-properties.js';
import { TOPIC_PROPERTIES } from '../../../src/config/topic-properties.js';
import {
  type DescribeConfigsRequest,
  describeConfigs,
} from '../../../src/protocol/kafka/messages/32-describe-configs.js';
import { KafkaConnection } from './kafka-connection.js';
import { createTopic, versionsOf } from './kafka-scene.js';

const TOPIC = 2;
const BROKER = 4;
const LATEST = describeConfigs.request.versions.last;

describe('DescribeConfigs', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;

  beforeAll(async () => {
    const config = { 'node.id': 5, 'num.partitions': 3, 'log.retention.ms': 12_345_000 };
    broker = await startBroker({ workers: 1, config });
    connection = await KafkaConnection.open(broker.kafka);
    await createTopic(connection, 'orders', 1, {
      'retention.bytes': '777',
      'cleanup.policy': 'delete',
    });
  });

  afterAll(async () => {
    await connection.close();
    await broker.close();
  });

  type Resource = readonly [type: number, name: string, keys?: readonly string[] | null];

  async function ask(
    resources: readonly Resource[],
    { version = LATEST, ...options }: Partial<DescribeConfigsRequest> & { readonly version?: number } = {},
  ) {
    const { results } = await connection.ask(describeConfigs, version, {
      ...options,
      resources: resources.map(([resourceType, resourceName, keys = null]) => ({
        ...{ resourceType, resourceName, configurationKeys: keys },
      })),
    });
    return results;
  }

  it('describes all settings of a topic, in every version', async () => {
    expect(versionsOf(describeConfigs)).toEqual([1, 2, 3, 4]);
    const names = Object.values(TOPIC_PROPERTIES).map(({ name }) => name);
    for (const version of versionsOf(describeConfigs)) {
      const [result] = await ask([[TOPIC, 'orders']], { version });
      expect(result).toMatchObject({
        errorCode: 0,
        errorMessage: null,
        resourceType: 2,
        resourceName: 'orders',
      });
      const configs = new Map(result?.configs.map((config) => [config.name, config]));
      expect([...configs.keys()].sort(), `v${version}`).toEqual([...names].sort());
      const common = {
        readOnly: false,
        isSensitive: false,
        synonyms: [],
        documentation: version >= 3 ? null : '',
      };
      const type = (number: number) => (version >= 3 ? number : 0);
      expect(configs.get('retention.bytes')).toEqual({
        ...{ ...common, name: 'retention.bytes', value: '777', configSource: 1, configType: type(5) },
      });
      expect(configs.get('cleanup.policy')).toEqual({
        ...{
          ...common,
          name: 'cleanup.policy',
          value: 'delete',
          configSource: 1,
          configType: type(7),
        },
      });
      expect(configs.get('retention.ms')).toMatchObject({ value: '12345000', configSource: 4 });
      expect(configs.get('max.message.bytes')).toMatchObject({ configSource: 5, configType: type(3) });
    }
  });

  it('adds where values come from and what they mean, if asked to', async () => {
    for (const version of versionsOf(describeConfigs)) {
      const options = { version, includeSynonyms: true, includeDocumentation: true };
      const [result] = await ask([[TOPIC, 'orders', ['retention.bytes']]], options);
      expect(result?.configs).toHaveLength(1);
      const [config] = result?.configs ?? [];
      expect(config?.synonyms).toEqual([{ name: 'retention.bytes', value: '777', source: 1 }]);
      if (version >= 3) expect(config?.documentation).toMatch(/\w+ \w+/);
      else expect(config?.documentation).toBe('');
    }
  });

  it('describes those settings that are named', async () => {
    const all = Object.keys(TOPIC_PROPERTIES).length;
    const count = async (keys: readonly string[] | null) =>
      (await ask([[TOPIC, 'orders', keys]]))[0]?.configs.length;
    expect(await count(null)).toBe(all);
    expect(await count([])).toBe(all);
    expect(await count(['retention.ms', 'retention.ms', 'unheard.of', '__proto__', ''])).toBe(1);
    expect(await count(['unheard.of'])).toBe(0);
  });

  it('describes the broker', async () => {
    const [result] = await ask([[BROKER, '5']]);
    expect(result).toMatchObject({ errorCode: 0, resourceType: BROKER, resourceName: '5' });
    const configs = new Map(result?.configs.map((config) => [config.name, config]));
    expect(configs.size).toBe(Object.keys(BROKER_PROPERTIES).length + Object.keys(TOPIC_PROPERTIES).length);
    expect(configs.get('num.partitions')).toMatchObject({ value: '3', configSource: 4, readOnly: true });
    expect(configs.get('log.retention.ms')).toMatchObject({ value: '12345000', configSource: 4 });
    expect(configs.get('auto.create.topics.enable')).toMatchObject({
      ...{ value: 'true', configSource: 5, configType: 1 },
    });
    // What is set for all brokers while they run: nothing.
    expect(await ask([[BROKER, '']])).toMatchObject([{ errorCode: 0, configs: [] }]);
  });

  it('names what it does not know', async () => {
    const long = 'x'.repeat(32_767);
    for (const version of versionsOf(describeConfigs)) {
      const resources: readonly Resource[] = [
        [TOPIC, 'unheard-of'],
        [TOPIC, ''],
        [TOPIC, long],
        [BROKER, '6'],
        [BROKER, 'five'],
        [BROKER, long],
        [0, 'x'],
        [8, '5'],
        [-128, ''],
        [TOPIC, 'orders'],
      ];
      const results = await ask(resources, { version });
      const seen = results.map(({ errorCode, resourceType, resourceName }) => [
        errorCode,
        resourceType,
        resourceName,
      ]);
      const codes = [3, 3, 3, 42, 42, 42, 42, 42, 42, 0];
      expect(seen).toEqual(resources.map(([type, name], index) => [codes[index], type, name]));
      for (const { errorCode, errorMessage, configs } of results) {
        if (errorCode === 0) continue;
        expect(errorMessage?.length).toBeGreaterThan(5);
        expect(configs).toEqual([]);
      }
    }
  });

  it('answers once what is asked for twice, and so many at a time', async () => {
    expect(
      await ask([
        [TOPIC, 'orders'],
        [BROKER, '5'],
        [TOPIC, 'orders'],
        [TOPIC, 'orders'],
      ]),
    ).toHaveLength(2);
    const results = await ask(Array.from({ length: 2010 }, (_, index) => [TOPIC, `t${index}`] as const));
    const codes = results.map(({ errorCode }) => errorCode);
    expect(codes).toEqual([...new Array(2000).fill(3), ...new Array(10).fill(44)]);
  });
});
