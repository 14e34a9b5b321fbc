// Rounds of `kill -9` of the broker while two members of a group commit after each record: a committed offset never goes
// back, and the group goes on as if nothing had been. ROUNDS=4, SEED= draws the same moments again, BROKER=kafka does it with
// a real Kafka.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { chooseSeed, countFromEnvironment } from '../chaos/seed.js';
import { type GroupBroker, isRealKafka, startGroupBroker } from './groups-broker.js';
import { type GroupClient, KAFKAJS, LIBRDKAFKA, missingOf } from './groups-clients.js';
import { type Member, until } from './groups-member.js';
import { Group } from './groups-scenario.js';

const MEMBERS = 2;
/** A round's kill comes after so many more commits, and up to so many more than that. */
const COMMITS_MIN = 300;
const COMMITS_MORE = 300;
/** Written for a round; many are left when the kill comes. */
const RECORDS = 1_800;
/** The group must not end while its broker is away. */
const SESSION_TIMEOUT_MS = 60_000;

const commitsOf = (members: readonly Member[]) =>
  members.reduce((sum, { events }) => sum + events.filter(({ type }) => type === 'committed').length, 0);

const rebalancesOf = (members: readonly Member[]) =>
  members.reduce((sum, { events }) => sum + events.filter(({ type }) => type === 'assigned').length, 0);

/** What the members know to be committed, by partition. */
const acknowledgedBy = (members: readonly Member[]) =>
  new Map(members.flatMap(({ committed }) => [...committed]));

/** Waits until the members have said what they had to say. */
async function quiet(members: readonly Member[]): Promise<void> {
  let before = -1;
  await until('the members are quiet', members, () => {
    const now = members.reduce((sum, { events }) => sum + events.length, 0);
    const isQuiet = now === before;
    before = now;
    return isQuiet;
  });
}

describe(`offsets committed to ${isRealKafka ? 'Kafka' : 'Odradek'}`, () => {
  const rounds = countFromEnvironment('ROUNDS', 4);
  const random = seededRandom(chooseSeed('kill -9 under commits'));
  const clients: readonly GroupClient[] = [LIBRDKAFKA, KAFKAJS];
  const groups: Group[] = [];
  let broker: GroupBroker;
  let leftInAll = 0;

  beforeAll(async () => {
    broker = await startGroupBroker('groups-kill-9');
    for (const client of clients) {
      const reason = await missingOf([client]);
      if (reason !== null) console.log(`skipped: ${reason}`);
      else groups.push(await begin(client));
    }
  });

  afterAll(async () => {
    for (const group of groups) await group.end();
    await broker.stop();
  });

  async function begin(client: GroupClient): Promise<Group> {
    const group = await Group.create({
      bootstrap: broker.bootstrap,
      group: `commits-${client.name}`,
      assignor: 'range',
      clients: [client],
      plan: { sessionTimeoutMs: SESSION_TIMEOUT_MS, commitIntervalMs: 0 },
    });
    for (let member = 0; member < MEMBERS; member++) await group.join();
    return group;
  }

  /** Ends the broker while one of the groups commits, and looks what is there when it is back. */
  async function survive(loaded: Group, end: () => Promise<void>): Promise<void> {
    for (const group of groups) await group.settled();
    const patient = groups.filter(({ clients: [client] }) => client === LIBRDKAFKA);
    const before = patient.map((group) => rebalancesOf(group.living));
    const wanted = commitsOf(loaded.living) + COMMITS_MIN + random.below(COMMITS_MORE);
    await loaded.records.write(RECORDS);
    await until(`there are ${wanted} commits`, loaded.living, () => commitsOf(loaded.living) >= wanted);
    await end();
    await quiet(groups.flatMap((group) => group.living));
    const acknowledged = groups.map((group) => acknowledgedBy(group.living));
    const left = loaded.records.count - loaded.processed;
    leftInAll += left;
    await broker.restart();
    for (const [index, group] of groups.entries()) {
      const found = await group.committed();
      const ends = [...(acknowledged[index] ?? [])];
      expect(ends.filter(([partition, offset]) => (found[partition] ?? -1) < offset)).toEqual([]);
    }
    const { living, records } = loaded;
    await until('the rest is processed', living, () => loaded.processed >= records.count);
    console.log(`${loaded.name}: ${commitsOf(living)} commits, ${left} records were left`);
    // kafkajs may leave and join again when its broker was away, with a real Kafka too.
    expect(patient.map((group) => rebalancesOf(group.living))).toEqual(before);
  }

  const ways = [
    ...Array.from({ length: rounds }, (_, round) => ({
      name: `a kill, round ${round + 1}`,
      end: () => broker.kill(),
    })),
    ...clients.map(({ name }) => ({ name: `a clean stop under ${name}`, end: () => broker.stop() })),
  ];

  for (const [index, { name, end }] of ways.entries()) {
    it(`survive ${name}`, async ({ skip }) => {
      const loaded = groups[index % groups.length];
      if (loaded) await survive(loaded, end);
      else skip('there is no client');
    });
  }

  it('are those of the whole log in the end, each record once', async () => {
    expect(leftInAll).toBeGreaterThan(0);
    for (const group of groups) {
      const ledger = await group.finish();
      const { lost, disorder, unexplained, duplicates, records, commitsFailed } = ledger;
      console.log(
        `${group.name}: ${records} records, ${duplicates} twice, ${commitsFailed.length} failed commits`,
      );
      expect({ lost, disorder, unexplained }).toEqual({ lost: [], disorder: [], unexplained: [] });
      expect(await group.committed()).toEqual(group.records.ends);
    }
  });
});
