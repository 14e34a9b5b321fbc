import { setTimeout as wait } from 'node:timers/promises';
import type { RequestsJob } from '../job.js';
import { perRequest } from '../metrics.js';
import { scrape } from '../scrape.js';
import type { Suite } from '../suite.js';
import { peakRss } from './throughput.js';

const RECORD_BYTES = 1024;
const SYNCS = 'odradek_disk_syncs_total';
/** A page of metrics goes to all who ask within a second. */
const SCRAPE_MS = 1_100;
/** A mode that waits for the disk has fewer requests, so that a turn takes seconds and not minutes. */
const WAITING_SHARE = 0.1;

/** The modes of docs/durability.md. */
const MODES = [
  { mode: 'default', configs: {}, share: 1 },
  { mode: 'flush-ms', configs: { 'flush.ms': '1000' }, share: 1 },
  { mode: 'flush-messages', configs: { 'flush.messages': '1000' }, share: 1 },
  { mode: 'flush-acks', configs: { 'flush.acks': 'true' }, share: WAITING_SHARE },
] as const;

/** Producers with one request of one record in flight each; with a partition for all of them, or one for each. */
const SHAPES = [
  { shape: '1', connections: 1, partitions: 1, share: 0.2 },
  { shape: '64', connections: 64, partitions: 1, share: 1 },
  { shape: '100.p100', connections: 100, partitions: 100, share: 1 },
] as const;

type Mode = (typeof MODES)[number];
type Shape = (typeof SHAPES)[number];

/** Durability has no pump: compare with the row of the default mode. */
function durabilitySuite({ mode, configs, share: ofMode }: Mode, shape: Shape): Suite {
  const row = `durability.${mode}.${shape.shape}`;
  const { connections, partitions } = shape;
  return {
    name: row,
    rows: [row],
    startsBrokers: true,
    pump: null,
    broker: (ground, share) =>
      ground.withBroker({ opensHttpDoor: true }, ({ httpPort, port }) =>
        ground.withTopic(
          partitions,
          async (topic) => {
            const requests = Math.max(
              200,
              Math.round(ground.options.requests * share * ofMode * shape.share),
            );
            const job: Omit<RequestsJob, 'port'> = {
              ...{ type: 'requests', topic, pump: false, recordBytes: RECORD_BYTES },
              ...{ connections, partitions, requests },
            };
            await wait(SCRAPE_MS);
            const before = await scrape(httpPort, SYNCS);
            const { result, cpu, others } = await ground.load({ ...job, port });
            await wait(SCRAPE_MS);
            const syncs = (await scrape(httpPort, SYNCS)) - before;
            const metrics = {
              requestsPerSecond: result.records / result.seconds,
              ...result.latency,
              syncsPerSecond: syncs / result.seconds,
              ...(syncs > 0 && { requestsPerSync: result.records / syncs }),
              ...perRequest(cpu, result.records),
              ...peakRss(ground),
            };
            return { [row]: { metrics, bytes: result.bytes, records: result.records, others } };
          },
          configs,
        ),
      ),
  };
}

export const durabilitySuites: readonly Suite[] = SHAPES.flatMap((shape) =>
  MODES.map((mode) => durabilitySuite(mode, shape)),
);
