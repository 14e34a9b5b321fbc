import { brokerError, type ErrorName, OdradekError } from '../base/errors.js';
import type {
  DescribeGroupResponse,
  GroupListing,
  GroupMember,
  GroupOffset,
  GroupPartition,
  GroupPartitionResult,
  GroupRequest,
} from '../protocol/native/group-messages.js';
import { REQUEST_PARTITIONS_MAX, type ResponseTo } from '../protocol/native/messages.js';
import type { Cluster } from './cluster.js';
import { listOffsets } from './list-offsets.js';
import { wholeNumber } from './option-check.js';
import { retry } from './retry.js';

/** One partition of a group: what the group has read of it, and what there is. */
export interface GroupPartitionDetails {
  readonly topic: string;
  readonly partition: number;
  /** Of the next record that the group will read; null: it has committed none. */
  readonly committedOffset: number | null;
  /** Text beside the committed offset. */
  readonly metadata: string;
  /** Behind the last record that can be read (the high watermark); null beside an error. */
  readonly logEndOffset: number | null;
  /** Records that are still to be read; null if one of the two is not known. */
  readonly lag: number | null;
  /** The member that reads it, if one does. */
  readonly memberId: string | null;
  /** Why the end of the log could not be told: the topic was deleted, for one. */
  readonly error: Error | null;
}

export interface GroupDetails extends Omit<DescribeGroupResponse, 'type'> {
  /** Those that have a committed offset or a member, by topic and number. */
  readonly partitions: readonly GroupPartitionDetails[];
}

/**
 * Where a group shall read on: at the start or the end of each partition, at an offset, at the first record of a time, or so
 * many records forth or (negative) back. Offsets outside of the log are moved to its start or its end; so is a
 * time that no record has.
 */
export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  | { readonly timestampMs: number }
  | { readonly by: number };

export interface ResetOffsetsOptions {
  readonly to: ResetTarget;
  /** Which topics, and which of their partitions. Default: all that the group has committed offsets of. */
  readonly topics?:
    | readonly { readonly topic: string; readonly partitions?: readonly number[] | undefined }[]
    | undefined;
  /** Find out, and change nothing. */
  readonly dryRun?: boolean | undefined;
}

export interface ResetOffset {
  readonly topic: string;
  readonly partition: number;
  /** Before; null: none. */
  readonly committedOffset: number | null;
  readonly newOffset: number;
}

/**
 * Consumer groups. Every method rejects with an OdradekError: ODR_BROKER if the broker refused (GROUP_ID_NOT_FOUND,
 * NON_EMPTY_GROUP …), ODR_CONNECTION or ODR_TIMEOUT if it could not be reached, or answered in time.
 */
export class GroupAdmin {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** All groups, or those in these states (`Stable`, `Empty` …, compared without case), by id. */
  async list({ states = [] }: { readonly states?: readonly string[] } = {}): Promise<GroupListing[]> {
    const { groups } = await this.#ask({ type: 'listGroups', states });
    return [...groups].sort((a, b) => compare(a.groupId, b.groupId));
  }

  /** State, members and lag of a group. */
  async describe(groupId: string): Promise<GroupDetails> {
    const { type, ...group } = await this.#ask({ type: 'describeGroup', groupId });
    const offsets = await this.offsets(groupId);
    const readers = readersOf(group.members);
    const known = new Map<string, GroupPartition>();
    for (const { topic, partition } of [...offsets, ...readers.values()])
      known.set(keyOf({ topic, partition }), { topic, partition });
    const ends = await this.#ends([...known.values()]);
    const committed = new Map(offsets.map((offset) => [keyOf(offset), offset]));
    const partitions = [...known].map(([key, one]): GroupPartitionDetails => {
      const offset = committed.get(key) ?? null;
      const end = ends.get(key);
      const logEndOffset = typeof end === 'number' ? end : null;
      return {
        ...one,
        committedOffset: offset?.offset ?? null,
        metadata: offset?.metadata ?? '',
        logEndOffset,
        lag: offset === null || logEndOffset === null ? null : Math.max(0, logEndOffset - offset.offset),
        memberId: readers.get(key)?.memberId ?? null,
        error: end instanceof Error ? end : null,
      };
    });
    return { ...group, partitions: partitions.sort(byPartition) };
  }

  /** What the group has committed, by topic and partition; nothing of a group that there is not. */
  async offsets(groupId: string): Promise<GroupOffset[]> {
    const { offsets } = await this.#ask({ type: 'fetchGroupOffsets', groupId });
    return [...offsets].sort(byPartition);
  }

