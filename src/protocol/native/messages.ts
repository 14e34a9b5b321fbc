// The messages of the native protocol as the rest of the code sees them: plain objects, told apart by `type`, with
// every field present. proto/odradek.proto says what the fields mean; request-header.ts and response-header.ts
// translate.
//
// Decoded numbers are within the ranges given here; 64-bit fields are safe integers. Nothing decoded shares memory with
// the bytes that it came from.
import type { Failure } from '../../base/errors.js';
import type { ProducerIdentity } from '../../record/producer-identity.js';
import type { GroupRequest, GroupResponse } from './group-messages.js';

/** Lowest and highest version of the protocol spoken by this code. */
export const PROTOCOL_VERSION = 1;
/** Partitions in one Produce, Fetch or ListOffsets request, streams in one Subscribe. The decoder does not check it. */
export const REQUEST_PARTITIONS_MAX = 1000;
/** What a broker that serves subscriptions says in its hello. */
export const SUBSCRIPTIONS_FEATURE = 'subscriptions';

/** uint32: [0, 2^32). */
type Uint32 = number;
/** An index or id that is a Kafka int32: [0, 2^31). */
type Index = number;
/** A safe integer. */
type Int64 = number;

// ----------------------------------------------------------------------------------------------------------- requests

export interface HelloRequest {
  readonly type: 'hello';
  readonly versionMin: Uint32;
  readonly versionMax: Uint32;
  readonly clientSoftware: string;
  readonly clientId: string;
}

export interface PingRequest {
  readonly type: 'ping';
}

export interface MetadataRequest {
  readonly type: 'metadata';
  readonly topics: readonly string[];
  readonly all: boolean;
  readonly autoCreate: boolean;
}

export interface TopicConfig {
  readonly name: string;
  readonly value: string;
}

export interface CreateTopicRequest {
  readonly type: 'createTopic';
  readonly name: string;
  /** 0: the broker's default. */
  readonly partitions: Index;
  /** 0: the broker's default. */
  readonly replicationFactor: Index;
  readonly configs: readonly TopicConfig[];
  readonly validateOnly: boolean;
}

export interface DescribeTopicRequest {
  readonly type: 'describeTopic';
  readonly name: string;
}

export interface DeleteTopicRequest {
  readonly type: 'deleteTopic';
  readonly name: string;
}

export interface ConfigChange {
  readonly name: string;
  readonly operation: 'set' | 'delete' | 'append' | 'subtract';
  readonly value: string;
}

export interface AlterTopicRequest {
  readonly type: 'alterTopic';
  readonly name: string;
  readonly changes: readonly ConfigChange[];
  readonly validateOnly: boolean;
}

export interface AddPartitionsRequest {
  readonly type: 'addPartitions';
  readonly name: string;
  readonly count: Index;
  readonly validateOnly: boolean;
}

export interface DeleteRecordsPartition {
  readonly topic: string;
  readonly partition: Index;
  /** The first offset that stays. */
  readonly before: Int64 | 'highWatermark';
}

export interface DeleteRecordsRequest {
  readonly type: 'deleteRecords';
  readonly partitions: readonly DeleteRecordsPartition[];
}

export interface DescribeConfigsRequest {
  readonly type: 'describeConfigs';
  readonly resource: { readonly topic: string } | 'broker';
}

export type Acks = 'all' | 'leader' | 'none';

export interface ProducePartition {
  readonly topic: string;
  readonly partition: Index;
  readonly recordsBytes: Uint32;
}

export interface ProduceRequest {
  readonly type: 'produce';
  readonly acks: Acks;
  readonly partitions: readonly ProducePartition[];
}

export interface FetchPartition {
  readonly topic: string;
  readonly partition: Index;
  /** May be negative or beyond the end: then the answer is OFFSET_OUT_OF_RANGE. */
  readonly offset: Int64;
  readonly maxBytes: Uint32;
}

export interface FetchRequest {
  readonly type: 'fetch';
  readonly minBytes: Uint32;
  readonly maxWaitMs: Uint32;
  readonly maxBytes: Uint32;
  readonly partitions: readonly FetchPartition[];
}

/** A place in a partition by description: its start, its end, or the first record of that time or later. */
export type OffsetPosition = 'earliest' | 'latest' | { readonly timestampMs: Int64 };

