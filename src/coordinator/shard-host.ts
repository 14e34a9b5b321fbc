// One partition of a coordinator: loads its shard from the log when it is first needed, runs commands on it, appends what it
// says, and loads it anew when an append failed, because its state is then ahead of the log.
//
//   unloaded → loading: the log is opened and replayed → active → failed: waits, longer each time → loading …
//
// Commands that come while it loads wait, so many and so long; after that clients are told to come again.
import { assert } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import type { ErrorName } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import { AppendQueue } from './append-queue.js';
import type { CoordinatorLog, CoordinatorPartition } from './coordinator-log.js';
import { replayLog } from './replay-log.js';
import type { CoordinatedTopic, MakeShard, Shard, ShardPorts } from './shard.js';

export interface ShardHostOptions<Command, Reply> {
  /** What it coordinates, for log lines. */
  readonly name: string;
  readonly partition: number;
  readonly log: CoordinatorLog;
  readonly makeShard: MakeShard<Command, Reply>;
  /** The reply to a command that was not run. */
  readonly refuse: (error: ErrorName) => Reply;
  readonly topic: (name: string) => CoordinatedTopic | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Runs a function in a later turn, after what waits already: what is appended until then is written together. */
  readonly later: (run: () => void) => void;
}

interface WaitingCommand<Command, Reply> {
  readonly command: Command;
  readonly reply: (reply: Reply) => void;
}

/** Commands that wait while the partition loads, at most, and for how long. */
const COMMANDS_WAITING_MAX = 1000;
const LOAD_PATIENCE_MS = 1000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;
/** Loads in a row, without an append that succeeds, that are tried unasked; more only when a command comes. */
const RETRIES_UNASKED_MAX = 10;
/** Names of deleted topics that wait for a partition to be loaded. */
const DELETED_TOPICS_MAX = 10_000;

/** One life of a shard, from an attempt to load it to its end. What comes late for an earlier one finds another here. */
interface Life<Command, Reply> {
  partition: CoordinatorPartition | null;
  shard: Shard<Command, Reply> | null;
  appends: AppendQueue | null;
  stopReplay: (() => void) | null;
}

export class ShardHost<Command, Reply> {
  readonly #options: ShardHostOptions<Command, Reply>;
  #state: 'unloaded' | 'loading' | 'active' | 'failed' | 'closed' = 'unloaded';
  #life: Life<Command, Reply> | null = null;
  #waiting: WaitingCommand<Command, Reply>[] = [];
  #impatient = false;
  #patience: Timer | null = null;
  #retry: Timer | null = null;
  #retryAtMs = 0;
  #failures = 0;
  readonly #deletedTopics = new Set<string>();
  #whenLoaded: (() => void)[] = [];

  constructor(options: ShardHostOptions<Command, Reply>) {
    this.#options = options;
  }

