import type { Random } from '../../../../src/base/random.js';
import type { SimulatedClock } from '../../../../src/base/simulated-clock.js';
import type { GroupConfig } from '../../../../src/coordinator/group/group-config.js';
import type { GroupCommand, GroupReply } from '../../../../src/coordinator/group/group-messages.js';
import type { CoordinatedTopic, CoordinatorRecord, ShardPorts } from '../../../../src/coordinator/shard.js';
import type { GroupShardLike } from '../memory-host.js';

/** What runs the shard of a history. */
export interface HistoryHost {
  handle(command: GroupCommand, reply: (reply: GroupReply) => void): void;
  /** Appends from here on take up to so long. */
  slow(appendMsMax: number): void;
  /** The next append fails. */
  failAppend(): void;
  /** Ends without a word, and is back after a while. */
  crash(downMs: number): void;
  /** Ends it, everybody is answered; the log is what it left. `done` is called once. */
  close(done: () => void): void;
  /** What is in the log, and there to stay. */
  readonly log: readonly (CoordinatorRecord & { readonly timestampMs: number })[];
}

export interface HistoryHostOptions {
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly config: GroupConfig;
  readonly topics: ReadonlyMap<string, CoordinatedTopic>;
  readonly makeShard: (config: GroupConfig, ports: ShardPorts) => GroupShardLike;
}

export type MakeHost = (options: HistoryHostOptions) => HistoryHost;
