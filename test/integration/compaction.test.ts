// Compacted topics in a whole broker, and what clients of all kinds make of the holes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { Client, OdradekError } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { run } from '../cli/executable.js';

const PATIENTLY = { interval: 20, timeout: 30_000 };
const KEYS = 20;
const RECORDS = 3000;
const COMPACTED = {
  'cleanup.policy': 'compact',
  'segment.bytes': 4000,
  'min.cleanable.dirty.ratio': 0.01,
  'file.delete.delay.ms': 0,
};

interface Read {
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

const keyAt = (offset: number): string => `key ${offset % KEYS}`;

describe('Compaction', () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'odradek-compaction-'));
  let broker: TestBroker;
  let client: Client;

  const start = async (): Promise<void> => {
    const config = { 'log.cleaner.backoff.ms': 20, 'log.retention.check.interval.ms': 50 };
    broker = await startBroker({ dataDirectory, workers: 2, config });
    client = new Client({ brokers: [broker.native] });
  };

  beforeAll(start);

  afterAll(async () => {
    await client.close();
    await broker.close();
    rmSync(dataDirectory, { recursive: true, force: true });
  });

  const create = (name: string, configs: Readonly<Record<string, string | number>> = {}) =>
    client.admin().createTopic({ name, partitions: 1, configs: { ...COMPACTED, ...configs } });

  async function produce(topic: string, from: number, to: number): Promise<void> {
    const producer = client.producer({ lingerMs: 0 });
    for (let offset = from; offset < to; offset += 25) {
      const messages = Array.from({ length: Math.min(25, to - offset) }, (_, i) => ({
        key: keyAt(offset + i),
        value: `${offset + i}`,
      }));
      await producer.send({ topic, messages });
    }
    await producer.close();
  }

  /** What a reader gets that begins at an offset and ends at the end; offsets must ascend, and be those of their values. */
  async function readFrom(topic: string, offset: number): Promise<Read[]> {
    const read: Read[] = [];
    for await (const message of client.consumer({ topic, from: { offset }, until: 'end' })) {
      expect(message.offset).toBeGreaterThan(read.at(-1)?.offset ?? offset - 1);
      read.push({ offset: message.offset, key: String(message.key), value: String(message.value) });
      expect(String(message.value)).toBe(`${message.offset}`);
      expect(String(message.key)).toBe(keyAt(message.offset));
    }
    return read;
  }

  /** The newest offset of each key. */
  const newest = (read: readonly Read[]) => new Map(read.map(({ key, offset }) => [key, offset]));
  const EXPECTED = new Map(
    Array.from({ length: KEYS }, (_, i) => [keyAt(RECORDS - KEYS + i), RECORDS - KEYS + i]),
  );

  it('leaves the newest record of each key, and readers that are in the midst of it unhurt', async () => {
    await create('prices');
    const producing = produce('prices', 0, RECORDS);
    let isProducing = true;
    const read = async () => {
      while (isProducing) await readFrom('prices', 0);
    };
    const over = producing.finally(() => {
      isProducing = false;
    });
    await Promise.all([over, read(), read()]);
    await vi.waitUntil(async () => (await readFrom('prices', 0)).length < RECORDS / 4, PATIENTLY);
    const left = await readFrom('prices', 0);
    expect(newest(left)).toEqual(EXPECTED);
    const [partition] = (await client.admin().describeTopic('prices')).partitions;
    expect(partition).toMatchObject({ logStartOffset: 0, logEndOffset: RECORDS });
  });

  it('gives who asks for an offset that is gone the next one', async () => {
    const left = await readFrom('prices', 0);
    const there = new Set(left.map(({ offset }) => offset));
    const gone = left.flatMap(({ offset }) => (there.has(offset + 1) ? [] : [offset + 1])).slice(0, 5);
    expect(gone.length).toBeGreaterThan(0);
    for (const offset of gone) {
      const next = left.find((one) => one.offset > offset)?.offset;
      expect((await readFrom('prices', offset))[0]?.offset).toBe(next);
    }
  });

  it('is no trouble for kafkajs, nor for the command line', async () => {
    const kafka = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING });
    const consumer = kafka.consumer({ groupId: 'readers', maxWaitTimeInMs: 50 });
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await Promise.all([consumer.connect(), producer.connect()]);
    const read: Read[] = [];
    await consumer.subscribe({ topic: 'prices', fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message: { offset, key, value } }) => {
        read.push({ offset: Number(offset), key: String(key), value: String(value) });
      },
    });
    await vi.waitUntil(() => read.at(-1)?.offset === RECORDS - 1, PATIENTLY);
    expect(newest(read)).toEqual(EXPECTED);
    expect(read.map(({ offset }) => offset)).toEqual(
      [...read].sort((a, b) => a.offset - b.offset).map(({ offset }) => offset),
    );
    const more = { topic: 'prices', messages: [{ key: keyAt(RECORDS), value: `${RECORDS}` }] };
    await producer.send(more);
    await vi.waitUntil(() => read.at(-1)?.offset === RECORDS, PATIENTLY);
    const keyless = producer.send({ topic: 'prices', messages: [{ value: 'no key' }] });
    await expect(keyless).rejects.toMatchObject({ type: 'INVALID_RECORD' });
    await consumer.disconnect();
    await producer.disconnect();

    const { code, out } = await run(['consume', 'prices', '--brokers', broker.native, '--format', 'value']);
    expect(code).toBe(0);
    expect(out.trimEnd().split('\n').at(-1)).toBe(`${RECORDS}`);
    // What a group has still to read is told in offsets, of which some are gone.
    const group = await run(['group', 'describe', 'readers', '--brokers', broker.native, '--json']);
    expect(JSON.parse(group.out)).toMatchObject({
      partitions: [{ topic: 'prices', partition: 0, committedOffset: RECORDS + 1, lag: 0 }],
    });
  });

  it('refuses records without a key, compressed ones too', async () => {
    await create('keyed');
    for (const compression of ['none', 'gzip', 'lz4'] as const) {
      const producer = client.producer({ compression });
      const sent = producer.send({
        topic: 'keyed',
        messages: [{ key: 'a', value: 'x' }, { value: 'no key' }],
      });
      await expect(sent).rejects.toBeInstanceOf(OdradekError);
      await expect(sent).rejects.toMatchObject({
        errorName: 'INVALID_RECORD',
        message: expect.stringContaining('every record needs a key'),
      });
      await producer.close();
    }
    expect(await readFrom('keyed', 0)).toEqual([]);
  });

  it('lets readers come to an end where all that is left is gone', async () => {
    await create('emptied', { 'cleanup.policy': 'delete' });
    const producer = client.producer({ lingerMs: 0 });
    const messages = Array.from({ length: 100 }, () => ({ value: 'no key' }));
    for (let i = 0; i < 5; i++) await producer.send({ topic: 'emptied', messages });
    const following = client.consumer({ topic: 'emptied', from: { offset: 3 } });
    const readAll = async (): Promise<number> => {
      let count = 0;
      for await (const _ of client.consumer({ topic: 'emptied', until: 'end' })) count++;
      return count;
    };
    expect(await readAll()).toBe(500);
    const set = { 'cleanup.policy': 'compact', 'max.compaction.lag.ms': 200 };
    await client.admin().alterTopic('emptied', { set });
    await vi.waitUntil(async () => (await readAll()) === 0, PATIENTLY);
    const [partition] = (await client.admin().describeTopic('emptied')).partitions;
    expect(partition).toMatchObject({ logStartOffset: 0, logEndOffset: 500 });
    const { code, out } = await run(['consume', 'emptied', '--brokers', broker.native]);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    // Who is behind gets what comes next.
    const next = (async () => {
      for await (const { offset, value } of following) if (offset >= 500) return String(value);
      return null;
    })();
    await producer.send({ topic: 'emptied', key: 'a', value: 'new' });
    expect(await next).toBe('new');
    await producer.close();
  });

  it('goes on where it was after a restart, and is switched on and off while a topic is in use', async () => {
    await client.close();
    await broker.close();
    await start();
    const before = await readFrom('prices', 0);
    expect(before.at(-1)?.offset).toBe(RECORDS);
    const admin = client.admin();
    await admin.alterTopic('prices', { set: { 'cleanup.policy': 'delete' } });
    const producer = client.producer();
    await producer.send({ topic: 'prices', value: 'no key' });
    await producer.close();
    await admin.alterTopic('prices', { append: { 'cleanup.policy': ['compact'] } });
    const { configs } = await admin.describeTopic('prices');
    expect(configs.find(({ name }) => name === 'cleanup.policy')?.value).toBe('delete,compact');
    await admin.alterTopic('prices', { set: { 'retention.ms': 1 } });
    // With both policies what is left goes by age.
    await vi.waitUntil(async () => {
      const [partition] = (await admin.describeTopic('prices')).partitions;
      return partition?.logStartOffset === partition?.logEndOffset;
    }, PATIENTLY);
  });
});
