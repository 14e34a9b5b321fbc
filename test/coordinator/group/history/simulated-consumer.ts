// A consumer as real clients are: joins, decides as leader, syncs, sends heartbeats, reads on from the committed offsets, commits what
// it has read. Eager ones give everything up before they join again; cooperative ones (KIP-429) keep what they have and give up
// only what they are told to.
import type { Random } from '../../../../src/base/random.js';
import type {
  GroupCommand,
  GroupReply,
  JoinedGroup,
  JoinGroupCommand,
  SyncGroupCommand,
} from '../../../../src/coordinator/group/group-messages.js';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  decodeAssignment,
  decodeSubscription,
} from '../../../../src/protocol/kafka/consumer-protocol.js';
import { encodePrefixed } from '../../../../src/protocol/kafka/prefixed.js';
import { between, chance } from '../../../simulation/streams.js';
import { topicIdOf } from '../scene.js';
import { Connection, type ConnectionWorld } from './connection.js';
import type { PartitionName } from './judge.js';

/** The group does not know the member any more: it has to join again. */
const LOST = ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'GROUP_ID_NOT_FOUND'];

export const GROUP_ID = 'group';
/** Topic → number of partitions. */
export const TOPICS: Readonly<Record<string, number>> = { t: 3, u: 2 };

export interface ConsumerOptions {
  readonly name: string;
  readonly instanceId: string | null;
  readonly isCooperative: boolean;
  readonly protocols: readonly string[];
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly requireKnownMemberId: boolean;
  readonly canSkipAssignment: boolean;
}

const REQUEST_TIMEOUT_MS = 10_000;
const RETRY_MS_MAX = 400;
const COMMIT_MS = 1_500;

export class SimulatedConsumer {
  readonly options: ConsumerOptions;
  readonly #world: ConnectionWorld;
  readonly #random: Random;
  readonly #connection: Connection;
  #state: 'stopped' | 'joining' | 'syncing' | 'member' | 'fenced' = 'stopped';
  /** What was begun before means nothing any more. */
  #life = 0;
  #isPaused = false;
  #deferred: (() => void)[] = [];
  #isCommitting = false;
  memberId = '';
  generation = -1;
  /** The partitions that it reads, and how far it is; null while it asks where to begin. */
  readonly owned = new Map<PartitionName, number | null>();

  constructor(world: ConnectionWorld, random: Random, options: ConsumerOptions) {
    this.#world = world;
    this.#random = random;
    this.options = options;
    this.#connection = new Connection(world, random, options.name);
  }

  get isRunning(): boolean {
    return this.#state !== 'stopped' && this.#state !== 'fenced';
  }

  get isSettled(): boolean {
    return this.#state === 'member' && [...this.owned.values()].every((position) => position !== null);
  }

  // ---------------------------------------------------------------------------------------------------- life and death

  start(): void {
    this.#reset();
    this.#heartbeats(this.#life);
    this.#commits(this.#life);
    this.#join();
  }

  /** Ends without a word. */
  die(): void {
    this.#reset();
    this.#state = 'stopped';
    this.#connection.lose();
  }

  /** Ends as clients do: dynamic members say so. */
  stop(): void {
    const { memberId } = this;
    const hasToLeave = this.options.instanceId === null && memberId !== '';
    this.die();
    if (!hasToLeave) return;
    const members = [{ memberId, instanceId: null, reason: 'closed' }];
    this.#connection.send({ type: 'leave', groupId: GROUP_ID, members }, REQUEST_TIMEOUT_MS, () => {});
  }

