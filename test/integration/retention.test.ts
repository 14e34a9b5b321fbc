// Segments that are deleted under their readers.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BatchReader } from '../../src/record/batch-reader.js';
import { NativeConnection } from '../chaos/native-connection.js';

const SEGMENT_BYTES = 4000;
const RETENTION_BYTES = 5 * SEGMENT_BYTES;
const RECORDS = 3000;

/** For `vi.waitUntil`, whose standard is a second: too little on a busy machine. */
const PATIENTLY = { interval: 5, timeout: 30_000 };

const valueAt = (offset: number): string => `${offset}/`.padEnd(100, 'x');

describe('Retention', () => {
  let broker: TestBroker;
  let client: Client;

  beforeAll(async () => {
    broker = await startBroker({ workers: 2, config: { 'log.retention.check.interval.ms': 5 } });
    client = new Client({ brokers: [broker.native] });
  });

  afterAll(async () => {
    await client.close();
    await broker.close();
  });

  const create = (name: string, configs: Record<string, number>) =>
    client.admin().createTopic({
      ...{ name, partitions: 1 },
      configs: { 'segment.bytes': SEGMENT_BYTES, 'file.delete.delay.ms': 0, ...configs },
    });
  const rangeOf = async (topic: string) => {
    const [partition] = (await client.admin().describeTopic(topic)).partitions;
    if (!partition) throw new Error(`${topic} has no partition`);
    return partition;
  };
  const filesOf = (topic: string) => readdirSync(join(broker.dataDirectory, `${topic}-0`));

  async function produce(topic: string, count: number): Promise<void> {
    const producer = client.producer({ lingerMs: 0, batchBytes: 600 });
    for (let offset = 0; offset < count; offset += 20) {
      const messages = Array.from({ length: Math.min(20, count - offset) }, (_, i) => ({
        value: valueAt(offset + i),
      }));
      await producer.send({ topic, messages });
    }
    await producer.close();
  }

  it('by size leaves readers unhurt', async () => {
    await create('by-size', { 'retention.bytes': RETENTION_BYTES });
    const producing = produce('by-size', RECORDS);

    // One that stays behind: it goes on only when the segment that it is in was deleted.
    let isProducing = true;
    void producing.finally(() => {
      isProducing = false;
    });
    const slow = async () => {
      const connection = await NativeConnection.open(broker.native);
      let offset = 0;
      let overtaken = 0;
      while (offset < RECORDS) {
        const partitions = [{ topic: 'by-size', partition: 0, offset, maxBytes: 700 }];
        const fetch = { type: 'fetch', minBytes: 1, maxWaitMs: 1000, maxBytes: 700, partitions } as const;
        const { body, payload } = await connection.must(fetch);
        const [result] = body.partitions;
        if (result?.error) {
          expect(result.error.error).toBe('OFFSET_OUT_OF_RANGE');
          expect(result.logStartOffset).toBeGreaterThan(offset);
          offset = result.logStartOffset;
          overtaken++;
        }
        for (const batch of new BatchReader(payload)) {
          for (const record of batch.records()) {
            expect(String(record.value)).toBe(valueAt(record.offset));
            offset = record.offset + 1;
          }
        }
        const isOvertaken = async () =>
          (overtaken > 0 && !isProducing) || (await rangeOf('by-size')).logStartOffset > offset;
        await vi.waitUntil(isOvertaken, PATIENTLY);
      }
      await connection.close();
      return overtaken;
    };
    // And one of the client library that begins again at what is there.
    const following = async () => {
      const consumer = client.consumer({
        topic: 'by-size',
        onOutOfRange: 'earliest',
        maxBytesPerPush: 2000,
      });
      let last = -1;
      for await (const { offset, value } of consumer) {
        expect(String(value)).toBe(valueAt(offset));
        expect(offset).toBeGreaterThan(last);
        last = offset;
        if (offset === RECORDS - 1) return;
      }
    };
    const [overtaken] = await Promise.all([slow(), following(), producing]);
    expect(overtaken).toBeGreaterThan(0);

    await vi.waitUntil(
      async () => (await rangeOf('by-size')).sizeBytes < RETENTION_BYTES + SEGMENT_BYTES,
      PATIENTLY,
    );
    const { logStartOffset, logEndOffset, sizeBytes } = await rangeOf('by-size');
    expect(logEndOffset).toBe(RECORDS);
    expect(logStartOffset).toBeGreaterThan(0);
    expect(sizeBytes).toBeGreaterThanOrEqual(RETENTION_BYTES);
    // The files go one by one, the oldest first.
    const first = `${String(logStartOffset).padStart(20, '0')}.log`;
    const isCleared = (names: string[]) => names.find((name) => name.endsWith('.log')) === first;
    await vi.waitUntil(() => isCleared(filesOf('by-size').sort()), PATIENTLY);
    await vi.waitUntil(() => !filesOf('by-size').some((name) => name.endsWith('.deleted')), PATIENTLY);
  });

  it('by time deletes the last segment too, and offsets go on', async () => {
    await create('by-time', { 'retention.ms': 60_000 });
    const producer = client.producer();
    const longAgoMs = Date.now() - 3_600_000;
    for (let i = 0; i < 3; i++) {
      const messages = Array.from({ length: 50 }, () => ({ value: 'x'.repeat(60), timestampMs: longAgoMs }));
      await producer.send({ topic: 'by-time', messages });
    }
    await vi.waitUntil(async () => (await rangeOf('by-time')).logStartOffset === 150, PATIENTLY);
    await vi.waitUntil(
      () => filesOf('by-time').filter((name) => /\.(log|deleted)$/.test(name)).length === 1,
      PATIENTLY,
    );
    expect(await rangeOf('by-time')).toMatchObject({ logStartOffset: 150, logEndOffset: 150, sizeBytes: 0 });
    expect(await producer.send({ topic: 'by-time', value: 'young' })).toMatchObject({ offset: 150 });
    const read: number[] = [];
    for await (const { offset } of client.consumer({ topic: 'by-time', until: 'end' })) read.push(offset);
    expect(read).toEqual([150]);
  });

  it('is remembered over a restart', async () => {
    const first = await startBroker({
      dataDirectory: join(broker.dataDirectory, 'inner'),
      config: { 'log.retention.check.interval.ms': 5 },
    });
    const firstClient = new Client({ brokers: [first.native] });
    await firstClient.admin().createTopic({ name: 't', partitions: 1, configs: { 'retention.ms': 60_000 } });
    await firstClient.producer().send({ topic: 't', value: 'x', timestampMs: 1000 });
    const start = async (of: Client) => (await of.admin().listOffsets('t', 'earliest'))[0]?.offset;
    await vi.waitUntil(async () => (await start(firstClient)) === 1, PATIENTLY);
    await firstClient.close();
    await first.close();
    const second = await startBroker({ dataDirectory: first.dataDirectory });
    const secondClient = new Client({ brokers: [second.native] });
    expect(await start(secondClient)).toBe(1);
    expect(await secondClient.producer().send({ topic: 't', value: 'y' })).toMatchObject({ offset: 1 });
    await secondClient.close();
    await second.close();
  });
});
