import type { BrokerProcess } from '../broker-process.js';
import type { Ground } from '../ground.js';
import { createTopic } from '../load/create-topic.js';
import { produceToAll } from '../load/produce-to-all.js';
import type { Metrics } from '../metrics.js';
import type { Suite } from '../suite.js';

const TOPIC = 'topic';

/** A topic with so many partitions: made, opened, written to (one record each), and written to again. */
function manySuite(partitionsMax: number): Suite {
  const row = `many.${partitionsMax}`;
  return {
    name: row,
    rows: [row],
    startsBrokers: true,
    pump: null,
    broker: async (ground, share) => {
      const partitions = Math.max(2, Math.round(partitionsMax * share));
      return ground.withBroker({}, async (broker) => {
        const { result, others } = await ground.watch(() => measure(ground, broker, partitions));
        return { [row]: { metrics: result, bytes: 0, records: 2 * partitions, others } };
      });
    },
  };
}

async function measure(ground: Ground, { port, pid }: BrokerProcess, partitions: number): Promise<Metrics> {
  const { proc } = ground;
  const before = proc?.cpu(pid);
  const createMs = await timed(() => createTopic(port, TOPIC, partitions));
  const firstRecordsMs = await timed(() => use(port, partitions));
  const after = proc?.cpu(pid);
  const rssMib = proc?.memoryMib(pid, 'VmRSS');
  const secondRecordsMs = await timed(() => use(port, partitions));
  return {
    createMs,
    firstRecordsMs,
    secondRecordsMs,
    ...(before && after && { openCpuSeconds: after.user + after.system - before.user - before.system }),
    ...(rssMib !== undefined && { idleRssMib: rssMib }),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** Appends one record to each. */
const use = (port: number, partitions: number): Promise<number> =>
  produceToAll({ port, topic: TOPIC, partitions, batches: 1, batchBytes: 1, recordBytes: 1 });

export const manySuites: readonly Suite[] = [manySuite(1_000), manySuite(10_000)];
