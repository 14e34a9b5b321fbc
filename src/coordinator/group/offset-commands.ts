// OffsetCommit, OffsetFetch, OffsetDelete.
import type { ErrorName } from '../../base/errors.js';
import type { TopicId } from '../../base/ids.js';
import type { CoordinatorRecord } from '../shard.js';
import type { Group } from './group.js';
import type { Answer } from './group-member.js';
import type {
  CommitOffsetsCommand,
  CommittedOffset,
  DeleteOffsetsCommand,
  FetchOffsetsCommand,
  GroupReply,
} from './group-messages.js';
import type { StoredOffset } from './group-offsets.js';
import type { GroupStore } from './group-store.js';
import { isName } from './limits.js';
import { offsetRecord } from './records.js';
import { memberError } from './replies.js';

interface AcceptedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly stored: StoredOffset;
}

interface Acceptance {
  readonly accepted: readonly AcceptedOffset[];
  /** What is answered when the accepted ones are in the log. */
  readonly reply: GroupReply;
}

const NOTHING_COMMITTED = { offset: -1, leaderEpoch: -1, metadata: '' } as const;

export class OffsetCommands {
  readonly #store: GroupStore;

  constructor(store: GroupStore) {
    this.#store = store;
  }

  // --------------------------------------------------------------------------------------------------------- commit

  commit(command: CommitOffsetsCommand, answer: Answer): void {
    const group = this.#store.groups.get(command.groupId);
    const error = isName(command.groupId) ? commitError(command, group) : 'INVALID_GROUP_ID';
    if (error !== 'NONE') {
      answer(commitRefused(command, error));
      return;
    }
    const member = group?.members.get(command.memberId);
    if (group?.state === 'Stable' || group?.state === 'PreparingRebalance') member?.heard();
    const { accepted, reply } = this.#accept(command);
    if (accepted.length === 0) {
      answer(reply);
      return;
    }
    const records = accepted.map(({ topic, partition, stored }) =>
      offsetRecord({ group: command.groupId, topic, partition }, stored),
    );
    if (!this.#store.ports.fits(records)) {
      answer(commitRefused(command, 'INVALID_COMMIT_OFFSET_SIZE'));
      return;
    }
    // The first commit from outside makes the group.
    const committing = this.#store.findOrMake(command.groupId);
    if (committing === null) {
      answer(commitRefused(command, 'POLICY_VIOLATION'));
      return;
    }
    for (const { topic, partition, stored } of accepted) committing.offsets.set(topic, partition, stored);
    this.#store.events.committedOffsets += accepted.length;
    this.#store.append(records, answer, () => reply);
  }

