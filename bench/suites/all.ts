import type { Suite } from '../suite.js';
import { clientSuite } from './client.js';
import { compactionSuite, producingSuite } from './compaction.js';
import { durabilitySuites } from './durability.js';
import { fetchSessionSuite } from './fetch-session.js';
import { groupSuites } from './groups.js';
import { idlePartitionsSuite } from './idle-partitions.js';
import { kafkaLatencySuites } from './kafka-latency.js';
import { kafkaJsSuite } from './kafkajs.js';
import { manySuites } from './many.js';
import { recoverySuites } from './recovery.js';
import { latencySuite, requestsSuite } from './requests.js';
import { startupSuite } from './startup.js';
import { throughput } from './throughput.js';

const BATCHES = [
  { batch: '16KiB', batchBytes: 16 * 1024 },
  { batch: '256KiB', batchBytes: 256 * 1024 },
  { batch: '1MiB', batchBytes: 1024 * 1024 },
];

/** Everything that is measured, in the order of the table. */
export const SUITES: readonly Suite[] = [
  startupSuite,
  ...BATCHES.flatMap((batch) => [1, 6].map((partitions) => throughput({ ...batch, partitions }))),
  requestsSuite,
  latencySuite(1_000),
  latencySuite(10_000),
  ...kafkaLatencySuites,
  clientSuite('1KiB', 1024),
  clientSuite('100B', 100),
  ...groupSuites,
  compactionSuite('1MKeys', 1_000_000),
  compactionSuite('1KKeys', 1_000),
  producingSuite,
  ...durabilitySuites,
  ...recoverySuites,
  ...manySuites,
  idlePartitionsSuite,
  fetchSessionSuite,
  kafkaJsSuite('1KiB', 1024),
  kafkaJsSuite('100B', 100),
];

/** `produce` and `produce.1MiB` match `produce.1MiB.p6`, `client` matches `client-produce.100B`. */
function matches(name: string, beginning: string): boolean {
  return name === beginning || name.startsWith(`${beginning}.`) || name.startsWith(`${beginning}-`);
}

/** The suites with a row that matches one of the given names or beginnings (all, if none is given), and those rows. */
export function selectRows(
  suites: readonly Suite[],
  only: readonly string[],
): { suites: Suite[]; rows: Set<string> } {
  const names = suites.flatMap(({ rows }) => rows);
  for (const beginning of only) {
    if (!names.some((name) => matches(name, beginning))) {
      throw new Error(`There is no row "${beginning}". The rows are: ${names.join(', ')}`);
    }
  }
  const rows = new Set(
    names.filter((name) => only.length === 0 || only.some((beginning) => matches(name, beginning))),
  );
  return { suites: suites.filter((suite) => suite.rows.some((row) => rows.has(row))), rows };
}
