import { describe, expect, it } from 'vitest';
import type { Failure } from '../../../src/base/errors.js';
import type { TopicId } from '../../../src/base/ids.js';
import type { Connection } from '../../../src/broker/connection.js';
import { handleGroupRequest } from '../../../src/broker/native/groups.js';
import type {
  GroupCommand,
  GroupDescription,
  GroupReply,
} from '../../../src/coordinator/group/group-messages.js';
import { consumerProtocolSubscription } from '../../../src/protocol/kafka/consumer-protocol.js';
import { encodePrefixed } from '../../../src/protocol/kafka/prefixed.js';
import type { GroupRequest } from '../../../src/protocol/native/group-messages.js';
import type { ResponseBody } from '../../../src/protocol/native/messages.js';
import { assignmentOf } from '../kafka/group-member.js';
import { groupScene } from '../kafka/group-scene.js';

const TOPIC_ID = 'nHFYrRJiQ921bvWs9VkYnA' as TopicId;
const scene = groupScene({ orders: { topicId: TOPIC_ID, partitions: 3 } });
const groupId = 'a-group';

/** What becomes of a request, if the coordinator gives this reply. */
function handle(request: GroupRequest, reply: GroupReply | null) {
  const answers: (ResponseBody | Failure)[] = [];
  handleGroupRequest(
    {
      router: scene.router,
      connection: {} as Connection,
      reply: (body) => answers.push(body),
      fail: (failure) => answers.push(failure),
      onCancel: () => {},
    },
    request,
  );
  const commands: GroupCommand[] = [];
  for (const asked of scene.asked.splice(0)) {
    commands.push(asked.command);
    if (reply) asked.reply(reply);
  }
  expect(answers).toHaveLength(1);
  return { answer: answers[0], commands };
}

const MEMBER = { memberId: 'm', instanceId: null, clientId: 'c', clientHost: '/127.0.0.1' };
const described = (protocolType: string, ...blobs: readonly Uint8Array[]): GroupDescription => ({
  ...{ type: 'described', error: 'NONE', groupId, state: 'Stable', protocolType, protocol: 'range' },
  members: [{ ...MEMBER, metadata: blobs[0] ?? new Uint8Array(), assignment: blobs[1] ?? new Uint8Array() }],
});

