import { brokerError } from '../base/errors.js';
import type {
  BrokerAddress,
  ConfigChange,
  ConfigEntry,
  OffsetPosition,
  PartitionDescription,
  PartitionMetadata,
  TopicMetadata,
} from '../protocol/native/messages.js';
import type { Cluster } from './cluster.js';
import { type DeletedRecords, deleteRecords, type RecordsBefore } from './delete-records.js';
import { GroupAdmin } from './group-admin.js';
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

/** Changes of a topic's configs, by Kafka's names. */
export interface AlterTopicOptions {
  /** New values, as `{ 'retention.ms': 86_400_000 }`. */
  readonly set?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Configs that go back to the broker's default. */
  readonly delete?: readonly string[] | undefined;
  /** Items to add to configs that are lists, as `{ 'cleanup.policy': ['compact'] }`. */
  readonly append?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Items to take out of configs that are lists. */
  readonly subtract?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Check everything, change nothing. */
  readonly validateOnly?: boolean | undefined;
}

export interface ClusterDetails {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly brokers: readonly BrokerAddress[];
}

/**
 * Topics and the cluster. Every method rejects with an OdradekError: ODR_BROKER if the broker refused, ODR_CONNECTION
 * or ODR_TIMEOUT if it could not be reached, or answered in time.
 */
export class Admin {
  /** Consumer groups: their members, offsets and lag. */
  readonly groups: GroupAdmin;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.groups = new GroupAdmin(cluster);
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

  /**
   * Changes configs of a topic; they are in force when this resolves, with all configs as they are then. Either all changes are
   * made or none: INVALID_CONFIG says what is wrong. Source: KIP-339.
   *
   * @example
   * await admin.alterTopic('flights', { set: { 'retention.ms': 3_600_000 }, delete: ['segment.bytes'] });
   */
  async alterTopic(name: string, options: AlterTopicOptions): Promise<readonly ConfigEntry[]> {
    const { set = {}, append = {}, subtract = {}, validateOnly = false } = options;
    const lists = (operation: 'append' | 'subtract', items: Readonly<Record<string, readonly string[]>>) =>
      Object.entries(items).map(([config, values]) => ({ name: config, operation, value: values.join(',') }));
    const changes: ConfigChange[] = [
      ...Object.entries(set).map(
        ([config, value]): ConfigChange => ({ name: config, operation: 'set', value: String(value) }),
      ),
      ...(options.delete ?? []).map(
        (config): ConfigChange => ({ name: config, operation: 'delete', value: '' }),
      ),
      ...lists('append', append),
      ...lists('subtract', subtract),
    ];
    const { configs } = await this.#cluster.requestAny({ type: 'alterTopic', name, changes, validateOnly });
    return configs;
  }

  /**
   * Adds partitions, so that the topic has `count` in all; they can be used when this resolves. Messages stay where they are:
   * from now on a key may belong to another partition than before, and the order of its messages is kept only within each.
   * Fails with INVALID_PARTITIONS if that is not more than now. Source: KIP-195.
   */
  async addPartitions(
    name: string,
    count: number,
    { validateOnly = false }: { readonly validateOnly?: boolean | undefined } = {},
  ): Promise<TopicSummary> {
    wholeNumber('count', count, 1, 2 ** 31 - 1);
    const { topic } = await this.#cluster.requestAny({ type: 'addPartitions', name, count, validateOnly });
    if (!validateOnly) this.#cluster.forgetTopic(name);
    return summary(topic);
  }

  /**
   * Deletes the messages before an offset of each of these partitions, for good: `'highWatermark'` deletes all that there are. Consumers
   * that were before go on at the first message that stays, or as their options say. An offset below the first one changes
   * nothing; one behind the high watermark fails with OFFSET_OUT_OF_RANGE. Resolves with where the logs begin now, by
   * partition. Messages may have been deleted from some partitions if this rejects. Source: KIP-107.
   *
   * @example
   * await admin.deleteRecords('flights', [{ partition: 0, before: 1200 }, { partition: 1, before: 'highWatermark' }]);
   */
  deleteRecords(topic: string, partitions: readonly RecordsBefore[]): Promise<DeletedRecords[]> {
    return deleteRecords(this.#cluster, topic, partitions);
  }

  /** Every config of a topic, or of the broker that is asked, with its value, where that comes from and what it means. */
  async describeConfigs(resource: { readonly topic: string } | 'broker'): Promise<readonly ConfigEntry[]> {
    const { configs } = await this.#cluster.requestAny({ type: 'describeConfigs', resource });
    return configs;
  }

  /** The brokers. */
  async cluster(): Promise<ClusterDetails> {
    const { clusterId, controllerId, brokers } = await this.#cluster.metadata([], false);
    return { clusterId, controllerId, brokers };
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