  /** Nothing happens in its process for a while; what comes meanwhile waits. */
  pause(ms: number): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#world.clock.after(ms, () => {
      this.#isPaused = false;
      for (const run of this.#deferred.splice(0)) run();
    });
  }

  loseConnection(): void {
    this.#connection.lose();
  }

  #reset(): void {
    this.#life++;
    this.memberId = '';
    this.generation = -1;
    this.owned.clear();
    this.#isCommitting = false;
  }

  /** Runs in this process, if it still is the same one. */
  #run(life: number, run: () => void): void {
    if (this.#isPaused) this.#deferred.push(() => this.#run(life, run));
    else if (life === this.#life) run();
  }

  #later(ms: number, run: () => void): void {
    const life = this.#life;
    this.#world.clock.after(ms, () => this.#run(life, run));
  }

  #ask(
    command: GroupCommand,
    done: (reply: GroupReply | null) => void,
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): void {
    const life = this.#life;
    this.#connection.send(command, timeoutMs, (reply) => this.#run(life, () => done(reply)));
  }

  // ------------------------------------------------------------------------------------------------------ join and sync

  /** Joins, or joins again: eager ones own nothing meanwhile. */
  #join(): void {
    if (!this.isRunning && this.#state !== 'stopped') return;
    this.#state = 'joining';
    if (!this.options.isCooperative) this.owned.clear();
    const { memberId } = this;
    this.#ask(
      this.#joinCommand(),
      (reply) => {
        if (this.#state !== 'joining' || this.memberId !== memberId) return;
        if (reply?.type === 'joined') this.#joined(reply);
        else this.#joinAfterAWhile();
      },
      this.options.rebalanceTimeoutMs + 5_000,
    );
  }

  #joinCommand(): JoinGroupCommand {
    const { options } = this;
    const metadata = encodePrefixed(consumerProtocolSubscription, 2, {
      topics: options.topics,
      ownedPartitions: options.isCooperative ? partitionsByTopic(this.owned.keys()) : [],
      generationId: this.generation,
    });
    return {
      type: 'join',
      groupId: GROUP_ID,
      memberId: this.memberId,
      instanceId: options.instanceId,
      clientId: options.name,
      clientHost: '127.0.0.1',
      sessionTimeoutMs: options.sessionTimeoutMs,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs,
      protocolType: 'consumer',
      protocols: options.protocols.map((name) => ({ name, metadata })),
      requireKnownMemberId: options.requireKnownMemberId,
      canSkipAssignment: options.canSkipAssignment,
      reason: null,
    };
  }

  #joined(reply: JoinedGroup): void {
    switch (reply.error) {
      case 'NONE':
        this.memberId = reply.memberId;
        this.generation = reply.generation;
        this.#sync(reply);
        break;
      case 'MEMBER_ID_REQUIRED':
        this.memberId = reply.memberId;
        this.#join();
        break;
      default:
        this.#failed(reply.error);
    }
  }

  get #identity(): string {
    return this.options.instanceId ?? this.memberId;
  }

  #sync(joined: JoinedGroup): void {
    this.#state = 'syncing';
    const { generation, memberId } = this;
    const decides = joined.leader === memberId && !joined.skipAssignment;
    const command: SyncGroupCommand = {
      type: 'sync',
      groupId: GROUP_ID,
      generation,
      memberId,
      instanceId: this.options.instanceId,
      protocolType: joined.protocolType,
      protocolName: joined.protocolName,
      assignments: decides ? decide(joined, this.options.isCooperative) : [],
    };
    if (decides) this.#world.judge.decided(command, joined);
    this.#ask(
      command,
      (reply) => {
        if (this.#state !== 'syncing' || this.generation !== generation || this.memberId !== memberId) return;
        if (reply?.type !== 'synced') this.#joinAfterAWhile();
        else if (reply.error === 'NONE') this.#synced(Buffer.from(reply.assignment));
        else this.#failed(reply.error);
      },
      this.options.rebalanceTimeoutMs + 5_000,
    );
  }

  #synced(assignment: Buffer): void {
    const { assignedPartitions } =
      assignment.length > 0 ? decodeAssignment(assignment) : { assignedPartitions: [] };
    const assigned = new Set(
      assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((index) => `${topic}-${index}`)),
    );
    this.#world.judge.assigned(this.generation, this.#identity, assignment, assigned);
    this.#state = 'member';
    let hasRevoked = false;
    for (const partition of [...this.owned.keys()]) {
      if (assigned.has(partition)) continue;
      this.owned.delete(partition);
      hasRevoked = true;
    }
    const added = [...assigned].filter((partition) => (this.owned.get(partition) ?? null) === null);
    for (const partition of added) this.owned.set(partition, null);
    if (added.length > 0) this.#findPositions(added);
    // What was given up can be given to others only in another rebalance.
    if (hasRevoked && this.options.isCooperative) this.#joinAfterCommit();
  }

  #failed(error: string): void {
    if (error === 'FENCED_INSTANCE_ID') {
      this.#world.judge.fenced(this.options.instanceId, this.memberId);
      this.#reset();
      this.#state = 'fenced';
    } else if (LOST.includes(error)) this.#lost(error);
    else if (error === 'REBALANCE_IN_PROGRESS') this.#join();
    else this.#joinAfterAWhile();
  }

  /** The group goes on without it: what it had is not its own any more. */
  #lost(error: string): void {
    this.owned.clear();
    this.generation = -1;
    if (error === 'UNKNOWN_MEMBER_ID') this.memberId = '';
    this.#join();
  }

  #joinAfterAWhile(): void {
    this.#state = 'joining';
    this.#later(between(this.#random, 20, RETRY_MS_MAX), () => {
      if (this.#state === 'joining') this.#join();
    });
  }

  // --------------------------------------------------------------------------------------------------------- heartbeats

  #heartbeats(life: number): void {
    this.#world.clock.after(this.options.sessionTimeoutMs / 4, () =>
      this.#run(life, () => {
        this.#heartbeats(life);
        this.#heartbeat();
      }),
    );
  }

  #heartbeat(): void {
    if (this.#state !== 'member') return;
    const { generation, memberId } = this;
    const { instanceId } = this.options;
    this.#ask({ type: 'heartbeat', groupId: GROUP_ID, generation, memberId, instanceId }, (reply) => {
      if (this.#state !== 'member' || this.generation !== generation || reply?.type !== 'heartbeat') return;
      if (reply.error === 'REBALANCE_IN_PROGRESS') this.#joinAfterCommit();
      else if (reply.error !== 'NONE') this.#failed(reply.error);
    });
  }

  // ------------------------------------------------------------------------------------------------------------ offsets

  #findPositions(partitions: readonly PartitionName[]): void {
    const { generation } = this;
    const { judge } = this.#world;
    const known = judge.acknowledged;
    const topics = partitionsByTopic(partitions).map(({ topic: name, partitions: indexes }) => ({
      name,
      partitions: indexes,
    }));
    this.#ask({ type: 'fetch-offsets', groupId: GROUP_ID, topics, requireStable: true }, (reply) => {
      const wanted = partitions.filter((partition) => this.owned.get(partition) === null);
      if (wanted.length === 0 || this.generation < generation) return;
      if (reply?.type !== 'offsets-fetched') {
        this.#later(between(this.#random, 20, RETRY_MS_MAX), () => this.#findPositions(wanted));
        return;
      }
      for (const { name, partitions: fetched } of reply.topics) {
        for (const { partition, offset } of fetched) {
          judge.fetched(`${name}-${partition}`, offset, known);
          if (this.owned.get(`${name}-${partition}`) === null)
            this.owned.set(`${name}-${partition}`, Math.max(0, offset));
        }
      }
    });
  }

  #commits(life: number): void {
    this.#world.clock.after(COMMIT_MS, () =>
      this.#run(life, () => {
        this.#commits(life);
        if (this.#state === 'member') this.#commit(() => {});
      }),
    );
  }

  #joinAfterCommit(): void {
    const { generation } = this;
    this.#commit(() => {
      if (this.#state === 'member' && this.generation === generation) this.#join();
    });
  }

  /** Reads on, and commits that; one commit at a time. */
  #commit(done: () => void): void {
    const offsets = new Map<PartitionName, number>();
    for (const [partition, position] of this.owned) {
      if (position === null) continue;
      const next = position + between(this.#random, 0, 5);
      this.owned.set(partition, next);
      offsets.set(partition, next);
    }
    if (this.#isCommitting || offsets.size === 0) {
      done();
      return;
    }
    this.#isCommitting = true;
    const { generation, memberId } = this;
    this.#world.judge.committing(offsets);
    this.#ask(this.#commitCommand(offsets), (reply) => {
      this.#isCommitting = false;
      const error = reply?.type === 'offsets-committed' ? reply.topics[0]?.partitions[0]?.error : null;
      if (error === 'NONE') this.#world.judge.committed(offsets);
      const isCurrent = this.generation === generation && this.memberId === memberId;
      if (!isCurrent || this.#state !== 'member') return;
      if (typeof error === 'string' && (LOST.includes(error) || error === 'FENCED_INSTANCE_ID'))
        this.#failed(error);
      else done();
    });
  }

  #commitCommand(offsets: ReadonlyMap<PartitionName, number>): GroupCommand {
    return {
      type: 'commit-offsets',
      groupId: GROUP_ID,
      generation: this.generation,
      memberId: this.memberId,
      instanceId: this.options.instanceId,
      retentionMs: null,
      topics: partitionsByTopic(offsets.keys()).map(({ topic, partitions }) => ({
        name: topic,
        topicId: topicIdOf(Object.keys(TOPICS).indexOf(topic) + 1),
        partitions: partitions.map((partition) => ({
          partition,
          offset: offsets.get(`${topic}-${partition}`) ?? -1,
          leaderEpoch: -1,
          metadata: chance(this.#random, 0.1) ? this.options.name : '',
        })),
      })),
    };
  }
}

