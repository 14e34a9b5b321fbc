// What the partition workers and the rest of the broker say to each other: descriptors on the rings (data plane), commands
// and events (control plane).
import type { ErrorName } from '../base/errors.js';
import type { LeaderEpoch, Offset, PartitionIndex, TopicId } from '../base/ids.js';
import type { Sample } from '../base/metric.js';
import type { TopicConfig } from '../config/topic-config.js';
import type { LeaderEpochEntry } from '../log/leader-epochs.js';
import type { LogRecovery } from '../log/open-log.js';

/** Words of a submission: router → worker. */
export const SUBMISSION = {
  /** Chosen by the router; comes back in the completion. */
  token: 0,
  /** Which partition of the worker. */
  slot: 1,
  /** Where the record batch lies in the write buffer, and its size. */
  start: 2,
  bytes: 3,
} as const;

/** Words of a completion: worker → router. */
export const COMPLETION = {
  kind: 0,
  /** kind appended: the submission's token. kind advanced: the slot. */
  token: 1,
  /** Code of an error from the table, 0 for none. */
  error: 2,
  baseOffset: 4,
  /** -1 with CreateTime. */
  logAppendTimeMs: 6,
  logStartOffset: 8,
} as const;

export const COMPLETION_KIND = {
  appended: 0,
  /** The view of a partition that a reader waited for has changed, or is over. */
  advanced: 1,
} as const;

/** Names a partition for log lines and routing tables. */
export interface PartitionName {
  readonly topic: string;
  readonly partition: PartitionIndex;
}

export interface OpenPartition extends PartitionName {
  readonly type: 'open';
  readonly topicId: TopicId;
  /** The folder of the partition. */
  readonly directory: string;
  readonly slot: number;
  /** Distinguishes this opening of the slot from all others. */
  readonly generation: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly config: TopicConfig;
  readonly recovery: LogRecovery;
  readonly logStartOffset: Offset;
  /** Where the log's next compaction begins, as far as it is known; a lower offset is only more work. */
  readonly firstDirtyOffset: Offset;
  readonly producerIdExpirationMs: number;
}

/** supervisor → worker. Each is answered once. */
export type PartitionCommand =
  | OpenPartition
  | { readonly type: 'close'; readonly slot: number }
  | { readonly type: 'delete'; readonly slot: number }
  | { readonly type: 'configure'; readonly slot: number; readonly config: TopicConfig }
  | { readonly type: 'describe'; readonly slot: number }
  /** Have the log begin at an offset, null: at the high watermark (KIP-107). One that is below its start changes nothing. */
  | { readonly type: 'delete-records'; readonly slot: number; readonly beforeOffset: Offset | null }
  /** How is the worker, and what did it count? Answered at once, also while partitions open. */
  | { readonly type: 'inspect'; readonly detail: InspectDetail }
  /** Flush and close everything; the worker is about to end. */
  | { readonly type: 'drain' };

/** Which samples an inspection is to bring: none, those of the thread as a whole, or those of each partition too. */
export type InspectDetail = 'none' | 'totals' | 'partitions';

/** Offsets that a checkpoint of the data directory keeps. */
export interface PartitionCheckpoint extends PartitionName {
  readonly recoveryPoint: Offset;
  readonly logStartOffset: Offset;
  /** What lies below has been compacted. 0 for a log that never was. */
  readonly firstDirtyOffset: Offset;
}

export type PartitionReply =
  | { readonly type: 'done' }
  | {
      readonly type: 'opened';
      readonly checkpoint: PartitionCheckpoint;
      /** Which leader epoch began where; there is no newer one while the partition is open. */
      readonly epochs: readonly LeaderEpochEntry[];
    }
  | { readonly type: 'described'; readonly sizeBytes: number; readonly checkpoint: PartitionCheckpoint }
  /** A crash may bring the records back until the checkpoint is written down. */
  | { readonly type: 'records-deleted'; readonly checkpoint: PartitionCheckpoint }
  | {
      readonly type: 'inspected';
      /** Logs that take no more records: their files are in doubt. */
      readonly logsOffline: number;
      readonly samples: readonly Sample[];
    }
  | {
      readonly type: 'drained';
      readonly checkpoints: readonly PartitionCheckpoint[];
      readonly clean: boolean;
      /** Those that keep it from being clean, if that is known. */
      readonly unclean?: readonly PartitionName[];
    }
  | { readonly type: 'failed'; readonly error: ErrorName; readonly detail: string };

/** worker → supervisor. */
export type PartitionEvent =
  | { readonly type: 'checkpoint'; readonly checkpoint: PartitionCheckpoint }
  /** A write found no room on the disk of a data directory; records for it are refused until there is some. */
  | { readonly type: 'disk-full'; readonly directory: string; readonly path: string; readonly reason: string }
  /** The files of a log are in doubt, and it takes nothing more. */
  | ({ readonly type: 'offline'; readonly generation: number; readonly reason: string } & PartitionName);
