import type { OffsetPosition } from '../protocol/native/messages.js';
import { askLeaders } from './ask-leaders.js';
import type { Cluster } from './cluster.js';
import type { Connection } from './connection.js';

/** A place in a partition. */
export interface ListedOffset {
  readonly partition: number;
  /** -1: no message has such a timestamp. */
  readonly offset: number;
  /** Of the message that was found by its time, else -1. */
  readonly timestampMs: number;
}

/**
 * The offsets of these positions, by partition, asked of the partitions' leaders. Leaders that moved are looked for
 * again within the cluster's request timeout.
 *
 * @throws OdradekError the last error, if a partition had no answer until then or refused
 */
export async function listOffsets(
  cluster: Cluster,
  topic: string,
  positions: ReadonlyMap<number, OffsetPosition>,
  signal = cluster.signal,
): Promise<Map<number, ListedOffset>> {
  const ask = async (connection: Connection, questions: readonly (readonly [number, OffsetPosition])[]) => {
    const partitions = questions.map(([partition, position]) => ({ topic, partition, position }));
    const { body } = await connection.request({ type: 'listOffsets', partitions });
    return body.partitions;
  };
  const answers = await askLeaders(cluster, topic, positions, ask, signal);
  return new Map(
    [...answers].map(([partition, { offset, timestampMs }]) => [
      partition,
      { partition, offset, timestampMs },
    ]),
  );
}