function partitionsByTopic(partitions: Iterable<PartitionName>): { topic: string; partitions: number[] }[] {
  const byTopic = new Map<string, number[]>();
  for (const partition of partitions) {
    const [topic = '', index] = partition.split('-');
    byTopic.set(topic, [...(byTopic.get(topic) ?? []), Number(index)]);
  }
  return [...byTopic].map(([topic, indexes]) => ({ topic, partitions: indexes }));
}

/** Spreads the partitions over who reads them. In a cooperative group nobody gets what another one still has. */
function decide(joined: JoinedGroup, isCooperative: boolean): SyncGroupCommand['assignments'] {
  const members = joined.members
    .map(({ memberId, instanceId, metadata }) => ({
      memberId,
      order: instanceId ?? memberId,
      subscription: decodeSubscription(Buffer.from(metadata)),
      assigned: [] as PartitionName[],
    }))
    .sort((a, b) => (a.order < b.order ? -1 : 1));
  /** Who says that it has a partition; the one of the newest generation is right. */
  const claims = new Map<PartitionName, { memberId: string; generationId: number }>();
  for (const { memberId, subscription } of isCooperative ? members : []) {
    const { generationId, ownedPartitions } = subscription;
    for (const { topic, partitions } of ownedPartitions) {
      for (const index of partitions) {
        const claim = claims.get(`${topic}-${index}`);
        if (claim === undefined || claim.generationId < generationId)
          claims.set(`${topic}-${index}`, { memberId, generationId });
      }
    }
  }
  let turn = 0;
  for (const [topic, count] of Object.entries(TOPICS)) {
    const readers = members.filter(({ subscription }) => subscription.topics.includes(topic));
    for (let index = 0; index < count; index++) {
      const reader = readers[turn++ % readers.length];
      const claim = claims.get(`${topic}-${index}`);
      if (reader && (claim === undefined || claim.memberId === reader.memberId))
        reader.assigned.push(`${topic}-${index}`);
    }
  }
  return members.map(({ memberId, assigned }) => ({
    memberId,
    assignment: encodePrefixed(consumerProtocolAssignment, 1, {
      assignedPartitions: partitionsByTopic(assigned),
    }),
  }));
}