  /**
   * Moves the offsets of a group without members; resolves with what has been moved, or with `dryRun` would be. With
   * `topics` there does not have to be such a group yet. Fails with NON_EMPTY_GROUP while the group has members. If the
   * broker refuses some of the partitions, the others are moved all the same.
   */
  async resetOffsets(
    groupId: string,
    { to, topics, dryRun = false }: ResetOffsetsOptions,
  ): Promise<ResetOffset[]> {
    checkTarget(to);
    await this.#checkInactive(groupId, topics !== undefined);
    const committed = new Map((await this.offsets(groupId)).map((offset) => [keyOf(offset), offset]));
    const chosen =
      topics === undefined ? topicsOf([...committed.values()]) : await this.#partitionsOf(topics);
    const moves: ResetOffset[] = [];
    for (const [topic, partitions] of chosen) {
      const current = new Map(
        partitions.map((partition) => [
          partition,
          committed.get(keyOf({ topic, partition }))?.offset ?? null,
        ]),
      );
      const found = await this.#newOffsets(topic, current, to);
      for (const [partition, newOffset] of found)
        moves.push({ topic, partition, committedOffset: current.get(partition) ?? null, newOffset });
    }
    if (!dryRun) await this.#commit(groupId, moves);
    return moves.sort(byPartition);
  }

  /** Forgets offsets of a topic: all, or those of some partitions. Fails with GROUP_SUBSCRIBED_TO_TOPIC if members read it. */
  async deleteOffsets(groupId: string, topic: string, partitions?: readonly number[]): Promise<void> {
    const named =
      partitions ??
      (await this.offsets(groupId)).filter((one) => one.topic === topic).map((one) => one.partition);
    for (const some of pieces(named.map((partition) => ({ topic, partition })))) {
      const answer = await this.#ask({ type: 'deleteGroupOffsets', groupId, partitions: some });
      throwFirst(answer.partitions);
    }
  }

  /** Forgets a group without members, with its offsets. */
  async delete(groupId: string): Promise<void> {
    await this.#ask({ type: 'deleteGroup', groupId });
  }

  /** Asks again while the group's coordinator starts. */
  async #ask<Body extends GroupRequest>(body: Body): Promise<ResponseTo<Body['type']>> {
    const { requestTimeoutMs } = this.#cluster.options;
    const outcome = await retry(this.#cluster, { timeoutMs: requestTimeoutMs }, async () => {
      try {
        return { answer: await this.#cluster.requestAny(body) };
      } catch (error) {
        if (error instanceof OdradekError && error.errorName && STARTING.has(error.errorName)) throw error;
        return { error };
      }
    });
    if ('error' in outcome) throw outcome.error;
    return outcome.answer;
  }

  async #checkInactive(groupId: string, mayBeNew: boolean): Promise<void> {
    try {
      const { state } = await this.#ask({ type: 'describeGroup', groupId });
      if (state === 'Empty' || state === 'Dead') return;
      const detail = `Group ${JSON.stringify(groupId)} is ${state}: its members have to be stopped first.`;
      throw brokerError('NON_EMPTY_GROUP', detail);
    } catch (error) {
      const isNew = error instanceof OdradekError && error.errorName === 'GROUP_ID_NOT_FOUND';
      if (!isNew || !mayBeNew) throw error;
    }
  }

  async #partitionsOf(
    topics: NonNullable<ResetOffsetsOptions['topics']>,
  ): Promise<ReadonlyMap<string, readonly number[]>> {
    const chosen = new Map<string, number[]>();
    for (const { topic, partitions } of topics) {
      const { partitionCount } = await this.#cluster.refreshTopic(topic);
      const named = partitions ?? Array.from({ length: partitionCount }, (_, partition) => partition);
      for (const partition of named) wholeNumber(`partition of ${topic}`, partition, 0, partitionCount - 1);
      chosen.set(topic, [...new Set([...(chosen.get(topic) ?? []), ...named])]);
    }
    return chosen;
  }

  /** By partition: where to go on. `current`: what is committed. */
  async #newOffsets(
    topic: string,
    current: ReadonlyMap<number, number | null>,
    to: ResetTarget,
  ): Promise<Map<number, number>> {
    const places = async (position: 'earliest' | 'latest' | { timestampMs: number }) =>
      await listOffsets(
        this.#cluster,
        topic,
        new Map([...current.keys()].map((partition) => [partition, position])),
      );
    const starts = await places('earliest');
    const ends = await places('latest');
    const times = typeof to === 'object' && 'timestampMs' in to ? await places(to) : null;
    return new Map(
      [...current].map(([partition, offset]) => {
        const start = starts.get(partition)?.offset ?? 0;
        const end = ends.get(partition)?.offset ?? start;
        const timed = times?.get(partition)?.offset ?? -1;
        const wanted = wantedOffset(to, { topic, partition, offset, start, end, timed });
        return [partition, Math.min(Math.max(wanted, start), end)];
      }),
    );
  }

  async #commit(groupId: string, moves: readonly ResetOffset[]): Promise<void> {
    const results: GroupPartitionResult[] = [];
    for (const some of pieces(moves)) {
      const offsets = some.map(({ topic, partition, newOffset }) => ({
        ...{ topic, partition, offset: newOffset, leaderEpoch: -1, metadata: '' },
      }));
      const { partitions } = await this.#ask({ type: 'commitGroupOffsets', groupId, offsets });
      results.push(...partitions);
    }
    throwFirst(results);
  }

  /** The ends of these partitions' logs, or why they are not known. */
  async #ends(partitions: readonly GroupPartition[]): Promise<Map<string, number | Error>> {
    const ends = new Map<string, number | Error>();
    for (const [topic, numbers] of topicsOf(partitions)) {
      const set = (partition: number, end: number | Error) => ends.set(keyOf({ topic, partition }), end);
      try {
        const { partitionCount } = await this.#cluster.refreshTopic(topic);
        const existing = numbers.filter((partition) => partition < partitionCount);
        const positions = new Map(existing.map((partition) => [partition, 'latest' as const]));
        const found = await listOffsets(this.#cluster, topic, positions);
        for (const partition of numbers) {
          const missing = brokerError(
            'UNKNOWN_TOPIC_OR_PARTITION',
            `${topic} has no partition ${partition}.`,
          );
          set(partition, found.get(partition)?.offset ?? missing);
        }
      } catch (error) {
        if (!(error instanceof OdradekError) || error.code !== 'ODR_BROKER') throw error;
        for (const partition of numbers) set(partition, error);
      }
    }
    return ends;
  }
}

