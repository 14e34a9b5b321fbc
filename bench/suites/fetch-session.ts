import type { Ground } from '../ground.js';
import type { FetchSessionJob } from '../job.js';
import type { Suite, Turn } from '../suite.js';

const PARTITIONS = 10_000;
const PARTITIONS_QUICK = 1_000;
const SMALL_SHARE = 0.01;

const NAME = 'fetch-session';

/** What has changed when a fetch comes, as a number of all partitions; and how often it is measured. */
const CASES = [
  { row: 'full', fetches: 'full', changed: () => 0, times: 20 },
  { row: 'empty', fetches: 'reads', changed: () => 0, times: 50 },
  { row: 'one', fetches: 'parks', changed: () => 1, times: 30 },
  { row: 'few', fetches: 'reads', changed: (all: number) => all * SMALL_SHARE, times: 50 },
  { row: 'all', fetches: 'reads', changed: (all: number) => all, times: 5 },
] as const;

type Case = (typeof CASES)[number];

const rowOf = ({ row }: Case): string => `${NAME}.${row}`;

/**
 * A consumer's incremental session over 10,000 partitions. The second column is a session over a hundredth of them, which all get a
 * record in `few`: what costs as much in both depends on what changed, and not on what is in the session.
 */
export const fetchSessionSuite: Suite = {
  name: NAME,
  rows: CASES.map(rowOf),
  startsBrokers: false,
  brokerOptions: { opensKafkaDoor: true },
  broker: (ground, share) => measure(ground, share, partitionsOf(ground), partitionsOf(ground)),
  pump: (ground, share) => measure(ground, share, partitionsOf(ground) * SMALL_SHARE, partitionsOf(ground)),
};

const partitionsOf = ({ options: { quick } }: Ground): number => (quick ? PARTITIONS_QUICK : PARTITIONS);

/** A session over some partitions; what changes is as if it were one over all of them, as far as there are so many. */
async function measure(ground: Ground, share: number, partitions: number, all: number) {
  const turns: [string, Turn][] = [];
  for (const one of CASES) {
    const changed = Math.min(one.changed(all), partitions);
    turns.push([rowOf(one), await fetchSession(ground, { ...one, partitions, changed, share })]);
  }
  return Object.fromEntries(turns);
}

async function fetchSession(
  ground: Ground,
  shape: Pick<FetchSessionJob, 'partitions' | 'changed' | 'fetches' | 'times'> & { readonly share: number },
): Promise<Turn> {
  const { partitions, changed, fetches, times, share } = shape;
  const { kafkaPort: port, pid } = ground.broker;
  const topic = await ground.lastingTopic(partitions);
  const { result, others } = await ground.load({
    ...{ type: 'fetch-session', port, topic, partitions, changed, fetches },
    times: Math.max(1, Math.round(times * share)),
    brokerPid: ground.proc ? pid : null,
  });
  const { bytes, records, latency, brokerSeconds, requests = 0 } = result;
  const metrics = {
    ...(latency && { p50Ms: latency.p50Ms }),
    ...(records > 0 && { recordsPerRequest: records / requests }),
    ...(brokerSeconds !== undefined && { cpuMicrosPerRequest: (brokerSeconds / requests) * 1e6 }),
  };
  return { metrics, bytes, records, others };
}