  #accept({ topics, retentionMs }: CommitOffsetsCommand): Acceptance {
    const { offsetMetadataBytesMax } = this.#store.config;
    const nowMs = this.#store.ports.clock.wallMs();
    const expireTimestampMs =
      retentionMs === null || retentionMs < 0 ? null : Math.min(nowMs + retentionMs, Number.MAX_SAFE_INTEGER);
    const accepted: AcceptedOffset[] = [];
    const results = topics.map(({ name, topicId, partitions }) => ({
      name,
      partitions: partitions.map(({ partition, offset, leaderEpoch, metadata }) => {
        if (Buffer.byteLength(metadata) > offsetMetadataBytesMax)
          return { partition, error: 'OFFSET_METADATA_TOO_LARGE' as const };
        const stored = {
          offset,
          leaderEpoch,
          metadata,
          commitTimestampMs: nowMs,
          expireTimestampMs,
          topicId,
        };
        accepted.push({ topic: name, partition, stored });
        return { partition, error: 'NONE' as const };
      }),
    }));
    return { accepted, reply: { type: 'offsets-committed', topics: results } };
  }

  // ---------------------------------------------------------------------------------------------------------- fetch

  /** A group that is not there has committed nothing: no error. */
  fetch({ groupId, topics }: FetchOffsetsCommand, answer: Answer): void {
    const offsets = this.#store.groups.get(groupId)?.offsets;
    const asked =
      topics ??
      [...(offsets?.topics() ?? [])].map(({ topic, partitions }) => ({
        name: topic,
        partitions: [...partitions.keys()].sort((a, b) => a - b),
      }));
    const fetched = asked.map(({ name, partitions }) => {
      const topicId = this.#store.ports.topic(name)?.topicId ?? null;
      return {
        name,
        topicId,
        partitions: partitions.map((partition) => {
          const stored = offsets?.get(name, partition);
          const { offset, leaderEpoch, metadata } =
            stored !== undefined && isOf(topicId, stored) ? stored : NOTHING_COMMITTED;
          const committed: CommittedOffset = { partition, offset, leaderEpoch, metadata };
          return { ...committed, error: 'NONE' as const };
        }),
      };
    });
    this.#store.answerAfterAppends(answer, { type: 'offsets-fetched', error: 'NONE', topics: fetched });
  }

  // --------------------------------------------------------------------------------------------------------- delete

  /** KIP-496: offsets of topics that nobody in the group reads. */
  delete({ groupId, topics }: DeleteOffsetsCommand, answer: Answer): void {
    const group = this.#store.groups.get(groupId);
    const error = groupId === '' ? 'INVALID_GROUP_ID' : deletionError(group);
    if (error !== 'NONE' || group === undefined) {
      answer({ type: 'offsets-deleted', error, topics: [] });
      return;
    }
    const isRead = ({ name }: { readonly name: string }) =>
      group.state !== 'Empty' && group.isSubscribed(name);
    const gone = topics
      .filter((topic) => !isRead(topic))
      .flatMap(({ name, partitions }) => partitions.map((partition) => ({ topic: name, partition })))
      .filter(({ topic, partition }) => group.offsets.get(topic, partition) !== undefined);
    const reply: GroupReply = {
      type: 'offsets-deleted',
      error: 'NONE',
      topics: topics.map((topic) => ({
        name: topic.name,
        partitions: topic.partitions.map((partition) => ({
          partition,
          error: isRead(topic) ? 'GROUP_SUBSCRIBED_TO_TOPIC' : 'NONE',
        })),
      })),
    };
    const tombstones = this.#store.removeOffsets(group, gone);
    this.#store.dropIfUnused(group);
    this.#appendAll(tombstones, answer, reply);
  }

  #appendAll(tombstones: readonly CoordinatorRecord[], answer: Answer, reply: GroupReply): void {
    this.#store.noteTombstones(tombstones);
    this.#store.answerAfterAppends(answer, reply);
  }
}

/** Whether it was committed for this topic, as far as is known, and not for a deleted one of the same name. */
const isOf = (present: TopicId | null, { topicId }: StoredOffset): boolean =>
  present === null || topicId === null || topicId === present;

/** Who may commit: members of the generation; anybody for a group without members. */
function commitError(
  { generation, memberId, instanceId }: CommitOffsetsCommand,
  group: Group | undefined,
): ErrorName {
  const isFromOutside = generation < 0;
  if (group === undefined) return isFromOutside ? 'NONE' : 'GROUP_ID_NOT_FOUND';
  if (isFromOutside && group.state === 'Empty') return 'NONE';
  if (isFromOutside && memberId === '' && instanceId === null) return 'UNKNOWN_MEMBER_ID';
  const error = memberError(group, memberId, instanceId);
  if (error !== 'NONE') return error;
  if (generation !== group.generation) return 'ILLEGAL_GENERATION';
  // The member knows the generation, so it has joined, but its partitions are not known yet: it has none to commit for.
  return group.state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE';
}

function deletionError(group: Group | undefined): ErrorName {
  if (group === undefined) return 'GROUP_ID_NOT_FOUND';
  // Of members that are no consumers nobody knows what they read.
  return group.state === 'Empty' || group.isOfConsumers ? 'NONE' : 'NON_EMPTY_GROUP';
}

function commitRefused({ topics }: CommitOffsetsCommand, error: ErrorName): GroupReply {
  return {
    type: 'offsets-committed',
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition }) => ({ partition, error })),
    })),
  };
}
