import { Client } from 'odradek';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GroupMember } from '../broker/kafka/group-member.js';

const START_MS = 1_700_000_000_000;

describe('GroupAdmin', () => {
  let broker: TestBroker;
  let client: Client;
  let topics = 0;

  beforeAll(async () => {
    broker = await startBroker({ workers: 1, config: { 'log.retention.ms': -1 } });
    client = new Client({ brokers: [broker.native] });
  });

  afterAll(async () => {
    await client.close();
    await broker.close();
  });

  const groups = () => client.admin().groups;

  /** A topic of two partitions with so many messages each, a second apart. */
  async function topicWith(...counts: readonly number[]): Promise<string> {
    const topic = `topic-${topics++}`;
    await client.admin().createTopic({ name: topic, partitions: counts.length });
    const messages = counts.flatMap((count, partition) =>
      Array.from({ length: count }, (_, index) => ({
        ...{ partition, value: `v${index}`, timestampMs: START_MS + 1000 * index },
      })),
    );
    await client.producer().send({ topic, messages });
    return topic;
  }

  const reset = (
    groupId: string,
    topic: string,
    to: Parameters<ReturnType<typeof groups>['resetOffsets']>[1]['to'],
  ) => groups().resetOffsets(groupId, { to, topics: [{ topic }] });

  const committed = async (groupId: string) =>
    (await groups().offsets(groupId)).map(({ topic, partition, offset }) => [topic, partition, offset]);

  it('describes members, with their partitions and how far they have read', async () => {
    const topic = await topicWith(5, 3);
    const member = await GroupMember.connect(broker.kafka, { groupId: 'readers', topics: [topic] });
    await member.joinAlone({ [topic]: [0, 1] });
    expect(await member.commit(topic, 0, 2)).toBe(0);
    const { memberId } = member;
    expect(await groups().describe('readers')).toEqual({
      ...{ groupId: 'readers', state: 'Stable', protocolType: 'consumer', protocol: 'range' },
      members: [
        {
          ...{ memberId, instanceId: null, clientId: 'test', clientHost: '127.0.0.1', topics: [topic] },
          assignment: [{ topic, partitions: [0, 1] }],
        },
      ],
      partitions: [
        {
          ...{ topic, partition: 0, committedOffset: 2, metadata: 'by a member', logEndOffset: 5, lag: 3 },
          ...{ memberId, error: null },
        },
        {
          ...{ topic, partition: 1, committedOffset: null, metadata: '', logEndOffset: 3, lag: null },
          ...{ memberId, error: null },
        },
      ],
    });
    expect(await groups().list({ states: ['stable'] })).toEqual([
      { groupId: 'readers', protocolType: 'consumer', state: 'Stable' },
    ]);

    // What members are busy with is not touched.
    const busy = { errorName: 'NON_EMPTY_GROUP' };
    await expect(reset('readers', topic, 'earliest')).rejects.toMatchObject(busy);
    await expect(groups().resetOffsets('readers', { to: 'earliest', dryRun: true })).rejects.toMatchObject(
      busy,
    );
    await expect(groups().delete('readers')).rejects.toMatchObject(busy);
    await expect(groups().deleteOffsets('readers', topic)).rejects.toMatchObject({
      errorName: 'GROUP_SUBSCRIBED_TO_TOPIC',
    });
    expect(await committed('readers')).toEqual([[topic, 0, 2]]);

    expect(await member.leave()).toBe(0);
    await member.close();
    expect(await groups().describe('readers')).toMatchObject({
      ...{ state: 'Empty', protocol: '', members: [] },
      partitions: [{ topic, partition: 0, committedOffset: 2, lag: 3, memberId: null }],
    });
    expect(await groups().list({ states: ['Stable'] })).toEqual([]);
  });

  it('has no words for members that are no consumers', async () => {
    const member = await GroupMember.connect(broker.kafka, { groupId: 'workers', protocolType: 'connect' });
    await member.joinAlone({ anything: [1] });
    const { members, partitions } = await groups().describe('workers');
    expect(members).toMatchObject([{ memberId: member.memberId, topics: [], assignment: [] }]);
    expect(partitions).toEqual([]);
    await member.close();
  });

  it('moves offsets to the start, the end, an offset, a time, and forth and back', async () => {
    const topic = await topicWith(10, 4);
    const moved = async (to: Parameters<typeof reset>[2]) =>
      (await reset('movers', topic, to)).map(({ committedOffset, newOffset }) => [
        committedOffset,
        newOffset,
      ]);
    expect(await moved('latest')).toEqual([
      [null, 10],
      [null, 4],
    ]);
    expect(await moved({ by: -3 })).toEqual([
      [10, 7],
      [4, 1],
    ]);
    expect(await moved({ by: 2 })).toEqual([
      [7, 9],
      [1, 3],
    ]);
    expect(await moved({ by: -1000 })).toEqual([
      [9, 0],
      [3, 0],
    ]);
    expect(await moved({ offset: 6 })).toEqual([
      [0, 6],
      [0, 4],
    ]);
    expect(await moved({ timestampMs: START_MS + 1500 })).toEqual([
      [6, 2],
      [4, 2],
    ]);
    expect(await moved({ timestampMs: START_MS + 5000 })).toEqual([
      [2, 5],
      [2, 4],
    ]);
    expect(await moved('earliest')).toEqual([
      [5, 0],
      [4, 0],
    ]);
    expect(await committed('movers')).toEqual([
      [topic, 0, 0],
      [topic, 1, 0],
    ]);
  });

  it('moves only what it is told, and nothing in a dry run', async () => {
    const [one, two] = [await topicWith(5, 5), await topicWith(5)];
    await groups().resetOffsets('some', { to: { offset: 3 }, topics: [{ topic: one }, { topic: two }] });
    const to = 'latest';
    const dry = await groups().resetOffsets('some', { to, dryRun: true });
    expect(dry).toEqual([
      { topic: one, partition: 0, committedOffset: 3, newOffset: 5 },
      { topic: one, partition: 1, committedOffset: 3, newOffset: 5 },
      { topic: two, partition: 0, committedOffset: 3, newOffset: 5 },
    ]);
    const unmoved = [
      [one, 0, 3],
      [one, 1, 3],
      [two, 0, 3],
    ];
    expect(await committed('some')).toEqual(unmoved);
    await groups().resetOffsets('some', { to, topics: [{ topic: one, partitions: [1] }] });
    expect(await committed('some')).toEqual([[one, 0, 3], [one, 1, 5], ...unmoved.slice(2)]);
    await groups().resetOffsets('some', { to });
    expect((await committed('some')).map(([, , offset]) => offset)).toEqual([5, 5, 5]);
    await groups().deleteOffsets('some', one, [0]);
    expect(await committed('some')).toEqual([
      [one, 1, 5],
      [two, 0, 5],
    ]);
    await groups().deleteOffsets('some', one);
    expect(await committed('some')).toEqual([[two, 0, 5]]);
    await groups().delete('some');
    expect(await committed('some')).toEqual([]);
  });

  it('says what is wrong', async () => {
    const topic = await topicWith(1);
    const unknown = { code: 'ODR_BROKER', errorName: 'GROUP_ID_NOT_FOUND' };
    await expect(groups().describe('nobody')).rejects.toMatchObject(unknown);
    await expect(groups().describe('nobody')).rejects.toThrow('There is no group "nobody".');
    await expect(groups().delete('nobody')).rejects.toMatchObject(unknown);
    await expect(groups().deleteOffsets('nobody', topic, [0])).rejects.toMatchObject(unknown);
    await expect(groups().resetOffsets('nobody', { to: 'latest' })).rejects.toMatchObject(unknown);
    const wrong = { code: 'ODR_USAGE' };
    await expect(reset('nobody', topic, { by: 1 })).rejects.toMatchObject(wrong);
    await expect(reset('nobody', topic, { offset: -1 })).rejects.toMatchObject(wrong);
    await expect(reset('nobody', topic, { timestampMs: 1.5 })).rejects.toMatchObject(wrong);
    const elsewhere = { to: 'latest', topics: [{ topic, partitions: [1] }] } as const;
    await expect(groups().resetOffsets('nobody', elsewhere)).rejects.toMatchObject(wrong);
    await expect(reset('nobody', 'unheard-of', 'latest')).rejects.toMatchObject({
      errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
    expect(await groups().offsets('nobody')).toEqual([]);
  });

  it('describes a group whose topic is gone', async () => {
    const topic = await topicWith(2, 2);
    const member = await GroupMember.connect(broker.kafka, { groupId: 'mourners', topics: [topic] });
    await member.joinAlone({ [topic]: [0] });
    await client.admin().deleteTopic(topic);
    const { partitions } = await groups().describe('mourners');
    expect(partitions).toMatchObject([{ topic, partition: 0, logEndOffset: null, lag: null }]);
    expect(partitions[0]?.error).toMatchObject({ errorName: 'UNKNOWN_TOPIC_OR_PARTITION' });
    await member.close();
  });
});
