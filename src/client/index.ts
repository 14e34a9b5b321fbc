// The client library, `import { Client } from 'odradek'`.
export { ERRORS, type ErrorName, OdradekError, type OdradekErrorCode } from '../base/errors.js';
export type { LogFields, Logger } from '../base/log.js';
export type {
  GroupListing,
  GroupMember,
  GroupOffset,
  GroupTopic,
} from '../protocol/native/group-messages.js';
export type {
  Acks,
  BrokerAddress,
  ConfigEntry,
  OffsetPosition,
  PartitionMetadata,
} from '../protocol/native/messages.js';
export type { CodecName } from '../record/compression/codec.js';
export type { RecordHeader } from '../record/record.js';
export type {
  Admin,
  AlterTopicOptions,
  ClusterDetails,
  ClusterMetadata,
  CreateTopicOptions,
  PartitionDetails,
  TopicDetails,
  TopicSummary,
} from './admin.js';
export { adviceFor } from './advice.js';
export { Client, type ClientOptions } from './client.js';
export type {
  ClientMetrics,
  ClientObserver,
  ConnectionEvent,
  DeliveryEvent,
  RequestEvent,
  RetryEvent,
} from './client-observer.js';
export type { Consumer, ReceivedBatch } from './consumer.js';
export type { ConsumerOptions, StartPosition } from './consumer-options.js';
export type { DeletedRecords, RecordsBefore } from './delete-records.js';
export { BatchError } from './delivery.js';
export {
  bytes,
  type Decoder,
  type Encoder,
  type Format,
  int64,
  json,
  text,
  validated,
} from './format.js';
export type {
  GroupAdmin,
  GroupDetails,
  GroupPartitionDetails,
  ResetOffset,
  ResetOffsetsOptions,
  ResetTarget,
} from './group-admin.js';
export type { ListedOffset } from './list-offsets.js';
export type {
  Message,
  MessageBatch,
  MessageBytes,
  MessageHeaders,
  ReceivedMessage,
  SendResult,
  TopicMessage,
} from './message.js';
export type { ReadableOptions } from './message-readable.js';
export type { WritableOptions } from './message-writable.js';
export { defaultPartitioner, type Partitioner, type PartitionerInput } from './partitioner.js';
export type { CloseOptions, Producer, SendOptions } from './producer.js';
export type { ProducerOptions } from './producer-options.js';
export type {
  SchemaInput,
  SchemaOutput,
  StandardIssue,
  StandardResult,
  StandardSchema,
} from './standard-schema.js';
export { UnreadableError, type UnreadablePlace } from './unreadable-error.js';
