// JoinGroup: new members, members that come again, and static members that take the place of what they were before a restart.
import type { ErrorName } from '../../base/errors.js';
import type { Random } from '../../base/random.js';
import { type Group, topicsOf } from './group.js';
import {
  type Answer,
  type GroupMember,
  type MemberProfile,
  memberBytes,
  metadataBytes,
} from './group-member.js';
import type { GroupProtocol, JoinGroupCommand } from './group-messages.js';
import type { GroupStore } from './group-store.js';
import {
  GROUP_MEMBER_BYTES_MAX,
  isName,
  MEMBER_METADATA_BYTES_MAX,
  PENDING_MEMBERS_MAX,
  PROTOCOLS_MAX,
  SHARD_MEMBER_BYTES_MAX,
} from './limits.js';
import type { Rebalances } from './rebalances.js';
import { because, joined, joinFailure, memberError, SUPERSEDED_JOIN, syncFailure } from './replies.js';

/** A join whose parts were checked. */
interface Join {
  readonly command: JoinGroupCommand;
  readonly profile: MemberProfile;
  readonly answer: Answer;
}

export class JoinGroup {
  readonly #store: GroupStore;
  readonly #rebalances: Rebalances;

  constructor(store: GroupStore, rebalances: Rebalances) {
    this.#store = store;
    this.#rebalances = rebalances;
  }

  handle(command: JoinGroupCommand, answer: Answer): void {
    const problem = this.#problemOf(command);
    if (problem !== null) {
      answer(joinFailure(problem, command.memberId));
      return;
    }
    const { groupId, memberId } = command;
    const known = this.#store.groups.get(groupId);
    if (known === undefined && memberId !== '') {
      answer(joinFailure('UNKNOWN_MEMBER_ID', memberId));
      return;
    }
    const group = known ?? this.#store.findOrMake(groupId);
    if (group === null) {
      answer(joinFailure('POLICY_VIOLATION'));
      return;
    }
    this.#join(group, { command, profile: profileOf(command), answer });
    this.#store.dropIfUnused(group);
  }

