// kafkajs's consumers, which always belong to a group, and its admin, which has much to say about groups.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Admin, type Consumer, Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const TOPIC = 'orders';
const PARTITIONS = 6;
const GROUP = 'billing';
const WITHIN = { timeout: 60_000, interval: 20 };

/** A member of the group, and what it was given. */
class Member {
  readonly consumer: Consumer;
  /** Values by partition, in the order in which they came. */
  readonly seen = new Map<number, string[]>();
  partitions: readonly number[] = [];

  constructor(kafka: Kafka, { groupId = GROUP, autoCommit = true } = {}) {
    this.consumer = kafka.consumer({
      groupId,
      sessionTimeout: 6000,
      heartbeatInterval: 100,
      maxWaitTimeInMs: 100,
      retry: { initialRetryTime: 50, retries: 10 },
    });
    this.consumer.on('consumer.group_join', ({ payload }) => {
      this.partitions = [...(payload.memberAssignment[TOPIC] ?? [])].sort();
    });
    this.#autoCommit = autoCommit;
  }

  readonly #autoCommit: boolean;

  async run(): Promise<this> {
    await this.consumer.connect();
    await this.consumer.subscribe({ topic: TOPIC, fromBeginning: true });
    await this.consumer.run({
      autoCommit: this.#autoCommit,
      autoCommitThreshold: 1,
      eachMessage: async ({ partition, message }) => {
        this.seen.set(partition, [...(this.seen.get(partition) ?? []), String(message.value)]);
      },
    });
    return this;
  }

  get count(): number {
    return [...this.seen.values()].reduce((sum, values) => sum + values.length, 0);
  }
}

