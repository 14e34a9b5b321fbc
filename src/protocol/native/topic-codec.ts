// The bodies of requests and responses that change topics, and what several responses say of topics: fields of the header
// <-> plain objects.
import { decodeFailure, encodeFailure, index, int64, protocolError, safe } from './fields.js';
import type { odradek } from './generated/odradek.js';
import type {
  AddPartitionsRequest,
  AddPartitionsResponse,
  AlterTopicRequest,
  AlterTopicResponse,
  ConfigChange,
  ConfigEntry,
  DeleteRecordsPartition,
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  DeleteRecordsResult,
  DescribeConfigsRequest,
  DescribeConfigsResponse,
  PartitionMetadata,
  TopicMetadata,
} from './messages.js';

type TopicChangeRequest =
  | AlterTopicRequest
  | AddPartitionsRequest
  | DeleteRecordsRequest
  | DescribeConfigsRequest;
type TopicChangeResponse =
  | AlterTopicResponse
  | AddPartitionsResponse
  | DeleteRecordsResponse
  | DescribeConfigsResponse;

const OPERATIONS: readonly ConfigChange['operation'][] = ['set', 'delete', 'append', 'subtract'];
const CONFIG_SOURCES: readonly ConfigEntry['source'][] = ['DEFAULT', 'BROKER', 'TOPIC'];

/** The fields of the request's header that say the request. */
export function encodeTopicChangeRequest(body: TopicChangeRequest): odradek.RequestHeader.$Properties {
  switch (body.type) {
    case 'alterTopic': {
      const { name, validateOnly } = body;
      const changes = body.changes.map((change) => ({
        ...change,
        operation: OPERATIONS.indexOf(change.operation),
      }));
      return { alterTopic: { name, changes, validateOnly } };
    }
    case 'addPartitions':
      return { addPartitions: body };
    case 'deleteRecords':
      return { deleteRecords: { partitions: body.partitions.map(encodeDeletion) } };
    case 'describeConfigs':
      return {
        describeConfigs: body.resource === 'broker' ? { broker: true } : { topic: body.resource.topic },
      };
  }
}

function encodeDeletion({ topic, partition, before }: DeleteRecordsPartition) {
  if (before === 'highWatermark') return { topic, partition, highWatermark: true };
  return { topic, partition, offset: safe(before) };
}

/** null: the request is about something else. */
export function decodeTopicChangeRequest(
  message: odradek.RequestHeader.$Properties,
): TopicChangeRequest | null {
  if (message.alterTopic) {
    const { name, changes, validateOnly } = message.alterTopic;
    return {
      type: 'alterTopic',
      name: name ?? '',
      changes: (changes ?? []).map(decodeChange),
      validateOnly: validateOnly ?? false,
    };
  }
  if (message.addPartitions) {
    const { name, count, validateOnly } = message.addPartitions;
    return {
      type: 'addPartitions',
      name: name ?? '',
      count: index(count, 'count'),
      validateOnly: validateOnly ?? false,
    };
  }
  if (message.deleteRecords)
    return {
      type: 'deleteRecords',
      partitions: (message.deleteRecords.partitions ?? []).map(decodeDeletion),
    };
  if (message.describeConfigs) {
    const { topic, broker } = message.describeConfigs;
    if (broker) return { type: 'describeConfigs', resource: 'broker' };
    if (topic === null || topic === undefined)
      throw protocolError('A DescribeConfigs request names no resource.');
    return { type: 'describeConfigs', resource: { topic } };
  }
  return null;
}

function decodeChange({ name, operation, value }: odradek.ConfigChange.$Properties): ConfigChange {
  const operationName = OPERATIONS[operation ?? 0];
  if (!operationName) throw protocolError(`The operation on config ${name} is unknown: ${operation}`);
  return { name: name ?? '', operation: operationName, value: value ?? '' };
}

function decodeDeletion(deletion: odradek.DeleteRecordsPartition.$Properties): DeleteRecordsPartition {
  const { topic, partition, offset, highWatermark } = deletion;
  if (!highWatermark && (offset === null || offset === undefined)) {
    throw protocolError('A DeleteRecords request does not say up to where.');
  }
  return {
    topic: topic ?? '',
    partition: index(partition, 'partition'),
    before: highWatermark ? 'highWatermark' : int64(offset, 'offset'),
  };
}

