// What members of a generation do: SyncGroup, Heartbeat, LeaveGroup.
import type { ErrorName } from '../../base/errors.js';
import type { Group } from './group.js';
import { type Answer, type GroupMember, NO_BYTES } from './group-member.js';
import type { HeartbeatCommand, LeaveGroupCommand, SyncGroupCommand } from './group-messages.js';
import type { GroupStore } from './group-store.js';
import type { Rebalances } from './rebalances.js';
import { groupRecord } from './records.js';
import { because, memberError, synced, syncFailure } from './replies.js';

type Leaver = LeaveGroupCommand['members'][number];

export class Membership {
  readonly #store: GroupStore;
  readonly #rebalances: Rebalances;

  constructor(store: GroupStore, rebalances: Rebalances) {
    this.#store = store;
    this.#rebalances = rebalances;
  }

  // ----------------------------------------------------------------------------------------------------------- sync

  sync(command: SyncGroupCommand, answer: Answer): void {
    const group = this.#store.groups.get(command.groupId);
    const error = this.#generationError(command, group) ?? protocolError(command, group);
    const member = group?.members.get(command.memberId);
    if (error !== null || group === undefined || member === undefined) {
      answer(syncFailure(error ?? 'UNKNOWN_MEMBER_ID'));
      return;
    }
    if (group.state === 'PreparingRebalance') {
      answer(syncFailure('REBALANCE_IN_PROGRESS'));
      return;
    }
    this.#rebalances.noteSync(group, member);
    group.answerSync(member, syncFailure('REBALANCE_IN_PROGRESS'));
    member.awaitingSync = answer;
    if (group.state === 'Stable') this.#tellWhenWritten(group, [member]);
    else if (group.leaderId === member.memberId) this.#assign(group, command);
  }

  /** The leader has decided: the group is stable, and says so once the log has it. */
  #assign(group: Group, { assignments }: SyncGroupCommand): void {
    const { clock, logger, fits } = this.#store.ports;
    const decided = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment] as const));
    if (!fits([groupRecord(group, decided)])) {
      logger.warn('an assignment is too large for the log: the group has to find a smaller one', {
        group: group.id,
        members: group.members.size,
      });
      this.#refuseAssignment(group);
      return;
    }
    for (const member of group.members.values()) member.assignment = decided.get(member.memberId) ?? NO_BYTES;
    group.enter('Stable', clock.wallMs());
    this.#store.events.rebalances++;
    this.#store.note([this.#store.recorded(group)]);
    this.#tellWhenWritten(
      group,
      [...group.members.values()].filter(({ awaitingSync }) => awaitingSync !== null),
    );
  }

  #refuseAssignment(group: Group): void {
    for (const member of group.members.values()) {
      if (member.awaitingSync === null) continue;
      group.answerSync(member, syncFailure('UNKNOWN_SERVER_ERROR'));
      member.heard();
    }
    this.#rebalances.prepare(group, 'the assignment is too large');
  }

  /** Tells members their assignment, unless a rebalance, or a later request of theirs, comes in between. */
  #tellWhenWritten(group: Group, members: readonly GroupMember[]): void {
    const waiting = members.map((member) => ({ member, answer: member.awaitingSync }));
    this.#store.ports.afterAppends((error) => {
      // Without the log nobody is told anything: the shard is closed, which refuses whoever waits.
      if (error !== null || this.#store.isClosed) return;
      for (const { member, answer } of waiting) {
        if (answer === null || member.awaitingSync !== answer) continue;
        member.heard();
        group.answerSync(member, synced(group, member));
      }
    });
  }

  // ------------------------------------------------------------------------------------------------------ heartbeat

  heartbeat(command: HeartbeatCommand, answer: Answer): void {
    const group = this.#store.groups.get(command.groupId);
    const error = this.#generationError(command, group);
    const member = group?.members.get(command.memberId);
    if (error === null && member !== undefined && group !== undefined) {
      member.heard();
      const isJoining = group.state === 'PreparingRebalance';
      answer({ type: 'heartbeat', error: isJoining ? 'REBALANCE_IN_PROGRESS' : 'NONE' });
    } else answer({ type: 'heartbeat', error: error ?? 'UNKNOWN_MEMBER_ID' });
  }

  #generationError(
    { groupId, memberId, instanceId, generation }: HeartbeatCommand | SyncGroupCommand,
    group: Group | undefined,
  ): ErrorName | null {
    if (groupId === '') return 'INVALID_GROUP_ID';
    if (group === undefined) return 'UNKNOWN_MEMBER_ID';
    const error = memberError(group, memberId, instanceId);
    if (error !== 'NONE') return error;
    return generation === group.generation ? null : 'ILLEGAL_GENERATION';
  }

  // ---------------------------------------------------------------------------------------------------------- leave

  leave(command: LeaveGroupCommand, answer: Answer): void {
    const group = this.#store.groups.get(command.groupId);
    if (command.groupId === '') {
      answer({ type: 'left', error: 'INVALID_GROUP_ID', members: [] });
      return;
    }
    let haveLeft = false;
    let pendingLeft = false;
    const members = command.members.map(({ memberId, instanceId, reason }) => {
      const left =
        group === undefined ? 'UNKNOWN_MEMBER_ID' : this.#leave(group, { memberId, instanceId, reason });
      haveLeft ||= left === 'member';
      pendingLeft ||= left === 'pending';
      return {
        memberId,
        instanceId,
        error: left === 'member' || left === 'pending' ? 'NONE' : left,
      } as const;
    });
    if (group !== undefined && haveLeft)
      this.#rebalances.settle(group, because('members leave', command.members[0]?.reason ?? null));
    else if (group !== undefined && pendingLeft) this.#rebalances.settlePending(group);
    answer({ type: 'left', error: 'NONE', members });
  }

  /** Who left, or why nobody did. An administrator names a static member by its instance alone. */
  #leave(group: Group, { memberId, instanceId }: Leaver): 'member' | 'pending' | ErrorName {
    if (this.#rebalances.forgetPending(group, memberId)) return 'pending';
    const isByInstance = memberId === '' && instanceId !== null;
    const member = isByInstance ? group.instance(instanceId) : group.members.get(memberId);
    const error = isByInstance ? 'NONE' : memberError(group, memberId, instanceId);
    if (error !== 'NONE' || member === undefined) return error === 'NONE' ? 'UNKNOWN_MEMBER_ID' : error;
    this.#rebalances.remove(group, member);
    return 'member';
  }
}

/** A member that knows another choice than the group's is one of another group of this name. KIP-559. */
function protocolError(
  { protocolType, protocolName }: SyncGroupCommand,
  group: Group | undefined,
): ErrorName | null {
  const differs = (said: string | null, known: string | null) =>
    said !== null && known !== null && said !== known;
  if (group === undefined) return null;
  return differs(protocolType, group.protocolType) || differs(protocolName, group.protocol)
    ? 'INCONSISTENT_GROUP_PROTOCOL'
    : null;
}