export interface ListOffsetsPartition {
  readonly topic: string;
  readonly partition: Index;
  readonly position: OffsetPosition;
}

export interface ListOffsetsRequest {
  readonly type: 'listOffsets';
  readonly partitions: readonly ListOffsetsPartition[];
}

export interface InitProducerIdRequest {
  readonly type: 'initProducerId';
  /** What the producer has; null: nothing yet. */
  readonly current: ProducerIdentity | null;
}

/** A stream of a subscription: one partition, from an offset on. */
export interface StreamStart {
  readonly streamId: Uint32;
  readonly topic: string;
  readonly partition: Index;
  /** May be negative or beyond the end: then the stream ends with OFFSET_OUT_OF_RANGE. */
  readonly offset: Int64;
  /** Empty: whichever topic has the name. */
  readonly topicId: string;
}

export interface SubscribeRequest {
  readonly type: 'subscribe';
  readonly subscriptionId: Uint32;
  readonly creditBytes: Uint32;
  /** 0: the broker's own. */
  readonly pushBytesMax: Uint32;
  readonly streams: readonly StreamStart[];
}

export interface ChangeSubscriptionRequest {
  readonly type: 'changeSubscription';
  readonly subscriptionId: Uint32;
  readonly endStreamIds: readonly Uint32[];
  readonly begin: readonly StreamStart[];
}

export interface UnsubscribeRequest {
  readonly type: 'unsubscribe';
  readonly subscriptionId: Uint32;
}

export interface GrantCreditRequest {
  readonly type: 'grantCredit';
  readonly subscriptionId: Uint32;
  readonly creditBytes: Uint32;
}

export interface CancelRequest {
  readonly type: 'cancel';
  readonly correlationId: Uint32;
}

export type RequestBody =
  | HelloRequest
  | PingRequest
  | MetadataRequest
  | CreateTopicRequest
  | DescribeTopicRequest
  | DeleteTopicRequest
  | AlterTopicRequest
  | AddPartitionsRequest
  | DeleteRecordsRequest
  | DescribeConfigsRequest
  | ProduceRequest
  | FetchRequest
  | ListOffsetsRequest
  | InitProducerIdRequest
  | GroupRequest
  | SubscribeRequest
  | ChangeSubscriptionRequest
  | UnsubscribeRequest
  | GrantCreditRequest
  | CancelRequest;

export interface RequestHeader {
  readonly correlationId: Uint32;
  /** 0: no limit. */
  readonly timeoutMs: Uint32;
  /** Null if a decoded request is none that this code knows. */
  readonly body: RequestBody | null;
}

// ---------------------------------------------------------------------------------------------------------- responses

export interface HelloResponse {
  readonly type: 'hello';
  readonly version: Uint32;
  readonly clusterId: string;
  readonly brokerId: Index;
  readonly brokerSoftware: string;
  readonly features: readonly string[];
  readonly frameBytesMax: Uint32;
  readonly requestsMax: Uint32;
}

export interface PingResponse {
  readonly type: 'ping';
}

export interface BrokerAddress {
  readonly id: Index;
  readonly host: string;
  readonly port: Uint32;
}

export interface PartitionMetadata {
  readonly partition: Index;
  /** A broker id, or -1: no leader at the moment. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly Index[];
  readonly inSyncReplicas: readonly Index[];
}

export interface TopicMetadata {
  readonly name: string;
  /** If not null, the fields below are empty. */
  readonly error: Failure | null;
  /** 22 characters, or empty. */
  readonly topicId: string;
  readonly internal: boolean;
  readonly partitions: readonly PartitionMetadata[];
}

export interface MetadataResponse {
  readonly type: 'metadata';
  readonly clusterId: string;
  readonly controllerId: Index;
  readonly brokers: readonly BrokerAddress[];
  readonly topics: readonly TopicMetadata[];
}

export interface CreateTopicResponse {
  readonly type: 'createTopic';
  readonly topic: TopicMetadata;
}

export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  readonly source: 'DEFAULT' | 'BROKER' | 'TOPIC';
  readonly documentation: string;
  /** Whether it can be changed only by starting the broker anew. */
  readonly readOnly: boolean;
}

