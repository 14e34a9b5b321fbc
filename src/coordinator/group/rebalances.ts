// The phases of a rebalance, and what begins and ends them. In PreparingRebalance members join; when all have, or the time is
// up, the next generation begins and each is told of it. In CompletingRebalance the members ask for their assignment, and
// wait for that of the leader (membership.ts).
//
// Kafka's documentation calls this the rebalance protocol of consumer groups; KIP-62 (timeouts), KIP-134 (the delay of the first one),
// KIP-345 (static members stay until their session ends), KIP-394 (pending members are waited for).
import type { Timer } from '../../base/clock.js';
import type { ErrorName } from '../../base/errors.js';
import { Alarm } from './alarm.js';
import type { Group } from './group.js';
import { type Answer, GroupMember, type MemberIdentity, type MemberProfile } from './group-member.js';
import type { JoinGroupCommand } from './group-messages.js';
import type { GroupStore } from './group-store.js';
import { NEW_MEMBER_JOIN_TIMEOUT_MS, STATIC_MEMBERS_WAIT_MS_MIN } from './limits.js';
import { because, joined, joinFailure, SUPERSEDED_JOIN, syncFailure } from './replies.js';

export class Rebalances {
  readonly #store: GroupStore;

  constructor(store: GroupStore) {
    this.#store = store;
  }

  // -------------------------------------------------------------------------------------------------------- members

