// DescribeGroups: state and members of classic groups.
//
// v3 authorized operations (KIP-430); v4 static members (KIP-345); v5 flexible; v6 an error for unknown groups (KIP-1043).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, boolean, bytes, int32, list, string } from '../schema.js';
import { errorCode, NO_OPERATIONS } from './common.js';

export const describeGroups = new Api({
  key: 15,
  name: 'DescribeGroups',
  versions: '0-6',
  flexible: '5+',
  request: {
    groups: list(string('Ids of the groups.')),
    includeAuthorizedOperations: boolean('Whether to list what the client may do to each group.', {
      versions: '3+',
      default: false,
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '1+', default: 0 }),
    groups: array('Groups.', {
      errorCode,
      errorMessage: string('What is wrong, or null.', { versions: '6+', nullable: '6+', default: null }),
      groupId: string('Id of the group.'),
      groupState: string(
        'Empty, PreparingRebalance, CompletingRebalance, Stable or Dead; empty beside an error.',
      ),
      protocolType: string('Kind of the group, or empty.'),
      protocolData: string('Protocol that was chosen, or empty.'),
      members: array('Members.', {
        memberId: string('Id of the member.'),
        groupInstanceId: string('Id of the static member, or null.', {
          versions: '4+',
          nullable: '4+',
          default: null,
        }),
        clientId: string('Client id of its last join.'),
        clientHost: string('Where it joined from: a slash and the address.'),
        memberMetadata: bytes('What it said for the chosen protocol.'),
        memberAssignment: bytes('Its part of the assignment.'),
      }),
      authorizedOperations: int32('Bits of what the client may do to the group.', {
        versions: '3+',
        default: NO_OPERATIONS,
      }),
    }),
  },
});

export type DescribeGroupsRequest = Decoded<typeof describeGroups.request>;
export type DescribeGroupsResponse = Encodable<typeof describeGroups.response>;
