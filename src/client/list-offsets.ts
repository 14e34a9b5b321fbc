import { brokerError, OdradekError } from '../base/errors.js';
import {
  type ListOffsetsPartition,
  type OffsetPosition,
  REQUEST_PARTITIONS_MAX,
} from '../protocol/native/messages.js';
import type { Cluster } from './cluster.js';
import { retry } from './retry.js';

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
  const found = new Map<number, ListedOffset>();
  return await retry(cluster, { timeoutMs: cluster.options.requestTimeoutMs, signal }, async (failures) => {
    if (failures > 0) await cluster.refreshTopic(topic);
    const missing = new Map([...positions].filter(([partition]) => !found.has(partition)));
    const error = await listOnce(cluster, topic, missing, found);
    if (error) throw error;
    return found;
  });
}

/** Adds what it can to `found`; returns an error if something is missing. */
async function listOnce(
  cluster: Cluster,
  topic: string,
  positions: ReadonlyMap<number, OffsetPosition>,
  found: Map<number, ListedOffset>,
): Promise<OdradekError | null> {
  const { leaders } = await cluster.topic(topic);
  const byLeader = new Map<number, ListOffsetsPartition[]>();
  for (const [partition, position] of positions) {
    const leader = leaders[partition] ?? -1;
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), { topic, partition, position }]);
  }
  let failure: OdradekError | null = null;
  for (const [leader, partitions] of byLeader) {
    if (leader === -1) return brokerError('LEADER_NOT_AVAILABLE');
    for (let start = 0; start < partitions.length; start += REQUEST_PARTITIONS_MAX) {
      const connection = await cluster.connection(leader);
      const { body } = await connection.request({
        type: 'listOffsets',
        partitions: partitions.slice(start, start + REQUEST_PARTITIONS_MAX),
      });
      for (const { partition, offset, timestampMs, error } of body.partitions) {
        if (error) failure = brokerError(error.error, error.detail);
        else found.set(partition, { partition, offset, timestampMs });
      }
    }
  }
  return failure ?? (isComplete(positions, found) ? null : incomplete(topic));
}

function isComplete(positions: ReadonlyMap<number, unknown>, found: ReadonlyMap<number, unknown>): boolean {
  return [...positions.keys()].every((partition) => found.has(partition));
}

function incomplete(topic: string): OdradekError {
  return new OdradekError('ODR_PROTOCOL', `The broker did not answer for all partitions of ${topic}.`);
}
