// What the router (main thread) and the supervisor (its own worker) say to each other. Asks go from the router down to the
// supervisor; upward there are only tells.
import type { ErrorName } from '../base/errors.js';
import type { BrokerId, LeaderEpoch, PartitionIndex, TopicId } from '../base/ids.js';
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

export interface PartitionSize {
  readonly partition: PartitionIndex;
  readonly sizeBytes: number;
  readonly error: ErrorName;
}

/** router → supervisor; each is answered once. */
export type SupervisorCommand =
  | { readonly type: 'create-topic'; readonly topic: NewTopic; readonly validateOnly: boolean }
  | { readonly type: 'delete-topic'; readonly name: string }
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
  /** The ids [first, first + count). */
  | { readonly type: 'producer-ids'; readonly first: number; readonly count: number }
  | { readonly type: 'failed'; readonly error: ErrorName; readonly detail: string };

/** supervisor → main thread. */
export type SupervisorEvent =
  | { readonly type: 'topics'; readonly updated: readonly TopicImage[]; readonly deleted: readonly string[] }
  | { readonly type: 'routed'; readonly route: RouteImage }
  | ({ readonly type: 'unrouted'; readonly error: ErrorName } & PartitionName)
  /** A partition worker is wanted; `worker-started` or `worker-exited` follows. */
  | { readonly type: 'start-worker'; readonly worker: number }
  /** The broker cannot go on. */
  | { readonly type: 'fatal'; readonly reason: string };

/** How long the supervisor may take; creating a topic with thousands of partitions takes seconds. */
export const SUPERVISOR_DEADLINE_MS = 30_000;

/** An ask with a deadline. `reply` is called once, in a later turn. */
export interface Supervisor {
  ask(command: SupervisorCommand, deadlineMs: number, reply: (reply: SupervisorReply) => void): void;
}

export const failed = (error: ErrorName, detail: string) => ({ type: 'failed', error, detail }) as const;
