// A coordinator is event-sourced. Its state is split over shards, one for each partition of an internal topic; a shard is a
// deterministic core that turns commands into records and replies, and rebuilds its state from those records at a start.
// What runs it (loading, appending, ordering, replies that wait for the log) is CoordinatorRuntime.
import type { Clock } from '../base/clock.js';
import type { ErrorName } from '../base/errors.js';
import type { TopicId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';

/** A record of the internal topic; a null value deletes what the key names. */
export interface CoordinatorRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/** A topic as coordinators need to know it. */
export interface CoordinatedTopic {
  readonly topicId: TopicId;
  readonly partitions: number;
}

/** What a shard is given to work with. */
export interface ShardPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The topics that there are. */
  readonly topic: (name: string) => CoordinatedTopic | undefined;
  /**
   * Whether the records are few enough for one {@link append}. To be asked for what a client makes as large as it likes,
   * before it is applied; if not, the client is refused, as with INVALID_COMMIT_OFFSET_SIZE.
   */
  readonly fits: (records: readonly CoordinatorRecord[]) => boolean;
  /**
   * Appends records, all or none, after those of earlier calls, with the time of the clock. The shard has applied them to
   * its state already, as {@link Shard.replay} would. `done` is called once, in a later turn or before this returns: with
   * null when they are committed, else with the error for whoever waits. After an error the shard is closed and loaded
   * anew from what is in the log. Records that do not {@link fits} end like that too, with INVALID_COMMIT_OFFSET_SIZE.
   */
  readonly append: (records: readonly CoordinatorRecord[], done: (error: ErrorName | null) => void) => void;
  /** Calls back as {@link append} does, when all that was appended before is committed: for replies that only read. */
  readonly afterAppends: (done: (error: ErrorName | null) => void) => void;
}

/** The state machine of one partition of a coordinator. Never awaits; takes time only from its clock. */
export interface Shard<Command, Reply> {
  /**
   * Applies a record of the log: at loading, in the order of the log. `timestampMs` is the record's. Key and value are views
   * of a larger piece of memory, which stays as it is: copy what is kept for long. Throws OdradekError if it cannot be read;
   * then the partition is not loaded.
   */
  replay(record: CoordinatorRecord, timestampMs: number): void;
  /** The log has been replayed to its end: commands and timers begin. */
  start(): void;
  /** Runs a command; `reply` is called exactly once, maybe at once, maybe much later. */
  handle(command: Command, reply: (reply: Reply) => void): void;
  /** Topics are gone: what is kept for them goes too. */
  topicsDeleted(names: readonly string[]): void;
  /** Ends it: timers are cancelled, whoever waits is answered with the error. */
  close(error: ErrorName): void;
}

/** Makes the shard of one partition. */
export type MakeShard<Command, Reply> = (partition: number, ports: ShardPorts) => Shard<Command, Reply>;
