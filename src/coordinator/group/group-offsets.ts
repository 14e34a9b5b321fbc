import type { TopicId } from '../../base/ids.js';

export interface StoredOffset {
  readonly offset: number;
  /** -1: not known. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number;
  /** Set by clients that choose the retention themselves (OffsetCommit v2 to v4); null: offsets.retention.minutes. */
  readonly expireTimestampMs: number | null;
  /** The topic when it was committed; null in records of older versions. */
  readonly topicId: TopicId | null;
}

export interface TopicOffsets {
  readonly topic: string;
  readonly partitions: ReadonlyMap<number, StoredOffset>;
}

/** The committed offsets of one group. */
export class GroupOffsets {
  readonly #topics = new Map<string, Map<number, StoredOffset>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get(topic: string, partition: number): StoredOffset | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  set(topic: string, partition: number, stored: StoredOffset): void {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#topics.set(topic, partitions);
    }
    if (!partitions.has(partition)) this.#count++;
    partitions.set(partition, stored);
  }

  delete(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic);
    if (!partitions?.delete(partition)) return;
    this.#count--;
    if (partitions.size === 0) this.#topics.delete(topic);
  }

  *topics(): Generator<TopicOffsets> {
    for (const [topic, partitions] of this.#topics) yield { topic, partitions };
  }
}
