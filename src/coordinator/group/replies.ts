import type { ErrorName } from '../../base/errors.js';
import type { Group } from './group.js';
import { type GroupMember, NO_BYTES } from './group-member.js';
import type { GroupReply, JoinedGroup } from './group-messages.js';

const REASON_LENGTH_MAX = 255;

type Synced = Extract<GroupReply, { readonly type: 'synced' }>;

export function joinFailure(error: ErrorName, memberId = ''): JoinedGroup {
  return {
    type: 'joined',
    error,
    generation: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}

/** A later join of the same member waits in place of this one. */
export const SUPERSEDED_JOIN = joinFailure('REBALANCE_IN_PROGRESS');

/** The current generation, as its member is told of it: the leader with what everybody said. */
export function joined(group: Group, member: GroupMember): JoinedGroup {
  const isLeader = group.leaderId === member.memberId;
  return {
    type: 'joined',
    error: 'NONE',
    generation: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocol,
    leader: group.leaderId ?? '',
    skipAssignment: false,
    memberId: member.memberId,
    members: isLeader ? membersOf(group) : [],
  };
}

function membersOf(group: Group): JoinedGroup['members'] {
  return [...group.members.values()].map((member) => ({
    memberId: member.memberId,
    instanceId: member.instanceId,
    metadata: member.metadata(group.protocol),
  }));
}

export function syncFailure(error: ErrorName): Synced {
  return { type: 'synced', error, protocolType: null, protocolName: null, assignment: NO_BYTES };
}

export function synced(group: Group, member: GroupMember): Synced {
  return {
    type: 'synced',
    error: 'NONE',
    protocolType: group.protocolType,
    protocolName: group.protocol,
    assignment: member.assignment,
  };
}

/**
 * Whether a request in the name of this member counts: it is the one that its instance, or its id, stands for.
 *
 * The ids that static members get while a group rebalances are in the log only when it has an assignment. So after a restart of the
 * coordinator the known one may be the older of two. Unless it was heard of since, the other one is told to join without an
 * id, where Kafka would end it for good with FENCED_INSTANCE_ID.
 */
export function memberError(group: Group, memberId: string, instanceId: string | null): ErrorName {
  if (instanceId === null) return group.members.has(memberId) ? 'NONE' : 'UNKNOWN_MEMBER_ID';
  const known = group.instance(instanceId);
  if (known === undefined) return 'UNKNOWN_MEMBER_ID';
  if (known.memberId === memberId) return 'NONE';
  return known.isRestored ? 'UNKNOWN_MEMBER_ID' : 'FENCED_INSTANCE_ID';
}

/** What happened, and why, as far as the client says so (KIP-800). */
export const because = (what: string, reason: string | null): string =>
  reason ? `${what}: ${reason.slice(0, REASON_LENGTH_MAX)}` : what;
