// ResponseHeader: bytes <-> plain objects.
import { assertNever } from '../../base/assert.js';
import {
  decodeFailure,
  decodeForeign,
  decodeProducer,
  encodeFailure,
  encodeProducer,
  index,
  int64,
  protocolError,
  safe,
} from './fields.js';
import { odradek } from './generated/odradek.js';
import { decodeGroupResponse, encodeGroupResponse } from './group-codec.js';
import type {
  FetchPartitionResult,
  ListOffsetsResult,
  PartitionDescription,
  ProducePartitionResult,
  ResponseBody,
  ResponseHeader,
} from './messages.js';
import { decodeSubscriptionResponse, encodeSubscriptionResponse } from './subscription-codec.js';
import {
  decodeConfig,
  decodeTopic,
  decodeTopicChangeResponse,
  encodeConfig,
  encodeTopic,
  encodeTopicChangeResponse,
} from './topic-codec.js';

/** The header of a response, without the frame's lengths. */
export function encodeResponseHeader({ correlationId, error, body }: ResponseHeader): Uint8Array {
  const message: odradek.ResponseHeader.$Properties = { correlationId, error: encodeFailure(error) };
  if (body) setBody(message, body);
  return odradek.ResponseHeader.encode(message).finish();
}

function setBody(message: odradek.ResponseHeader.$Properties, body: ResponseBody): void {
  switch (body.type) {
    case 'hello':
      message.hello = { ...body, features: [...body.features] };
      break;
    case 'ping':
      message.ping = {};
      break;
    case 'metadata':
      message.metadata = { ...body, brokers: [...body.brokers], topics: body.topics.map(encodeTopic) };
      break;
    case 'createTopic':
      message.createTopic = { topic: encodeTopic(body.topic) };
      break;
    case 'describeTopic':
      message.describeTopic = {
        topic: encodeTopic(body.topic),
        configs: body.configs.map(encodeConfig),
        partitions: body.partitions.map(encodeDescription),
      };
      break;
    case 'deleteTopic':
      message.deleteTopic = {};
      break;
    case 'produce':
      message.produce = { partitions: body.partitions.map(encodeProduceResult) };
      break;
    case 'fetch':
      message.fetch = { partitions: body.partitions.map(encodeFetchResult) };
      break;
    case 'listOffsets':
      message.listOffsets = { partitions: body.partitions.map(encodeListResult) };
      break;
    case 'initProducerId':
      message.initProducerId = { producer: encodeProducer(body.producer) };
      break;
    case 'subscribe':
    case 'changeSubscription':
    case 'unsubscribe':
    case 'push':
      Object.assign(message, encodeSubscriptionResponse(body));
      break;
    case 'alterTopic':
    case 'addPartitions':
    case 'deleteRecords':
    case 'describeConfigs':
      Object.assign(message, encodeTopicChangeResponse(body));
      break;
    case 'listGroups':
    case 'describeGroup':
    case 'fetchGroupOffsets':
    case 'commitGroupOffsets':
    case 'deleteGroup':
    case 'deleteGroupOffsets':
      Object.assign(message, encodeGroupResponse(body));
      break;
    default:
      assertNever(body);
  }
}

function encodeDescription(partition: PartitionDescription): odradek.PartitionDescription.$Properties {
  return {
    partition: partition.partition,
    logStartOffset: safe(partition.logStartOffset),
    highWatermark: safe(partition.highWatermark),
    logEndOffset: safe(partition.logEndOffset),
    sizeBytes: safe(partition.sizeBytes),
    error: encodeFailure(partition.error),
  };
}

function encodeProduceResult(result: ProducePartitionResult): odradek.ProducePartitionResult.$Properties {
  return {
    error: encodeFailure(result.error),
    baseOffset: safe(result.baseOffset),
    logAppendTimeMs: safe(result.logAppendTimeMs),
    logStartOffset: safe(result.logStartOffset),
  };
}

function encodeFetchResult(result: FetchPartitionResult): odradek.FetchPartitionResult.$Properties {
  return {
    topic: result.topic,
    partition: result.partition,
    error: encodeFailure(result.error),
    recordsBytes: result.recordsBytes,
    highWatermark: safe(result.highWatermark),
    lastStableOffset: safe(result.lastStableOffset),
    logStartOffset: safe(result.logStartOffset),
  };
}

function encodeListResult(result: ListOffsetsResult): odradek.ListOffsetsResult.$Properties {
  return {
    topic: result.topic,
    partition: result.partition,
    error: encodeFailure(result.error),
    offset: safe(result.offset),
    timestampMs: safe(result.timestampMs),
  };
}

/**
 * The response in these bytes. `body` is null beside an error, or for a kind of response that this version does not
 * know.
 *
 * @throws OdradekError ODR_PROTOCOL for anything that is no such message or is out of range
 */