/** The fields of the response's header that say the response. */
export function encodeTopicChangeResponse(body: TopicChangeResponse): odradek.ResponseHeader.$Properties {
  switch (body.type) {
    case 'alterTopic':
      return { alterTopic: { configs: body.configs.map(encodeConfig) } };
    case 'addPartitions':
      return { addPartitions: { topic: encodeTopic(body.topic) } };
    case 'deleteRecords':
      return { deleteRecords: { partitions: body.partitions.map(encodeDeleted) } };
    case 'describeConfigs':
      return { describeConfigs: { configs: body.configs.map(encodeConfig) } };
  }
}

function encodeDeleted(result: DeleteRecordsResult): odradek.DeleteRecordsResult.$Properties {
  return {
    topic: result.topic,
    partition: result.partition,
    error: encodeFailure(result.error),
    logStartOffset: safe(result.logStartOffset),
  };
}

/** null: the response is about something else. */
export function decodeTopicChangeResponse(
  message: odradek.ResponseHeader.$Properties,
): TopicChangeResponse | null {
  if (message.alterTopic)
    return { type: 'alterTopic', configs: (message.alterTopic.configs ?? []).map(decodeConfig) };
  if (message.addPartitions)
    return { type: 'addPartitions', topic: decodeTopic(message.addPartitions.topic ?? {}) };
  if (message.deleteRecords)
    return { type: 'deleteRecords', partitions: (message.deleteRecords.partitions ?? []).map(decodeDeleted) };
  if (message.describeConfigs)
    return { type: 'describeConfigs', configs: (message.describeConfigs.configs ?? []).map(decodeConfig) };
  return null;
}

function decodeDeleted(result: odradek.DeleteRecordsResult.$Properties): DeleteRecordsResult {
  return {
    topic: result.topic ?? '',
    partition: index(result.partition, 'partition'),
    error: decodeFailure(result.error),
    logStartOffset: int64(result.logStartOffset, 'log_start_offset'),
  };
}

export function encodeTopic(topic: TopicMetadata): odradek.TopicMetadata.$Properties {
  return { ...topic, error: encodeFailure(topic.error), partitions: topic.partitions.map(encodePartition) };
}

function encodePartition(partition: PartitionMetadata): odradek.PartitionMetadata.$Properties {
  return { ...partition, replicas: [...partition.replicas], inSyncReplicas: [...partition.inSyncReplicas] };
}

export function decodeTopic(topic: odradek.TopicMetadata.$Properties): TopicMetadata {
  return {
    name: topic.name ?? '',
    error: decodeFailure(topic.error),
    topicId: topic.topicId ?? '',
    internal: topic.internal ?? false,
    partitions: (topic.partitions ?? []).map(decodePartition),
  };
}

function decodePartition(partition: odradek.PartitionMetadata.$Properties): PartitionMetadata {
  return {
    partition: index(partition.partition, 'partition'),
    leader: partition.leader ?? 0,
    leaderEpoch: partition.leaderEpoch ?? 0,
    replicas: (partition.replicas ?? []).map((id) => index(id, 'replica')),
    inSyncReplicas: (partition.inSyncReplicas ?? []).map((id) => index(id, 'in-sync replica')),
  };
}

export function encodeConfig(config: ConfigEntry): odradek.ConfigEntry.$Properties {
  return { ...config, source: CONFIG_SOURCES.indexOf(config.source) };
}

export function decodeConfig(config: odradek.ConfigEntry.$Properties): ConfigEntry {
  const { name, value, source, documentation, readOnly } = config;
  const sourceName = CONFIG_SOURCES[source ?? 0];
  if (!sourceName) throw protocolError(`The source of config ${name} is unknown: ${source}`);
  return {
    name: name ?? '',
    value: value ?? '',
    source: sourceName,
    documentation: documentation ?? '',
    readOnly: readOnly ?? false,
  };
}
