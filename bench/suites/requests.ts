import { rmSync } from 'node:fs';
import type { Ground, PumpRun } from '../ground.js';
import type { LoadResult, PacedJob, PumpResult, RequestsJob } from '../job.js';
import { pumpAnswer } from '../load/batch.js';
import { pacedRequest } from '../load/paced.js';
import { requestOf } from '../load/requests.js';
import { type Metrics, perRequest } from '../metrics.js';
import type { Suite } from '../suite.js';
import { peakRss } from './throughput.js';

const CONNECTIONS = 32;
const PARTITIONS = 6;
const SMALL_RECORD_BYTES = 100;
const PACED_RECORD_BYTES = 1024;
const PACED_SECONDS_MIN = 2;
/** The pump does not read it; it makes the requests as long as the broker's. */
const PUMP_TOPIC = 'topic-0';

/** One record a request, 32 connections with one request in flight each. */
export const requestsSuite: Suite = {
  name: 'requests',
  rows: ['requests'],
  startsBrokers: false,
  async broker(ground, share) {
    const { result, cpu, others } = await ground.withTopic(PARTITIONS, (topic) =>
      ground.load({ ...requestsJob(ground, share), pump: false, port: ground.broker.port, topic }),
    );
    const metrics = { ...requestMetrics(result), ...perRequest(cpu, result.records), ...peakRss(ground) };
    return { requests: { metrics, bytes: result.bytes, records: result.records, others } };
  },
  async pump(ground, share) {
    const job: Omit<RequestsJob, 'port'> = { ...requestsJob(ground, share), pump: true, topic: PUMP_TOPIC };
    const requestBytes = requestOf(job, 0).length;
    const { pump, load, others } = await answeringPump(ground, requestBytes, (port) => ({ ...job, port }));
    const metrics = { ...requestMetrics(load), ...pumpMetrics(pump, load.records) };
    return { requests: { metrics, bytes: load.bytes, records: load.records, others } };
  },
};

/** One-record requests at a fixed rate, from the moment that each is due to its acknowledgement. */
export function latencySuite(requestsPerSecond: number): Suite {
  const row = `latency.${requestsPerSecond}`;
  const pacedJob = (ground: Ground, share: number): Omit<PacedJob, 'port' | 'topic' | 'pump'> => ({
    type: 'paced',
    recordBytes: PACED_RECORD_BYTES,
    requestsPerSecond,
    seconds: Math.max(PACED_SECONDS_MIN, Math.round(ground.options.latencySeconds * share)),
  });
  return {
    name: row,
    rows: [row],
    startsBrokers: false,
    async broker(ground, share) {
      const { result, cpu, others } = await ground.withTopic(1, (topic) =>
        ground.load({ ...pacedJob(ground, share), pump: false, port: ground.broker.port, topic }),
      );
      const metrics = { ...result.latency, ...perRequest(cpu, result.records), ...peakRss(ground) };
      return { [row]: { metrics, bytes: result.bytes, records: result.records, others } };
    },
    async pump(ground, share) {
      const job: Omit<PacedJob, 'port'> = { ...pacedJob(ground, share), pump: true, topic: PUMP_TOPIC };
      const requestBytes = pacedRequest(job, 0).length;
      const { pump, load, others } = await answeringPump(ground, requestBytes, (port) => ({ ...job, port }));
      const metrics = { ...load.latency, ...pumpMetrics(pump, load.records) };
      return { [row]: { metrics, bytes: load.bytes, records: load.records, others } };
    },
  };
}

function requestsJob({ options }: Ground, share: number): Omit<RequestsJob, 'port' | 'topic' | 'pump'> {
  return {
    type: 'requests',
    partitions: PARTITIONS,
    recordBytes: SMALL_RECORD_BYTES,
    connections: CONNECTIONS,
    requests: Math.round(options.requests * share),
  };
}

/** Runs a pump that answers, and the generator that loads it. */
async function answeringPump(
  ground: Ground,
  requestBytes: number,
  job: (port: number) => RequestsJob | PacedJob,
): Promise<PumpRun> {
  const file = ground.path('pump');
  try {
    const answerBase64 = pumpAnswer().toString('base64');
    return await ground.pump({ type: 'answer', file, requestBytes, answerBase64 }, job);
  } finally {
    rmSync(file, { force: true });
  }
}

function requestMetrics({ records, seconds, userSeconds, systemSeconds, latency }: LoadResult): Metrics {
  return {
    requestsPerSecond: records / seconds,
    loadCores: (userSeconds + systemSeconds) / seconds,
    ...latency,
  };
}

function pumpMetrics({ userSeconds, systemSeconds, peakRssMib }: PumpResult, requests: number): Metrics {
  return { ...perRequest({ user: userSeconds, system: systemSeconds }, requests), peakRssMib };
}
