// What the router (main thread) and the supervisor (its own worker) say to each other. Asks go from the router down to the
// supervisor; upward there are only tells.
import type { RingMemory } from '../actor/descriptor-ring.js';
import type { ErrorName } from '../base/errors.js';
import type { BrokerId, LeaderEpoch, Offset, PartitionIndex, TopicId } from '../base/ids.js';
import type { ConfigChange } from '../config/config-changes.js';
import type { GroupCommand, GroupReply } from '../coordinator/group/group-messages.js';
import type { LeaderEpochEntry } from '../log/leader-epochs.js';
import type { PartitionName } from '../partition/messages.js';

/** A partition as the metadata store knows it. */
export interface PartitionImage {
  /** null: no leader at the moment. */
  readonly leader: BrokerId | null;
  readonly leaderEpoch: LeaderEpoch;
  readonly replicas: readonly BrokerId[];
  readonly inSyncReplicas: readonly BrokerId[];
}

/** A topic as the metadata store knows it. */
export interface TopicImage {
  readonly name: string;
  readonly topicId: TopicId;
  readonly internal: boolean;
  /** Topic configs that were set, by name. */
  readonly overrides: Readonly<Record<string, string>>;
  readonly partitions: readonly PartitionImage[];
}

export interface NewTopic {
  readonly name: string;
  /** 0: num.partitions of the broker. */
  readonly partitions: number;
  /** 0: default.replication.factor of the broker. */
  readonly replicationFactor: number;
  readonly overrides: Readonly<Record<string, string>>;
  /** Only the broker itself makes internal topics. */
  readonly internal?: boolean;
}

/** Where a partition is served: a slot of a partition worker. */
export interface RouteImage extends PartitionName {
  readonly topicId: TopicId;
  readonly worker: number;
  readonly slot: number;
  readonly generation: number;
  readonly leaderEpoch: LeaderEpoch;
  /** Which leader epoch began where. */
  readonly epochs: readonly LeaderEpochEntry[];
  readonly directory: string;
}

/** What the router and a worker share: the rings between them, and the views of the worker's partitions. */
export interface WorkerMemory {
  readonly submissions: RingMemory;
  readonly completions: RingMemory;
  readonly views: Int32Array;
}

export interface PartitionSize {
  readonly partition: PartitionIndex;
  readonly sizeBytes: number;
  readonly error: ErrorName;
}

/** Change a topic's configs. Answered when they are in force. */
export interface AlterTopic {
  readonly type: 'alter-topic';
  readonly name: string;
  readonly changes: readonly ConfigChange[];
  /** What the changes do not name is set no longer. */
  readonly replaces: boolean;
  readonly validateOnly: boolean;
}

/** router → supervisor; each is answered once. */
export type SupervisorCommand =
  | { readonly type: 'create-topic'; readonly topic: NewTopic; readonly validateOnly: boolean }
  | { readonly type: 'delete-topic'; readonly name: string }
  | AlterTopic
  /** Have the topic have so many partitions, more than now. */
  | {
      readonly type: 'add-partitions';
      readonly name: string;
      readonly count: number;
      readonly validateOnly: boolean;
    }
  /** Have a log begin at an offset, null: at its high watermark (KIP-107). Answered when no crash brings the records back. */
  | ({ readonly type: 'delete-records'; readonly beforeOffset: Offset | null } & PartitionName)
  /** Have a partition opened that has no route yet. The route comes as an event, before the reply. */
  | ({ readonly type: 'open-partition' } & PartitionName)
  | { readonly type: 'describe-topic'; readonly name: string }
  /** Set a block of producer ids aside, durably: none of them is ever in another block. */
  | { readonly type: 'allocate-producer-ids' }
  /** Flush and close everything, mark the data directory as clean. */
  | { readonly type: 'stop' };

export type SupervisorReply =
  | { readonly type: 'done' }
  | { readonly type: 'topic'; readonly topic: TopicImage }
  | { readonly type: 'sizes'; readonly sizes: readonly PartitionSize[] }
  | { readonly type: 'records-deleted'; readonly logStartOffset: Offset }
  /** The ids [first, first + count). */
  | { readonly type: 'producer-ids'; readonly first: number; readonly count: number }
  | { readonly type: 'failed'; readonly error: ErrorName; readonly detail: string };

/** supervisor → main thread. */
export type SupervisorEvent =
  | { readonly type: 'topics'; readonly updated: readonly TopicImage[]; readonly deleted: readonly string[] }
  | { readonly type: 'routed'; readonly route: RouteImage }
  | ({ readonly type: 'unrouted'; readonly error: ErrorName; readonly detail?: string } & PartitionName)
  /** The disk of a data directory has no room for records, or has some again. */
  | { readonly type: 'disk-room'; readonly directory: string; readonly full: boolean }
  /** The supervisor's thread hosts partitions itself: how to reach them. Once at most, before the first of their routes. */
  | { readonly type: 'own-worker'; readonly memory: WorkerMemory }
  /** A partition worker is wanted; `worker-started` or `worker-exited` follows. */
  | { readonly type: 'start-worker'; readonly worker: number }
  /** The broker cannot go on. */
  | { readonly type: 'fatal'; readonly reason: string };

/** How long the supervisor may take; creating a topic with thousands of partitions takes seconds. */
export const SUPERVISOR_DEADLINE_MS = 30_000;
/** For a stop, which flushes everything that is not on the disk yet. */
export const STOP_DEADLINE_MS = 600_000;

/** An ask with a deadline. `reply` is called once, in a later turn. */
export interface Supervisor {
  ask(command: SupervisorCommand, deadlineMs: number, reply: (reply: SupervisorReply) => void): void;
}

/** The coordinator of consumer groups, wherever it runs. `reply` is called once, in a later turn. */
export interface GroupCoordinator {
  ask(command: GroupCommand, reply: (reply: GroupReply) => void): void;
}

export const failed = (error: ErrorName, detail: string) => ({ type: 'failed', error, detail }) as const;

export const unknownTopic = (name: string) =>
  failed('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic ${JSON.stringify(name)}.`);
