// Consumers that read much: what the kernel passes from files to sockets, and what is read and written where it cannot.
import { createHash } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { Client } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadLibc } from '../../src/io/libc.js';

const PARTITIONS = 3;
const MESSAGES = 120;
const VALUE_BYTES = 100_000;

const canSend = (await loadLibc()) !== null;
const valueAt = (index: number): Buffer =>
  Buffer.alloc(VALUE_BYTES, createHash('sha512').update(`${index}`).digest());
const hashOf = (value: Buffer): string => createHash('sha1').update(value).digest('hex');

describe('A consumer of much', () => {
  let broker: TestBroker;
  let client: Client;

  beforeAll(async () => {
    broker = await startBroker({ workers: 1, config: { 'log.segment.bytes': 2_500_000 } });
    client = new Client({ brokers: [broker.native] });
    await client.admin().createTopic({ name: 'much', partitions: PARTITIONS });
    const producer = client.producer({ lingerMs: 0 });
    for (let index = 0; index < MESSAGES; index++)
      await producer.send({
        topic: 'much',
        messages: [{ partition: index % PARTITIONS, key: `${index}`, value: valueAt(index) }],
      });
    await producer.close();
  });

  afterAll(async () => {
    await client.close();
    await broker.close();
  });

  /** How many reads were spared. */
  async function sentReads(): Promise<number> {
    const page = await (await fetch(`http://${broker.http}/metrics`)).text();
    return Number(/^odradek_fetch_reads_total\{temperature="sent"\} (\d+)$/m.exec(page)?.[1]);
  }

  it('gets from Kafka’s door every byte as it was written, over the ends of segments', {
    timeout: 60_000,
  }, async () => {
    const kafka = new Kafka({ brokers: [broker.kafka], logLevel: logLevel.NOTHING });
    const consumer = kafka.consumer({ groupId: 'all', maxWaitTimeInMs: 100 });
    const seen = new Map<number, string>();
    await consumer.connect();
    await consumer.subscribe({ topic: 'much', fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const eachMessage = async ({ message }: { message: { key: Buffer | null; value: Buffer | null } }) => {
        const index = Number(message.key?.toString());
        if (seen.has(index)) reject(new Error(`${index} came twice`));
        seen.set(index, hashOf(message.value ?? Buffer.alloc(0)));
        if (seen.size === MESSAGES) resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
    await consumer.disconnect();
    for (let index = 0; index < MESSAGES; index++) expect(seen.get(index)).toBe(hashOf(valueAt(index)));
  });

  it.skipIf(!canSend)('was sent files', async () => {
    // The page is made anew once a second at most.
    await vi.waitUntil(async () => (await sentReads()) > 0, { timeout: 5000, interval: 200 });
  });
});
