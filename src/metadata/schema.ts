// The keys of the metadata store and what their values say. Values are JSON with a version field; readers accept the
// version before theirs.
//
//   cluster                          {clusterId}
//   topics/NAME                      {topicId, internal, overrides, replicas: broker ids of each partition}
//   partitions/TOPIC_ID/INDEX        {leader, leaderEpoch, inSyncReplicas, directoryId}; written when a leader starts
//   deleting/TOPIC_ID                {name, partitions}: the topic is gone, its folders may not be
//   producer-ids/next                {next}: the first producer id that no block has been handed out of (KIP-730)

import { OdradekError } from '../base/errors.js';
import {
  type BrokerId,
  type LeaderEpoch,
  type TopicId,
  toBrokerId,
  toLeaderEpoch,
  toTopicId,
} from '../base/ids.js';

export const CLUSTER_KEY = 'cluster';
export const TOPIC_PREFIX = 'topics/';
export const PARTITION_PREFIX = 'partitions/';
export const DELETING_PREFIX = 'deleting/';
export const PRODUCER_IDS_KEY = 'producer-ids/next';

export const topicKey = (name: string): string => TOPIC_PREFIX + name;
export const partitionKey = (topicId: TopicId, partition: number): string =>
  `${PARTITION_PREFIX}${topicId}/${partition}`;
export const deletingKey = (topicId: TopicId): string => DELETING_PREFIX + topicId;

const VERSION = 1;

export interface TopicRecord {
  readonly topicId: TopicId;
  readonly internal: boolean;
  readonly overrides: Readonly<Record<string, string>>;
  /** Broker ids of each partition's replicas, the preferred leader first. */
  readonly replicas: readonly (readonly BrokerId[])[];
}

export interface PartitionRecord {
  readonly leader: BrokerId | null;
  readonly leaderEpoch: LeaderEpoch;
  readonly inSyncReplicas: readonly BrokerId[];
  /** The leader's data directory that holds it (KIP-858); null if that was not noted. */
  readonly directoryId: string | null;
}

export interface DeletingRecord {
  readonly topicId: TopicId;
  readonly name: string;
  readonly partitions: number;
}

export interface ProducerIdsRecord {
  readonly next: number;
}

export const encodeRecord = (
  record: TopicRecord | PartitionRecord | DeletingRecord | ProducerIdsRecord | { clusterId: string },
): string => JSON.stringify({ version: VERSION, ...record });

type Json = Record<string, unknown>;

function parse(key: string, value: string): Json {
  const json = JSON.parse(value) as Json;
  if (json['version'] !== VERSION) {
    throw new OdradekError(
      'ODR_START',
      `The metadata entry ${key} was written by a newer version of Odradek.`,
    );
  }
  return json;
}

const brokers = (ids: unknown): BrokerId[] => (ids as number[]).map(toBrokerId);

export function decodeClusterId(value: string): string {
  return String(parse(CLUSTER_KEY, value)['clusterId']);
}

export function decodeTopic(key: string, value: string): TopicRecord {
  const json = parse(key, value);
  return {
    topicId: toTopicId(String(json['topicId'])),
    internal: json['internal'] === true,
    overrides: json['overrides'] as Record<string, string>,
    replicas: (json['replicas'] as number[][]).map(brokers),
  };
}

export function decodePartition(key: string, value: string): PartitionRecord {
  const json = parse(key, value);
  return {
    leader: json['leader'] === null ? null : toBrokerId(Number(json['leader'])),
    leaderEpoch: toLeaderEpoch(Number(json['leaderEpoch'])),
    inSyncReplicas: brokers(json['inSyncReplicas']),
    directoryId: typeof json['directoryId'] === 'string' ? json['directoryId'] : null,
  };
}

export function decodeDeleting(key: string, value: string): DeletingRecord {
  const json = parse(key, value);
  return {
    topicId: toTopicId(String(json['topicId'])),
    name: String(json['name']),
    partitions: Number(json['partitions']),
  };
}

export function decodeProducerIds(value: string): ProducerIdsRecord {
  return { next: Number(parse(PRODUCER_IDS_KEY, value)['next']) };
}
