import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Connection } from '../../../src/broker/connection.js';
import { clientOf } from '../../../src/broker/kafka/groups.js';
import { decodeSubscription } from '../../../src/protocol/kafka/consumer-protocol.js';
import { metadata } from '../../../src/protocol/kafka/messages/03-metadata.js';
import { offsetCommit } from '../../../src/protocol/kafka/messages/08-offset-commit.js';
import { offsetFetch } from '../../../src/protocol/kafka/messages/09-offset-fetch.js';
import { joinGroup } from '../../../src/protocol/kafka/messages/11-join-group.js';
import { heartbeat } from '../../../src/protocol/kafka/messages/12-heartbeat.js';
import { leaveGroup } from '../../../src/protocol/kafka/messages/13-leave-group.js';
import { describeGroups } from '../../../src/protocol/kafka/messages/15-describe-groups.js';
import { listGroups } from '../../../src/protocol/kafka/messages/16-list-groups.js';
import { describeConfigs } from '../../../src/protocol/kafka/messages/32-describe-configs.js';
import { deleteGroups } from '../../../src/protocol/kafka/messages/42-delete-groups.js';
import { offsetDelete } from '../../../src/protocol/kafka/messages/47-offset-delete.js';
import { describeTopicPartitions } from '../../../src/protocol/kafka/messages/75-describe-topic-partitions.js';
import { assignmentOf, GroupMember, type MemberOptions } from './group-member.js';
import { KafkaConnection } from './kafka-connection.js';
import { append, batchOf, createTopic, describeTopic, type TopicName, versionsOf } from './kafka-scene.js';

const OFFSETS_TOPIC = '__consumer_offsets';
const FOREVER_MS = 2 ** 31 - 1;

describe('clientOf', () => {
  const at = (remoteAddress: string) => clientOf({ remoteAddress } as Connection, 'c').clientHost;

  it('is the address without its port', () => {
    expect(at('127.0.0.1:50000')).toBe('127.0.0.1');
    expect(at('[::1]:50000')).toBe('::1');
  });

  it('has a name, if only an empty one', () => {
    expect(clientOf({ remoteAddress: '127.0.0.1:1' } as Connection, null).clientId).toBe('');
  });
});

