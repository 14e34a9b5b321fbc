// The group coordinator of one partition of __consumer_offsets: the classic groups whose ids fall to it. Commands come in, records
// and answers go out; all that must survive is in the records, and a start replays them:
//
//   command ─► join-group, membership ─► rebalances ─► group ─┐
//            ► offset-commands, group-administration ─────────┴► group-store ─► log
//
// Members of a stable group are still members after a restart, with sessions that begin anew, so that clients just go on. What
// is not in the log is who waits, and rebalances that were under way: members are told to join again.
import { assert, assertNever } from '../../base/assert.js';
import type { ErrorName } from '../../base/errors.js';
import type { TopicId } from '../../base/ids.js';
import type { CoordinatorRecord, Shard, ShardPorts } from '../shard.js';
import type { Group } from './group.js';
import { GroupAdministration } from './group-administration.js';
import type { GroupConfig } from './group-config.js';
import type { Answer, MemberProfile } from './group-member.js';
import type { GroupCommand, GroupReply, GroupState } from './group-messages.js';
import type { StoredOffset } from './group-offsets.js';
import { type GroupEvents, GroupStore } from './group-store.js';
import { JoinGroup } from './join-group.js';
import { Membership } from './membership.js';
import { OffsetCommands } from './offset-commands.js';
import { OffsetExpiry } from './offset-expiry.js';
import { Rebalances } from './rebalances.js';
import { decodeRecord, type OffsetPlace, type RecordedGroup } from './records.js';

/** Counters of a shard: what there is now, and what has happened since it was loaded. */
export interface GroupStats extends Readonly<GroupEvents> {
  readonly groups: Readonly<Record<GroupState, number>>;
  readonly members: number;
  readonly offsets: number;
}

export class GroupShard implements Shard<GroupCommand, GroupReply> {
  readonly #store: GroupStore;
  readonly #rebalances: Rebalances;
  readonly #joinGroup: JoinGroup;
  readonly #membership: Membership;
  readonly #offsets: OffsetCommands;
  readonly #administration: GroupAdministration;
  readonly #expiry: OffsetExpiry;
  #unknownRecords = 0;
  #isStarted = false;

  constructor(config: GroupConfig, ports: ShardPorts) {
    this.#store = new GroupStore(config, ports);
    this.#rebalances = new Rebalances(this.#store);
    this.#joinGroup = new JoinGroup(this.#store, this.#rebalances);
    this.#membership = new Membership(this.#store, this.#rebalances);
    this.#offsets = new OffsetCommands(this.#store);
    this.#administration = new GroupAdministration(this.#store);
    this.#expiry = new OffsetExpiry(this.#store);
  }

  // -------------------------------------------------------------------------------------------------------- loading

  replay(record: CoordinatorRecord, _timestampMs: number): void {
    assert(!this.#isStarted, 'records are replayed before the start');
    const decoded = decodeRecord(record);
    switch (decoded.type) {
      case 'offset':
        this.#replayOffset(decoded.place, decoded.stored);
        break;
      case 'group':
        this.#replayGroup(decoded.group, decoded.value);
        break;
      case 'unknown':
        this.#unknownRecords++;
        break;
      default:
        assertNever(decoded);
    }
  }

  #replayOffset({ group: id, topic, partition }: OffsetPlace, stored: StoredOffset | null): void {
    const group = this.#store.groups.get(id) ?? this.#store.make(id);
    if (stored !== null) group.offsets.set(topic, partition, stored);
    else {
      group.offsets.delete(topic, partition);
      this.#store.dropIfUnused(group);
    }
  }

