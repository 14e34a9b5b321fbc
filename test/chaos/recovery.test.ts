// A broker with many logs that is killed: what clients ask for is served while the rest recovers, a stop in the midst of it ends
// soon, and the next start recovers what is left.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BrokerProcess } from './broker-process.js';
import { NativeConnection } from './native-connection.js';

const PARTITIONS = 120;
const TOPIC = 'many';
const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);

function batchFor(partition: number): Buffer {
  const builder = new BatchBuilder();
  const value = Buffer.alloc(2000, partition);
  for (let count = 0; count < 5; count++) builder.add({ timestampMs: 1, key: null, value, headers: [] });
  return builder.build();
}

/** Appends a batch to each of the partitions; returns their offsets. */
async function append(broker: BrokerProcess, partitions: readonly number[]): Promise<number[]> {
  const connection = await NativeConnection.open(broker.native);
  const results = await connection.produce(
    partitions.map((partition) => ({ topic: TOPIC, partition, batch: batchFor(partition) })),
  );
  await connection.close();
  return results.map(({ error, baseOffset }) => {
    expect(error).toBeNull();
    return baseOffset;
  });
}

const recovered = (broker: BrokerProcess) =>
  vi.waitUntil(() => broker.lines('logs recovered')[0], { timeout: 30_000 });

describe('A broker with many logs that was killed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-recovery-'));
  let broker: BrokerProcess;

  beforeAll(async () => {
    broker = await BrokerProcess.start({ dataDirectory: folder });
    const connection = await NativeConnection.open(broker.native);
    const settings = { partitions: PARTITIONS, replicationFactor: 1, configs: [], validateOnly: false };
    await connection.must({ type: 'createTopic', name: TOPIC, ...settings });
    await connection.close();
    await append(broker, all);
    await broker.kill();
  }, 60_000);

  afterAll(async () => {
    await broker.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('stops when it is told to, though logs are not recovered, and does not take that for a clean stop', async () => {
    broker = await BrokerProcess.start({
      dataDirectory: folder,
      onLine: ({ msg }, starting) => {
        if (msg === 'broker ready') starting.signal('SIGTERM');
      },
    });
    expect((await broker.exited).signal).toBeNull();
    expect(broker.lines('logs recovered')).toEqual([]);
  });

  it('recovers them all with the next start, the one that a client asks for among them', async () => {
    broker = await BrokerProcess.start({ dataDirectory: folder });
    expect(await append(broker, [PARTITIONS - 1])).toEqual([5]);
    expect(await recovered(broker)).toMatchObject({ logs: PARTITIONS });
    expect(await append(broker, all)).toEqual(
      all.map((partition) => (partition === PARTITIONS - 1 ? 10 : 5)),
    );
    const health = await fetch(`http://${broker.http}/health/ready`);
    expect(health.status).toBe(200);
    await broker.stop();
  });

  it('has nothing to recover after that', async () => {
    broker = await BrokerProcess.start({ dataDirectory: folder });
    expect(await append(broker, all)).toEqual(
      all.map((partition) => (partition === PARTITIONS - 1 ? 15 : 10)),
    );
    expect(broker.lines('logs recovered')).toEqual([]);
    await broker.stop();
  });
});
