// The client library, `import { Client } from 'odradek'`.
export { ERRORS, type ErrorName, OdradekError, type OdradekErrorCode } from '../base/errors.js';
export type { LogFields, Logger } from '../base/log.js';
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
  ClusterMetadata,
  CreateTopicOptions,
  PartitionDetails,
  TopicDetails,
  TopicSummary,
} from './admin.js';
export { Client, type ClientOptions } from './client.js';
export type { Consumer, ReceivedBatch } from './consumer.js';
export type { ConsumerOptions, StartPosition } from './consumer-options.js';
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
export { defaultPartitioner, type Partitioner, type PartitionerInput } from './partitioner.js';
export type { CloseOptions, Producer } from './producer.js';
export type { ProducerOptions } from './producer-options.js';
