// Hosts a group shard as the coordinator's runtime does, but over a log in memory: appends take a while, or fail, and a crash
// loses what was not committed, or just its acknowledgement.
import type { Timer } from '../../../src/base/clock.js';
import type { ErrorName } from '../../../src/base/errors.js';
import { silentLogger } from '../../../src/base/log.js';
import type { Random } from '../../../src/base/random.js';
import type { SimulatedClock } from '../../../src/base/simulated-clock.js';
import type { GroupConfig } from '../../../src/coordinator/group/group-config.js';
import type { GroupCommand, GroupReply } from '../../../src/coordinator/group/group-messages.js';
import { GroupShard } from '../../../src/coordinator/group/group-shard.js';
import type {
  CoordinatedTopic,
  CoordinatorRecord,
  Shard,
  ShardPorts,
} from '../../../src/coordinator/shard.js';

export interface LoggedRecord extends CoordinatorRecord {
  readonly timestampMs: number;
}

export type GroupShardLike = Shard<GroupCommand, GroupReply>;

export interface MemoryHostOptions {
  readonly clock: SimulatedClock;
  readonly random: Random;
  readonly config: GroupConfig;
  readonly topics: ReadonlyMap<string, CoordinatedTopic>;
  /** How long the next append takes; 0: it is committed before the call returns. */
  readonly appendMs?: () => number;
  /** The largest batch that the log takes. */
  readonly batchBytesMax?: number;
  /** Puts other parts in the places of ours. */
  readonly makeShard?: (config: GroupConfig, ports: ShardPorts) => GroupShardLike;
}

interface Pending {
  readonly records: readonly LoggedRecord[];
  readonly done: ((error: ErrorName | null) => void)[];
}

const BATCH_BYTES_MAX = 1024 * 1024;
const RELOAD_MS = 100;

export class MemoryHost {
  readonly log: LoggedRecord[] = [];
  readonly #options: MemoryHostOptions;
  #shard: GroupShardLike | null = null;
  /** Appends of the present life of the shard, in order. */
  #pending: Pending[] = [];
  #commitTimer: Timer | null = null;
  #life = 0;
  #failNext: 'lost' | 'kept' | null = null;
  loads = 0;

  constructor(options: MemoryHostOptions) {
    this.#options = options;
    this.load();
  }

  get shard(): GroupShardLike {
    if (this.#shard === null) throw new Error('the shard is not loaded');
    return this.#shard;
  }

  get isLoaded(): boolean {
    return this.#shard !== null;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  handle(command: GroupCommand, reply: (reply: GroupReply) => void): void {
    if (this.#shard === null) reply({ type: 'refused', error: 'COORDINATOR_LOAD_IN_PROGRESS' });
    else this.#shard.handle(command, reply);
  }

  /** Loads the shard from the log. */
  load(): void {
    this.loads++;
    const life = ++this.#life;
    const { config, makeShard = (...args) => new GroupShard(...args) } = this.#options;
    const shard = makeShard(config, this.#portsOf(life));
    for (const record of this.log) shard.replay(record, record.timestampMs);
    this.#shard = shard;
    shard.start();
  }

  /** The next append fails; its records may be in the log all the same. */
  failNextAppend(outcome: 'lost' | 'kept'): void {
    this.#failNext = outcome;
  }

  /** The process ends without a word; so many of the appends under way are in the log. */
  crash(kept: number): void {
    for (const { records } of this.#pending.slice(0, kept)) this.log.push(...records);
    this.#forget();
    const shard = this.#shard;
    this.#shard = null;
    // Nobody hears what it says any more, but its timers must not go on.
    shard?.close('NOT_COORDINATOR');
  }

  #forget(): readonly Pending[] {
    this.#life++;
    if (this.#commitTimer !== null) this.#options.clock.cancel(this.#commitTimer);
    this.#commitTimer = null;
    return this.#pending.splice(0);
  }

  #portsOf(life: number): ShardPorts {
    const { clock, random, topics } = this.#options;
    const isCurrent = () => life === this.#life;
    return {
      clock,
      random,
      logger: silentLogger,
      topic: (name) => topics.get(name),
      fits: (records) => this.#fits(records),
      append: (records, done) => {
        if (isCurrent()) this.#append(records, done);
        else done('NOT_COORDINATOR');
      },
      afterAppends: (done) => {
        if (!isCurrent()) done('NOT_COORDINATOR');
        else if (this.#pending.length === 0) done(null);
        else this.#pending.at(-1)?.done.push(done);
      },
    };
  }

  #fits(records: readonly CoordinatorRecord[]): boolean {
    const { batchBytesMax = BATCH_BYTES_MAX } = this.#options;
    const sizeOf = ({ key, value }: CoordinatorRecord) => 20 + key.length + (value?.length ?? 0);
    return records.reduce((bytes, record) => bytes + sizeOf(record), 100) <= batchBytesMax;
  }

  #append(records: readonly CoordinatorRecord[], done: (error: ErrorName | null) => void): void {
    const { clock, appendMs } = this.#options;
    if (!this.#fits(records)) throw new Error(`${records.length} records do not fit a batch`);
    const logged = records.map(({ key, value }) => ({
      key: Buffer.from(key),
      value: value && Buffer.from(value),
      timestampMs: clock.wallMs(),
    }));
    this.#pending.push({ records: logged, done: [done] });
    const delayMs = appendMs?.() ?? 0;
    if (delayMs === 0 && this.#pending.length === 1 && this.#failNext === null) this.#commit();
    else this.#commitTimer ??= clock.after(delayMs, () => this.#commit());
  }

  /** Commits all that is under way. */
  #commit(): void {
    this.#commitTimer = null;
    const outcome = this.#failNext;
    this.#failNext = null;
    if (outcome !== null) {
      this.#fail(outcome);
      return;
    }
    const { clock } = this.#options;
    const committed = this.#pending.splice(0);
    for (const { records } of committed) this.log.push(...records);
    for (const { done } of committed) for (const one of done) one(null);
    if (this.#pending.length > 0) this.#commitTimer ??= clock.after(1, () => this.#commit());
  }

  #fail(outcome: 'lost' | 'kept'): void {
    const failed = this.#forget();
    if (outcome === 'kept') for (const { records } of failed) this.log.push(...records);
    const shard = this.#shard;
    this.#shard = null;
    for (const { done } of failed) for (const one of done) one('NOT_COORDINATOR');
    shard?.close('NOT_COORDINATOR');
    this.#options.clock.after(RELOAD_MS, () => {
      if (this.#shard === null) this.load();
    });
  }
}

/** What is left of a log when only the last record of each key is kept, with or without tombstones. */
export function compacted(log: readonly LoggedRecord[], keepTombstones: boolean): LoggedRecord[] {
  const last = new Map(log.map((record, index) => [record.key.toString('latin1'), index] as const));
  return log.filter(
    ({ key, value }, index) =>
      last.get(key.toString('latin1')) === index && (keepTombstones || value !== null),
  );
}
