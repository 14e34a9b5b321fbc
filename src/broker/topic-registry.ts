// The topics that there are, as the supervisor works with them: each partition with how far its opening has come. It follows
// the metadata store: what a commit changed shows here before the commit's own callback runs.
import { type LeaderEpoch, type TopicId, toLeaderEpoch, toPartitionIndex } from '../base/ids.js';
import type { LogRecovery } from '../log/open-log.js';
import type { MetadataChange } from '../metadata/metadata-store.js';
import { TOPIC_PREFIX, type TopicRecord } from '../metadata/schema.js';
import type { PartitionName } from '../partition/messages.js';
import type { PartitionImage, TopicImage } from './messages.js';
import type { WorkerSlots } from './placement.js';
import type { AnswerCommand, SupervisorOptions } from './supervisor-options.js';

/** A partition and, while it is not closed, where it is served or will be. */
export interface SupervisedPartition extends PartitionName {
  readonly topicId: TopicId;
  /** offline: its log failed, and stays closed until the broker is started again. */
  phase: 'closed' | 'raising' | 'ready' | 'opening' | 'open' | 'offline';
  /** Of its last attempt to open it: a step of an older one does nothing. */
  generation: number;
  worker: WorkerSlots<SupervisedPartition> | null;
  slot: number;
  /** How to open it next. */
  recovery: LogRecovery | null;
  /** Its folder, once an attempt to open it has found a place for it. */
  folder: string;
  /** Why it is offline, or has no directory that is served. */
  offlineReason: string;
  readonly waiting: AnswerCommand[];
}

export interface SupervisedTopic {
  record: TopicRecord;
  readonly partitions: SupervisedPartition[];
  /** Whether clients have asked for one of them. */
  used: boolean;
}

export type TopicRegistryOptions = Pick<SupervisorOptions, 'image' | 'brokerId' | 'tell'>;

export class TopicRegistry {
  readonly #options: TopicRegistryOptions;
  readonly #topics = new Map<string, SupervisedTopic>();

  constructor(options: TopicRegistryOptions) {
    this.#options = options;
    for (const [name, record] of options.image.topics) this.#topics.set(name, newTopic(name, record));
  }

  get(name: string): SupervisedTopic | undefined {
    return this.#topics.get(name);
  }

  has(name: string): boolean {
    return this.#topics.has(name);
  }

  topics(): Iterable<SupervisedTopic> {
    return this.#topics.values();
  }

  /** Whether it is a partition of a topic that has not been deleted. */
  exists(partition: SupervisedPartition): boolean {
    return this.#topics.get(partition.topic)?.partitions[partition.partition] === partition;
  }

  partitionCount(): number {
    let count = 0;
    for (const { partitions } of this.#topics.values()) count += partitions.length;
    return count;
  }

  /** Tells of all topics that there are. */
  tellAll(): void {
    const updated = [...this.#topics].map(([name, topic]) => this.image(name, topic));
    this.#options.tell({ type: 'topics', updated, deleted: [] });
  }

  /** Takes over what a commit changed, and tells of it. */
  changed(changes: readonly MetadataChange[]): void {
    const { image, tell } = this.#options;
    const updated: TopicImage[] = [];
    const deleted: string[] = [];
    for (const change of changes) {
      image.apply(change);
      if (!change.key.startsWith(TOPIC_PREFIX)) continue;
      const name = change.key.slice(TOPIC_PREFIX.length);
      const record = image.topics.get(name);
      if (!record) {
        this.#topics.delete(name);
        deleted.push(name);
        continue;
      }
      const existing = this.#topics.get(name);
      const topic = existing?.record.topicId === record.topicId ? existing : newTopic(name, record);
      topic.record = record;
      for (let index = topic.partitions.length; index < record.replicas.length; index++)
        topic.partitions.push(newPartition(name, record.topicId, index));
      this.#topics.set(name, topic);
      updated.push(this.image(name, topic));
    }
    if (updated.length > 0 || deleted.length > 0) tell({ type: 'topics', updated, deleted });
  }

  /** How others see a topic. */
  image(name: string, { record, partitions: current }: SupervisedTopic): TopicImage {
    const { image, brokerId } = this.#options;
    const partitions = record.replicas.map((replicas, index): PartitionImage => {
      const state = image.partition(record.topicId, index);
      return {
        // The only broker leads from the start. Its epoch rises when it opens the partition: what clients are told before
        // is the epoch in which they will be served.
        leader: state ? state.leader : brokerId,
        leaderEpoch:
          current[index]?.phase === 'closed' ? nextEpoch(state) : (state?.leaderEpoch ?? nextEpoch(state)),
        replicas,
        inSyncReplicas: state?.inSyncReplicas ?? replicas,
      };
    });
    return {
      name,
      topicId: record.topicId,
      internal: record.internal,
      overrides: record.overrides,
      partitions,
    };
  }
}

/** A topic none of whose partitions is open. */
export function newTopic(name: string, record: TopicRecord): SupervisedTopic {
  const { topicId, replicas } = record;
  const partitions = replicas.map((_, index) => newPartition(name, topicId, index));
  return { record, partitions, used: false };
}

function newPartition(topic: string, topicId: TopicId, index: number): SupervisedPartition {
  return {
    topic,
    topicId,
    partition: toPartitionIndex(index),
    phase: 'closed',
    generation: 0,
    worker: null,
    slot: -1,
    recovery: null,
    folder: '',
    offlineReason: '',
    waiting: [],
  };
}

/** The epoch of the leader that comes after a state of a partition; undefined: there was none. */
export function nextEpoch(state: { readonly leaderEpoch: LeaderEpoch } | undefined): LeaderEpoch {
  return toLeaderEpoch((state?.leaderEpoch ?? -1) + 1);
}
