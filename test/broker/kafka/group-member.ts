// A member of a group that does what the test says, over a connection of its own: JoinGroup, SyncGroup and the like as they are.
import { expect } from 'vitest';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../src/protocol/kafka/consumer-protocol.js';
import { offsetCommit } from '../../../src/protocol/kafka/messages/08-offset-commit.js';
import { joinGroup } from '../../../src/protocol/kafka/messages/11-join-group.js';
import { heartbeat } from '../../../src/protocol/kafka/messages/12-heartbeat.js';
import { leaveGroup } from '../../../src/protocol/kafka/messages/13-leave-group.js';
import { syncGroup } from '../../../src/protocol/kafka/messages/14-sync-group.js';
import { encodePrefixed } from '../../../src/protocol/kafka/prefixed.js';
import { KafkaConnection } from './kafka-connection.js';

export interface MemberOptions {
  readonly groupId: string;
  readonly topics?: readonly string[];
  readonly instanceId?: string;
  readonly protocolType?: string;
  readonly sessionTimeoutMs?: number;
  readonly rebalanceTimeoutMs?: number;
}

/** Topics with some of their partitions. */
export type Part = Readonly<Record<string, readonly number[]>>;

export class GroupMember {
  readonly connection: KafkaConnection;
  readonly #options: MemberOptions;
  memberId = '';
  generation = -1;
  leader = '';
  /** Of all, if this one is the leader. */
  memberIds: readonly string[] = [];

  static async connect(address: string, options: MemberOptions): Promise<GroupMember> {
    return new GroupMember(await KafkaConnection.open(address), options);
  }

  private constructor(connection: KafkaConnection, options: MemberOptions) {
    this.connection = connection;
    this.#options = options;
  }

  /** Joins, with the id that it is told; resolves when the group has come together. Returns the error's code. */
  async join(version = joinGroup.request.versions.last): Promise<number> {
    const { groupId, topics = [], instanceId = null, protocolType = 'consumer' } = this.#options;
    const { sessionTimeoutMs = 10_000, rebalanceTimeoutMs = 10_000 } = this.#options;
    const metadata = encodePrefixed(consumerProtocolSubscription, 1, { topics });
    const answer = await this.connection.ask(joinGroup, version, {
      ...{
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: this.memberId,
        groupInstanceId: instanceId,
      },
      protocolType,
      protocols: [{ name: 'range', metadata }],
    });
    this.memberId = answer.memberId;
    if (answer.errorCode === 79) return await this.join(version);
    this.generation = answer.generationId;
    this.leader = answer.leader;
    this.memberIds = answer.members.map(({ memberId }) => memberId);
    return answer.errorCode;
  }

  /** As the leader it brings everybody's part. Returns the error's code and the own part as bytes. */
  async sync(parts: Readonly<Record<string, Part>> = {}) {
    const { groupId, instanceId = null, protocolType = 'consumer' } = this.#options;
    return await this.connection.ask(syncGroup, syncGroup.request.versions.last, {
      ...{ groupId, generationId: this.generation, memberId: this.memberId, groupInstanceId: instanceId },
      ...{ protocolType, protocolName: 'range' },
      assignments: Object.entries(parts).map(([memberId, part]) => ({
        memberId,
        assignment: assignmentOf(part),
      })),
    });
  }

  /** Joins a group that has nobody else, and takes a part. */
  async joinAlone(part: Part): Promise<void> {
    expect(await this.join()).toBe(0);
    expect(await this.sync({ [this.memberId]: part })).toMatchObject({
      errorCode: 0,
      assignment: assignmentOf(part),
    });
  }

  async heartbeat(): Promise<number> {
    const { groupId, instanceId = null } = this.#options;
    const answer = await this.connection.ask(heartbeat, heartbeat.request.versions.last, {
      ...{ groupId, generationId: this.generation, memberId: this.memberId, groupInstanceId: instanceId },
    });
    return answer.errorCode;
  }

  /** Returns the error's code. */
  async commit(name: string, partitionIndex: number, committedOffset: number): Promise<number | undefined> {
    const { groupId, instanceId = null } = this.#options;
    const { topics } = await this.connection.ask(offsetCommit, 9, {
      ...{ groupId, generationIdOrMemberEpoch: this.generation, memberId: this.memberId },
      groupInstanceId: instanceId,
      topics: [{ name, partitions: [{ partitionIndex, committedOffset, committedMetadata: 'by a member' }] }],
    });
    return topics[0]?.partitions[0]?.errorCode;
  }

  async leave(): Promise<number | undefined> {
    const { groupId } = this.#options;
    const { members } = await this.connection.ask(leaveGroup, leaveGroup.request.versions.last, {
      ...{ groupId, members: [{ memberId: this.memberId, reason: 'done' }] },
    });
    return members[0]?.errorCode;
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

export function assignmentOf(part: Part): Uint8Array {
  const assignedPartitions = Object.entries(part).map(([topic, partitions]) => ({ topic, partitions }));
  return encodePrefixed(consumerProtocolAssignment, 1, { assignedPartitions });
}