/** The coordinator of a group reads its log. */
const STARTING: ReadonlySet<ErrorName> = new Set([
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
]);

interface Place extends GroupPartition {
  readonly offset: number | null;
  readonly start: number;
  readonly end: number;
  /** Of the time that is asked for; -1: no record has it. */
  readonly timed: number;
}

function wantedOffset(to: ResetTarget, { topic, partition, offset, start, end, timed }: Place): number {
  if (to === 'earliest') return start;
  if (to === 'latest') return end;
  if ('offset' in to) return to.offset;
  if ('timestampMs' in to) return timed < 0 ? end : timed;
  if (offset !== null) return offset + to.by;
  const detail = `Partition ${partition} of ${topic} has no committed offset to count from.`;
  throw new OdradekError('ODR_USAGE', detail);
}

function checkTarget(to: ResetTarget): void {
  if (typeof to === 'string') return;
  if ('offset' in to) wholeNumber('to.offset', to.offset, 0);
  else if ('timestampMs' in to) wholeNumber('to.timestampMs', to.timestampMs, 0);
  else wholeNumber('to.by', to.by, Number.MIN_SAFE_INTEGER);
}

/** Who reads what, by partition. */
function readersOf(members: readonly GroupMember[]): Map<string, GroupPartition & { memberId: string }> {
  const readers = new Map<string, GroupPartition & { memberId: string }>();
  for (const { memberId, assignment } of members) {
    for (const { topic, partitions } of assignment) {
      for (const partition of partitions)
        readers.set(keyOf({ topic, partition }), { topic, partition, memberId });
    }
  }
  return readers;
}

function topicsOf(partitions: readonly GroupPartition[]): Map<string, number[]> {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const others = topics.get(topic);
    if (others) others.push(partition);
    else topics.set(topic, [partition]);
  }
  return topics;
}

function throwFirst(results: readonly GroupPartitionResult[]): void {
  for (const { topic, partition, error } of results) {
    if (!error) continue;
    throw brokerError(error.error, `${topic}-${partition}: ${error.detail ?? error.error}`);
  }
}

function* pieces<Item>(items: readonly Item[]): Iterable<Item[]> {
  for (let at = 0; at < items.length; at += REQUEST_PARTITIONS_MAX)
    yield items.slice(at, at + REQUEST_PARTITIONS_MAX);
}

const keyOf = ({ topic, partition }: GroupPartition): string => `${topic}/${partition}`;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byPartition = (a: GroupPartition, b: GroupPartition): number =>
  compare(a.topic, b.topic) || a.partition - b.partition;
