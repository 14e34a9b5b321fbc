import type { TopicId } from '../base/ids.js';
import type { MetadataChange, MetadataEntry } from './metadata-store.js';
import {
  CLUSTER_KEY,
  DELETING_PREFIX,
  type DeletingRecord,
  decodeClusterId,
  decodeDeleting,
  decodePartition,
  decodeProducerIds,
  decodeTopic,
  PARTITION_PREFIX,
  type PartitionRecord,
  PRODUCER_IDS_KEY,
  partitionKey,
  TOPIC_PREFIX,
  type TopicRecord,
} from './schema.js';

/** What the metadata store holds, decoded; kept up to date by applying its changes. */
export class MetadataImage {
  clusterId: string | null = null;
  readonly topics = new Map<string, TopicRecord>();
  /** By the key of the store. */
  readonly #partitions = new Map<string, PartitionRecord & { readonly modRevision: number }>();
  readonly deleting = new Map<TopicId, DeletingRecord>();
  /** The first producer id that is free, with the revision for a comparison (0: never written). */
  producerIds: { readonly next: number; readonly modRevision: number } = { next: 0, modRevision: 0 };
  readonly #topicRevisions = new Map<string, number>();

  constructor(entries: readonly MetadataEntry[]) {
    for (const entry of entries) this.apply(entry);
  }

  /** The last known state of a partition, with the revision for a comparison (0: never written). */
  partition(
    topicId: TopicId,
    index: number,
  ): (PartitionRecord & { readonly modRevision: number }) | undefined {
    return this.#partitions.get(partitionKey(topicId, index));
  }

  /** For a comparison; 0: there is no such topic. */
  topicRevision(name: string): number {
    return this.#topicRevisions.get(name) ?? 0;
  }

  apply({ key, value, modRevision }: MetadataChange): void {
    if (key === CLUSTER_KEY) this.clusterId = value === null ? null : decodeClusterId(value);
    else if (key === PRODUCER_IDS_KEY) {
      if (value !== null) this.producerIds = { ...decodeProducerIds(value), modRevision };
    } else if (key.startsWith(TOPIC_PREFIX)) this.#applyTopic(key, value, modRevision);
    else if (key.startsWith(PARTITION_PREFIX)) {
      if (value === null) this.#partitions.delete(key);
      else this.#partitions.set(key, { ...decodePartition(key, value), modRevision });
    } else if (key.startsWith(DELETING_PREFIX)) {
      if (value === null) this.deleting.delete(key.slice(DELETING_PREFIX.length) as TopicId);
      else {
        const record = decodeDeleting(key, value);
        this.deleting.set(record.topicId, record);
      }
    }
  }

  #applyTopic(key: string, value: string | null, modRevision: number): void {
    const name = key.slice(TOPIC_PREFIX.length);
    if (value === null) {
      this.topics.delete(name);
      this.#topicRevisions.delete(name);
    } else {
      this.topics.set(name, decodeTopic(key, value));
      this.#topicRevisions.set(name, modRevision);
    }
  }
}