  /** The record is the whole group but for its offsets, so it takes the place of what was known. */
  #replayGroup(id: string, value: RecordedGroup | null): void {
    const former = this.#store.groups.get(id);
    this.#store.groups.delete(id);
    for (const member of [...(former?.members.values() ?? [])]) former?.remove(member);
    if (value === null && (former?.offsets.count ?? 0) === 0) return;
    const group = this.#store.make(id);
    for (const { topic, partitions } of former?.offsets.topics() ?? [])
      for (const [partition, stored] of partitions) group.offsets.set(topic, partition, stored);
    if (value !== null) this.#restore(group, value);
  }

  #restore(group: Group, value: RecordedGroup): void {
    group.isRecorded = true;
    group.generation = value.generation;
    group.protocolType = value.protocolType === '' ? null : value.protocolType;
    group.protocol = value.protocol ?? (value.members.length > 0 ? '' : null);
    for (const recorded of value.members) {
      const { memberId, groupInstanceId: instanceId } = recorded;
      const member = this.#rebalances.makeMember(group, { memberId, instanceId }, profileOf(recorded, value));
      member.assignment = Buffer.from(recorded.assignment);
      member.isRestored = true;
      group.add(member, value.protocolType);
    }
    if (value.leader !== null && group.members.has(value.leader)) group.leaderId = value.leader;
    const sinceMs = value.currentStateTimestamp < 0 ? null : value.currentStateTimestamp;
    group.enter(group.members.size === 0 ? 'Empty' : 'Stable', sinceMs);
  }

  start(): void {
    assert(!this.#isStarted, 'a shard starts once');
    this.#isStarted = true;
    const { config, groups, ports } = this.#store;
    if (this.#unknownRecords > 0)
      ports.logger.warn('records of kinds that are not served were left out', {
        records: this.#unknownRecords,
      });
    for (const group of groups.values()) {
      for (const member of group.members.values()) member.beginSession();
      if (group.members.size > config.sizeMax) this.#rebalances.prepare(group, 'the group is too large');
    }
    // A topic may have been deleted, and made anew, while nobody could tell the shard.
    this.#forgetOffsets((topic) => {
      const present = ports.topic(topic)?.topicId;
      return present === undefined ? null : (topicId) => topicId !== null && topicId !== present;
    });
    this.#expiry.start();
  }

  // ------------------------------------------------------------------------------------------------------- commands

  handle(command: GroupCommand, reply: Answer): void {
    assert(this.#isStarted && !this.#store.isClosed, 'commands come between start and end');
    switch (command.type) {
      case 'heartbeat':
        this.#membership.heartbeat(command, reply);
        break;
      case 'commit-offsets':
        this.#offsets.commit(command, reply);
        break;
      case 'join':
        this.#joinGroup.handle(command, reply);
        break;
      case 'sync':
        this.#membership.sync(command, reply);
        break;
      case 'leave':
        this.#membership.leave(command, reply);
        break;
      case 'fetch-offsets':
        this.#offsets.fetch(command, reply);
        break;
      case 'list':
        this.#administration.list(command, reply);
        break;
      case 'describe':
        this.#administration.describe(command, reply);
        break;
      case 'delete':
        this.#administration.delete(command, reply);
        break;
      case 'delete-offsets':
        this.#offsets.delete(command, reply);
        break;
      default:
        assertNever(command);
    }
  }

  /** A new topic of the same name is another one: what was committed for it stays. */
  topicsDeleted(names: readonly string[]): void {
    const deleted = new Set(names);
    this.#forgetOffsets((topic) => {
      if (!deleted.has(topic)) return null;
      const present = this.#store.ports.topic(topic)?.topicId;
      return (topicId) => present === undefined || topicId !== present;
    });
  }

  /** `goneOf` says of a topic which of its offsets are gone, by the id that they were committed for; null: none. */
  #forgetOffsets(goneOf: (topic: string) => ((topicId: TopicId | null) => boolean) | null): void {
    for (const group of [...this.#store.groups.values()]) {
      const gone: { topic: string; partition: number }[] = [];
      for (const { topic, partitions } of group.offsets.topics()) {
        const isGone = goneOf(topic);
        if (isGone === null) continue;
        for (const [partition, { topicId }] of partitions)
          if (isGone(topicId)) gone.push({ topic, partition });
      }
      if (gone.length === 0) continue;
      this.#store.noteTombstones(this.#store.removeOffsets(group, gone));
      this.#store.dropIfUnused(group);
    }
  }

  // -------------------------------------------------------------------------------------------------------- counters

  get stats(): GroupStats {
    const groups = { Empty: 0, PreparingRebalance: 0, CompletingRebalance: 0, Stable: 0, Dead: 0 };
    let members = 0;
    let offsets = 0;
    for (const group of this.#store.groups.values()) {
      groups[group.state]++;
      members += group.members.size;
      offsets += group.offsets.count;
    }
    return { ...this.#store.events, groups, members, offsets };
  }

  /** Every committed offset, for metrics. */
  *committedOffsets(): Generator<OffsetPlace & { readonly offset: number }> {
    for (const { id: group, offsets } of this.#store.groups.values()) {
      for (const { topic, partitions } of offsets.topics()) {
        for (const [partition, { offset }] of partitions) yield { group, topic, partition, offset };
      }
    }
  }

  // ------------------------------------------------------------------------------------------------------------ end

  close(error: ErrorName): void {
    if (this.#store.isClosed) return;
    this.#expiry.close();
    this.#store.close(error);
    for (const group of this.#store.groups.values()) this.#rebalances.close(group, error);
  }
}

/** What a record tells of a member; of its protocols only the chosen one. The bytes are views of what was read. */
function profileOf(recorded: RecordedGroup['members'][number], { protocol }: RecordedGroup): MemberProfile {
  const { clientId, clientHost, sessionTimeout, rebalanceTimeout, subscription } = recorded;
  return {
    clientId,
    clientHost: clientHost.replace(/^\//, ''),
    sessionTimeoutMs: sessionTimeout,
    rebalanceTimeoutMs: rebalanceTimeout < 0 ? sessionTimeout : rebalanceTimeout,
    protocols: protocol === null ? [] : [{ name: protocol, metadata: Buffer.from(subscription) }],
  };
}
