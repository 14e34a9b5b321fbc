import { describe, expect, it } from 'vitest';
import type { GroupReply } from '../../../src/coordinator/group/group-messages.js';
import { leaveGroup } from '../../../src/protocol/kafka/messages/13-leave-group.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { versionsOf } from './kafka-scene.js';

const REQUEST = {
  groupId: 'a-group',
  memberId: 'only',
  members: [
    { memberId: 'first', groupInstanceId: null, reason: 'tired' },
    { memberId: '', groupInstanceId: 'an-instance', reason: null },
  ],
};

const left = (...errors: readonly ('NONE' | 'UNKNOWN_MEMBER_ID' | 'FENCED_INSTANCE_ID')[]): GroupReply => ({
  type: 'left',
  error: 'NONE',
  members: errors.map((error, index) => ({
    memberId: `m${index}`,
    instanceId: index === 1 ? 'i' : null,
    error,
  })),
});

describe('LeaveGroup', () => {
  it('is about one member below v3, whose error is the answer', () => {
    const client = groupScene().connect();
    for (const version of [0, 1, 2]) {
      const { response, commands } = client.ask(leaveGroup, version, REQUEST, () =>
        left('UNKNOWN_MEMBER_ID'),
      );
      expect(commands).toEqual([
        {
          ...{ type: 'leave', groupId: 'a-group' },
          members: [{ memberId: 'only', instanceId: null, reason: null }],
        },
      ]);
      expect(response).toMatchObject({ errorCode: 25, members: [] });
      expect(client.ask(leaveGroup, version, REQUEST, () => left('NONE')).response.errorCode).toBe(0);
    }
  });

  it('is about many members from v3 on, with an error each', () => {
    const client = groupScene().connect();
    expect(versionsOf(leaveGroup)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const version of [3, 4, 5]) {
      const { response, commands } = client.ask(leaveGroup, version, REQUEST, () =>
        left('NONE', 'FENCED_INSTANCE_ID'),
      );
      expect(commands).toEqual([
        {
          ...{ type: 'leave', groupId: 'a-group' },
          members: [
            { memberId: 'first', instanceId: null, reason: version >= 5 ? 'tired' : null },
            { memberId: '', instanceId: 'an-instance', reason: null },
          ],
        },
      ]);
      expect(response).toEqual({
        ...{ throttleTimeMs: 0, errorCode: 0 },
        members: [
          { memberId: 'm0', groupInstanceId: null, errorCode: 0 },
          { memberId: 'm1', groupInstanceId: 'i', errorCode: 82 },
        ],
      });
    }
  });

  it('answers an error of the group without members', () => {
    const client = groupScene().connect();
    for (const version of versionsOf(leaveGroup)) {
      const failed: GroupReply = { type: 'left', error: 'INVALID_GROUP_ID', members: [] };
      const nobody = { members: [] };
      expect(client.ask(leaveGroup, version, REQUEST, () => failed).response).toMatchObject({
        ...{ errorCode: 24, ...nobody },
      });
      expect(client.ask(leaveGroup, version, REQUEST, () => refused).response).toMatchObject({
        ...{ errorCode: LOADING, ...nobody },
      });
    }
  });
});
