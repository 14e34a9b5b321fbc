// A group shard over a log in memory, and short ways to talk to it.
import { expect } from 'vitest';
import { toTopicId } from '../../../src/base/ids.js';
import { seededRandom } from '../../../src/base/random.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import type { GroupConfig } from '../../../src/coordinator/group/group-config.js';
import type {
  CommitOffsetsCommand,
  GroupCommand,
  GroupDescription,
  GroupReply,
  JoinedGroup,
  JoinGroupCommand,
  SyncGroupCommand,
} from '../../../src/coordinator/group/group-messages.js';
import { GroupShard, type GroupStats } from '../../../src/coordinator/group/group-shard.js';
import type { CoordinatedTopic } from '../../../src/coordinator/shard.js';
import { consumerProtocolSubscription } from '../../../src/protocol/kafka/consumer-protocol.js';
import { encodePrefixed } from '../../../src/protocol/kafka/prefixed.js';
import { MemoryHost } from './memory-host.js';

export const CONFIG: GroupConfig = {
  sessionTimeoutMinMs: 6_000,
  sessionTimeoutMaxMs: 1_800_000,
  initialRebalanceDelayMs: 3_000,
  sizeMax: 2 ** 31 - 1,
  offsetMetadataBytesMax: 4_096,
  offsetsRetentionMs: 7 * 86_400_000,
  offsetsRetentionCheckIntervalMs: 600_000,
};

export const SESSION_MS = 10_000;
export const REBALANCE_MS = 60_000;
export const INITIAL_DELAY_MS = CONFIG.initialRebalanceDelayMs;

export const topicIdOf = (index: number) => toTopicId(Buffer.alloc(16, index).toString('base64url'));

export const subscription = (...topics: string[]): Uint8Array =>
  encodePrefixed(consumerProtocolSubscription, 1, { topics });

type ReplyTo = {
  join: JoinedGroup;
  sync: Extract<GroupReply, { type: 'synced' }>;
  heartbeat: Extract<GroupReply, { type: 'heartbeat' }>;
  leave: Extract<GroupReply, { type: 'left' }>;
  'commit-offsets': Extract<GroupReply, { type: 'offsets-committed' }>;
  'fetch-offsets': Extract<GroupReply, { type: 'offsets-fetched' }>;
  list: Extract<GroupReply, { type: 'listed' }>;
  describe: GroupDescription;
  delete: Extract<GroupReply, { type: 'deleted' }>;
  'delete-offsets': Extract<GroupReply, { type: 'offsets-deleted' }>;
};

/** A command that was given; its reply may come later. */
export class Asked<Reply extends GroupReply> {
  readonly replies: GroupReply[] = [];

  get isAnswered(): boolean {
    return this.replies.length > 0;
  }

  /** The one reply, which must have come. */
  get reply(): Reply {
    expect(this.replies).toHaveLength(1);
    const [reply] = this.replies;
    if (reply === undefined || reply.type === 'refused') throw new Error(`refused: ${reply?.error}`);
    return reply as Reply; // The scene knows what it asked for.
  }
}

export class Scene {
  readonly clock = new SimulatedClock();
  readonly topics = new Map<string, CoordinatedTopic>([
    ['t', { topicId: topicIdOf(1), partitions: 4 }],
    ['u', { topicId: topicIdOf(2), partitions: 4 }],
  ]);
  readonly host: MemoryHost;
  appendMs = 0;

  constructor(config: Partial<GroupConfig> = {}, batchBytesMax = 1024 * 1024) {
    this.host = new MemoryHost({
      clock: this.clock,
      random: seededRandom(1),
      config: { ...CONFIG, ...config },
      topics: this.topics,
      batchBytesMax,
      appendMs: () => this.appendMs,
    });
  }

  ask<Type extends GroupCommand['type']>(
    command: Extract<GroupCommand, { type: Type }>,
  ): Asked<ReplyTo[Type]> {
    const asked = new Asked<ReplyTo[Type]>();
    this.host.handle(command, (reply) => asked.replies.push(reply));
    return asked;
  }

  get stats(): GroupStats {
    if (!(this.host.shard instanceof GroupShard)) throw new Error('another shard');
    return this.host.shard.stats;
  }

  restart(): void {
    this.host.crash(0);
    this.host.load();
  }

