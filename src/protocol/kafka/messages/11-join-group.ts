// JoinGroup: a member joins a classic group, or takes part in its rebalance.
//
// v1 rebalance timeout; v4 a new member gets its id first (KIP-394); v5 static members (KIP-345); v6 flexible; v7 protocol type
// in the answer (KIP-559); v8 reason (KIP-800); v9 skipAssignment (KIP-814).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, bytes, int32, string } from '../schema.js';
import { errorCode } from './common.js';

export const joinGroup = new Api({
  key: 11,
  name: 'JoinGroup',
  versions: '0-9',
  flexible: '6+',
  request: {
    groupId: string('Id of the group.'),
    sessionTimeoutMs: int32('A member that is not heard of for this time is taken for dead.'),
    rebalanceTimeoutMs: int32('How long the members have to join again; -1: as long as the session.', {
      versions: '1+',
      default: -1,
    }),
    memberId: string('Id of the member; empty for a new one.'),
    groupInstanceId: string('Id of the static member, or null.', {
      versions: '5+',
      nullable: '5+',
      default: null,
    }),
    protocolType: string('What kind of group it is: "consumer", "connect" …'),
    protocols: array('Protocols that the member can do, the ones it prefers first.', {
      name: string('Name of the protocol; for consumers an assignor.'),
      metadata: bytes('What the protocol says; for consumers a subscription.'),
    }),
    reason: string('Why the member joins, or null.', { versions: '8+', nullable: '8+', default: null }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '2+', default: 0 }),
    errorCode,
    generationId: int32('Generation of the group, or -1.', { default: -1 }),
    protocolType: string('Kind of the group, or null.', { versions: '7+', nullable: '7+', default: null }),
    protocolName: string('Protocol that was chosen.', { nullable: '7+' }),
    leader: string('Id of the member that makes the assignment.'),
    skipAssignment: boolean('Whether the leader shall keep the assignment as it is.', {
      versions: '9+',
      default: false,
    }),
    memberId: string('Id of the member.'),
    members: array('All members, for the leader.', {
      memberId: string('Id of the member.'),
      groupInstanceId: string('Id of the static member, or null.', {
        versions: '5+',
        nullable: '5+',
        default: null,
      }),
      metadata: bytes('What the member said for the chosen protocol.'),
    }),
  },
});

export type JoinGroupRequest = Decoded<typeof joinGroup.request>;
export type JoinGroupResponse = Encodable<typeof joinGroup.response>;
