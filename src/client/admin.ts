import { brokerError } from '../base/errors.js';
import type {
  BrokerAddress,
  ConfigEntry,
  OffsetPosition,
  PartitionDescription,
  PartitionMetadata,
  TopicMetadata,
} from '../protocol/native/messages.js';
import type { Cluster } from './cluster.js';
import { type ListedOffset, listOffsets } from './list-offsets.js';
import { wholeNumber } from './option-check.js';

export interface CreateTopicOptions {
  readonly name: string;
  /** Default: the broker's num.partitions. */
  readonly partitions?: number | undefined;
  /** Default: the broker's default.replication.factor. */
  readonly replicationFactor?: number | undefined;
  /** By Kafka's names, as `{ 'retention.ms': 86_400_000 }`. */
  readonly configs?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Check everything, create nothing. */
  readonly validateOnly?: boolean | undefined;
}

/** A topic as a list shows it. */
export interface TopicSummary {
  readonly name: string;
  readonly topicId: string;
  readonly internal: boolean;
  readonly partitions: readonly PartitionMetadata[];
}

/** A partition with its place in the cluster and what it holds. `error`: its leader could not tell the latter. */
export interface PartitionDetails extends PartitionMetadata, Omit<PartitionDescription, 'error'> {
  readonly error: Error | null;
}

export interface TopicDetails {
  readonly name: string;
  readonly topicId: string;
  readonly internal: boolean;
  readonly partitions: readonly PartitionDetails[];
  readonly configs: readonly ConfigEntry[];
}

export interface ClusterMetadata {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly brokers: readonly BrokerAddress[];
  readonly topics: readonly TopicSummary[];
}

/**
 * Topics and the cluster. Every method rejects with an OdradekError: ODR_BROKER if the broker refused, ODR_CONNECTION
 * or ODR_TIMEOUT if it could not be reached, or answered in time.
 */
export class Admin {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Creates a topic; it can be used when this resolves. Fails with TOPIC_ALREADY_EXISTS if it is there. */
  async createTopic(options: CreateTopicOptions): Promise<TopicSummary> {
    const { name, partitions = 0, replicationFactor = 0, configs = {}, validateOnly = false } = options;
    const { topic } = await this.#cluster.requestAny({
      type: 'createTopic',
      name,
      partitions: partitions === 0 ? 0 : wholeNumber('partitions', partitions, 1, 2 ** 31 - 1),
      replicationFactor: wholeNumber('replicationFactor', replicationFactor, 0, 2 ** 15 - 1),
      configs: Object.entries(configs).map(([config, value]) => ({ name: config, value: String(value) })),
      validateOnly,
    });
    return summary(topic);
  }

  /** Deletes a topic and its messages. Fails with UNKNOWN_TOPIC_OR_PARTITION if it is not there. */
  async deleteTopic(name: string): Promise<void> {
    await this.#cluster.requestAny({ type: 'deleteTopic', name });
    this.#cluster.forgetTopic(name);
  }

  /** All topics that are not internal, by name. */
  async listTopics(): Promise<TopicSummary[]> {
    const { topics } = await this.metadata();
    return [...topics];
  }

  async describeTopic(name: string): Promise<TopicDetails> {
    const { topic, partitions, configs } = await this.#cluster.requestAny({ type: 'describeTopic', name });
    const { topicId, internal, partitions: places } = summary(topic);
    const placeOf = new Map(places.map((place) => [place.partition, place]));
    return {
      ...{ name: topic.name, topicId, internal, configs },
      partitions: partitions.map(({ error, ...description }) => ({
        ...(placeOf.get(description.partition) ?? NO_PLACE),
        ...description,
        error: error && brokerError(error.error, error.detail),
      })),
    };
  }

  /** The offsets of this position in the topic's partitions, or in those given, by partition. */
  async listOffsets(
    topic: string,
    position: OffsetPosition,
    partitions?: readonly number[],
  ): Promise<ListedOffset[]> {
    const { partitionCount } = await this.#cluster.refreshTopic(topic);
    const asked = partitions ?? Array.from({ length: partitionCount }, (_, partition) => partition);
    for (const partition of asked) wholeNumber('partition', partition, 0, partitionCount - 1);
    if (typeof position !== 'string') wholeNumber('timestampMs', position.timestampMs, 0);
    const listed = await listOffsets(
      this.#cluster,
      topic,
      new Map(asked.map((partition) => [partition, position])),
    );
    return [...listed.values()].sort((a, b) => a.partition - b.partition);
  }

  /** The brokers and all topics that are not internal. */
  async metadata(): Promise<ClusterMetadata> {
    const { clusterId, controllerId, brokers, topics } = await this.#cluster.metadata([], true);
    const summaries = topics.map(summary).sort((a, b) => (a.name < b.name ? -1 : 1));
    return { clusterId, controllerId, brokers, topics: summaries };
  }
}

const NO_PLACE = { leader: -1, leaderEpoch: -1, replicas: [], inSyncReplicas: [] };

function summary({ name, topicId, internal, partitions, error }: TopicMetadata): TopicSummary {
  if (error) throw brokerError(error.error, error.detail);
  return { name, topicId, internal, partitions };
}