describe('kafkajs in a group', { timeout: 180_000 }, () => {
  let broker: TestBroker;
  let kafka: Kafka;
  let admin: Admin;
  let producer: Producer;
  const members: Member[] = [];

  let dataDirectory: string;

  async function start(): Promise<void> {
    broker = await startBroker({ dataDirectory });
    kafka = new Kafka({ brokers: [broker.kafka], clientId: 'till', logLevel: logLevel.NOTHING });
    admin = kafka.admin();
    producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await Promise.all([admin.connect(), producer.connect()]);
  }

  async function stop(): Promise<void> {
    await Promise.all(members.splice(0).map(({ consumer }) => consumer.disconnect()));
    await Promise.all([admin.disconnect(), producer.disconnect()]);
    await broker.close();
  }

  async function restart(): Promise<void> {
    await stop();
    await start();
  }

  beforeEach(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), 'odradek-kafkajs-'));
    await start();
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }] });
  });

  afterEach(async () => {
    await stop();
    await rm(dataDirectory, { recursive: true, force: true });
  });

  const joinGroup = async (options?: ConstructorParameters<typeof Member>[1]): Promise<Member> => {
    const member = new Member(kafka, options);
    members.push(member);
    return await member.run();
  };

  /** The same value to each partition. */
  async function send(value: string): Promise<void> {
    const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, value }));
    await producer.send({ topic: TOPIC, messages });
  }

  async function committed(): Promise<Record<number, string>> {
    const [topic] = await admin.fetchOffsets({ groupId: GROUP, topics: [TOPIC] });
    return Object.fromEntries((topic?.partitions ?? []).map(({ partition, offset }) => [partition, offset]));
  }

  const all = (offset: string) =>
    Object.fromEntries(Array.from({ length: PARTITIONS }, (_, partition) => [partition, offset]));

  it('shares the partitions, goes on where it was after a rebalance and after a restart, and forgets', async () => {
    await send('a');
    const first = await joinGroup();
    await vi.waitUntil(() => first.count === PARTITIONS, WITHIN);
    expect(first.partitions).toEqual([0, 1, 2, 3, 4, 5]);
    await vi.waitFor(async () => expect(await committed()).toEqual(all('1')), WITHIN);

    // A second one joins, and gets half of them.
    const second = await joinGroup();
    await vi.waitUntil(() => first.partitions.length === 3 && second.partitions.length === 3, WITHIN);
    expect([...first.partitions, ...second.partitions].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    await send('b');
    await vi.waitUntil(() => first.count + second.count === 2 * PARTITIONS, WITHIN);
    for (const partition of first.partitions) expect(first.seen.get(partition)).toEqual(['a', 'b']);
    for (const partition of second.partitions) expect(second.seen.get(partition)).toEqual(['b']);
    await vi.waitFor(async () => expect(await committed()).toEqual(all('2')), WITHIN);

    const described = (await admin.describeGroups([GROUP])).groups[0];
    expect(described).toMatchObject({ groupId: GROUP, state: 'Stable', protocolType: 'consumer' });
    expect(described?.members.map(({ clientId, clientHost }) => [clientId, clientHost])).toEqual([
      ['till', '/127.0.0.1'],
      ['till', '/127.0.0.1'],
    ]);
    expect((await admin.listGroups()).groups).toEqual([{ groupId: GROUP, protocolType: 'consumer' }]);
    await expect(admin.deleteGroups([GROUP])).rejects.toMatchObject({
      groups: [{ groupId: GROUP, errorCode: 68 }],
    });

    // One leaves, the other reads on alone.
    await second.consumer.disconnect();
    await vi.waitUntil(() => first.partitions.length === PARTITIONS, WITHIN);
    await first.consumer.disconnect();
    await send('c');

    // A new one begins behind what was committed.
    const third = await joinGroup();
    await vi.waitUntil(() => third.count === PARTITIONS, WITHIN);
    for (const values of third.seen.values()) expect(values).toEqual(['c']);
    await vi.waitFor(async () => expect(await committed()).toEqual(all('3')), WITHIN);
    await third.consumer.disconnect();

    await vi.waitFor(async () => {
      expect((await admin.describeGroups([GROUP])).groups[0]?.state).toBe('Empty');
    }, WITHIN);
    await admin.deleteGroups([GROUP]);
    expect(await committed()).toEqual(all('-1'));
    expect((await admin.listGroups()).groups).toEqual([]);
  }, 60_000);

  it('reads again what it is set back to, by itself or by an administrator', async () => {
    await send('a');
    await send('b');
    const member = await joinGroup({ autoCommit: false });
    await vi.waitUntil(() => member.count === 2 * PARTITIONS, WITHIN);
    expect(await committed()).toEqual(all('-1'));
    await member.consumer.commitOffsets([{ topic: TOPIC, partition: 0, offset: '1', metadata: 'half' }]);
    const [topic] = await admin.fetchOffsets({ groupId: GROUP, topics: [TOPIC] });
    expect(topic?.partitions.find(({ partition }) => partition === 0)).toMatchObject({
      ...{ offset: '1', metadata: 'half' },
    });
    member.consumer.seek({ topic: TOPIC, partition: 3, offset: '1' });
    await vi.waitUntil(() => member.count === 2 * PARTITIONS + 1, WITHIN);
    expect(member.seen.get(3)).toEqual(['a', 'b', 'b']);
    await expect(admin.resetOffsets({ groupId: GROUP, topic: TOPIC, earliest: true })).rejects.toThrow(
      'must have no running instances',
    );
    await member.consumer.disconnect();

    await vi.waitFor(async () => {
      await admin.resetOffsets({ groupId: GROUP, topic: TOPIC, earliest: true });
    }, WITHIN);
    // kafkajs takes its time for it. It commits the place by its number, as ListOffsets has it; consumers find out where that is.
    expect(await committed()).toEqual(all('-2'));
    const again = await joinGroup();
    await vi.waitUntil(() => again.count === 2 * PARTITIONS, WITHIN);
    for (const values of again.seen.values()) expect(values).toEqual(['a', 'b']);
  }, 60_000);

  it('goes on where it was after the broker was started again', async () => {
    await send('a');
    const member = await joinGroup();
    await vi.waitFor(async () => expect(await committed()).toEqual(all('1')), WITHIN);
    await member.consumer.disconnect();
    await send('b');
    await restart();
    expect((await admin.listGroups()).groups).toEqual([{ groupId: GROUP, protocolType: 'consumer' }]);
    expect(await committed()).toEqual(all('1'));
    const again = await joinGroup();
    await vi.waitUntil(() => again.count === PARTITIONS, WITHIN);
    for (const values of again.seen.values()) expect(values).toEqual(['b']);
  }, 60_000);
});
