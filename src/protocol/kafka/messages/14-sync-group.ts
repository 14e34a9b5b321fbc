// SyncGroup: the leader of a classic group brings the assignment, every member gets its part.
//
// v3 static members (KIP-345); v4 flexible; v5 protocol type and name (KIP-559).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, bytes, int32, string } from '../schema.js';
import { errorCode } from './common.js';

export const syncGroup = new Api({
  key: 14,
  name: 'SyncGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string('Id of the group.'),
    generationId: int32('Generation that the member knows.'),
    memberId: string('Id of the member.'),
    groupInstanceId: string('Id of the static member, or null.', {
      versions: '3+',
      nullable: '3+',
      default: null,
    }),
    protocolType: string('Kind of the group, or null.', { versions: '5+', nullable: '5+', default: null }),
    protocolName: string('Protocol that was chosen, or null.', {
      versions: '5+',
      nullable: '5+',
      default: null,
    }),
    assignments: array('The assignment, from the leader.', {
      memberId: string('Id of the member.'),
      assignment: bytes('Its part.'),
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '1+', default: 0 }),
    errorCode,
    protocolType: string('Kind of the group, or null.', { versions: '5+', nullable: '5+', default: null }),
    protocolName: string('Protocol that was chosen, or null.', {
      versions: '5+',
      nullable: '5+',
      default: null,
    }),
    assignment: bytes('Part of the member; empty beside an error.'),
  },
});

export type SyncGroupRequest = Decoded<typeof syncGroup.request>;
export type SyncGroupResponse = Encodable<typeof syncGroup.response>;
