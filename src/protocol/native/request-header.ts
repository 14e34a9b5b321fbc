// RequestHeader: bytes <-> plain objects.
import { assertNever } from '../../base/assert.js';
import {
  decodeForeign,
  decodeProducer,
  encodeProducer,
  index,
  int64,
  protocolError,
  safe,
} from './fields.js';
import { odradek } from './generated/odradek.js';
import { decodeGroupRequest, encodeGroupRequest } from './group-codec.js';
import type { Acks, ListOffsetsPartition, OffsetPosition, RequestBody, RequestHeader } from './messages.js';
import { decodeSubscriptionRequest, encodeSubscriptionRequest } from './subscription-codec.js';
import { decodeTopicChangeRequest, encodeTopicChangeRequest } from './topic-codec.js';

const ACKS: readonly Acks[] = ['all', 'leader', 'none'];

/** The header of a request, without the frame's lengths. */
export function encodeRequestHeader({ correlationId, timeoutMs, body }: RequestHeader): Uint8Array {
  const message: odradek.RequestHeader.$Properties = { correlationId, timeoutMs };
  if (body) setBody(message, body);
  return odradek.RequestHeader.encode(message).finish();
}

function setBody(message: odradek.RequestHeader.$Properties, body: RequestBody): void {
  switch (body.type) {
    case 'hello':
      message.hello = body;
      break;
    case 'ping':
      message.ping = {};
      break;
    case 'metadata':
      message.metadata = { topics: [...body.topics], all: body.all, autoCreate: body.autoCreate };
      break;
    case 'createTopic':
      message.createTopic = { ...body, configs: [...body.configs] };
      break;
    case 'describeTopic':
      message.describeTopic = body;
      break;
    case 'deleteTopic':
      message.deleteTopic = body;
      break;
    case 'produce':
      message.produce = { acks: ACKS.indexOf(body.acks), partitions: [...body.partitions] };
      break;
    case 'fetch':
      for (const { offset } of body.partitions) safe(offset);
      message.fetch = { ...body, partitions: [...body.partitions] };
      break;
    case 'listOffsets':
      message.listOffsets = { partitions: body.partitions.map(encodePosition) };
      break;
    case 'initProducerId':
      message.initProducerId = { current: body.current && encodeProducer(body.current) };
      break;
    case 'subscribe':
    case 'changeSubscription':
    case 'unsubscribe':
    case 'grantCredit':
      Object.assign(message, encodeSubscriptionRequest(body));
      break;
    case 'alterTopic':
    case 'addPartitions':
    case 'deleteRecords':
    case 'describeConfigs':
      Object.assign(message, encodeTopicChangeRequest(body));
      break;
    case 'listGroups':
    case 'describeGroup':
    case 'fetchGroupOffsets':
    case 'commitGroupOffsets':
    case 'deleteGroup':
    case 'deleteGroupOffsets':
      Object.assign(message, encodeGroupRequest(body));
      break;
    case 'cancel':
      message.cancel = body;
      break;
    default:
      assertNever(body);
  }
}

function encodePosition({ topic, partition, position }: ListOffsetsPartition) {
  if (position === 'earliest') return { topic, partition, earliest: true };
  if (position === 'latest') return { topic, partition, latest: true };
  return { topic, partition, timestampMs: safe(position.timestampMs) };
}

/**
 * The request in these bytes. `body` is null if it is a kind of request that this version does not know.
 *
 * @throws OdradekError ODR_PROTOCOL for anything that is no such message or is out of range
 */
export function decodeRequestHeader(bytes: Uint8Array): RequestHeader {
  const message = decodeForeign('request header', () => odradek.RequestHeader.decode(bytes));
  return {
    correlationId: message.correlationId ?? 0,
    timeoutMs: message.timeoutMs ?? 0,
    body: getBody(message),
  };
}

/**
 * The correlation id of a header that {@link decodeRequestHeader} refuses, so that it can be answered; null if not even
 * that can be read. It is the first field, as every encoder writes them by number.
 */
