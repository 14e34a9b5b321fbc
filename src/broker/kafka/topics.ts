// What several APIs need of topics: finding one by name or id, and describing its partitions.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import type { TopicId } from '../../base/ids.js';
import type { Router } from '../router.js';
import type { PartitionEntry, TopicEntry } from '../topic-table.js';

/** A topic as a request names it: by id where `byId`, else by name. */
export function topicOf(
  { topics }: Router,
  { name, topicId }: { readonly name: string; readonly topicId: TopicId },
  byId: boolean,
):
  | { readonly topic: TopicEntry; readonly error: 'NONE' }
  | { readonly topic: null; readonly error: ErrorName } {
  const topic = byId ? topics.topicById(topicId) : topics.topic(name);
  if (topic) return { topic, error: 'NONE' };
  return { topic: null, error: byId ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION' };
}

/** Why a client with this idea of the leader epoch cannot be served, if so (KIP-320); -1 means that it has none. */
export function epochProblem({ route }: PartitionEntry, currentLeaderEpoch: number): ErrorName | null {
  if (currentLeaderEpoch < 0 || !route || currentLeaderEpoch === route.leaderEpoch) return null;
  return currentLeaderEpoch < route.leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH';
}

/** The partitions of a topic, as Metadata and DescribeTopicPartitions say it. */
export function describePartitions({ image, partitions }: TopicEntry) {
  return partitions.map(({ index, leaderEpoch }) => {
    const state = image.partitions[index];
    const replicas = [...(state?.replicas ?? [])];
    return {
      errorCode: state?.leader === undefined || state.leader === null ? ERRORS.LEADER_NOT_AVAILABLE.code : 0,
      partitionIndex: index as number,
      leaderId: state?.leader ?? -1,
      leaderEpoch: leaderEpoch as number,
      replicaNodes: replicas,
      isrNodes: [...(state?.inSyncReplicas ?? [])],
      offlineReplicas: [],
    };
  });
}
