// A classic group: who is in it, in which state, what was chosen and committed. It only keeps its own parts consistent; when
// what happens is decided by rebalances.ts and its like.
//
//                 join                     all have joined            the leader's sync
//        Empty ──────────► PreparingRebalance ──────────► CompletingRebalance ──────────► Stable
//          ▲                 │   ▲      ▲                          │                        │
//          └─────────────────┘   │      └──────────────────────────┘                        │
//             nobody is left     └──── join, leave, end of a session, sync that never came ◄┘
//
// Invariants: a leader is a member; a static member is found by its instance; the counts of protocols and of parked joins agree
// with the members; in Stable and CompletingRebalance a protocol is chosen that all members support.
import { assert, present } from '../../base/assert.js';
import type { Timer } from '../../base/clock.js';
import { OdradekError } from '../../base/errors.js';
import { decodeSubscription } from '../../protocol/kafka/consumer-protocol.js';
import { type Answer, type GroupMember, type MemberProfile, memberBytes } from './group-member.js';
import type { GroupProtocol, GroupReply, GroupState } from './group-messages.js';
import { GroupOffsets } from './group-offsets.js';

const CONSUMER_PROTOCOL_TYPE = 'consumer';

/** What the groups of a shard take together. */
export interface GroupUsage {
  memberBytes: number;
}

export class Group {
  readonly id: string;
  readonly #usage: GroupUsage;
  readonly offsets = new GroupOffsets();
  /** Ids that were given out to clients that have to come again with them, and the timers that end them. */
  readonly pendingMembers = new Map<string, Timer>();
  /** Members that know the generation and have not asked for their assignment. */
  readonly pendingSyncs = new Set<string>();
  generation = 0;
  /** null: nobody ever joined; such a group is called simple. */
  protocolType: string | null = null;
  protocol: string | null = null;
  leaderId: string | null = null;
  /** Whether the log has a record of the group, apart from its offsets. */
  isRecorded = false;
  /** Somebody joined since the initial rebalance was last put off. */
  hasNewcomers = false;
  /** Ends the join phase. */
  joinTimer: Timer | null = null;
  /** Ends the wait for members that do not ask for their assignment. */
  syncTimer: Timer | null = null;
  readonly #members = new Map<string, GroupMember>();
  readonly #instances = new Map<string, GroupMember>();
  /** How many members support each protocol. */
  readonly #supporters = new Map<string, number>();
  #awaitingJoin = 0;
  #memberBytes = 0;
  #state: GroupState = 'Empty';
  #previousState: GroupState = 'Empty';
  /** Wall time of the entry into the state; null in records of older versions. */
  #stateSinceMs: number | null = null;
  /** Topics of the members of the current generation; undefined: not worked out yet. */
  #subscribedTopics: ReadonlySet<string> | null | undefined;

  constructor(id: string, usage: GroupUsage = { memberBytes: 0 }) {
    this.id = id;
    this.#usage = usage;
  }

  // -------------------------------------------------------------------------------------------------------- state

  get state(): GroupState {
    return this.#state;
  }

  get stateSinceMs(): number | null {
    return this.#stateSinceMs;
  }

  /** Whether it waits for the first members of a group that was empty. */
  get isInitialRebalance(): boolean {
    return this.#state === 'PreparingRebalance' && this.#previousState === 'Empty';
  }

  enter(state: GroupState, sinceMs: number | null): void {
    this.#previousState = this.#state;
    this.#state = state;
    this.#stateSinceMs = sinceMs;
    if (state === 'Stable' || state === 'CompletingRebalance')
      assert(this.protocol !== null, `${state} without a protocol`);
  }

