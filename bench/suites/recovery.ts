import { rmSync, statfsSync } from 'node:fs';
import type { BrokerProcess } from '../broker-process.js';
import type { Ground } from '../ground.js';
import { produceToAll } from '../load/produce-to-all.js';
import { WireConnection } from '../load/wire-connection.js';
import { type Metrics, MIB } from '../metrics.js';
import type { Suite } from '../suite.js';

const TOPIC = 'topic';
const BATCH_BYTES = 64 * 1024;
const RECORD_BYTES = 1024;
/** The warm-up shows that it works, and writes little. */
const WARM_UP_SHARE = 0.02;
const ROOM_FACTOR = 1.2;

interface Shape {
  readonly partitions: number;
  /** Of all logs together. */
  readonly bytes: number;
  readonly dataDirectory: string;
}

/**
 * A broker with many logs is killed and started again, then stopped cleanly and started again. `tail`: which part of the logs
 * was written after the last clean stop, and so lies behind the recovery points when it is killed.
 */
function recoverySuite(name: string, tail: number): Suite {
  const row = `recovery.${name}`;
  return {
    name: row,
    rows: [row],
    startsBrokers: true,
    pump: null,
    async broker(ground, share) {
      const shape = shapeOf(ground, share);
      const { dataDirectory, bytes } = shape;
      try {
        await ground.withBroker({ dataDirectory }, async ({ port }) => {
          await createTopic(port, shape);
          if (tail < 1) await fill(port, shape, bytes * (1 - tail));
        });
        const loaded = await ground.startBroker({ dataDirectory });
        const scanned = await fill(loaded.port, shape, bytes * tail);
        await loaded.kill();
        const recovered = await ground.withBroker({ dataDirectory }, (broker) =>
          measureRecovery(ground, broker, shape, scanned),
        );
        const clean = await ground.withBroker({ dataDirectory }, (broker) =>
          measureCleanStart(broker, shape),
        );
        const metrics = { ...recovered, ...clean };
        return { [row]: { metrics, bytes: scanned, records: 0, others: null } };
      } finally {
        rmSync(dataDirectory, { recursive: true, force: true });
      }
    },
  };
}

function shapeOf(ground: Ground, share: number): Shape {
  const { recoveryBytes, recoveryPartitions, directory } = ground.options;
  const part = share < 1 ? WARM_UP_SHARE : 1;
  const bytes = recoveryBytes * part;
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize < bytes * ROOM_FACTOR) {
    const size = `${Math.round(bytes / MIB)} MiB`;
    throw new Error(`${directory} has no room for ${size}: give --recovery-bytes, or another --dir.`);
  }
  const partitions = Math.max(2, Math.round(recoveryPartitions * part));
  return { partitions, bytes, dataDirectory: ground.path('data') };
}

async function createTopic(port: number, { partitions }: Shape): Promise<void> {
  const connection = await WireConnection.open(port);
  const topic = { name: TOPIC, partitions, replicationFactor: 1, configs: [] };
  await connection.ask({ type: 'createTopic', ...topic, validateOnly: false });
  connection.close();
}

/** Writes so many bytes, spread evenly; returns how many they were. */
function fill(port: number, { partitions }: Shape, bytes: number): Promise<number> {
  const batches = Math.max(1, Math.round(bytes / partitions / BATCH_BYTES));
  const load = { port, topic: TOPIC, partitions, batches };
  return produceToAll({ ...load, batchBytes: BATCH_BYTES, recordBytes: RECORD_BYTES });
}

/** Appends one record to so many partitions, from the first on; returns what it took. */
async function use(port: number, partitions: number): Promise<number> {
  const startMs = performance.now();
  await produceToAll({ port, topic: TOPIC, partitions, batches: 1, batchBytes: 1, recordBytes: 1 });
  return performance.now() - startMs;
}

async function measureRecovery(
  ground: Ground,
  broker: BrokerProcess,
  { partitions }: Shape,
  bytes: number,
): Promise<Metrics> {
  const { readyMs, port, pid } = broker;
  // The last partition is the last to be recovered, unless somebody asks for it.
  const startMs = performance.now();
  const last = { port, topic: TOPIC, partitions: 1, firstPartition: partitions - 1, batches: 1 };
  await produceToAll({ ...last, batchBytes: 1, recordBytes: 1 });
  const firstUseMs = performance.now() - startMs;
  const recoveredMs = await broker.recoveredMs;
  const cpu = ground.proc?.cpu(pid);
  return {
    readyMs,
    firstUseMs,
    recoveredMs,
    recoveryMibPerSecond: bytes / MIB / ((recoveredMs - readyMs) / 1000),
    ...(cpu && { recoveryCpuSeconds: cpu.user + cpu.system }),
    ...(ground.proc && { peakRssMib: ground.proc.memoryMib(pid, 'VmHWM') }),
  };
}

async function measureCleanStart({ readyMs, port }: BrokerProcess, { partitions }: Shape): Promise<Metrics> {
  return { cleanReadyMs: readyMs, cleanUseMs: await use(port, partitions) };
}

/** `all`: a broker that never stopped cleanly, with the default flush behaviour; `tail`: one that did, before its last tenth. */
export const recoverySuites: readonly Suite[] = [recoverySuite('all', 1), recoverySuite('tail', 0.1)];
