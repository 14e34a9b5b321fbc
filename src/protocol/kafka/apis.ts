import type { Api } from './api.js';
import { produce } from './messages/00-produce.js';
import { fetch } from './messages/01-fetch.js';
import { listOffsets } from './messages/02-list-offsets.js';
import { metadata } from './messages/03-metadata.js';
import { apiVersions } from './messages/18-api-versions.js';
import { createTopics } from './messages/19-create-topics.js';
import { deleteTopics } from './messages/20-delete-topics.js';
import { initProducerId } from './messages/22-init-producer-id.js';
import { offsetForLeaderEpoch } from './messages/23-offset-for-leader-epoch.js';
import { describeConfigs } from './messages/32-describe-configs.js';
import { describeCluster } from './messages/60-describe-cluster.js';
import { describeTopicPartitions } from './messages/75-describe-topic-partitions.js';

/** The APIs that can be decoded and encoded, by key; what a broker lists are those that it answers. */
export const APIS = [
  produce,
  fetch,
  listOffsets,
  metadata,
  apiVersions,
  createTopics,
  deleteTopics,
  initProducerId,
  offsetForLeaderEpoch,
  describeConfigs,
  describeCluster,
  describeTopicPartitions,
] as const;

export type ApiName = (typeof APIS)[number]['name'];

const byKey: (Api | undefined)[] = [];
for (const api of APIS) byKey[api.key] = api;

/** The API of this key, or undefined. */
export function findApi(key: number): Api | undefined {
  return byKey[key];
}