describe('Groups', () => {
  let broker: TestBroker;
  let connection: KafkaConnection;
  let orders: TopicName;
  const members: GroupMember[] = [];
  let groups = 0;

  beforeAll(async () => {
    broker = await startBroker({ workers: 1 });
    connection = await KafkaConnection.open(broker.kafka);
    orders = await createTopic(connection, 'orders', 4);
  });

  afterAll(async () => {
    for (const member of members) await member.close();
    await connection.close();
    await broker.close();
  });

  const newGroup = () => `group-${groups++}`;

  async function member(options: MemberOptions): Promise<GroupMember> {
    const one = await GroupMember.connect(broker.kafka, { topics: ['orders'], ...options });
    members.push(one);
    return one;
  }

  async function stateOf(groupId: string) {
    const { groups: described } = await connection.ask(describeGroups, 6, { groups: [groupId] });
    const [group] = described;
    if (!group) throw new Error('an answer without the group');
    return group;
  }

  /** Offsets by partition of the topic, as any version says them. */
  async function offsetsOf(groupId: string, version = 10) {
    const { name, topicId } = orders;
    const topics = [{ name, topicId, partitionIndexes: [0, 1, 2, 3] }];
    const answer = await connection.ask(offsetFetch, version, {
      groupId,
      topics,
      groups: [{ groupId, topics }],
    });
    const [topic] = version >= 8 ? (answer.groups[0]?.topics ?? []) : answer.topics;
    return topic?.partitions.map(({ committedOffset }) => committedOffset);
  }

  it('come together, work, rebalance and go', async () => {
    const groupId = newGroup();
    const first = await member({ groupId });
    await first.joinAlone({ orders: [0, 1, 2, 3] });
    expect(first).toMatchObject({ generation: 1, leader: first.memberId, memberIds: [first.memberId] });
    expect(await first.heartbeat()).toBe(0);

    // Another joins: its request waits until the first one has come too.
    const second = await member({ groupId });
    const joining = second.join();
    await vi.waitUntil(async () => (await first.heartbeat()) === 27, { timeout: 20_000 });
    expect((await stateOf(groupId)).groupState).toBe('PreparingRebalance');
    expect(await first.commit('orders', 0, 7)).toBe(0); // What it has done so far.
    expect(await first.join()).toBe(0);
    expect(await joining).toBe(0);
    expect([first.generation, second.generation]).toEqual([2, 2]);
    expect(first.memberIds.toSorted()).toEqual([first.memberId, second.memberId].sort());
    expect(second.memberIds).toEqual([]);

    // The follower's part comes with the leader.
    const waiting = second.sync();
    const parts = { [first.memberId]: { orders: [0, 1] }, [second.memberId]: { orders: [2, 3] } };
    expect(await first.sync(parts)).toMatchObject({
      errorCode: 0,
      assignment: assignmentOf({ orders: [0, 1] }),
    });
    expect(await waiting).toMatchObject({
      ...{ errorCode: 0, protocolType: 'consumer', protocolName: 'range' },
      assignment: assignmentOf({ orders: [2, 3] }),
    });

    const described = await stateOf(groupId);
    expect(described).toMatchObject({
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
    });
    for (const { clientId, clientHost, memberMetadata } of described.members) {
      expect([clientId, clientHost]).toEqual(['test', '/127.0.0.1']);
      expect(decodeSubscription(memberMetadata).topics).toEqual(['orders']);
    }

    expect(await second.commit('orders', 2, 9)).toBe(0);
    expect(await second.commit('unheard-of', 2, 9)).toBe(3);
    for (const version of versionsOf(offsetFetch))
      expect(await offsetsOf(groupId, version)).toEqual([7, -1, 9, -1]);

    expect(await second.leave()).toBe(0);
    expect(await second.heartbeat()).toBe(25);
    await vi.waitUntil(async () => (await first.heartbeat()) === 27, { timeout: 20_000 });
    await first.joinAlone({ orders: [0, 1, 2, 3] });
    expect(first.generation).toBe(3);
    expect(await first.leave()).toBe(0);
    expect(await stateOf(groupId)).toMatchObject({ groupState: 'Empty', members: [] });
  });

  it('keep their members apart from strangers and from what is past', async () => {
    const groupId = newGroup();
    const one = await member({ groupId });
    await one.joinAlone({ orders: [0] });
    const { memberId, generation } = one;
    const commit = async (changed: { generationIdOrMemberEpoch?: number; memberId?: string }) => {
      const { topics } = await connection.ask(offsetCommit, 8, {
        ...{ groupId, generationIdOrMemberEpoch: generation, memberId, ...changed },
        topics: [
          { name: 'orders', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }] },
        ],
      });
      return topics[0]?.partitions[0]?.errorCode;
    };
    expect(await commit({})).toBe(0);
    expect(await commit({ generationIdOrMemberEpoch: generation + 1 })).toBe(22);
    expect(await commit({ memberId: 'somebody' })).toBe(25);
    expect(await commit({ memberId: '', generationIdOrMemberEpoch: -1 })).toBe(25);
    const other = await member({ groupId, protocolType: 'connect' });
    expect(await other.join()).toBe(23);
    const { results } = await connection.ask(deleteGroups, 2, { groupsNames: [groupId, 'unheard-of'] });
    expect(results.map(({ errorCode }) => errorCode)).toEqual([68, 69]);
  });

  it('know static members again, and their old selves no more', async () => {
    const groupId = newGroup();
    const old = await member({ groupId, instanceId: 'till-1' });
    await old.joinAlone({ orders: [0] });
    const again = await member({ groupId, instanceId: 'till-1' });
    expect(await again.join()).toBe(0);
    expect(again.memberId).not.toBe(old.memberId);
    expect(again.generation).toBe(old.generation);
    expect(await old.heartbeat()).toBe(82);
    const { members: left } = await connection.ask(leaveGroup, 5, {
      ...{ groupId, members: [{ memberId: '', groupInstanceId: 'till-1' }] },
    });
    expect(left).toMatchObject([{ groupInstanceId: 'till-1', errorCode: 0 }]);
  });

  it('are made by a commit from outside, listed, and deleted with their offsets', async () => {
    const groupId = newGroup();
    const commit = (version: number, committedOffset: number) =>
      connection.ask(offsetCommit, version, {
        groupId,
        topics: [
          { ...orders, partitions: [{ partitionIndex: 1, committedOffset, committedMetadata: null }] },
        ],
      });
    for (const version of versionsOf(offsetCommit)) {
      const { topics } = await commit(version, version);
      expect(topics[0]?.partitions, `v${version}`).toEqual([{ partitionIndex: 1, errorCode: 0 }]);
      expect(await offsetsOf(groupId)).toEqual([-1, version, -1, -1]);
    }
    const list = async (statesFilter: readonly string[], typesFilter: readonly string[] = []) => {
      const answer = await connection.ask(listGroups, 5, { statesFilter, typesFilter });
      return answer.groups.filter((group) => group.groupId === groupId);
    };
    const listed = { groupId, protocolType: '', groupState: 'Empty', groupType: 'classic' };
    expect(await list([])).toEqual([listed]);
    expect(await list(['empty'], ['Classic'])).toEqual([listed]);
    expect(await list(['Stable'])).toEqual([]);
    expect(await list([], ['consumer'])).toEqual([]);

    const forget = (partitionIndex: number) =>
      connection.ask(offsetDelete, 0, {
        groupId,
        topics: [{ name: 'orders', partitions: [{ partitionIndex }] }],
      });
    expect((await forget(9)).topics[0]?.partitions[0]?.errorCode).toBe(3);
    expect((await forget(1)).topics[0]?.partitions[0]?.errorCode).toBe(0);
    expect(await offsetsOf(groupId)).toEqual([-1, -1, -1, -1]);
    await commit(9, 5);
    const { results } = await connection.ask(deleteGroups, 2, { groupsNames: [groupId] });
    expect(results).toEqual([{ groupId, errorCode: 0 }]);
    expect(await offsetsOf(groupId)).toEqual([-1, -1, -1, -1]);
    expect(await stateOf(groupId)).toMatchObject({ errorCode: 69, groupState: 'Dead' });
  });

  it('are kept in a topic of the broker, which says so, and which no client writes to', async () => {
    await (await member({ groupId: newGroup() })).joinAlone({});
    const topic = await describeTopic(connection, OFFSETS_TOPIC);
    expect(topic).toMatchObject({ errorCode: 0, isInternal: true });
    expect(topic.partitions).toHaveLength(50);
    const { topics: all } = await connection.ask(metadata, 13, { topics: null });
    const internal = all.filter(({ isInternal }) => isInternal).map(({ name }) => name);
    expect(internal).toEqual([OFFSETS_TOPIC]);
    const { topics: paged } = await connection.ask(describeTopicPartitions, 0, {
      topics: [{ name: OFFSETS_TOPIC }],
      responsePartitionLimit: 3,
    });
    expect(paged).toMatchObject([{ isInternal: true, errorCode: 0 }]);
    const { results } = await connection.ask(describeConfigs, 4, {
      resources: [{ resourceType: 2, resourceName: OFFSETS_TOPIC, configurationKeys: ['cleanup.policy'] }],
    });
    expect(results[0]?.configs).toMatchObject([{ name: 'cleanup.policy', value: 'compact' }]);
    const own = { name: OFFSETS_TOPIC, topicId: topic.topicId };
    expect(await append(connection, own, batchOf(['x']))).toMatchObject({ errorCode: 17 });
  });

  it('do not keep the broker from stopping, nor others on the connection from their answers', async () => {
    const own = await startBroker({ workers: 1 });
    const groupId = 'slow';
    const timeouts = { sessionTimeoutMs: 1_800_000, rebalanceTimeoutMs: FOREVER_MS };
    const first = await GroupMember.connect(own.kafka, { groupId, ...timeouts });
    await first.joinAlone({});
    const second = await GroupMember.connect(own.kafka, { groupId, ...timeouts });
    const joining = second.join();
    await vi.waitUntil(async () => (await first.heartbeat()) === 27, { timeout: 20_000 });
    const behind = second.connection.ask(heartbeat, 4, { groupId, generationId: 1, memberId: 'x' });
    await vi.waitUntil(async () => (await first.heartbeat()) === 27, { timeout: 20_000 });
    expect(second.connection.unanswered).toBe(2);
    await own.close();
    // Whoever waited is told to look for the coordinator again.
    expect(await joining).toBe(16);
    expect((await behind).errorCode).toBeGreaterThan(0);
    await Promise.all([first.close(), second.close()]);
  });

  it('do not mind clients that leave while they wait', async () => {
    const groupId = newGroup();
    const first = await member({ groupId, rebalanceTimeoutMs: 60_000 });
    await first.joinAlone({ orders: [0] });
    const leavers = await Promise.all(Array.from({ length: 20 }, () => KafkaConnection.open(broker.kafka)));
    for (const leaver of leavers) {
      leaver.tell(joinGroup, 3, {
        ...{
          groupId,
          sessionTimeoutMs: 6000,
          rebalanceTimeoutMs: 60_000,
          memberId: '',
          protocolType: 'consumer',
        },
        protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      });
    }
    await vi.waitUntil(async () => (await stateOf(groupId)).members.length === 21, { timeout: 20_000 });
    await Promise.all(
      leavers.map((leaver, index) => (index % 2 === 0 ? leaver.close() : leaver.socket.resetAndDestroy())),
    );
    expect(await first.join()).toBe(0);
    expect(await first.sync({ [first.memberId]: { orders: [0] } })).toMatchObject({ errorCode: 0 });
    expect(await first.heartbeat()).toBe(0);
  });
});