  /** A member with a session of its own, which has not begun. */
  makeMember(group: Group, identity: MemberIdentity, profile: MemberProfile): GroupMember {
    const member: GroupMember = new GroupMember(
      identity,
      profile,
      new Alarm(this.#store.ports.clock, () => this.#endSession(group, member)),
    );
    return member;
  }

  /** Has a member join that is not one yet. */
  admit(
    group: Group,
    member: GroupMember,
    { protocolType, reason }: Pick<JoinGroupCommand, 'protocolType' | 'reason'>,
    answer: Answer,
  ): void {
    this.forgetPending(group, member.memberId);
    if (group.isInitialRebalance) group.hasNewcomers = true;
    group.add(member, protocolType);
    member.isNew = true;
    group.parkJoin(member, answer, SUPERSEDED_JOIN);
    member.session.set(NEW_MEMBER_JOIN_TIMEOUT_MS);
    this.rebalance(group, because('a member joins', reason));
  }

  /** Gives an id out: whoever got it has to come with it within its session timeout. */
  expect(group: Group, memberId: string, sessionTimeoutMs: number): void {
    const timer = this.#store.ports.clock.after(sessionTimeoutMs, () => {
      this.forgetPending(group, memberId);
      this.settlePending(group);
    });
    group.pendingMembers.set(memberId, timer);
    this.#store.pendingMembers++;
  }

  /** Whether the id was pending. */
  forgetPending(group: Group, memberId: string): boolean {
    const timer = group.pendingMembers.get(memberId);
    if (timer === undefined) return false;
    this.#store.ports.clock.cancel(timer);
    this.#store.pendingMembers--;
    return group.pendingMembers.delete(memberId);
  }

  /** Takes a member out of its group. {@link settle} is to follow, once for all that are taken out together. */
  remove(group: Group, member: GroupMember, error: ErrorName = 'UNKNOWN_MEMBER_ID'): void {
    group.answerJoin(member, joinFailure(error));
    group.answerSync(member, syncFailure(error));
    group.remove(member);
  }

  #endSession(group: Group, member: GroupMember): void {
    // A member that waits for the group cannot be expected to send heartbeats, unless it was never told its id.
    if (!member.isNew && (member.awaitingJoin !== null || member.awaitingSync !== null)) return;
    this.#store.ports.logger.info('a group member was not heard of within its session timeout', {
      group: group.id,
      member: member.memberId,
      sessionTimeoutMs: member.profile.sessionTimeoutMs,
    });
    this.#store.events.expiredMembers++;
    this.remove(group, member);
    this.settle(group, 'a session has ended');
  }

  // --------------------------------------------------------------------------------------------------------- phases

  /** Members have gone: the others rebalance, or need not wait for them any more. */
  settle(group: Group, reason: string): void {
    if (group.state === 'Empty') this.#store.dropIfUnused(group);
    else if (group.state === 'PreparingRebalance') this.#completeJoinIfAllCame(group);
    else this.prepare(group, reason);
  }

  /** Pending members have gone: nobody waits for them any more. */
  settlePending(group: Group): void {
    if (group.state === 'Empty') this.#store.dropIfUnused(group);
    else if (group.state === 'PreparingRebalance') this.#completeJoinIfAllCame(group);
  }

  /** Begins a rebalance, or goes on with the one that is under way. */
  rebalance(group: Group, reason: string): void {
    if (group.state === 'PreparingRebalance') this.#completeJoinIfAllCame(group);
    else this.prepare(group, reason);
  }

  prepare(group: Group, reason: string): void {
    const { clock, logger } = this.#store.ports;
    for (const member of group.members.values()) {
      if (member.awaitingSync === null) continue;
      group.answerSync(member, syncFailure('REBALANCE_IN_PROGRESS'));
      member.heard();
    }
    this.#cancelSyncTimer(group);
    group.enter('PreparingRebalance', clock.wallMs());
    logger.debug('a group rebalances', { group: group.id, generation: group.generation, reason });
    if (group.isInitialRebalance) {
      const delayMs = this.#store.config.initialRebalanceDelayMs;
      this.#waitForNewcomers(group, delayMs, Math.max(0, group.rebalanceTimeoutMs - delayMs));
    } else if (group.haveAllJoined) this.#completeJoin(group);
    else this.#limitJoin(group);
  }

  #waitForNewcomers(group: Group, delayMs: number, leftMs: number): void {
    group.hasNewcomers = false;
    this.#setJoinTimer(group, delayMs, () => {
      if (!group.hasNewcomers || leftMs === 0) this.#completeJoin(group);
      else {
        const nextMs = Math.min(this.#store.config.initialRebalanceDelayMs, leftMs);
        this.#waitForNewcomers(group, nextMs, leftMs - nextMs);
      }
    });
  }

  #limitJoin(group: Group, leastMs = 0): void {
    this.#setJoinTimer(group, Math.max(leastMs, group.rebalanceTimeoutMs), () => this.#completeJoin(group));
  }

  /** The first rebalance of a group lasts as long as it was said to, whoever has come. */
  #completeJoinIfAllCame(group: Group): void {
    if (!group.isInitialRebalance && group.haveAllJoined) this.#completeJoin(group);
  }

  #completeJoin(group: Group): void {
    this.#cancelJoinTimer(group);
    for (const member of [...group.members.values()]) {
      if (member.awaitingJoin !== null || member.instanceId !== null) continue;
      this.#store.events.expiredMembers++;
      this.remove(group, member);
    }
    if (group.members.size > 0 && !group.electJoinedLeader()) {
      // Only static members are left, and none has joined: their sessions decide.
      this.#limitJoin(group, STATIC_MEMBERS_WAIT_MS_MIN);
      return;
    }
    group.beginGeneration(this.#store.ports.clock.wallMs());
    if (group.state === 'Empty') this.#store.note([this.#store.recorded(group)]);
    else this.#tellGeneration(group);
  }

  #tellGeneration(group: Group): void {
    for (const member of group.members.values()) {
      group.pendingSyncs.add(member.memberId);
      if (member.awaitingJoin === null) continue;
      member.isNew = false;
      member.heard();
      group.answerJoin(member, joined(group, member));
    }
    group.syncTimer = this.#store.ports.clock.after(group.rebalanceTimeoutMs, () => {
      group.syncTimer = null;
      this.#endSync(group);
    });
  }

  /** The member has asked for its assignment. */
  noteSync(group: Group, member: GroupMember): void {
    group.pendingSyncs.delete(member.memberId);
    if (group.pendingSyncs.size === 0) this.#cancelSyncTimer(group);
  }

  #endSync(group: Group): void {
    for (const memberId of [...group.pendingSyncs]) {
      const member = group.members.get(memberId);
      if (member === undefined) continue;
      this.#store.events.expiredMembers++;
      this.remove(group, member);
    }
    this.settle(group, 'members did not ask for their assignment');
  }

  // --------------------------------------------------------------------------------------------------------- timers

  #setJoinTimer(group: Group, delayMs: number, end: () => void): void {
    this.#cancelJoinTimer(group);
    group.joinTimer = this.#store.ports.clock.after(delayMs, () => {
      group.joinTimer = null;
      end();
    });
  }

  #cancelJoinTimer(group: Group): void {
    group.joinTimer = this.#cancelled(group.joinTimer);
  }

  #cancelSyncTimer(group: Group): void {
    group.syncTimer = this.#cancelled(group.syncTimer);
  }

  #cancelled(timer: Timer | null): null {
    if (timer !== null) this.#store.ports.clock.cancel(timer);
    return null;
  }

  /** Ends the group's timers, and refuses whoever waits for its members. */
  close(group: Group, error: ErrorName): void {
    this.#cancelJoinTimer(group);
    this.#cancelSyncTimer(group);
    for (const memberId of [...group.pendingMembers.keys()]) this.forgetPending(group, memberId);
    for (const member of group.members.values()) {
      member.session.clear();
      group.answerJoin(member, { type: 'refused', error });
      group.answerSync(member, { type: 'refused', error });
    }
  }
}
