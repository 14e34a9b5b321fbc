// Groups of clients that we did not write, through joins, leaves, kills and restarts while records flow. BROKER=kafka
// does the same with a real Kafka. SEED= draws the same changes again.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { chooseSeed } from '../chaos/seed.js';
import { type GroupBroker, isRealKafka, startGroupBroker } from './groups-broker.js';
import {
  AIOKAFKA,
  type Assignor,
  FRANZ,
  GROUP_CLIENTS,
  type GroupClient,
  JAVA,
  LIBRDKAFKA,
  missingOf,
  SARAMA,
} from './groups-clients.js';
import type { Ledger } from './groups-ledger.js';
import { churn, Group } from './groups-scenario.js';

interface Scenario {
  readonly name: string;
  readonly assignor: Assignor;
  readonly clients: readonly GroupClient[];
}

const SCENARIOS: readonly Scenario[] = [
  ...GROUP_CLIENTS.flatMap((client) =>
    client.assignors.map((assignor) => ({ name: `${client.name}-${assignor}`, assignor, clients: [client] })),
  ),
  { name: 'mixed-range', assignor: 'range', clients: [JAVA, LIBRDKAFKA, FRANZ, SARAMA, AIOKAFKA] },
  { name: 'mixed-cooperative', assignor: 'cooperative', clients: [JAVA, LIBRDKAFKA] },
];

describe.concurrent(`groups on ${isRealKafka ? 'Kafka' : 'Odradek'}`, { timeout: 300_000 }, () => {
  const seed = chooseSeed('groups');
  const rows = new Map<string, string>();
  let broker: GroupBroker;

  beforeAll(async () => {
    broker = await startGroupBroker('groups');
    for (const client of GROUP_CLIENTS) await client.toolchain();
  });

  afterAll(async () => {
    console.log([...rows].map(([name, row]) => `${name.padEnd(24)}${row}`).join('\n'));
    await broker.stop();
  });

  for (const [index, { name, assignor, clients }] of SCENARIOS.entries()) {
    it(`${name}: nothing is lost, and nothing comes twice but by a kill`, async ({ skip }) => {
      const reason = await missingOf(clients);
      if (reason !== null) skip(reason);
      const random = seededRandom(seed + index);
      const group = await Group.create({ bootstrap: broker.bootstrap, group: name, assignor, clients });
      try {
        const startMs = performance.now();
        const ledger = await churn(group, random);
        rows.set(name, describeRow(ledger, (performance.now() - startMs) / 1000));
        expect({ ...ledger, committed: await group.committed() }).toMatchObject({
          lost: [],
          disorder: [],
          unexplained: [],
          committed: group.records.ends,
        });
      } finally {
        await group.end();
      }
    });
  }
});

function describeRow(ledger: Ledger, seconds: number): string {
  const { records, duplicates, unexplained, assignments, commitsFailed } = ledger;
  const words = [
    `${records} records`,
    `${duplicates} twice (${unexplained.length} unexplained)`,
    `${assignments} assignments`,
    `${commitsFailed.length} failed commits`,
    `${seconds.toFixed(0)} s`,
  ];
  return words.join(', ');
}
