// A producer whose broker dies under it, again and again: each message is appended once, in the order of the calls.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, type Producer } from 'odradek';
import { startBroker } from 'odradek/testing';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BrokerProcess } from '../chaos/broker-process.js';
import { NativeConnection } from '../chaos/native-connection.js';

const TOPIC = 'once';
const PARTITIONS = 4;
const MESSAGES = 3600;
const KILLS = 2;
/** Segments are small, so that there are snapshots of producers to start from. */
const SETTINGS = { 'log.segment.bytes': 64 * 1024 };

const createTopic = (client: Client) => client.admin().createTopic({ name: TOPIC, partitions: PARTITIONS });

/** Sends numbered messages to all partitions, and calls `kill` now and then; resolves when all are acknowledged. */
async function sendAll(producer: Producer, kill: () => void): Promise<void> {
  let acknowledged = 0;
  const sends: Promise<void>[] = [];
  for (let i = 0; i < MESSAGES; i++) {
    await producer.ready();
    const partition = i % PARTITIONS;
    const value = String(Math.floor(i / PARTITIONS)).padEnd(60);
    sends.push(
      producer.send({ topic: TOPIC, partition, value }).then(() => {
        acknowledged++;
        if (acknowledged % (MESSAGES / (KILLS + 1)) === 0 && acknowledged < MESSAGES) kill();
      }),
    );
  }
  await Promise.all(sends);
}

/** The numbers in each partition, in order. */
async function readAll(client: Client): Promise<number[][]> {
  const numbers: number[][] = Array.from({ length: PARTITIONS }, () => []);
  for await (const { partition, value } of client.consumer({
    topic: TOPIC,
    from: 'earliest',
    until: 'end',
  })) {
    numbers[partition]?.push(Number(value));
  }
  return numbers;
}

const inOrder = Array.from({ length: MESSAGES / PARTITIONS }, (_, i) => i);
const once = Array.from({ length: PARTITIONS }, () => inOrder);
/** Many small batches, several of them under way. */
const HASTY = { lingerMs: 0, batchBytes: 2000, bufferBytesMax: 256 * 1024 };

describe('An idempotent producer', () => {
  it('appends each message once, whatever becomes of the partition workers', async () => {
    await using broker = await startBroker({ workers: 2, config: SETTINGS });
    await using client = new Client({ brokers: [broker.native] });
    await createTopic(client);
    let kills = 0;
    const killed: Promise<void>[] = [];
    await sendAll(client.producer(HASTY), () => killed.push(broker.killPartitionWorker(kills++ % 2)));
    await Promise.all(killed);
    expect(kills).toBe(KILLS);
    expect(await readAll(client)).toEqual(once);
  });

  it('appends each message once, also over kill -9 of the broker, whose producer ids are never given again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'odradek-once-'));
    const options = { dataDirectory: join(folder, 'data'), settings: SETTINGS };
    let broker = await BrokerProcess.start(options);
    const { native } = broker;
    const client = new Client({ brokers: [native] });
    const producerIds: number[] = [];
    try {
      await createTopic(client);
      let restarting: Promise<void> = Promise.resolve();
      const restart = async () => {
        await broker.kill();
        broker = await BrokerProcess.start({ ...options, native });
        const connection = await NativeConnection.open(native);
        const { body } = await connection.must({ type: 'initProducerId', current: null });
        producerIds.push(body.producer.producerId);
        await connection.close();
      };
      await sendAll(client.producer(HASTY), () => {
        restarting = restarting.then(restart);
      });
      await restarting;
      expect(new Set(producerIds).size).toBe(KILLS);
      expect(await readAll(client)).toEqual(once);
    } finally {
      await client.close({ timeoutMs: 0 });
      await broker.kill();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('goes on where it was after a clean stop', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'odradek-once-'));
    try {
      const batches = Array.from({ length: 7 }, (_, sequence) => sequence);
      const first = await startBroker({ dataDirectory: folder, config: SETTINGS });
      const before = await NativeConnection.open(first.native);
      const settings = { partitions: 1, replicationFactor: 1, configs: [], validateOnly: false };
      await before.must({ type: 'createTopic', name: TOPIC, ...settings });
      const { producer } = (await before.must({ type: 'initProducerId', current: null })).body;
      const send = async (connection: NativeConnection, baseSequence: number) => {
        const [result] = await connection.produce([
          { topic: TOPIC, partition: 0, batch: numbered(producer, baseSequence) },
        ]);
        return result?.error?.error ?? result?.baseOffset;
      };
      for (const sequence of batches) expect(await send(before, sequence)).toBe(sequence);
      await before.close();
      await first.close();
      const second = await startBroker({ dataDirectory: folder, config: SETTINGS });
      const after = await NativeConnection.open(second.native);
      const again: unknown[] = [];
      for (const sequence of batches) again.push(await send(after, sequence));
      expect(again).toEqual([...Array(2).fill('OUT_OF_ORDER_SEQUENCE_NUMBER'), 2, 3, 4, 5, 6]);
      expect([await send(after, 7), await send(after, 9)]).toEqual([7, 'OUT_OF_ORDER_SEQUENCE_NUMBER']);
      const { body } = await after.must({ type: 'initProducerId', current: producer });
      expect(body.producer).toEqual({ ...producer, producerEpoch: 1 });
      await after.close();
      await second.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

function numbered(producer: { producerId: number; producerEpoch: number }, baseSequence: number): Buffer {
  const builder = new BatchBuilder();
  builder.add({ timestampMs: Date.now(), key: null, value: Buffer.from('once'), headers: [] });
  return builder.build({ ...producer, baseSequence });
}
