// The messages about groups, as messages.ts has the others.
import type { Failure } from '../../base/errors.js';

export interface ListGroupsRequest {
  readonly type: 'listGroups';
  /** Empty: all. */
  readonly states: readonly string[];
}

export interface GroupListing {
  readonly groupId: string;
  /** Empty if the group has only committed offsets. */
  readonly protocolType: string;
  readonly state: string;
}

export interface ListGroupsResponse {
  readonly type: 'listGroups';
  readonly groups: readonly GroupListing[];
}

export interface DescribeGroupRequest {
  readonly type: 'describeGroup';
  readonly groupId: string;
}

export interface GroupTopic {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export interface GroupMember {
  readonly memberId: string;
  /** null: not a static member. */
  readonly instanceId: string | null;
  readonly clientId: string;
  /** Its address. */
  readonly clientHost: string;
  /** What a consumer subscribes to. */
  readonly topics: readonly string[];
  /** A consumer's partitions, while the group is Stable. */
  readonly assignment: readonly GroupTopic[];
}

export interface DescribeGroupResponse {
  readonly type: 'describeGroup';
  readonly groupId: string;
  readonly state: string;
  readonly protocolType: string;
  /** Empty if the members have not agreed on one. */
  readonly protocol: string;
  readonly members: readonly GroupMember[];
}

export interface FetchGroupOffsetsRequest {
  readonly type: 'fetchGroupOffsets';
  readonly groupId: string;
}

export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  /** Of the next record to be read. */
  readonly offset: number;
  /** -1: not known. */
  readonly leaderEpoch: number;
  readonly metadata: string;
}

export interface FetchGroupOffsetsResponse {
  readonly type: 'fetchGroupOffsets';
  readonly offsets: readonly GroupOffset[];
}

export interface CommitGroupOffsetsRequest {
  readonly type: 'commitGroupOffsets';
  readonly groupId: string;
  readonly offsets: readonly GroupOffset[];
}

export interface GroupPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface GroupPartitionResult extends GroupPartition {
  readonly error: Failure | null;
}

export interface CommitGroupOffsetsResponse {
  readonly type: 'commitGroupOffsets';
  /** In the order of the request. */
  readonly partitions: readonly GroupPartitionResult[];
}

export interface DeleteGroupRequest {
  readonly type: 'deleteGroup';
  readonly groupId: string;
}

export interface DeleteGroupResponse {
  readonly type: 'deleteGroup';
}

export interface DeleteGroupOffsetsRequest {
  readonly type: 'deleteGroupOffsets';
  readonly groupId: string;
  readonly partitions: readonly GroupPartition[];
}

export interface DeleteGroupOffsetsResponse {
  readonly type: 'deleteGroupOffsets';
  /** In the order of the request. */
  readonly partitions: readonly GroupPartitionResult[];
}

export type GroupRequest =
  | ListGroupsRequest
  | DescribeGroupRequest
  | FetchGroupOffsetsRequest
  | CommitGroupOffsetsRequest
  | DeleteGroupRequest
  | DeleteGroupOffsetsRequest;

export type GroupResponse =
  | ListGroupsResponse
  | DescribeGroupResponse
  | FetchGroupOffsetsResponse
  | CommitGroupOffsetsResponse
  | DeleteGroupResponse
  | DeleteGroupOffsetsResponse;