export interface PartitionDescription {
  readonly partition: Index;
  readonly logStartOffset: Int64;
  readonly highWatermark: Int64;
  readonly logEndOffset: Int64;
  readonly sizeBytes: Int64;
  /** If not null, the fields above, but for `partition`, are 0. */
  readonly error: Failure | null;
}

export interface DescribeTopicResponse {
  readonly type: 'describeTopic';
  readonly topic: TopicMetadata;
  readonly configs: readonly ConfigEntry[];
  readonly partitions: readonly PartitionDescription[];
}

export interface DeleteTopicResponse {
  readonly type: 'deleteTopic';
}

export interface AlterTopicResponse {
  readonly type: 'alterTopic';
  readonly configs: readonly ConfigEntry[];
}

export interface AddPartitionsResponse {
  readonly type: 'addPartitions';
  readonly topic: TopicMetadata;
}

export interface DeleteRecordsResult {
  readonly topic: string;
  readonly partition: Index;
  readonly error: Failure | null;
  /** Where the log begins now; 0 beside an error. */
  readonly logStartOffset: Int64;
}

export interface DeleteRecordsResponse {
  readonly type: 'deleteRecords';
  readonly partitions: readonly DeleteRecordsResult[];
}

export interface DescribeConfigsResponse {
  readonly type: 'describeConfigs';
  readonly configs: readonly ConfigEntry[];
}

export interface ProducePartitionResult {
  readonly error: Failure | null;
  readonly baseOffset: Int64;
  /** -1 unless the topic has message.timestamp.type=LogAppendTime. */
  readonly logAppendTimeMs: Int64;
  readonly logStartOffset: Int64;
}

export interface ProduceResponse {
  readonly type: 'produce';
  readonly partitions: readonly ProducePartitionResult[];
}

export interface FetchPartitionResult {
  readonly topic: string;
  readonly partition: Index;
  readonly error: Failure | null;
  readonly recordsBytes: Uint32;
  readonly highWatermark: Int64;
  readonly lastStableOffset: Int64;
  readonly logStartOffset: Int64;
}

export interface FetchResponse {
  readonly type: 'fetch';
  readonly partitions: readonly FetchPartitionResult[];
}

export interface ListOffsetsResult {
  readonly topic: string;
  readonly partition: Index;
  readonly error: Failure | null;
  /** -1: no record has such a timestamp. */
  readonly offset: Int64;
  readonly timestampMs: Int64;
}

export interface ListOffsetsResponse {
  readonly type: 'listOffsets';
  readonly partitions: readonly ListOffsetsResult[];
}

export interface InitProducerIdResponse {
  readonly type: 'initProducerId';
  readonly producer: ProducerIdentity;
}

export interface SubscribeResponse {
  readonly type: 'subscribe';
}

export interface ChangeSubscriptionResponse {
  readonly type: 'changeSubscription';
}

export interface UnsubscribeResponse {
  readonly type: 'unsubscribe';
}

/** What a subscription sends; answers nothing. The payload holds the records. */
export interface Push {
  readonly type: 'push';
  readonly subscriptionId: Uint32;
  readonly streamId: Uint32;
  /** If not null, the stream ends. */
  readonly error: Failure | null;
  readonly highWatermark: Int64;
  readonly lastStableOffset: Int64;
  readonly logStartOffset: Int64;
}

export type ResponseBody =
  | HelloResponse
  | PingResponse
  | MetadataResponse
  | CreateTopicResponse
  | DescribeTopicResponse
  | DeleteTopicResponse
  | AlterTopicResponse
  | AddPartitionsResponse
  | DeleteRecordsResponse
  | DescribeConfigsResponse
  | ProduceResponse
  | FetchResponse
  | ListOffsetsResponse
  | InitProducerIdResponse
  | GroupResponse
  | SubscribeResponse
  | ChangeSubscriptionResponse
  | UnsubscribeResponse
  | Push;

export interface ResponseHeader {
  readonly correlationId: Uint32;
  /** If the request as a whole failed; then `body` is null. */
  readonly error: Failure | null;
  /** Null also if a decoded response is none that this code knows. */
  readonly body: ResponseBody | null;
}

/** The requests that are answered. */
export type AnsweredRequestBody = Exclude<RequestBody, CancelRequest | GrantCreditRequest>;
/** The response to a request of this type. */
export type ResponseTo<Type extends ResponseBody['type']> = Extract<ResponseBody, { type: Type }>;
