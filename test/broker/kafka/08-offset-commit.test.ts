import { describe, expect, it } from 'vitest';
import type { ErrorName } from '../../../src/base/errors.js';
import type { TopicId } from '../../../src/base/ids.js';
import type { GroupCommand, GroupReply } from '../../../src/coordinator/group/group-messages.js';
import { offsetCommit } from '../../../src/protocol/kafka/messages/08-offset-commit.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { UNKNOWN_ID, versionsOf } from './kafka-scene.js';

const TOPIC_ID = 'nHFYrRJiQ921bvWs9VkYnA' as TopicId;
const TOPICS = { orders: { topicId: TOPIC_ID, partitions: 3 } };

const partition = (partitionIndex: number, committedMetadata: string | null = 'text') => ({
  ...{ partitionIndex, committedOffset: 10 + partitionIndex, committedLeaderEpoch: 4, committedMetadata },
});
const topic = (...partitions: readonly ReturnType<typeof partition>[]) => ({
  ...{ name: 'orders', topicId: TOPIC_ID, partitions },
});
const unknown = (...partitions: readonly ReturnType<typeof partition>[]) => ({
  ...{ name: 'unheard-of', topicId: UNKNOWN_ID, partitions },
});

const request = (...topics: readonly ReturnType<typeof topic>[]) => ({
  groupId: 'a-group',
  generationIdOrMemberEpoch: 3,
  memberId: 'a-member',
  groupInstanceId: 'an-instance',
  retentionTimeMs: 5000,
  topics,
});

/** Commits all that it is given, with this error. */
const committing =
  (errorOf: (partition: number) => ErrorName = () => 'NONE') =>
  (command: GroupCommand): GroupReply => ({
    type: 'offsets-committed',
    topics:
      command.type === 'commit-offsets'
        ? command.topics.map(({ name, partitions }) => ({
            name,
            partitions: partitions.map((one) => ({
              partition: one.partition,
              error: errorOf(one.partition),
            })),
          }))
        : [],
  });

type Answered = readonly { partitions: readonly { partitionIndex: number; errorCode: number }[] }[];
const codes = (topics: Answered) =>
  topics.map(({ partitions }) =>
    partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode]),
  );

describe('OffsetCommit', () => {
  const client = groupScene(TOPICS).connect();

  it('has the coordinator commit what each version says', () => {
    expect(versionsOf(offsetCommit)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const version of versionsOf(offsetCommit)) {
      const asked = request(topic(partition(0), partition(2, null)));
      const { response, commands } = client.ask(offsetCommit, version, asked, committing());
      const leaderEpoch = version >= 6 ? 4 : -1;
      expect(commands, `v${version}`).toEqual([
        {
          ...{ type: 'commit-offsets', groupId: 'a-group', generation: 3, memberId: 'a-member' },
          instanceId: version >= 7 ? 'an-instance' : null,
          retentionMs: version <= 4 ? 5000 : null,
          topics: [
            {
              ...{ name: 'orders', topicId: TOPIC_ID },
              partitions: [
                { partition: 0, offset: 10, leaderEpoch, metadata: 'text' },
                { partition: 2, offset: 12, leaderEpoch, metadata: '' },
              ],
            },
          ],
        },
      ]);
      expect(response.topics[0], `v${version}`).toMatchObject(
        version >= 10 ? { name: '', topicId: TOPIC_ID } : { name: 'orders' },
      );
      expect(codes(response.topics)).toEqual([
        [
          [0, 0],
          [2, 0],
        ],
      ]);
    }
  });

  it('keeps offsets for the time that is asked for, or the default', () => {
    const retention = (retentionTimeMs: number) => {
      const asked = { ...request(topic(partition(0))), retentionTimeMs };
      const [command] = client.ask(offsetCommit, 2, asked, committing()).commands;
      return command?.type === 'commit-offsets' ? command.retentionMs : undefined;
    };
    expect([retention(-1), retention(0), retention(99)]).toEqual([null, 0, 99]);
  });

  it('answers for topics and partitions that do not exist, and commits the others', () => {
    for (const version of versionsOf(offsetCommit)) {
      const asked = request(
        unknown(partition(0), partition(1)),
        topic(partition(0), partition(7), partition(-1)),
      );
      const { response, commands } = client.ask(offsetCommit, version, asked, committing());
      const missing = version >= 10 ? 100 : 3;
      expect(codes(response.topics), `v${version}`).toEqual([
        [
          [0, missing],
          [1, missing],
        ],
        [
          [0, 0],
          [7, 3],
          [-1, 3],
        ],
      ]);
      expect(commands).toMatchObject([{ topics: [{ name: 'orders', partitions: [{ partition: 0 }] }] }]);
    }
  });

  it('asks nobody when there is nothing to commit', () => {
    for (const topics of [[], [unknown(partition(0))], [topic()]]) {
      const { commands } = client.ask(offsetCommit, 8, request(...topics), () => expect.unreachable());
      expect(commands).toEqual([]);
    }
    expect(client.ask(offsetCommit, 8, request(topic()), committing()).response.topics).toEqual([]);
  });

  it('says errors with each partition', () => {
    const asked = request(topic(partition(0), partition(1)));
    const some = committing((index) => (index === 1 ? 'OFFSET_METADATA_TOO_LARGE' : 'NONE'));
    expect(codes(client.ask(offsetCommit, 8, asked, some).response.topics)).toEqual([
      [
        [0, 0],
        [1, 12],
      ],
    ]);
    const withUnknown = request(unknown(partition(0)), topic(partition(0)));
    expect(codes(client.ask(offsetCommit, 8, withUnknown, () => refused).response.topics)).toEqual([
      [[0, 3]],
      [[0, LOADING]],
    ]);
  });

  it('tells a member of a group that does not exist what its version knows', () => {
    const gone = committing(() => 'GROUP_ID_NOT_FOUND');
    for (const version of versionsOf(offsetCommit)) {
      const { response } = client.ask(offsetCommit, version, request(topic(partition(0))), gone);
      expect(codes(response.topics), `v${version}`).toEqual([[[0, version >= 9 ? 69 : 22]]]);
    }
  });

  it('closes the connection that names too many partitions', () => {
    const scene = groupScene(TOPICS);
    const other = scene.connect();
    const many = Array.from({ length: 10_001 }, () => partition(0));
    other.tell(offsetCommit, 8, request(topic(...many)));
    expect(other.transport.ended).toBe(true);
    expect(scene.asked).toEqual([]);
  });
});