  #problemOf(command: JoinGroupCommand): ErrorName | null {
    const { sessionTimeoutMinMs, sessionTimeoutMaxMs } = this.#store.config;
    if (command.groupId === '' || !isName(command.groupId)) return 'INVALID_GROUP_ID';
    if (command.sessionTimeoutMs < sessionTimeoutMinMs || command.sessionTimeoutMs > sessionTimeoutMaxMs)
      return 'INVALID_SESSION_TIMEOUT';
    const names = [command.instanceId ?? '', command.clientId, command.protocolType];
    if (!names.every(isName) || !command.protocols.every(({ name }) => isName(name)))
      return 'INVALID_REQUEST';
    if (command.protocols.length > PROTOCOLS_MAX) return 'INVALID_REQUEST';
    return metadataBytes(command.protocols) > MEMBER_METADATA_BYTES_MAX ? 'INVALID_REQUEST' : null;
  }

  #join(group: Group, join: Join): void {
    const { command, profile, answer } = join;
    const { instanceId, memberId, protocolType } = command;
    const member = group.members.get(memberId);
    const former = member ?? (instanceId === null ? undefined : group.instance(instanceId));
    if (!this.#hasRoom(group, former, join)) {
      if (member !== undefined) {
        this.#rebalances.remove(group, member);
        this.#rebalances.settle(group, 'the group is full');
      } else if (this.#rebalances.forgetPending(group, memberId)) this.#rebalances.settlePending(group);
      answer(joinFailure('GROUP_MAX_SIZE_REACHED'));
    } else if (!group.accepts(protocolType, profile.protocols))
      answer(joinFailure('INCONSISTENT_GROUP_PROTOCOL', memberId));
    else if (memberId === '') this.#joinAnew(group, join);
    else this.#joinAgain(group, join);
  }

  /**
   * While members join, those that have count: so a group that is too large, as after a change of the setting, loses
   * who comes last.
   */
  #hasRoom(group: Group, member: GroupMember | undefined, { command, profile }: Join): boolean {
    const { sizeMax } = this.#store.config;
    const known = member === undefined ? 0 : memberBytes(member, member.profile);
    const moreBytes = memberBytes(member ?? command, profile) - known;
    if (moreBytes > 0 && group.memberBytes + moreBytes > GROUP_MEMBER_BYTES_MAX) return false;
    if (moreBytes > 0 && this.#store.usage.memberBytes + moreBytes > SHARD_MEMBER_BYTES_MAX) return false;
    if (group.state === 'Empty') return true;
    if (group.state === 'PreparingRebalance')
      return (member?.awaitingJoin ?? null) !== null || group.awaitingJoin < sizeMax;
    return member !== undefined || group.members.size < sizeMax;
  }

  // ------------------------------------------------------------------------------------------------ without a member id

  #joinAnew(group: Group, join: Join): void {
    const { command, profile, answer } = join;
    const { instanceId } = command;
    const memberId = `${instanceId ?? command.clientId}-${uuid(this.#store.ports.random)}`;
    const former = instanceId === null ? undefined : group.instance(instanceId);
    if (former !== undefined) this.#replace(group, former, memberId, join);
    else if (instanceId === null && command.requireKnownMemberId) this.#giveId(group, memberId, join);
    else {
      const member = this.#rebalances.makeMember(group, { memberId, instanceId }, profile);
      this.#rebalances.admit(group, member, command, answer);
    }
  }

  #giveId(group: Group, memberId: string, { command, answer }: Join): void {
    if (this.#store.pendingMembers >= PENDING_MEMBERS_MAX) {
      answer(joinFailure('COORDINATOR_NOT_AVAILABLE'));
      return;
    }
    this.#rebalances.expect(group, memberId, command.sessionTimeoutMs);
    answer(joinFailure('MEMBER_ID_REQUIRED', memberId));
  }

  /** A static member was started again. As long as the group has what it needs, nobody else notices. */
  #replace(group: Group, former: GroupMember, memberId: string, join: Join): void {
    const { command, profile, answer } = join;
    const { leaderId } = group;
    const readsTheSame = !group.isOfConsumers || sameTopics(former, profile, group.protocol);
    group.answerJoin(former, joinFailure('FENCED_INSTANCE_ID'));
    group.answerSync(former, syncFailure('FENCED_INSTANCE_ID'));
    const { instanceId } = former;
    const member = this.#rebalances.makeMember(group, { memberId, instanceId }, profile);
    group.replace(former, member);
    if (group.state === 'Stable' && readsTheSame && group.chosenProtocol() === group.protocol) {
      if (this.#succeed(group, member, leaderId, join)) return;
    }
    group.parkJoin(member, answer, SUPERSEDED_JOIN);
    member.heard();
    this.#rebalances.rebalance(group, because('a static member was replaced', command.reason));
  }

  /** Goes on with the assignment of the former; false if the log cannot take that. */
  #succeed(
    group: Group,
    member: GroupMember,
    formerLeaderId: string | null,
    { command, answer }: Join,
  ): boolean {
    group.forgetSubscriptions();
    const record = this.#store.recorded(group);
    if (!this.#store.ports.fits([record])) return false;
    member.heard();
    // A leader that cannot be told to leave the assignment alone (KIP-814) is told that another one leads.
    const isLeader = group.leaderId === member.memberId;
    const told = joined(group, member);
    const reply = command.canSkipAssignment
      ? { ...told, skipAssignment: isLeader }
      : { ...told, leader: formerLeaderId ?? '', members: [] };
    this.#store.append([record], answer, () => reply);
    return true;
  }

  // --------------------------------------------------------------------------------------------------- with a member id

  #joinAgain(group: Group, join: Join): void {
    const { command, profile, answer } = join;
    const { memberId, instanceId } = command;
    if (instanceId === null && group.pendingMembers.has(memberId)) {
      const member = this.#rebalances.makeMember(group, { memberId, instanceId }, profile);
      this.#rebalances.admit(group, member, command, answer);
      return;
    }
    const error = memberError(group, memberId, instanceId);
    const member = group.members.get(memberId);
    if (error !== 'NONE' || member === undefined) {
      answer(joinFailure(error, memberId));
      return;
    }
    if (this.#isAnsweredAlready(group, member, profile.protocols)) {
      member.heard();
      answer(joined(group, member));
      return;
    }
    group.update(member, profile);
    group.parkJoin(member, answer, SUPERSEDED_JOIN);
    this.#rebalances.rebalance(group, because('a member joins again', command.reason));
  }

  /**
   * Whether the member only missed the answer. In a stable group the leader wants a rebalance, for what it knows of topics; in
   * one that waits for its assignment it may have missed what it needs for it.
   */
  #isAnsweredAlready(group: Group, member: GroupMember, protocols: readonly GroupProtocol[]): boolean {
    if (!member.matches(protocols)) return false;
    if (group.state === 'Stable') return group.leaderId !== member.memberId;
    return group.state === 'CompletingRebalance';
  }
}

function profileOf(command: JoinGroupCommand): MemberProfile {
  const { clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols } = command;
  const byName = new Map<string, GroupProtocol>();
  for (const protocol of protocols) if (!byName.has(protocol.name)) byName.set(protocol.name, protocol);
  return {
    clientId,
    clientHost,
    sessionTimeoutMs,
    rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    protocols: [...byName.values()],
  };
}

/**
 * Whether a consumer still reads what it read before. Unlike Kafka, which compares only the choice of the protocol: there, a
 * consumer that is started again with other topics reads the old ones until something else makes the group rebalance.
 */
function sameTopics(former: GroupMember, { protocols }: MemberProfile, protocol: string | null): boolean {
  const before = topicsOf(former.metadata(protocol));
  const metadata = protocols.find(({ name }) => name === protocol)?.metadata;
  const after = metadata === undefined ? null : topicsOf(metadata);
  if (before === null || after === null) return before === after;
  const topics = new Set(after);
  return topics.size === new Set(before).size && before.every((topic) => topics.has(topic));
}

/** A random UUID in the usual writing: version 4 of RFC 9562. */
function uuid(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
