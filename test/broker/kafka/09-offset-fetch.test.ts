import { describe, expect, it } from 'vitest';
import type { TopicId } from '../../../src/base/ids.js';
import type { GroupReply } from '../../../src/coordinator/group/group-messages.js';
import { offsetFetch } from '../../../src/protocol/kafka/messages/09-offset-fetch.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { UNKNOWN_ID, versionsOf } from './kafka-scene.js';

const TOPIC_ID = 'nHFYrRJiQ921bvWs9VkYnA' as TopicId;
const TOPICS = { orders: { topicId: TOPIC_ID, partitions: 3 } };
const MANY_GROUPS = 8;
const BY_ID = 10;

const orders = (...partitionIndexes: readonly number[]) => ({
  ...{ name: 'orders', topicId: TOPIC_ID, partitionIndexes },
});
const unknown = { name: 'unheard-of', topicId: UNKNOWN_ID, partitionIndexes: [0] };

type Topics = readonly { name: string; topicId: TopicId; partitionIndexes: readonly number[] }[] | null;

/** The same question in the words of any version. */
const request = (topics: Topics, groupId = 'a-group') => ({
  ...{ groupId, topics, groups: [{ groupId, topics, memberId: 'a-member', memberEpoch: 5 }] },
  requireStable: true,
});

const found = (partition: number, offset: number) => ({
  ...{ partition, offset, leaderEpoch: 4, metadata: 'text', error: 'NONE' as const },
});

const FETCHED: GroupReply = {
  type: 'offsets-fetched',
  error: 'NONE',
  topics: [
    { name: 'orders', topicId: TOPIC_ID, partitions: [found(0, 11), found(2, 13)] },
    { name: 'gone', topicId: UNKNOWN_ID, partitions: [found(0, 1)] },
  ],
};

const NOTHING = { committedOffset: -1, metadata: '' };

describe('OffsetFetch', () => {
  const client = groupScene(TOPICS).connect();

  function ask(version: number, topics: Topics, reply: GroupReply = FETCHED) {
    const { response, commands } = client.ask(offsetFetch, version, request(topics), () => reply);
    const group =
      version >= MANY_GROUPS
        ? response.groups[0]
        : { groupId: 'a-group', topics: response.topics, errorCode: response.errorCode };
    if (!group) throw new Error('an answer without the group');
    return { commands, group };
  }

  it('finds offsets, and says -1 where there are none, in every version', () => {
    expect(versionsOf(offsetFetch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const version of versionsOf(offsetFetch)) {
      const { group, commands } = ask(version, [orders(0, 1, 99)]);
      expect(commands, `v${version}`).toEqual([
        {
          ...{ type: 'fetch-offsets', groupId: 'a-group', requireStable: version >= 7 },
          topics: [{ name: 'orders', partitions: [0, 1, 99] }],
        },
      ]);
      const leaderEpoch = (epoch: number) => (version >= 5 ? epoch : -1);
      expect(group, `v${version}`).toMatchObject({
        ...{ groupId: 'a-group', errorCode: 0 },
        topics: [
          {
            ...(version >= BY_ID ? { topicId: TOPIC_ID } : { name: 'orders' }),
            partitions: [
              {
                ...{ partitionIndex: 0, committedOffset: 11, metadata: 'text', errorCode: 0 },
                committedLeaderEpoch: leaderEpoch(4),
              },
              { partitionIndex: 1, ...NOTHING, committedLeaderEpoch: -1, errorCode: 0 },
              { partitionIndex: 99, ...NOTHING, committedLeaderEpoch: -1, errorCode: 0 },
            ],
          },
        ],
      });
    }
  });

  it('does not mind a name without a topic, but an id', () => {
    for (const version of versionsOf(offsetFetch)) {
      const { group, commands } = ask(version, [unknown, orders(2)]);
      const byId = version >= BY_ID;
      expect(group.topics, `v${version}`).toMatchObject([
        { partitions: [{ partitionIndex: 0, ...NOTHING, errorCode: byId ? 100 : 0 }] },
        { partitions: [{ partitionIndex: 2, committedOffset: 13, errorCode: 0 }] },
      ]);
      expect(commands).toMatchObject([
        { topics: byId ? [{ name: 'orders' }] : [{ name: 'unheard-of' }, {}] },
      ]);
    }
  });

  it('tells all that the group has, from v2 on; by id only of topics that there are', () => {
    for (const version of versionsOf(offsetFetch).filter((one) => one >= 2)) {
      const { group, commands } = ask(version, null);
      expect(commands).toMatchObject([{ topics: null }]);
      const all = group.topics.map(({ partitions, ...topic }) => [
        version >= BY_ID && 'topicId' in topic ? topic.topicId : topic.name,
        partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]),
      ]);
      const own = [
        [0, 11],
        [2, 13],
      ];
      const gone = [[0, 1]];
      expect(all, `v${version}`).toEqual(
        version >= BY_ID
          ? [[TOPIC_ID, own]]
          : [
              ['orders', own],
              ['gone', gone],
            ],
      );
    }
    expect(ask(8, []).group.topics).toEqual([]);
  });

  it('says an error of the group with each partition in v1, once later', () => {
    for (const version of versionsOf(offsetFetch)) {
      const { group } = ask(version, [orders(0, 1)], refused);
      if (version === 1) {
        const failed = { ...NOTHING, errorCode: LOADING };
        expect(group.topics).toMatchObject([
          {
            partitions: [
              { partitionIndex: 0, ...failed },
              { partitionIndex: 1, ...failed },
            ],
          },
        ]);
      } else expect(group, `v${version}`).toMatchObject({ errorCode: LOADING, topics: [] });
    }
    const unstable: GroupReply = {
      ...{ type: 'offsets-fetched', error: 'NONE' },
      topics: [
        {
          name: 'orders',
          topicId: TOPIC_ID,
          partitions: [{ ...found(0, -1), error: 'UNSTABLE_OFFSET_COMMIT' }],
        },
      ],
    };
    expect(ask(7, [orders(0)], unstable).group.topics[0]?.partitions[0]?.errorCode).toBe(88);
  });

  it('answers many groups, each by itself, from v8 on', () => {
    for (const version of [8, 9, 10]) {
      const groups = [
        { groupId: 'a', topics: null },
        { groupId: 'b', topics: [orders(0)] },
        { groupId: 'a', topics: null },
        { groupId: 'b', topics: [orders(2)] },
      ];
      const { response, commands } = client.ask(offsetFetch, version, { groups }, (command) =>
        command.type === 'fetch-offsets' && command.groupId === 'a' ? refused : FETCHED,
      );
      // All offsets of a group are told once.
      expect(commands).toMatchObject([{ groupId: 'a' }, { groupId: 'b' }, { groupId: 'b' }]);
      const told = response.groups.map(({ groupId, errorCode, topics }) => [
        groupId,
        errorCode,
        topics.flatMap(({ partitions }) => partitions.map(({ committedOffset }) => committedOffset)),
      ]);
      expect(told, `v${version}`).toEqual([
        ['a', LOADING, []],
        ['b', 0, [11]],
        ['b', 0, [13]],
      ]);
    }
    expect(client.ask(offsetFetch, 8, { groups: [] }, () => refused).response.groups).toEqual([]);
  });
});
