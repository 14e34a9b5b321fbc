// Deaths of partition workers under load. ROUNDS= for more of them.
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { Ledger } from './ledger.js';
import { ProducerLoad, readBack } from './load.js';
import { NativeConnection } from './native-connection.js';
import { chooseSeed, countFromEnvironment } from './seed.js';

const PARTITIONS = 6;
const WORKERS = 2;
const TOPIC = 'load';
/** Within a minute; one more takes the broker down. */
const DEATHS_ALLOWED = 10;

async function createTopic(broker: TestBroker): Promise<void> {
  const connection = await NativeConnection.open(broker.native);
  const settings = { partitions: PARTITIONS, replicationFactor: 1, configs: [], validateOnly: false };
  await connection.must({ type: 'createTopic', name: TOPIC, ...settings });
  await connection.close();
}

/** By partition. A partition's rises when its worker dies. */
async function leaderEpochs(broker: TestBroker): Promise<number[]> {
  const connection = await NativeConnection.open(broker.native);
  const { body } = await connection.must({
    type: 'metadata',
    topics: [TOPIC],
    all: false,
    autoCreate: false,
  });
  await connection.close();
  const partitions = [...(body.topics[0]?.partitions ?? [])].sort((a, b) => a.partition - b.partition);
  return partitions.map(({ leaderEpoch }) => leaderEpoch);
}

describe('A broker whose partition worker dies under load', () => {
  const rounds = Math.min(countFromEnvironment('ROUNDS', 2), WORKERS * DEATHS_ALLOWED);
  const seed = chooseSeed('worker death');
  const ledger = new Ledger(seed, PARTITIONS);
  let broker: TestBroker;

  beforeAll(async () => {
    broker = await startBroker({ workers: WORKERS, config: { 'log.segment.bytes': 48 * 1024 } });
    await createTopic(broker);
  });

  afterAll(() => broker.close());

  for (let round = 1; round <= rounds; round++) {
    it(`loses nothing, serves its partitions again and the others meanwhile, round ${round}`, async () => {
      /** Batches that were sent and acknowledged since the death, by partition. */
      const since = new Map<number, number>();
      let diedMs = 0;
      const onAnswer = (appended: readonly number[], sentMs: number) => {
        if (sentMs < diedMs) return;
        for (const partition of appended) since.set(partition, (since.get(partition) ?? 0) + 1);
      };
      // A connection for each partition: one that waits for its partition holds up nothing else.
      const loads = await Promise.all(
        Array.from({ length: PARTITIONS }, (_, partition) =>
          ProducerLoad.start({
            ...{ address: broker.native, topic: TOPIC, ledger, seed, window: 4, onAnswer },
            partitions: [partition],
          }),
        ),
      );
      await vi.waitUntil(() => since.size === PARTITIONS && broker.partitionWorkers.length === WORKERS, {
        timeout: 30_000,
      });

      const acknowledgedBefore = ledger.acknowledged;
      const epochsBefore = await leaderEpochs(broker);
      await broker.killPartitionWorker(round % WORKERS);
      diedMs = performance.now();
      since.clear();
      await vi.waitUntil(() => since.size === PARTITIONS, { interval: 1, timeout: 30_000 });
      const servedMs = Math.round(performance.now() - diedMs);
      const servedAgain = [...since].map(([partition, batches]) => `${partition}: ${batches}`).join(', ');
      await Promise.all(loads.map((load) => load.stop()));
      const records = await readBack(broker.native, TOPIC, ledger);
      const epochs = await leaderEpochs(broker);
      const isDead = epochs.map((epoch, partition) => epoch !== epochsBefore[partition]);

      console.log(
        [
          `round ${round}: ${ledger.acknowledged - acknowledgedBefore} records acknowledged since the death`,
          `all partitions serve again after ${servedMs} ms`,
          `batches by then, by partition: ${servedAgain}`,
          `${records} records read back`,
        ].join(', '),
      );
      // Only what was on its way to the dead worker was refused, and the partitions of the other went on.
      for (const [partition, { refused }] of loads.entries()) {
        for (const error of refused.keys()) {
          expect({ partition, error }).toEqual({ partition, error: 'NOT_LEADER_OR_FOLLOWER' });
          expect({ partition, isDead: isDead[partition] }).toEqual({ partition, isDead: true });
        }
      }
      expect(isDead.filter((died) => died)).toHaveLength(PARTITIONS / WORKERS);
    });
  }
});

describe('A broker whose partition worker dies again and again', () => {
  it('gives up and says why', async () => {
    const broker = await startBroker({ workers: 1 });
    try {
      await createTopic(broker);
      const connection = await NativeConnection.open(broker.native);
      const builder = new BatchBuilder();
      const batch = () => {
        builder.add({ timestampMs: Date.now(), key: null, value: Buffer.from('alive'), headers: [] });
        return builder.build();
      };
      for (let deaths = 1; deaths <= DEATHS_ALLOWED + 1; deaths++) {
        const isServed = async () => {
          const [result] = await connection.produce([{ topic: TOPIC, partition: 0, batch: batch() }]);
          return result?.error === null;
        };
        await vi.waitUntil(isServed, { interval: 1, timeout: 30_000 });
        await broker.killPartitionWorker(0);
      }
      await connection.close();
      expect((await broker.died).message).toMatch(/^Partition worker 0 died 11 times within a minute: /);
      const live = await fetch(`http://${broker.http}/health/live`);
      expect(live.status).toBe(503);
    } finally {
      await broker.close();
    }
  });
});