  join(changes: Partial<JoinGroupCommand> = {}): Asked<JoinedGroup> {
    return this.ask<'join'>({
      type: 'join',
      groupId: 'g',
      memberId: '',
      instanceId: null,
      clientId: 'client',
      clientHost: '127.0.0.1',
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('t') }],
      requireKnownMemberId: false,
      canSkipAssignment: true,
      reason: null,
      ...changes,
    });
  }

  sync(joined: JoinedGroup, changes: Partial<SyncGroupCommand> = {}): Asked<ReplyTo['sync']> {
    const assignments = joined.members.map(({ memberId }) => ({
      memberId,
      assignment: Buffer.from(memberId),
    }));
    return this.ask<'sync'>({
      type: 'sync',
      groupId: 'g',
      generation: joined.generation,
      memberId: joined.memberId,
      instanceId: null,
      protocolType: null,
      protocolName: null,
      assignments,
      ...changes,
    });
  }

  heartbeat(joined: JoinedGroup, changes: { instanceId?: string; groupId?: string } = {}): string {
    const { generation, memberId } = joined;
    const command = { type: 'heartbeat', groupId: 'g', generation, memberId, instanceId: null } as const;
    return this.ask<'heartbeat'>({ ...command, ...changes }).reply.error;
  }

  leave(members: readonly { memberId?: string; instanceId?: string }[], groupId = 'g'): ReplyTo['leave'] {
    return this.ask<'leave'>({
      type: 'leave',
      groupId,
      members: members.map((member) => ({ memberId: '', instanceId: null, reason: null, ...member })),
    }).reply;
  }

  commit(
    offset: number,
    changes: Partial<CommitOffsetsCommand> & { topic?: string; partition?: number; metadata?: string } = {},
  ): Asked<ReplyTo['commit-offsets']> {
    const { topic = 't', partition = 0, metadata = '', ...rest } = changes;
    return this.ask<'commit-offsets'>({
      type: 'commit-offsets',
      groupId: 'g',
      generation: -1,
      memberId: '',
      instanceId: null,
      retentionMs: null,
      topics: [
        {
          name: topic,
          topicId: this.topics.get(topic)?.topicId ?? topicIdOf(99),
          partitions: [{ partition, offset, leaderEpoch: -1, metadata }],
        },
      ],
      ...rest,
    });
  }

  /** As {@link commit}; the error of the partition. */
  commitError(...args: Parameters<Scene['commit']>): string | undefined {
    return this.commit(...args).reply.topics[0]?.partitions[0]?.error;
  }

  fetch(topics: readonly { name: string; partitions: readonly number[] }[] | null, groupId = 'g') {
    return this.ask<'fetch-offsets'>({ type: 'fetch-offsets', groupId, topics, requireStable: false });
  }

  /** What is committed for a partition; -1: nothing. */
  offset(topic = 't', partition = 0, groupId = 'g'): number | undefined {
    return this.fetch([{ name: topic, partitions: [partition] }], groupId).reply.topics[0]?.partitions[0]
      ?.offset;
  }

  describe(groupId = 'g'): GroupDescription {
    return this.ask<'describe'>({ type: 'describe', groupId }).reply;
  }

  get state(): string {
    return this.describe().state;
  }

  delete(groupId = 'g'): string {
    return this.ask<'delete'>({ type: 'delete', groupId }).reply.error;
  }

  deleteOffsets(
    topic: string,
    partitions: readonly number[] = [0],
    groupId = 'g',
  ): ReplyTo['delete-offsets'] {
    return this.ask<'delete-offsets'>({
      type: 'delete-offsets',
      groupId,
      topics: [{ name: topic, partitions }],
    }).reply;
  }

  /** A stable group of so many members, the leader first. */
  stable(count = 1, changes: (index: number) => Partial<JoinGroupCommand> = () => ({})): JoinedGroup[] {
    const joins = Array.from({ length: count }, (_, index) => this.join(changes(index)));
    while (!joins.every(({ isAnswered }) => isAnswered)) {
      if (!this.clock.runNext()) throw new Error('the group never gets complete');
    }
    const joined = joins.map(({ reply }) => reply);
    for (const one of joined) expect(one.error).toBe('NONE');
    for (const [index, one] of joined.entries())
      this.sync(one, { instanceId: changes(index).instanceId ?? null });
    expect(this.state).toBe('Stable');
    return joined;
  }
}