  /** All members have joined: the next generation begins, which is Empty if there are none. */
  beginGeneration(nowMs: number): void {
    assert(this.#state === 'PreparingRebalance', `a generation begins in ${this.#state}`);
    this.generation = this.generation === 2 ** 31 - 1 ? 1 : this.generation + 1;
    this.pendingSyncs.clear();
    this.#subscribedTopics = undefined;
    this.protocol = this.#members.size === 0 ? null : this.chosenProtocol();
    this.enter(this.protocol === null ? 'Empty' : 'CompletingRebalance', nowMs);
  }

  // ------------------------------------------------------------------------------------------------------ members

  get members(): ReadonlyMap<string, GroupMember> {
    return this.#members;
  }

  /** Roughly what all members take in memory. */
  get memberBytes(): number {
    return this.#memberBytes;
  }

  instance(instanceId: string): GroupMember | undefined {
    return this.#instances.get(instanceId);
  }

  add(member: GroupMember, protocolType: string): void {
    assert(!this.#members.has(member.memberId), 'a member joins once');
    if (this.#members.size === 0) this.protocolType = protocolType;
    assert(this.protocolType === protocolType, `${protocolType} in a group of ${this.protocolType}`);
    this.#members.set(member.memberId, member);
    if (member.instanceId !== null) {
      assert(!this.#instances.has(member.instanceId), 'an instance joins once');
      this.#instances.set(member.instanceId, member);
    }
    this.#count(member, 1);
    this.leaderId ??= member.memberId;
  }

  /** Removes a member that waits for nothing; the next one becomes leader if it was. */
  remove(member: GroupMember): void {
    assert(member.awaitingJoin === null && member.awaitingSync === null, 'a member that waits stays');
    assert(this.#members.delete(member.memberId), 'only members are removed');
    if (member.instanceId !== null) this.#instances.delete(member.instanceId);
    this.#count(member, -1);
    this.pendingSyncs.delete(member.memberId);
    member.session.clear();
    if (this.leaderId === member.memberId) this.leaderId = this.#members.keys().next().value ?? null;
  }

  /** Lets a member take the place of another one, and its assignment, its leadership and its turn to sync. */
  replace(old: GroupMember, successor: GroupMember): void {
    assert(old.instanceId !== null && old.instanceId === successor.instanceId, 'the same instance');
    const wasLeader = this.leaderId === old.memberId;
    const owesSync = this.pendingSyncs.has(old.memberId);
    this.remove(old);
    successor.assignment = old.assignment;
    this.add(successor, present(this.protocolType, 'a type of a group with members'));
    if (wasLeader) this.leaderId = successor.memberId;
    if (owesSync) this.pendingSyncs.add(successor.memberId);
  }

  update(member: GroupMember, profile: MemberProfile): void {
    this.#count(member, -1);
    member.profile = profile;
    this.#count(member, 1);
  }

  #count(member: GroupMember, by: 1 | -1): void {
    for (const { name } of member.profile.protocols) {
      const supporters = (this.#supporters.get(name) ?? 0) + by;
      if (supporters > 0) this.#supporters.set(name, supporters);
      else this.#supporters.delete(name);
    }
    const bytes = by * memberBytes(member, member.profile);
    this.#memberBytes += bytes;
    this.#usage.memberBytes += bytes;
  }

  get rebalanceTimeoutMs(): number {
    let longestMs = 0;
    for (const { profile } of this.#members.values()) {
      if (profile.rebalanceTimeoutMs > longestMs) longestMs = profile.rebalanceTimeoutMs;
    }
    return longestMs;
  }

  // ------------------------------------------------------------------------------------------------ parked requests

  get awaitingJoin(): number {
    return this.#awaitingJoin;
  }

  get haveAllJoined(): boolean {
    return this.#awaitingJoin === this.#members.size && this.pendingMembers.size === 0;
  }

  /** Has the member wait for the end of the join phase. Who waited before in its name is told to join again. */
  parkJoin(member: GroupMember, answer: Answer, superseded: GroupReply): void {
    this.answerJoin(member, superseded);
    member.awaitingJoin = answer;
    this.#awaitingJoin++;
  }

  answerJoin(member: GroupMember, reply: GroupReply): void {
    const { awaitingJoin } = member;
    if (awaitingJoin === null) return;
    member.awaitingJoin = null;
    this.#awaitingJoin--;
    awaitingJoin(reply);
  }

  answerSync(member: GroupMember, reply: GroupReply): void {
    const { awaitingSync } = member;
    if (awaitingSync === null) return;
    member.awaitingSync = null;
    awaitingSync(reply);
  }

  /** Lets a member lead that has joined, the present leader if it has; false if nobody has. */
  electJoinedLeader(): boolean {
    if (this.leaderId !== null && this.#members.get(this.leaderId)?.awaitingJoin) return true;
    for (const member of this.#members.values()) {
      if (member.awaitingJoin === null) continue;
      this.leaderId = member.memberId;
      return true;
    }
    return false;
  }

  // ---------------------------------------------------------------------------------------------------- protocols

  /** Whether somebody with these could be a member. */
  accepts(protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (protocolType === '' || protocols.length === 0) return false;
    if (this.#members.size === 0) return true;
    return (
      protocolType === this.protocolType &&
      protocols.some(({ name }) => this.#supporters.get(name) === this.#members.size)
    );
  }

  /** Of the protocols that all support the one that most prefer; of those the one that was voted for first. */
  chosenProtocol(): string {
    const votes = new Map<string, number>();
    for (const { profile } of this.#members.values()) {
      const vote = profile.protocols.find(({ name }) => this.#supporters.get(name) === this.#members.size);
      const { name } = present(vote, 'a protocol that all support');
      votes.set(name, (votes.get(name) ?? 0) + 1);
    }
    let chosen: string | null = null;
    let most = 0;
    for (const [name, count] of votes) {
      if (count <= most) continue;
      chosen = name;
      most = count;
    }
    return present(chosen, 'a protocol');
  }

  get isOfConsumers(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL_TYPE;
  }

  /** Whether members read the topic, as far as the broker can know; if it cannot, they do. */
  isSubscribed(topic: string): boolean {
    const topics = this.subscribedTopics;
    return topics === null ? this.isOfConsumers : topics.has(topic);
  }

  /** What the members of the current generation subscribe to; null: not known. */
  get subscribedTopics(): ReadonlySet<string> | null {
    if (this.#subscribedTopics === undefined) this.#subscribedTopics = this.#readSubscriptions();
    return this.#subscribedTopics;
  }

  /** What members said for the chosen protocol has changed without a new generation. */
  forgetSubscriptions(): void {
    this.#subscribedTopics = undefined;
  }

  #readSubscriptions(): ReadonlySet<string> | null {
    if (!this.isOfConsumers) return null;
    const topics = new Set<string>();
    for (const member of this.#members.values()) {
      const subscription = topicsOf(member.metadata(this.protocol));
      if (subscription === null) return null;
      for (const topic of subscription) topics.add(topic);
    }
    return topics;
  }
}

/** The topics of a consumer's subscription; null if the bytes are none. */
export function topicsOf(metadata: Uint8Array): readonly string[] | null {
  try {
    const { buffer, byteOffset, length } = metadata;
    return decodeSubscription(Buffer.from(buffer, byteOffset, length)).topics;
  } catch (error) {
    if (error instanceof OdradekError) return null;
    throw error;
  }
}
