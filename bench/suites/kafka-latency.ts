import { setTimeout as wait } from 'node:timers/promises';
import type { Ground } from '../ground.js';
import type { CrowdJob, KafkaPacedJob } from '../job.js';
import { scrape } from '../scrape.js';
import type { Suite, Turn, Turns } from '../suite.js';
import { peakRss } from './throughput.js';

const RECORD_BYTES = 1024;
const REQUESTS_PER_SECOND = 1_000;
/** Of the time that other latency rows take: these are several. */
const SECONDS_SHARE = 0.5;
const SECONDS_MIN = 2;
const CROWD = 5_000;
const CROWD_DEADLINE_MS = 20_000;
const LOOK_MS = 250;

type Kind = 'alone' | 'idle' | 'parked';

/**
 * One record a request at Kafka's door, from the moment that each is due to its acknowledgement, and to its arrival at a consumer;
 * beside connections that do nothing, or that all wait for records of another topic. The second column is the same broker
 * without these connections.
 */
function kafkaLatencySuite(kind: Kind): Suite {
  const name = `kafka-latency.${kind}`;
  const measure = async (ground: Ground, share: number): Promise<Turns> => ({
    [`${name}.produce`]: await paced(ground, share, false),
    [`${name}.fetch`]: await paced(ground, share, true),
  });
  const common = {
    name,
    rows: [`${name}.produce`, `${name}.fetch`],
    startsBrokers: false,
    brokerOptions: { opensKafkaDoor: true, opensHttpDoor: true },
  };
  if (kind === 'alone') return { ...common, broker: measure, pump: null };
  return {
    ...common,
    async broker(ground, share) {
      const connections = Math.max(1, Math.round(CROWD * share));
      // Both kinds have the topic, so that they differ by nothing but the fetches.
      const topic = await ground.lastingTopic(1);
      const job: CrowdJob = {
        type: 'crowd',
        port: ground.broker.kafkaPort,
        connections,
        parkedAt: kind === 'parked' ? topic : null,
      };
      return await ground.beside(job, async () => {
        await reached(ground, 'odradek_connections', connections);
        await reached(ground, 'odradek_fetches_parked', kind === 'parked' ? connections : 0);
        return await measure(ground, share);
      });
    },
    async pump(ground, share) {
      await reached(ground, 'odradek_fetches_parked', 0);
      return await measure(ground, share);
    },
  };
}

async function paced(ground: Ground, share: number, consumes: boolean): Promise<Turn> {
  const { options, proc } = ground;
  const { kafkaPort: port, pid } = ground.broker;
  const { result, others } = await ground.withTopic(1, (topic) => {
    const job: KafkaPacedJob = {
      ...{ type: 'kafka-paced', port, topic, consumes, brokerPid: proc ? pid : null },
      ...{ recordBytes: RECORD_BYTES, requestsPerSecond: REQUESTS_PER_SECOND },
      seconds: Math.max(SECONDS_MIN, Math.round(options.latencySeconds * SECONDS_SHARE * share)),
    };
    return ground.load(job);
  });
  const { bytes, records, latency, broker } = result;
  const metrics = {
    ...latency,
    // A turn takes a second of it or so: too little for its sampled parts to mean anything.
    ...(broker && { cpuMicrosPerRequest: ((broker.user + broker.system) / records) * 1e6 }),
    ...peakRss(ground),
  };
  return { metrics, bytes, records, others };
}

/** Waits until the broker says that it has as many of something; of 0 no more. */
async function reached(ground: Ground, metric: string, count: number): Promise<void> {
  const deadlineMs = performance.now() + CROWD_DEADLINE_MS;
  for (;;) {
    const found = await scrape(ground.broker.httpPort, metric);
    if (count === 0 ? found === 0 : found >= count) return;
    if (performance.now() > deadlineMs) throw new Error(`${metric} is ${found}, and should be ${count}.`);
    await wait(LOOK_MS);
  }
}

export const kafkaLatencySuites: readonly Suite[] = (['alone', 'idle', 'parked'] as const).map(
  kafkaLatencySuite,
);
