// Rounds of `kill -9` while several clients commit offsets: what was acknowledged is there afterwards, and no committed offset ever
// goes back, neither under the load nor over a restart. ROUNDS=20 for more of them, SEED= to draw the same moments again.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { ERRORS } from '../../src/base/errors.js';
import { type Random, seededRandom } from '../../src/base/random.js';
import { listOffsets } from '../../src/protocol/kafka/messages/02-list-offsets.js';
import { offsetCommit } from '../../src/protocol/kafka/messages/08-offset-commit.js';
import { offsetFetch } from '../../src/protocol/kafka/messages/09-offset-fetch.js';
import { createTopics } from '../../src/protocol/kafka/messages/19-create-topics.js';
import { KafkaConnection } from '../broker/kafka/kafka-connection.js';
import { BrokerProcess } from './broker-process.js';
import { chooseSeed, countFromEnvironment } from './seed.js';

const TOPIC = 'load';
const PARTITIONS = 4;
const OFFSETS_PARTITIONS = 5;
const CLIENTS = 4;
const GROUPS_PER_CLIENT = 5;
/** Commits of a client that are under way. */
const WINDOW = 16;
/** A round's kill comes after so many acknowledged commits, and up to so many more. */
const ACKNOWLEDGED_MIN = 3000;
const ACKNOWLEDGED_MORE = 1500;
const LOADING = ERRORS.COORDINATOR_LOAD_IN_PROGRESS.code;

/** What is known of the offsets of one group, by partition. */
class GroupLedger {
  readonly groupId: string;
  readonly sent = new Array<number>(PARTITIONS).fill(-1);
  readonly acknowledged = new Array<number>(PARTITIONS).fill(-1);

  constructor(groupId: string) {
    this.groupId = groupId;
  }
}

/** One client, which commits ever higher offsets for its groups, until its connection ends. */
class Committer {
  readonly groups: readonly GroupLedger[];
  acknowledged = 0;
  readonly refused = new Set<number>();
  readonly #random: Random;
  readonly #onAcknowledged: () => void;

  constructor(groups: readonly GroupLedger[], random: Random, onAcknowledged: () => void) {
    this.groups = groups;
    this.#random = random;
    this.#onAcknowledged = onAcknowledged;
  }

  async run(address: string): Promise<void> {
    const connection = await KafkaConnection.open(address);
    await Promise.all(Array.from({ length: WINDOW }, () => this.#commitOn(connection)));
    await connection.close();
  }

  async #commitOn(connection: KafkaConnection): Promise<void> {
    while (!connection.isClosed) {
      const group = this.groups[this.#random.below(this.groups.length)];
      if (!group) throw new Error('a client has groups');
      const partition = this.#random.below(PARTITIONS);
      const offset = (group.sent[partition] ?? -1) + 1 + this.#random.below(3);
      group.sent[partition] = offset;
      try {
        const answer = await connection.ask(offsetCommit, 8, commitOf(group.groupId, partition, offset));
        const error = answer.topics[0]?.partitions[0]?.errorCode;
        if (error !== 0) {
          this.refused.add(error ?? -1);
          continue;
        }
      } catch (error) {
        if (connection.isClosed) return; // The broker was killed.
        throw error;
      }
      group.acknowledged[partition] = Math.max(group.acknowledged[partition] ?? -1, offset);
      this.acknowledged++;
      this.#onAcknowledged();
    }
  }
}

const commitOf = (groupId: string, partitionIndex: number, committedOffset: number) => ({
  groupId,
  generationIdOrMemberEpoch: -1,
  memberId: '',
  groupInstanceId: null,
  retentionTimeMs: -1,
  topics: [
    {
      name: TOPIC,
      partitions: [
        {
          partitionIndex,
          committedOffset,
          committedLeaderEpoch: -1,
          committedMetadata: `at ${committedOffset}`,
        },
      ],
    },
  ],
});

/** What the broker says that the group has committed, by partition; null while it loads. */
async function committed(connection: KafkaConnection, groupId: string): Promise<readonly number[] | null> {
  const answer = await connection.ask(offsetFetch, 7, {
    groupId,
    topics: null,
    groups: [],
    requireStable: true,
  });
  if (answer.errorCode === LOADING) return null;
  expect(answer.errorCode).toBe(0);
  const offsets = new Array<number>(PARTITIONS).fill(-1);
  for (const { partitionIndex, committedOffset, metadata } of answer.topics[0]?.partitions ?? []) {
    offsets[partitionIndex] = committedOffset;
    expect(metadata).toBe(`at ${committedOffset}`);
  }
  return offsets;
}

async function createTopic(address: string): Promise<void> {
  const connection = await KafkaConnection.open(address);
  const topic = {
    name: TOPIC,
    numPartitions: PARTITIONS,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  };
  const { topics } = await connection.ask(createTopics, 4, {
    topics: [topic],
    timeoutMs: 10_000,
    validateOnly: false,
  });
  expect(topics[0]?.errorCode).toBe(0);
  await connection.close();
}

/** Looks at the end of each partition; before it is answered, all of them have been recovered. Returns the sum. */
async function ends(address: string): Promise<number> {
  const connection = await KafkaConnection.open(address);
  const topic = (name: string, partitions: number) => ({
    name,
    partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp: -1,
    })),
  });
  const topics = [topic(TOPIC, PARTITIONS), topic('__consumer_offsets', OFFSETS_PARTITIONS)];
  const answer = await connection.ask(listOffsets, 5, { replicaId: -1, topics });
  const listed = answer.topics.flatMap(({ partitions }) => partitions);
  expect(listed.map(({ errorCode }) => errorCode)).toEqual(listed.map(() => 0));
  await connection.close();
  return listed.reduce((sum, { offset }) => sum + offset, 0);
}