export function decodeResponseHeader(bytes: Uint8Array): ResponseHeader {
  const message = decodeForeign('response header', () => odradek.ResponseHeader.decode(bytes));
  const error = decodeFailure(message.error);
  return { correlationId: message.correlationId ?? 0, error, body: error ? null : getBody(message) };
}

function getBody(message: odradek.ResponseHeader.$Properties): ResponseBody | null {
  const ofSubscription = decodeSubscriptionResponse(message);
  if (ofSubscription) return ofSubscription;
  if (message.produce) {
    return { type: 'produce', partitions: (message.produce.partitions ?? []).map(decodeProduceResult) };
  }
  if (message.fetch) {
    return { type: 'fetch', partitions: (message.fetch.partitions ?? []).map(decodeFetchResult) };
  }
  if (message.hello) {
    const { version, clusterId, brokerId, brokerSoftware, features, frameBytesMax, requestsMax } =
      message.hello;
    return {
      type: 'hello',
      version: version ?? 0,
      clusterId: clusterId ?? '',
      brokerId: index(brokerId, 'broker_id'),
      brokerSoftware: brokerSoftware ?? '',
      features: features ?? [],
      frameBytesMax: frameBytesMax ?? 0,
      requestsMax: requestsMax ?? 0,
    };
  }
  if (message.ping) return { type: 'ping' };
  if (message.metadata) {
    const { clusterId, controllerId, brokers, topics } = message.metadata;
    return {
      type: 'metadata',
      clusterId: clusterId ?? '',
      controllerId: index(controllerId, 'controller_id'),
      brokers: (brokers ?? []).map(decodeBroker),
      topics: (topics ?? []).map(decodeTopic),
    };
  }
  if (message.createTopic)
    return { type: 'createTopic', topic: decodeTopic(message.createTopic.topic ?? {}) };
  if (message.describeTopic) {
    const { topic, configs, partitions } = message.describeTopic;
    return {
      type: 'describeTopic',
      topic: decodeTopic(topic ?? {}),
      configs: (configs ?? []).map(decodeConfig),
      partitions: (partitions ?? []).map(decodeDescription),
    };
  }
  if (message.deleteTopic) return { type: 'deleteTopic' };
  if (message.listOffsets) {
    return { type: 'listOffsets', partitions: (message.listOffsets.partitions ?? []).map(decodeListResult) };
  }
  if (message.initProducerId) {
    const { producer } = message.initProducerId;
    if (!producer) throw protocolError('An InitProducerId response names no producer.');
    return { type: 'initProducerId', producer: decodeProducer(producer) };
  }
  return decodeTopicChangeResponse(message) ?? decodeGroupResponse(message);
}

function decodeBroker({ id, host, port }: odradek.Broker.$Properties) {
  return { id: index(id, 'broker id'), host: host ?? '', port: port ?? 0 };
}

function decodeDescription(partition: odradek.PartitionDescription.$Properties): PartitionDescription {
  return {
    partition: index(partition.partition, 'partition'),
    logStartOffset: int64(partition.logStartOffset, 'log_start_offset'),
    highWatermark: int64(partition.highWatermark, 'high_watermark'),
    logEndOffset: int64(partition.logEndOffset, 'log_end_offset'),
    sizeBytes: int64(partition.sizeBytes, 'size_bytes'),
    error: decodeFailure(partition.error),
  };
}

function decodeProduceResult(result: odradek.ProducePartitionResult.$Properties): ProducePartitionResult {
  return {
    error: decodeFailure(result.error),
    baseOffset: int64(result.baseOffset, 'base_offset'),
    logAppendTimeMs: int64(result.logAppendTimeMs, 'log_append_time_ms'),
    logStartOffset: int64(result.logStartOffset, 'log_start_offset'),
  };
}

function decodeFetchResult(result: odradek.FetchPartitionResult.$Properties): FetchPartitionResult {
  return {
    topic: result.topic ?? '',
    partition: index(result.partition, 'partition'),
    error: decodeFailure(result.error),
    recordsBytes: result.recordsBytes ?? 0,
    highWatermark: int64(result.highWatermark, 'high_watermark'),
    lastStableOffset: int64(result.lastStableOffset, 'last_stable_offset'),
    logStartOffset: int64(result.logStartOffset, 'log_start_offset'),
  };
}

function decodeListResult(result: odradek.ListOffsetsResult.$Properties): ListOffsetsResult {
  return {
    topic: result.topic ?? '',
    partition: index(result.partition, 'partition'),
    error: decodeFailure(result.error),
    offset: int64(result.offset, 'offset'),
    timestampMs: int64(result.timestampMs, 'timestamp_ms'),
  };
}
