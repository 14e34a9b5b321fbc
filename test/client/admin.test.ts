import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let broker: TestBroker;
let client: Client;
let topics = 0;

beforeAll(async () => {
  broker = await startBroker({ workers: 2, config: { 'log.retention.ms': 5_000_000 } });
  client = new Client({ brokers: [broker.native], clientId: 'admin-test' });
});

afterAll(async () => {
  await client.close();
  await broker.close();
});

async function newTopic(partitions = 1, configs: Record<string, string | number> = {}): Promise<string> {
  const name = `topic-${topics++}`;
  await client.admin().createTopic({ name, partitions, configs });
  return name;
}

async function send(topic: string, partition: number, values: readonly string[]): Promise<void> {
  await client.producer().send({ topic, messages: values.map((value) => ({ partition, value })) });
}

async function valuesOf(topic: string): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of client.consumer({ topic, until: 'end' })) values.push(String(value));
  return values;
}

/** What is set for the topic itself. */
async function configsOf(topic: string): Promise<Record<string, string>> {
  const configs = await client.admin().describeConfigs({ topic });
  const set = configs.filter(({ source }) => source === 'TOPIC');
  return Object.fromEntries(set.map(({ name, value }) => [name, value]));
}

describe('Admin', () => {
  it('alters a topic: sets, deletes, changes lists', async () => {
    const admin = client.admin();
    const topic = await newTopic(1, { 'flush.ms': 5 });
    const configs = await admin.alterTopic(topic, {
      set: { 'retention.ms': 1000, 'flush.acks': true },
      delete: ['flush.ms'],
      append: { 'cleanup.policy': ['delete'] },
    });
    expect(configs.find(({ name }) => name === 'retention.ms')).toMatchObject({
      ...{ value: '1000', source: 'TOPIC', readOnly: false },
      documentation: expect.stringContaining('segment'),
    });
    const set = { 'retention.ms': '1000', 'flush.acks': 'true', 'cleanup.policy': 'delete' };
    expect(await configsOf(topic)).toEqual(set);
    const checked = await admin.alterTopic(topic, { delete: ['flush.acks'], validateOnly: true });
    expect(checked.find(({ name }) => name === 'flush.acks')).toMatchObject({
      ...{ value: 'false', source: 'DEFAULT' },
    });
    const wrong = admin.alterTopic(topic, { set: { 'retention.ms': 2000, 'segment.bytes': 'many' } });
    await expect(wrong).rejects.toMatchObject({ code: 'ODR_BROKER', errorName: 'INVALID_CONFIG' });
    expect(await configsOf(topic)).toEqual(set);
    await expect(admin.alterTopic('nothing', {})).rejects.toMatchObject({
      errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  it('adds partitions, which its producers and consumers see', async () => {
    const admin = client.admin();
    const topic = await newTopic(1);
    await send(topic, 0, ['a']);
    const grown = await admin.addPartitions(topic, 3);
    expect(grown.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2]);
    await send(topic, 2, ['b']);
    expect((await valuesOf(topic)).sort()).toEqual(['a', 'b']);
    await expect(admin.addPartitions(topic, 3)).rejects.toMatchObject({ errorName: 'INVALID_PARTITIONS' });
    expect((await admin.addPartitions(topic, 9, { validateOnly: true })).partitions).toHaveLength(9);
    expect((await admin.describeTopic(topic)).partitions).toHaveLength(3);
    await expect(admin.addPartitions(topic, 0)).rejects.toMatchObject({ code: 'ODR_USAGE' });
  });

  it('deletes records before an offset, or all that there are', async () => {
    const admin = client.admin();
    const topic = await newTopic(3);
    for (const partition of [0, 1, 2]) await send(topic, partition, ['a', 'b', 'c']);
    const deleted = await admin.deleteRecords(topic, [
      { partition: 1, before: 'highWatermark' },
      { partition: 0, before: 1 },
    ]);
    expect(deleted).toEqual([
      { partition: 0, logStartOffset: 1 },
      { partition: 1, logStartOffset: 3 },
    ]);
    expect((await admin.listOffsets(topic, 'earliest')).map(({ offset }) => offset)).toEqual([1, 3, 0]);
    expect((await admin.listOffsets(topic, 'latest')).map(({ offset }) => offset)).toEqual([3, 3, 3]);
    expect(await valuesOf(topic)).toHaveLength(5);
    await send(topic, 1, ['d']);
    expect(await valuesOf(topic)).toHaveLength(6);
    const { partitions } = await admin.describeTopic(topic);
    expect(partitions.map(({ logStartOffset }) => logStartOffset)).toEqual([1, 3, 0]);
  });

  it('refuses to delete records that are not there', async () => {
    const admin = client.admin();
    const topic = await newTopic(1);
    await expect(admin.deleteRecords(topic, [{ partition: 0, before: 1 }])).rejects.toMatchObject({
      errorName: 'OFFSET_OUT_OF_RANGE',
    });
    await expect(admin.deleteRecords(topic, [{ partition: 1, before: 0 }])).rejects.toMatchObject({
      code: 'ODR_USAGE',
    });
    await expect(admin.deleteRecords(topic, [{ partition: 0, before: -1 }])).rejects.toMatchObject({
      code: 'ODR_USAGE',
    });
    const twice = [0, 0].map((partition) => ({ partition, before: 0 }));
    await expect(admin.deleteRecords(topic, twice)).rejects.toMatchObject({ code: 'ODR_USAGE' });
    await expect(admin.deleteRecords('nothing', [])).rejects.toMatchObject({
      errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  it('finds offsets by time', async () => {
    const topic = await newTopic(2);
    const producer = client.producer();
    const sent = [1000, 2000, 3000].map((timestampMs) => ({ partition: 0, value: 'x', timestampMs }));
    await producer.send({ topic, messages: sent });
    expect(await client.admin().listOffsets(topic, { timestampMs: 1500 })).toEqual([
      { partition: 0, offset: 1, timestampMs: 2000 },
      { partition: 1, offset: -1, timestampMs: -1 },
    ]);
    expect(await client.admin().listOffsets(topic, 'latest', [0])).toHaveLength(1);
  });

  it('describes the configs of the broker', async () => {
    const configs = await client.admin().describeConfigs('broker');
    const byName = new Map(configs.map((config) => [config.name, config]));
    expect(byName.get('log.retention.ms')).toMatchObject({
      ...{ value: '5000000', source: 'BROKER', readOnly: true },
    });
    expect(byName.get('num.partitions')).toMatchObject({ value: '1', source: 'DEFAULT' });
    expect(configs.every(({ documentation }) => documentation.length > 10)).toBe(true);
    await expect(client.admin().describeConfigs({ topic: 'nothing' })).rejects.toMatchObject({
      errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  it('names the cluster and its brokers', async () => {
    const { clusterId, controllerId, brokers } = await client.admin().cluster();
    expect(clusterId).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect([controllerId, brokers.map(({ id }) => id)]).toEqual([1, [1]]);
    expect(`${brokers[0]?.host}:${brokers[0]?.port}`).toBe(broker.native);
  });

  it('finds all of it again after a restart', async () => {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'odradek-admin-'));
    try {
      const first = await startBroker({ workers: 1, dataDirectory });
      const before = new Client({ brokers: [first.native] });
      const admin = before.admin();
      const producer = before.producer();
      await admin.createTopic({ name: 'kept', partitions: 1, configs: { 'segment.bytes': 2000 } });
      for (let i = 0; i < 20; i++) {
        await producer.send({ topic: 'kept', messages: [{ partition: 0, value: 'x'.repeat(500) }] });
      }
      await admin.alterTopic('kept', { set: { 'retention.ms': 123_456_789 } });
      await admin.addPartitions('kept', 2);
      await admin.deleteRecords('kept', [{ partition: 0, before: 13 }]);
      const { partitions } = await admin.describeTopic('kept');
      // Whole segments are gone: three batches fit into each.
      expect(partitions[0]?.sizeBytes).toBeLessThan(10 * 600);
      await before.close();
      await first.close();

      await using second = await startBroker({ workers: 1, dataDirectory });
      await using after = new Client({ brokers: [second.native] });
      const again = await after.admin().describeTopic('kept');
      expect(
        again.partitions.map(({ logStartOffset, logEndOffset }) => [logStartOffset, logEndOffset]),
      ).toEqual([
        [13, 20],
        [0, 0],
      ]);
      expect(again.configs.find(({ name }) => name === 'retention.ms')?.value).toBe('123456789');
    } finally {
      await rm(dataDirectory, { recursive: true, force: true });
    }
  });
});
