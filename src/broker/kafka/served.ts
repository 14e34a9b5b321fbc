import { serveProduce } from './00-produce.js';
import { serveFetch } from './01-fetch.js';
import { serveListOffsets } from './02-list-offsets.js';
import { serveMetadata } from './03-metadata.js';
import { serveOffsetCommit } from './08-offset-commit.js';
import { serveOffsetFetch } from './09-offset-fetch.js';
import { serveFindCoordinator } from './10-find-coordinator.js';
import { serveJoinGroup } from './11-join-group.js';
import { serveHeartbeat } from './12-heartbeat.js';
import { serveLeaveGroup } from './13-leave-group.js';
import { serveSyncGroup } from './14-sync-group.js';
import { serveDescribeGroups } from './15-describe-groups.js';
import { serveListGroups } from './16-list-groups.js';
import { serveApiVersions } from './18-api-versions.js';
import { serveCreateTopics } from './19-create-topics.js';
import { serveDeleteTopics } from './20-delete-topics.js';
import { serveDeleteRecords } from './21-delete-records.js';
import { serveInitProducerId } from './22-init-producer-id.js';
import { serveOffsetForLeaderEpoch } from './23-offset-for-leader-epoch.js';
import { serveDescribeConfigs } from './32-describe-configs.js';
import { serveAlterConfigs } from './33-alter-configs.js';
import { serveCreatePartitions } from './37-create-partitions.js';
import { serveDeleteGroups } from './42-delete-groups.js';
import { serveIncrementalAlterConfigs } from './44-incremental-alter-configs.js';
import { serveOffsetDelete } from './47-offset-delete.js';
import { serveDescribeCluster } from './60-describe-cluster.js';
import { serveDescribeTopicPartitions } from './75-describe-topic-partitions.js';
import type { Served } from './context.js';

/** What the Kafka door serves, and so what ApiVersions lists: only what works. */
export const SERVED: readonly Served[] = [
  serveProduce,
  serveFetch,
  serveListOffsets,
  serveMetadata,
  serveOffsetCommit,
  serveOffsetFetch,
  serveFindCoordinator,
  serveJoinGroup,
  serveHeartbeat,
  serveLeaveGroup,
  serveSyncGroup,
  serveDescribeGroups,
  serveListGroups,
  serveApiVersions,
  serveCreateTopics,
  serveDeleteTopics,
  serveDeleteRecords,
  serveInitProducerId,
  serveOffsetForLeaderEpoch,
  serveDescribeConfigs,
  serveAlterConfigs,
  serveCreatePartitions,
  serveDeleteGroups,
  serveIncrementalAlterConfigs,
  serveOffsetDelete,
  serveDescribeCluster,
  serveDescribeTopicPartitions,
];

let byKey: ReadonlyMap<number, Served> | null = null;

export function servedApi(key: number): Served | undefined {
  byKey ??= new Map(SERVED.map((served) => [served.api.key, served]));
  return byKey.get(key);
}