export function readCorrelationId(bytes: Uint8Array): number | null {
  if (bytes[0] !== 0x08) return null;
  let value = 0;
  for (let position = 1; position <= 5; position++) {
    const byte = bytes[position];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 2 ** (7 * (position - 1));
    if (byte < 0x80) return value <= 0xffffffff ? value : null;
  }
  return null;
}

function getBody(message: odradek.RequestHeader.$Properties): RequestBody | null {
  if (message.produce) {
    const acks = ACKS[message.produce.acks ?? 0];
    if (!acks) throw protocolError(`acks is none of ${ACKS.join(', ')}: ${message.produce.acks}`);
    return {
      type: 'produce',
      acks,
      partitions: (message.produce.partitions ?? []).map(decodeProducePartition),
    };
  }
  if (message.fetch) {
    const { minBytes, maxWaitMs, maxBytes, partitions } = message.fetch;
    return {
      type: 'fetch',
      minBytes: minBytes ?? 0,
      maxWaitMs: maxWaitMs ?? 0,
      maxBytes: maxBytes ?? 0,
      partitions: (partitions ?? []).map(decodeFetchPartition),
    };
  }
  if (message.hello) {
    const { versionMin, versionMax, clientSoftware, clientId } = message.hello;
    return {
      type: 'hello',
      versionMin: versionMin ?? 0,
      versionMax: versionMax ?? 0,
      clientSoftware: clientSoftware ?? '',
      clientId: clientId ?? '',
    };
  }
  if (message.ping) return { type: 'ping' };
  if (message.metadata) {
    const { topics, all, autoCreate } = message.metadata;
    return { type: 'metadata', topics: topics ?? [], all: all ?? false, autoCreate: autoCreate ?? false };
  }
  if (message.createTopic) {
    const { name, partitions, replicationFactor, configs, validateOnly } = message.createTopic;
    return {
      type: 'createTopic',
      name: name ?? '',
      partitions: index(partitions, 'partitions'),
      replicationFactor: index(replicationFactor, 'replication_factor'),
      configs: (configs ?? []).map((config) => ({ name: config.name ?? '', value: config.value ?? '' })),
      validateOnly: validateOnly ?? false,
    };
  }
  if (message.describeTopic) return { type: 'describeTopic', name: message.describeTopic.name ?? '' };
  if (message.deleteTopic) return { type: 'deleteTopic', name: message.deleteTopic.name ?? '' };
  if (message.listOffsets) {
    return {
      type: 'listOffsets',
      partitions: (message.listOffsets.partitions ?? []).map(decodeListPartition),
    };
  }
  if (message.initProducerId) {
    const { current } = message.initProducerId;
    return { type: 'initProducerId', current: current ? decodeProducer(current) : null };
  }
  return (
    decodeSubscriptionRequest(message) ??
    decodeTopicChangeRequest(message) ??
    decodeGroupRequest(message) ??
    getCancel(message)
  );
}

function getCancel(message: odradek.RequestHeader.$Properties): RequestBody | null {
  if (message.cancel) return { type: 'cancel', correlationId: message.cancel.correlationId ?? 0 };
  return null;
}

function decodeProducePartition({ topic, partition, recordsBytes }: odradek.ProducePartition.$Properties) {
  return { topic: topic ?? '', partition: index(partition, 'partition'), recordsBytes: recordsBytes ?? 0 };
}

function decodeFetchPartition({ topic, partition, offset, maxBytes }: odradek.FetchPartition.$Properties) {
  return {
    topic: topic ?? '',
    partition: index(partition, 'partition'),
    offset: int64(offset, 'offset'),
    maxBytes: maxBytes ?? 0,
  };
}

function decodeListPartition(partition: odradek.ListOffsetsPartition.$Properties): ListOffsetsPartition {
  return {
    topic: partition.topic ?? '',
    partition: index(partition.partition, 'partition'),
    position: decodePosition(partition),
  };
}

function decodePosition({
  earliest,
  latest,
  timestampMs,
}: odradek.ListOffsetsPartition.$Properties): OffsetPosition {
  if (earliest) return 'earliest';
  if (latest) return 'latest';
  if (timestampMs === null || timestampMs === undefined) {
    throw protocolError('A ListOffsets request names no position.');
  }
  return { timestampMs: int64(timestampMs, 'timestamp_ms') };
}
