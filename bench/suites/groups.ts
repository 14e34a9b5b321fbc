import type { Ground } from '../ground.js';
import type { GroupCommitsJob, GroupHeartbeatsJob, GroupOffsetsJob, LoadResult } from '../job.js';
import { checkOffsets, offsetsLoaded } from '../load/group-offsets.js';
import { type Metrics, perRequest } from '../metrics.js';
import type { Suite } from '../suite.js';
import { peakRss } from './throughput.js';

const GROUPS = 500;
const MEMBERS = 4;
const HEARTBEAT_INTERVAL_MS = 3_000;
const HEARTBEAT_SECONDS_MIN = 3;

const COMMITTING_GROUPS = 200;
/** Of one member's commit: twelve partitions, shared by four. */
const COMMITTED_PARTITIONS = 3;

const OFFSETS = 1_000_000;
const OFFSETS_MIN = 10_000;
const OFFSETS_PARTITIONS = 100;

/** So that all members of a group are there when it comes together. */
const SETTINGS = ['group.initial.rebalance.delay.ms=1000'];

/** Groups have no pump: it knows nothing that is like them. */
const groupSuite = (row: string, broker: Suite['broker']): Suite => ({
  name: row,
  rows: [row],
  startsBrokers: true,
  pump: null,
  broker,
});

/** Groups in which nothing happens: each member tells every 3 s that it lives. */
const heartbeats = groupSuite('group-heartbeats', async (ground, share) =>
  ground.withBroker({ opensKafkaDoor: true, settings: SETTINGS }, async ({ kafkaPort, pid }) => {
    const job: GroupHeartbeatsJob = {
      type: 'group-heartbeats',
      port: kafkaPort,
      topic: '',
      groups: GROUPS,
      members: MEMBERS,
      intervalMs: HEARTBEAT_INTERVAL_MS,
      seconds: Math.max(HEARTBEAT_SECONDS_MIN, Math.round(ground.options.latencySeconds * share)),
      brokerPid: ground.proc ? pid : null,
    };
    const { result, others } = await ground.load(job);
    return {
      'group-heartbeats': { metrics: metricsOf(ground, result), bytes: 0, records: result.records, others },
    };
  }),
);

/** Offset commits of many members, each with one request in flight. */
const commits = groupSuite('group-commits', async (ground, share) =>
  ground.withBroker({ opensKafkaDoor: true, settings: SETTINGS }, ({ kafkaPort, pid }) =>
    ground.withTopic(COMMITTED_PARTITIONS, async (topic) => {
      const job: GroupCommitsJob = {
        type: 'group-commits',
        port: kafkaPort,
        topic,
        partitions: COMMITTED_PARTITIONS,
        groups: COMMITTING_GROUPS,
        commits: Math.round(ground.options.requests * share),
        brokerPid: ground.proc ? pid : null,
      };
      const { result, others } = await ground.load(job);
      return {
        'group-commits': { metrics: metricsOf(ground, result), bytes: 0, records: result.records, others },
      };
    }),
  ),
);

/** A broker that finds a million committed offsets when it starts. */
const offsets = groupSuite('group-startup', async (ground, share) => {
  const dataDirectory = ground.path('data');
  const count = Math.max(OFFSETS_MIN, OFFSETS * share);
  const shape = { partitions: OFFSETS_PARTITIONS, groups: count / OFFSETS_PARTITIONS };
  const jobAt = (port: number): GroupOffsetsJob => ({
    type: 'group-offsets',
    port,
    topic: 'topic',
    ...shape,
  });
  await ground.withBroker({ opensKafkaDoor: true, dataDirectory }, ({ kafkaPort }) =>
    ground.load(jobAt(kafkaPort)),
  );
  return ground.withBroker({ opensKafkaDoor: true, dataDirectory }, async (broker) => {
    await offsetsLoaded(jobAt(broker.kafkaPort));
    const offsetsMs = broker.ageMs;
    const metrics = { readyMs: broker.readyMs, offsetsMs, ...peakRss(ground) };
    const records = await checkOffsets(jobAt(broker.kafkaPort));
    return { 'group-startup': { metrics, bytes: 0, records, others: null } };
  });
});

function metricsOf(
  ground: Ground,
  { records, seconds, userSeconds, systemSeconds, latency, broker }: LoadResult,
): Metrics {
  return {
    requestsPerSecond: records / seconds,
    ...latency,
    ...perRequest(broker ?? null, records),
    ...(broker ? { coreShare: ((broker.user + broker.system) / seconds) * 100 } : {}),
    loadCores: (userSeconds + systemSeconds) / seconds,
    ...peakRss(ground),
  };
}

export const groupSuites: readonly Suite[] = [heartbeats, commits, offsets];
