import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBatch } from '../../../bench/load/batch.js';
import { clientConsume, clientProduce } from '../../../bench/load/client.js';
import { consume } from '../../../bench/load/consume.js';
import { produce } from '../../../bench/load/produce.js';
import { requests } from '../../../bench/load/requests.js';
import { WireConnection } from '../../../bench/load/wire-connection.js';

describe('load generators', () => {
  let broker: TestBroker;
  let port = 0;
  beforeAll(async () => {
    broker = await startBroker();
    port = Number(broker.native.slice(broker.native.lastIndexOf(':') + 1));
  });
  afterAll(() => broker.close());

  async function createTopic(name: string, partitions: number): Promise<string> {
    const connection = await WireConnection.open(port);
    await connection.ask({
      type: 'createTopic',
      name,
      partitions,
      replicationFactor: 1,
      configs: [],
      validateOnly: false,
    });
    connection.close();
    return name;
  }

  it('consume what they have produced, to the byte', async () => {
    const topic = await createTopic('batches', 2);
    const sizes = {
      port,
      topic,
      partitions: 2,
      batchBytes: 20_000,
      recordBytes: 1024,
      batchesPerPartition: 10,
    };
    const batch = buildBatch(sizes.batchBytes, sizes.recordBytes);
    const moved = { bytes: 20 * batch.bytes.length, records: 20 * batch.records };
    expect(await produce({ type: 'produce', ...sizes, window: 3 })).toMatchObject(moved);
    expect(await consume({ type: 'consume', ...sizes, fetchBytes: 50_000 })).toMatchObject(moved);
  });

  it('notice that the topic was not empty', async () => {
    const topic = await createTopic('twice', 1);
    const job = {
      type: 'produce',
      port,
      topic,
      partitions: 1,
      batchBytes: 1000,
      recordBytes: 100,
      batchesPerPartition: 2,
      window: 1,
    } as const;
    await produce(job);
    await expect(produce(job)).rejects.toThrow(/got offset \d+, expected 0/);
  });

  it('notice what the broker refuses', async () => {
    const job = {
      type: 'produce',
      port,
      topic: 'none',
      partitions: 1,
      batchBytes: 1000,
      recordBytes: 100,
      batchesPerPartition: 2,
      window: 1,
    } as const;
    await expect(produce(job)).rejects.toThrow('UNKNOWN_TOPIC_OR_PARTITION');
  });

  it('send one-record requests over all connections until they are enough', async () => {
    const topic = await createTopic('records', 3);
    const job = {
      type: 'requests',
      port,
      topic,
      partitions: 3,
      recordBytes: 100,
      connections: 5,
      requests: 40,
      pump: false,
    } as const;
    const result = await requests(job);
    expect(result.records).toBe(40);
    expect(result.latency?.p99Ms).toBeGreaterThanOrEqual(result.latency?.p50Ms ?? Number.NaN);
  });

  it.each([false, true])('read with the client library what it has sent, in batches: %s', async (batches) => {
    const topic = await createTopic(`messages-${batches}`, 2);
    const job = { port, topic, partitions: 2, recordBytes: 100, records: 1500, batches };
    const moved = { bytes: 150_000, records: 1500 };
    expect(await clientProduce({ type: 'client-produce', ...job })).toMatchObject(moved);
    expect(await clientConsume({ type: 'client-consume', ...job })).toMatchObject(moved);
    await expect(clientConsume({ type: 'client-consume', ...job, records: 1501 })).rejects.toThrow(
      '1501 were there',
    );
  });
});
