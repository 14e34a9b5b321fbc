// LeaveGroup: members leave a classic group.
//
// v3 many members at once, and static ones (KIP-345); v4 flexible; v5 reason (KIP-800).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int32, string } from '../schema.js';
import { errorCode } from './common.js';

export const leaveGroup = new Api({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string('Id of the group.'),
    memberId: string('Id of the member.', { versions: '0-2' }),
    members: array(
      'Members that leave.',
      {
        memberId: string('Id of the member; may be empty beside an instance id.'),
        groupInstanceId: string('Id of the static member, or null.', { nullable: true, default: null }),
        reason: string('Why it leaves, or null.', { versions: '5+', nullable: '5+', default: null }),
      },
      { versions: '3+' },
    ),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '1+', default: 0 }),
    errorCode,
    members: array(
      'What became of each member.',
      {
        memberId: string('Id of the member.'),
        groupInstanceId: string('Id of the static member, or null.', { nullable: true }),
        errorCode,
      },
      { versions: '3+' },
    ),
  },
});

export type LeaveGroupRequest = Decoded<typeof leaveGroup.request>;
export type LeaveGroupResponse = Encodable<typeof leaveGroup.response>;