describe('A broker that is killed while clients commit offsets', () => {
  const rounds = countFromEnvironment('ROUNDS', 2);
  const seed = chooseSeed('offsets kill -9');
  const random = seededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), 'odradek-offsets-'));
  const options = {
    dataDirectory: join(folder, 'data'),
    settings: {
      'offsets.topic.num.partitions': OFFSETS_PARTITIONS,
      'offsets.topic.segment.bytes': 32 * 1024,
      'log.flush.offset.checkpoint.interval.ms': 200,
    },
  };
  const groups = Array.from({ length: CLIENTS * GROUPS_PER_CLIENT }, (_, i) => new GroupLedger(`group ${i}`));
  let broker: BrokerProcess | null = null;

  afterAll(async () => {
    await broker?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Compares what is committed with what was acknowledged before it was asked. */
  async function check(address: string): Promise<void> {
    const connection = await KafkaConnection.open(address);
    for (const group of groups) {
      const acknowledged = [...group.acknowledged];
      const offsets = await vi.waitUntil(() => committed(connection, group.groupId), { timeout: 20_000 });
      offsets.forEach((offset, partition) => {
        const where = `${group.groupId}, partition ${partition}, SEED=${seed}`;
        expect(offset, where).toBeGreaterThanOrEqual(acknowledged[partition] ?? -1);
        expect(offset, where).toBeLessThanOrEqual(group.sent[partition] ?? -1);
      });
    }
    await connection.close();
  }

  /** Looks on under the load, until the broker is gone. */
  async function watch(victim: BrokerProcess): Promise<number> {
    for (let looks = 0; ; looks++) {
      try {
        await check(victim.kafka);
      } catch (error) {
        if (victim.hasEnded) return looks;
        if (error instanceof Error && /closed|ECONN/.test(error.message)) {
          await victim.exited;
          return looks;
        }
        throw error;
      }
    }
  }

  /** Takes over what is committed now: a commit without an answer may count or not, but not both in turn. */
  async function settle(address: string): Promise<void> {
    const connection = await KafkaConnection.open(address);
    for (const group of groups) {
      const offsets = await vi.waitUntil(() => committed(connection, group.groupId), { timeout: 20_000 });
      offsets.forEach((offset, partition) => {
        group.acknowledged[partition] = offset;
      });
    }
    await connection.close();
  }

  for (let round = 1; round <= rounds; round++) {
    it(`has every offset that it acknowledged, round ${round}`, async () => {
      if (!broker) {
        broker = await BrokerProcess.start(options);
        await createTopic(broker.kafka);
      }
      const victim = broker;
      const killAt = ACKNOWLEDGED_MIN + random.below(ACKNOWLEDGED_MORE);
      let acknowledged = 0;
      const clients = Array.from({ length: CLIENTS }, (_, i) => {
        const own = groups.slice(i * GROUPS_PER_CLIENT, (i + 1) * GROUPS_PER_CLIENT);
        return new Committer(own, seededRandom(random.uint32()), () => {
          if (++acknowledged === killAt) victim.signal('SIGKILL');
        });
      });
      const [looks] = await Promise.all([
        watch(victim),
        ...clients.map((client) => client.run(victim.kafka)),
      ]);
      await victim.exited;

      broker = await BrokerProcess.start(options);
      await check(broker.kafka);
      await settle(broker.kafka);
      const cuts = broker.lines('the log was cut at the first invalid batch').length;
      console.log(
        `round ${round}: ${acknowledged} commits acknowledged, ${looks} looks at all groups meanwhile, ` +
          `${cuts} logs cut, ready after ${broker.readyMs} ms`,
      );
      expect(acknowledged).toBeGreaterThanOrEqual(ACKNOWLEDGED_MIN);
      expect(clients.map(({ refused }) => [...refused])).toEqual(clients.map(() => []));
    });
  }

  it('has the same after a clean stop, without a recovery', async () => {
    const stopped = broker ?? (await BrokerProcess.start(options));
    const records = await ends(stopped.kafka);
    const before = groups.map(({ acknowledged }) => [...acknowledged]);
    await stopped.stop();
    broker = await BrokerProcess.start(options);
    await check(broker.kafka);
    await settle(broker.kafka);
    expect(await ends(broker.kafka)).toBe(records);
    expect(groups.map(({ acknowledged }) => acknowledged)).toEqual(before);
    expect(broker.lines('the last stop was not clean: logs are recovered')).toEqual([]);
    await broker.stop();
  });
});
