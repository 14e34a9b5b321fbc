// Static members (KIP-345): one that stops, or is killed, and comes back before its session ends has its partitions again,
// and the others do not notice. BROKER=kafka does the same with a real Kafka.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { chooseSeed } from '../chaos/seed.js';
import { type GroupBroker, isRealKafka, startGroupBroker } from './groups-broker.js';
import { GROUP_CLIENTS, missingOf } from './groups-clients.js';
import type { MemberEvent } from './groups-ledger.js';
import type { Member } from './groups-member.js';
import { Group } from './groups-scenario.js';

const MEMBERS = 4;
/** A restart takes less, on a slow machine too. */
const SESSION_TIMEOUT_MS = 60_000;

const isRebalance = ({ type }: MemberEvent) => type === 'assigned' || type === 'revoked' || type === 'lost';
const rebalancesOf = (members: readonly Member[]) =>
  members.map(({ events }) => events.filter(isRebalance).length);

describe.concurrent(`static members on ${isRealKafka ? 'Kafka' : 'Odradek'}`, () => {
  const seed = chooseSeed('static members');
  let broker: GroupBroker;

  beforeAll(async () => {
    broker = await startGroupBroker('groups-static');
    for (const client of GROUP_CLIENTS) await client.toolchain();
  });

  afterAll(() => broker.stop());

  for (const client of GROUP_CLIENTS.filter(({ canBeStatic }) => canBeStatic)) {
    it(`${client.name}: keep their partitions over a stop and over a kill`, async ({ skip }) => {
      const reason = await missingOf([client]);
      if (reason !== null) skip(reason);
      const random = seededRandom(seed);
      const group = await Group.create({
        bootstrap: broker.bootstrap,
        group: `static-${client.name}`,
        assignor: 'range',
        clients: [client],
        plan: { sessionTimeoutMs: SESSION_TIMEOUT_MS },
      });
      try {
        group.records.start();
        const current = await Promise.all(
          Array.from({ length: MEMBERS }, (_, index) => group.join(`instance-${index}`)),
        );
        await group.settled();
        await group.progressed();
        for (const how of ['stop', 'kill'] as const) {
          const index = random.below(MEMBERS);
          const victim = current[index];
          if (!victim) throw new Error('there is no such member');
          const partitions = [...victim.owned].sort();
          const others = current.filter((member) => member !== victim);
          const before = rebalancesOf(others);
          await (how === 'stop' ? victim.leave() : victim.kill());
          const next = await group.join(`instance-${index}`);
          current[index] = next;
          await group.settled();
          await group.progressed();
          expect({ how, owned: [...next.owned].sort() }).toEqual({ how, owned: partitions });
          expect({ how, rebalances: rebalancesOf(others) }).toEqual({ how, rebalances: before });
        }
        const ledger = await group.finish();
        console.log(`${client.name}: ${ledger.records} records, ${ledger.duplicates} twice`);
        expect(ledger).toMatchObject({ lost: [], disorder: [], unexplained: [] });
        expect(await group.committed()).toEqual(group.records.ends);
      } finally {
        await group.end();
      }
    });
  }
});
