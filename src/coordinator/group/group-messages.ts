// What doors ask of the group coordinator, and what it answers. Everything is structured-cloneable: the messages cross from the
// router's thread to the supervisor's. Bytes must be copies, never views of a receive buffer.
//
// Each command names one group and goes to the shard of that group; `list` goes to all shards. Semantics are those of Kafka's
// classic groups: KIP-62, KIP-345 (static members), KIP-394 (member id required), KIP-559, KIP-800, KIP-814, KIP-496.
import type { ErrorName } from '../../base/errors.js';
import type { TopicId } from '../../base/ids.js';

/** Who asks. */
export interface GroupClient {
  readonly clientId: string;
  /** The address of the client, as `127.0.0.1`; Kafka shows it with a slash before it. */
  readonly clientHost: string;
}

export interface JoinGroupCommand extends GroupClient {
  readonly type: 'join';
  readonly groupId: string;
  /** Empty for a new member. */
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly sessionTimeoutMs: number;
  /** -1: as long as the session. */
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  /** The preferred ones first. */
  readonly protocols: readonly GroupProtocol[];
  /** Whether a new dynamic member is told its id first and has to come again with it (JoinGroup v4 and newer). */
  readonly requireKnownMemberId: boolean;
  /** Whether the client understands `skipAssignment` (JoinGroup v9 and newer). */
  readonly canSkipAssignment: boolean;
  readonly reason: string | null;
}

export interface GroupProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface SyncGroupCommand {
  readonly type: 'sync';
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
  readonly instanceId: string | null;
  /** null: not said (SyncGroup below v5). */
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

export interface HeartbeatCommand {
  readonly type: 'heartbeat';
  readonly groupId: string;
  readonly generation: number;
  readonly memberId: string;
  readonly instanceId: string | null;
}

export interface LeaveGroupCommand {
  readonly type: 'leave';
  readonly groupId: string;
  readonly members: readonly {
    /** Empty if only the instance is named. */
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly reason: string | null;
  }[];
}

export interface CommittedOffset {
  readonly partition: number;
  readonly offset: number;
  /** -1: not known. */
  readonly leaderEpoch: number;
  readonly metadata: string;
}

export interface CommitOffsetsCommand {
  readonly type: 'commit-offsets';
  readonly groupId: string;
  /** -1 with an empty member id: from outside of the group. */
  readonly generation: number;
  readonly memberId: string;
  readonly instanceId: string | null;
  /** How long the offsets are kept in any case (OffsetCommit v2 to v4); null: offsets.retention.minutes. */
  readonly retentionMs: number | null;
  /** Topics that the door knows; an unknown one is answered by the door. */
  readonly topics: readonly {
    readonly name: string;
    readonly topicId: TopicId;
    readonly partitions: readonly CommittedOffset[];
  }[];
}

export interface FetchOffsetsCommand {
  readonly type: 'fetch-offsets';
  readonly groupId: string;
  /** null: all that the group has. */
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[] | null;
  readonly requireStable: boolean;
}

export interface ListGroupsCommand {
  readonly type: 'list';
  /** In Kafka's spelling, compared without case; empty: all. */
  readonly states: readonly string[];
  /** As `classic`; empty: all. */
  readonly types: readonly string[];
}

export interface DescribeGroupCommand {
  readonly type: 'describe';
  readonly groupId: string;
}

export interface DeleteGroupCommand {
  readonly type: 'delete';
  readonly groupId: string;
}

export interface DeleteOffsetsCommand {
  readonly type: 'delete-offsets';
  readonly groupId: string;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[];
}

export type GroupCommand =
  | JoinGroupCommand
  | SyncGroupCommand
  | HeartbeatCommand
  | LeaveGroupCommand
  | CommitOffsetsCommand
  | FetchOffsetsCommand
  | ListGroupsCommand
  | DescribeGroupCommand
  | DeleteGroupCommand
  | DeleteOffsetsCommand;

/** Names of Kafka's states of a classic group. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

export interface JoinedGroup {
  readonly type: 'joined';
  readonly error: ErrorName;
  /** -1 with an error. */
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  /** Empty with an error. */
  readonly leader: string;
  readonly skipAssignment: boolean;
  /** With MEMBER_ID_REQUIRED the id to come again with. */
  readonly memberId: string;
  /** For the leader only: everybody. */
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly metadata: Uint8Array;
  }[];
}

export interface PartitionResult {
  readonly partition: number;
  readonly error: ErrorName;
}

export interface GroupListing {
  readonly groupId: string;
  readonly protocolType: string;
  readonly state: GroupState;
  readonly groupType: 'classic';
}

export interface GroupDescription {
  readonly type: 'described';
  /** GROUP_ID_NOT_FOUND with the state Dead if there is no such group; a door decides what its version says. */
  readonly error: ErrorName;
  readonly groupId: string;
  readonly state: GroupState;
  readonly protocolType: string;
  /** The chosen protocol, or empty. */
  readonly protocol: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    /** What it said for the chosen protocol; empty unless the group is Stable. */
    readonly metadata: Uint8Array;
    readonly assignment: Uint8Array;
  }[];
}

export type GroupReply =
  | JoinedGroup
  | {
      readonly type: 'synced';
      readonly error: ErrorName;
      readonly protocolType: string | null;
      readonly protocolName: string | null;
      readonly assignment: Uint8Array;
    }
  | { readonly type: 'heartbeat'; readonly error: ErrorName }
  | {
      readonly type: 'left';
      readonly error: ErrorName;
      /** In the order of the request. */
      readonly members: readonly {
        readonly memberId: string;
        readonly instanceId: string | null;
        readonly error: ErrorName;
      }[];
    }
  | {
      readonly type: 'offsets-committed';
      readonly topics: readonly { readonly name: string; readonly partitions: readonly PartitionResult[] }[];
    }
  | {
      readonly type: 'offsets-fetched';
      readonly error: ErrorName;
      readonly topics: readonly {
        readonly name: string;
        readonly topicId: TopicId | null;
        /** Nothing committed: offset -1, leaderEpoch -1, empty metadata. */
        readonly partitions: readonly (CommittedOffset & { readonly error: ErrorName })[];
      }[];
    }
  | { readonly type: 'listed'; readonly error: ErrorName; readonly groups: readonly GroupListing[] }
  | GroupDescription
  | { readonly type: 'deleted'; readonly error: ErrorName }
  | {
      readonly type: 'offsets-deleted';
      readonly error: ErrorName;
      readonly topics: readonly { readonly name: string; readonly partitions: readonly PartitionResult[] }[];
    }
  /** The command could not be run at all: not loaded yet, the log refuses, too many wait. Stands for any of the above. */
  | { readonly type: 'refused'; readonly error: ErrorName };
