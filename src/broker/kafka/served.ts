import { serveProduce } from './00-produce.js';
import { serveFetch } from './01-fetch.js';
import { serveListOffsets } from './02-list-offsets.js';
import { serveMetadata } from './03-metadata.js';
import { serveApiVersions } from './18-api-versions.js';
import { serveCreateTopics } from './19-create-topics.js';
import { serveDeleteTopics } from './20-delete-topics.js';
import { serveInitProducerId } from './22-init-producer-id.js';
import { serveOffsetForLeaderEpoch } from './23-offset-for-leader-epoch.js';
import { serveDescribeConfigs } from './32-describe-configs.js';
import { serveDescribeCluster } from './60-describe-cluster.js';
import { serveDescribeTopicPartitions } from './75-describe-topic-partitions.js';
import type { Served } from './context.js';

/** What the Kafka door serves, and so what ApiVersions lists: only what works. */
export const SERVED: readonly Served[] = [
  serveProduce,
  serveFetch,
  serveListOffsets,
  serveMetadata,
  serveApiVersions,
  serveCreateTopics,
  serveDeleteTopics,
  serveInitProducerId,
  serveOffsetForLeaderEpoch,
  serveDescribeConfigs,
  serveDescribeCluster,
  serveDescribeTopicPartitions,
];

let byKey: ReadonlyMap<number, Served> | null = null;

export function servedApi(key: number): Served | undefined {
  byKey ??= new Map(SERVED.map((served) => [served.api.key, served]));
  return byKey.get(key);
}
