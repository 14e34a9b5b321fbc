import { OdradekError } from '../base/errors.js';
import type { TopicMetadata } from '../protocol/native/messages.js';

/** What a client has to know about a topic. Never changes: newer metadata makes a new view. */
export interface TopicView {
  readonly name: string;
  readonly topicId: string;
  readonly partitionCount: number;
  /** By partition; -1: no leader at the moment. */
  readonly leaders: readonly number[];
  /** The partitions that have a leader, or all if none has. Not empty unless the topic is. */
  readonly candidates: readonly number[];
  /** By the client's monotonic clock. */
  readonly readAtMs: number;
}

/**
 * The view of a topic without an error.
 *
 * @throws OdradekError ODR_PROTOCOL if its partitions are not numbered from 0 without gaps
 */
export function topicView({ name, topicId, partitions }: TopicMetadata, readAtMs: number): TopicView {
  const partitionCount = partitions.length;
  const leaders = Array.from({ length: partitionCount }, () => -1);
  for (const { partition, leader } of partitions) {
    if (partition >= partitionCount) {
      throw new OdradekError(
        'ODR_PROTOCOL',
        `Topic ${name} has ${partitionCount} partitions and one is ${partition}.`,
      );
    }
    leaders[partition] = leader;
  }
  const all = leaders.map((_, partition) => partition);
  const led = all.filter((partition) => leaders[partition] !== -1);
  return { name, topicId, partitionCount, leaders, candidates: led.length > 0 ? led : all, readAtMs };
}