describe('handleGroupRequest', () => {
  const describeGroup: GroupRequest = { type: 'describeGroup', groupId };
  const member = (reply: GroupDescription) => {
    const { answer } = handle(describeGroup, reply);
    return answer && 'members' in answer ? answer.members[0] : answer;
  };

  it('decodes what consumers say to each other', () => {
    const subscription = encodePrefixed(consumerProtocolSubscription, 3, { topics: ['orders'] });
    const assignment = assignmentOf({ orders: [0, 2], others: [] });
    expect(member(described('consumer', subscription, assignment))).toEqual({
      ...{ memberId: 'm', instanceId: null, clientId: 'c', clientHost: '127.0.0.1', topics: ['orders'] },
      assignment: [
        { topic: 'orders', partitions: [0, 2] },
        { topic: 'others', partitions: [] },
      ],
    });
  });

  it('leaves out what makes no sense, and what others than consumers say', () => {
    const nothing = { topics: [], assignment: [] };
    const assignment = assignmentOf({ orders: [0] });
    expect(member(described('connect', assignment, assignment))).toMatchObject(nothing);
    expect(member(described('consumer'))).toMatchObject(nothing);
    for (const broken of [
      new Uint8Array([0]),
      new Uint8Array([0, 1, 99, 99, 99, 99]),
      new Uint8Array([255, 255]),
    ])
      expect(member(described('consumer', broken, broken))).toMatchObject(nothing);
  });

  it('says who is missing', () => {
    const unknown: GroupReply = { ...described('consumer'), error: 'GROUP_ID_NOT_FOUND', members: [] };
    expect(handle(describeGroup, unknown).answer).toEqual({
      ...{ error: 'GROUP_ID_NOT_FOUND', detail: 'There is no group "a-group".' },
    });
    expect(
      handle({ type: 'deleteGroup', groupId }, { type: 'deleted', error: 'NON_EMPTY_GROUP' }).answer,
    ).toEqual({
      error: 'NON_EMPTY_GROUP',
    });
  });

  it('fails when the coordinator cannot', () => {
    const offsets = [{ topic: 'orders', partition: 0, offset: 1, leaderEpoch: -1, metadata: '' }];
    const requests: readonly GroupRequest[] = [
      describeGroup,
      { type: 'listGroups', states: [] },
      { type: 'fetchGroupOffsets', groupId },
      { type: 'commitGroupOffsets', groupId, offsets },
      { type: 'deleteGroup', groupId },
      { type: 'deleteGroupOffsets', groupId, partitions: offsets },
    ];
    for (const request of requests) {
      const { answer, commands } = handle(request, { type: 'refused', error: 'REQUEST_TIMED_OUT' });
      expect(answer, request.type).toEqual({ error: 'COORDINATOR_NOT_AVAILABLE' });
      expect(commands).toHaveLength(1);
    }
  });

  it('commits from outside, for partitions that there are', () => {
    const offset = (topic: string, partition: number) => ({
      ...{ topic, partition, offset: 7, leaderEpoch: 2, metadata: 'text' },
    });
    const offsets = [offset('orders', 0), offset('gone', 0), offset('orders', 9), offset('orders', 1)];
    const { answer, commands } = handle(
      { type: 'commitGroupOffsets', groupId, offsets },
      {
        ...{ type: 'offsets-committed' },
        topics: [
          {
            name: 'orders',
            partitions: [
              { partition: 0, error: 'NONE' },
              { partition: 1, error: 'UNKNOWN_MEMBER_ID' },
            ],
          },
        ],
      },
    );
    expect(commands).toMatchObject([
      {
        ...{
          type: 'commit-offsets',
          groupId,
          generation: -1,
          memberId: '',
          instanceId: null,
          retentionMs: null,
        },
        topics: [
          { name: 'orders', topicId: TOPIC_ID, partitions: [{ partition: 0, offset: 7 }, { partition: 1 }] },
        ],
      },
    ]);
    const unknown = { error: 'UNKNOWN_TOPIC_OR_PARTITION' };
    expect(answer).toEqual({
      type: 'commitGroupOffsets',
      partitions: [
        { topic: 'orders', partition: 0, error: null },
        { topic: 'gone', partition: 0, error: unknown },
        { topic: 'orders', partition: 9, error: unknown },
        // Only a group with members minds who commits.
        { topic: 'orders', partition: 1, error: { error: 'NON_EMPTY_GROUP' } },
      ],
    });
    const nowhere = handle({ type: 'commitGroupOffsets', groupId, offsets: [offset('gone', 0)] }, null);
    expect(nowhere).toMatchObject({ commands: [], answer: { partitions: [{ error: unknown }] } });
  });

  it('tells what is committed, and nothing else', () => {
    const found = (partition: number, offset: number) => ({
      ...{ partition, offset, leaderEpoch: 3, metadata: 'text', error: 'NONE' as const },
    });
    const { answer } = handle(
      { type: 'fetchGroupOffsets', groupId },
      {
        ...{ type: 'offsets-fetched', error: 'NONE' },
        topics: [{ name: 'orders', topicId: TOPIC_ID, partitions: [found(0, 5), found(1, -1), found(2, 0)] }],
      },
    );
    expect(answer).toEqual({
      type: 'fetchGroupOffsets',
      offsets: [
        { topic: 'orders', partition: 0, offset: 5, leaderEpoch: 3, metadata: 'text' },
        { topic: 'orders', partition: 2, offset: 0, leaderEpoch: 3, metadata: 'text' },
      ],
    });
  });

  it('names no more partitions than a request may', () => {
    const partitions = Array.from({ length: 1001 }, (_, partition) => ({ topic: 'orders', partition }));
    const offsets = partitions.map((one) => ({ ...one, offset: 0, leaderEpoch: -1, metadata: '' }));
    for (const request of [
      { type: 'commitGroupOffsets', groupId, offsets },
      { type: 'deleteGroupOffsets', groupId, partitions },
    ] as const) {
      expect(handle(request, null)).toMatchObject({ answer: { error: 'INVALID_REQUEST' }, commands: [] });
    }
  });
});
