import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { BrokerProcess } from '../broker-process.js';
import type { Ground } from '../ground.js';
import { createTopic } from '../load/create-topic.js';
import { produceToAll } from '../load/produce-to-all.js';
import { type Metrics, MIB } from '../metrics.js';
import { scrapeByLabel } from '../scrape.js';
import type { Suite } from '../suite.js';

const ROW = 'idle-partitions';
const PARTITIONS = 5_000;
const PARTITIONS_QUICK = 1_000;
/** Partitions that are there before: threads, code and tables that grow by leaps are not counted. */
const FIRST_PARTITIONS = 100;
const USES = 2;
const HEAP = 'odradek_thread_heap_bytes';
/** Until all threads have collected their garbage, and a page of metrics that was made before is no longer given out. */
const COLLECT_MS = 1_500;
const COLLECTOR = fileURLToPath(new URL('../collect-garbage.cjs', import.meta.url));

/** What a broker keeps that has just collected its garbage. */
interface Kept {
  /** Null where it cannot be read. */
  readonly rssMib: number | null;
  /** Heap in bytes by thread. */
  readonly heaps: ReadonlyMap<string, number>;
}

/** Memory that open partitions with which nothing happens add to a broker, by thread. */
export const idlePartitionsSuite: Suite = {
  name: ROW,
  rows: [ROW],
  startsBrokers: true,
  pump: null,
  async broker(ground, share) {
    const partitions = Math.round((ground.options.quick ? PARTITIONS_QUICK : PARTITIONS) * share);
    const options = { opensHttpDoor: true, nodeOptions: ['--expose-gc', '--require', COLLECTOR] };
    return await ground.withBroker(options, async (broker) => {
      await add(broker, 'first', FIRST_PARTITIONS);
      const { result, others } = await ground.watch(async () => {
        const before = await kept(ground, broker);
        await add(broker, 'topic', partitions);
        return perThousand(before, await kept(ground, broker), partitions);
      });
      return { [ROW]: { metrics: result, bytes: 0, records: USES * partitions, others } };
    });
  },
};

/** A topic with some records in each of its partitions. */
async function add({ port }: BrokerProcess, topic: string, partitions: number): Promise<void> {
  await createTopic(port, topic, partitions);
  await produceToAll({ port, topic, partitions, batches: USES, batchBytes: 1, recordBytes: 1 });
}

async function kept({ proc }: Ground, broker: BrokerProcess): Promise<Kept> {
  broker.collectGarbage();
  await wait(COLLECT_MS);
  const heaps = await scrapeByLabel(broker.httpPort, HEAP, 'thread');
  return { rssMib: proc?.memoryMib(broker.pid, 'VmRSS') ?? null, heaps };
}

function perThousand(before: Kept, after: Kept, partitions: number): Metrics {
  const thousands = partitions / 1_000;
  const heapMib = (isOfKind: (thread: string) => boolean) => {
    const total = ({ heaps }: Kept) =>
      [...heaps].reduce((sum, [thread, bytes]) => sum + (isOfKind(thread) ? bytes : 0), 0);
    return (total(after) - total(before)) / MIB / thousands;
  };
  return {
    ...(before.rssMib !== null &&
      after.rssMib !== null && { rssPerThousandMib: (after.rssMib - before.rssMib) / thousands }),
    mainHeapPerThousandMib: heapMib((thread) => thread === 'main'),
    supervisorHeapPerThousandMib: heapMib((thread) => thread === 'supervisor'),
    workersHeapPerThousandMib: heapMib((thread) => thread.startsWith('worker-')),
  };
}