  /** Runs a command, once the shard is loaded; `reply` is called once. */
  handle(command: Command, reply: (reply: Reply) => void): void {
    const { refuse } = this.#options;
    if (this.#state === 'active') {
      this.#life?.shard?.handle(command, reply);
      return;
    }
    if (!this.#mayLoad) reply(refuse('NOT_COORDINATOR'));
    else if (this.#impatient || this.#waiting.length >= COMMANDS_WAITING_MAX) {
      reply(refuse('COORDINATOR_LOAD_IN_PROGRESS'));
    } else {
      this.#waiting.push({ command, reply });
      if (this.#state !== 'loading') this.#load();
    }
  }

  /** Loads it unless it is loaded, or has just failed; `done` is called when that has ended, either way. */
  load(done: () => void): void {
    if (this.#state === 'active' || !this.#mayLoad) {
      done();
      return;
    }
    this.#whenLoaded.push(done);
    if (this.#state !== 'loading') this.#load();
  }

  /** What is kept for these topics goes; a shard that is not loaded yet is told when it is. */
  topicsDeleted(names: readonly string[]): void {
    if (this.#state === 'active') this.#life?.shard?.topicsDeleted(names);
    else if (this.#state !== 'closed') {
      for (const name of names)
        if (this.#deletedTopics.size < DELETED_TOPICS_MAX) this.#deletedTopics.add(name);
    }
  }

  /** Ends it, when all that was appended is committed; whoever waits is answered with NOT_COORDINATOR. */
  close(done: () => void): void {
    const { appends } = this.#life ?? {};
    if (this.#state !== 'active' || !appends) {
      this.#end('closed');
      done();
      return;
    }
    this.#state = 'closed';
    appends.whenIdle(() => {
      this.#end('closed');
      done();
    });
  }

  get #mayLoad(): boolean {
    if (this.#state === 'closed') return false;
    return this.#state !== 'failed' || this.#options.clock.monotonicMs() >= this.#retryAtMs;
  }

  // ------------------------------------------------------------------------------------------------------------ load

  #load(): void {
    const { clock, log, partition } = this.#options;
    if (this.#retry) clock.cancel(this.#retry);
    this.#retry = null;
    this.#state = 'loading';
    this.#impatient = false;
    this.#patience = clock.after(LOAD_PATIENCE_MS, () => {
      this.#patience = null;
      this.#impatient = true;
      this.#refuseWaiting('COORDINATOR_LOAD_IN_PROGRESS');
    });
    const life: Life<Command, Reply> = { partition: null, shard: null, appends: null, stopReplay: null };
    this.#life = life;
    const startMs = clock.monotonicMs();
    log.open(partition, (opened) => {
      if (this.#life !== life) {
        if (typeof opened !== 'string') opened.close();
      } else if (typeof opened === 'string') this.#failed(opened, 'it cannot be opened');
      else this.#replay(life, opened, startMs);
    });
  }

  #replay(life: Life<Command, Reply>, partition: CoordinatorPartition, startMs: number): void {
    const { clock, logger, later, makeShard, partition: index } = this.#options;
    const appends = new AppendQueue({
      partition,
      clock,
      later,
      failed: (error) => {
        if (this.#life === life) this.#failed(error, 'records cannot be appended');
      },
    });
    const shard = makeShard(index, this.#portsOf(life, appends));
    life.partition = partition;
    life.appends = appends;
    life.shard = shard;
    life.stopReplay = replayLog({
      partition,
      clock,
      replay: (record, timestampMs) => shard.replay(record, timestampMs),
      done: (result) => {
        if (this.#life !== life) return;
        if (typeof result !== 'number') {
          this.#failed('KAFKA_STORAGE_ERROR', result.message);
          return;
        }
        const durationMs = Math.round(clock.monotonicMs() - startMs);
        logger.debug('coordinator loaded', this.#fields({ records: result, durationMs }));
        this.#loaded(shard);
      },
    });
  }

  #portsOf(life: Life<Command, Reply>, appends: AppendQueue): ShardPorts {
    const { clock, random, logger, topic } = this.#options;
    return {
      clock,
      random,
      logger,
      topic,
      fits: (records) => appends.fits(records),
      append: (records, done) => {
        if (!this.#isActive(life)) {
          done('NOT_COORDINATOR');
          return;
        }
        appends.append(records, (error) => {
          if (error === null) this.#failures = 0;
          done(error);
        });
      },
      afterAppends: (done) => {
        if (this.#isActive(life)) appends.afterAppends(done);
        else done('NOT_COORDINATOR');
      },
    };
  }

  /** A shard that is being closed may still have something to say; nobody hears it. */
  #isActive(life: Life<Command, Reply>): boolean {
    assert(this.#state !== 'loading' || this.#life !== life, 'a shard appends nothing before it is started');
    return this.#life === life && this.#state === 'active';
  }

  #loaded(shard: Shard<Command, Reply>): void {
    this.#state = 'active';
    this.#endPatience();
    shard.start();
    if (this.#deletedTopics.size > 0) shard.topicsDeleted([...this.#deletedTopics]);
    this.#deletedTopics.clear();
    for (const { command, reply } of this.#waiting.splice(0)) shard.handle(command, reply);
    this.#tellLoaded();
  }

  // ------------------------------------------------------------------------------------------------------------ fail

  #failed(error: ErrorName, reason: string): void {
    const { clock, random, logger } = this.#options;
    if (this.#state === 'closed') {
      this.#end('closed');
      return;
    }
    const backoffMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures);
    const delayMs = backoffMs * (0.5 + random.below(1000) / 1000);
    this.#failures = Math.min(this.#failures + 1, RETRIES_UNASKED_MAX + 1);
    logger.error('coordinator failed', this.#fields({ error, reason, retryMs: Math.round(delayMs) }));
    this.#retryAtMs = clock.monotonicMs() + delayMs;
    if (this.#failures <= RETRIES_UNASKED_MAX) {
      this.#retry = clock.after(delayMs, () => {
        this.#retry = null;
        if (this.#state === 'failed') this.#load();
      });
    }
    this.#end('failed');
    this.#tellLoaded();
  }

  #end(state: 'failed' | 'closed'): void {
    const life = this.#life;
    this.#state = state;
    this.#life = null;
    this.#endPatience();
    if (state === 'closed' && this.#retry) this.#options.clock.cancel(this.#retry);
    life?.stopReplay?.();
    // First who waits for the log, then who waits for others.
    life?.appends?.close('NOT_COORDINATOR');
    life?.shard?.close('NOT_COORDINATOR');
    life?.partition?.close();
    this.#refuseWaiting('NOT_COORDINATOR');
    if (state === 'closed') this.#tellLoaded();
  }

  #endPatience(): void {
    if (this.#patience) this.#options.clock.cancel(this.#patience);
    this.#patience = null;
    this.#impatient = false;
  }

  #refuseWaiting(error: ErrorName): void {
    for (const { reply } of this.#waiting.splice(0)) reply(this.#options.refuse(error));
  }

  #tellLoaded(): void {
    for (const done of this.#whenLoaded.splice(0)) done();
  }

  #fields(fields: Readonly<Record<string, string | number>>): Readonly<Record<string, string | number>> {
    return { coordinator: this.#options.name, partition: this.#options.partition, ...fields };
  }
}
