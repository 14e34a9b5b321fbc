// Runs a coordinator: finds the shard of a command by the partition of its key, has the internal topic made when there is none,
// and loads what is on the disk. Deterministic; one thread. What a shard goes through is in shard-host.ts.
import { assert } from '../base/assert.js';
import type { ErrorName } from '../base/errors.js';
import { partitionFor } from './partition-for.js';
import { ShardHost, type ShardHostOptions } from './shard-host.js';

export type CoordinatorRuntimeOptions<Command, Reply> = Omit<ShardHostOptions<Command, Reply>, 'partition'>;

/** Commands that wait for the topic to be made. */
const COMMANDS_WAITING_MAX = 1000;
/** After the topic could not be made: how long commands are refused without another attempt. */
const CREATE_RETRY_MS = 1000;

export class CoordinatorRuntime<Command, Reply> {
  readonly #options: CoordinatorRuntimeOptions<Command, Reply>;
  readonly #shards = new Map<number, ShardHost<Command, Reply>>();
  /** Who waits for the topic; null while nobody makes it. */
  #creating: ((error: ErrorName | null) => void)[] | null = null;
  #createAgainAtMs = 0;
  #closed = false;
  /** Who waits for the end; null: it has come. */
  #closing: (() => void)[] | null = [];

  constructor(options: CoordinatorRuntimeOptions<Command, Reply>) {
    this.#options = options;
  }

  /** Runs a command on the shard of its key; `reply` is called once, maybe at once. */
  handle(key: string, command: Command, reply: (reply: Reply) => void): void {
    const { log, refuse } = this.#options;
    this.prepare((error) => {
      if (error) reply(refuse(error));
      else this.#shard(partitionFor(key, log.partitions ?? 1)).handle(command, reply);
    });
  }

  /** Runs a command on every shard that has something; `done` gets all replies, of those too that refused. */
  handleAll(command: Command, done: (replies: readonly Reply[]) => void): void {
    const { log, refuse } = this.#options;
    if (this.#closed) {
      done([refuse('NOT_COORDINATOR')]);
      return;
    }
    const partitions = [...new Set([...log.existing, ...this.#shards.keys()])].sort((a, b) => a - b);
    const replies: Reply[] = [];
    let left = partitions.length + 1;
    const ended = () => {
      if (--left === 0) done(replies);
    };
    for (const partition of partitions) {
      this.#shard(partition).handle(command, (reply) => {
        replies.push(reply);
        ended();
      });
    }
    ended();
  }

  /** Has the topic made if there is none. `done` is called once, with null when commands can be run; maybe at once. */
  prepare(done: (error: ErrorName | null) => void): void {
    const { log, clock } = this.#options;
    if (this.#closed) done('NOT_COORDINATOR');
    else if (log.partitions !== null) done(null);
    else if (this.#creating) {
      if (this.#creating.length < COMMANDS_WAITING_MAX) this.#creating.push(done);
      else done('COORDINATOR_NOT_AVAILABLE');
    } else if (clock.monotonicMs() < this.#createAgainAtMs) done('COORDINATOR_NOT_AVAILABLE');
    else {
      this.#creating = [done];
      log.create((error) => this.#created(error));
    }
  }

  #created(error: ErrorName | null): void {
    const { clock, log, logger, name } = this.#options;
    const waiting = this.#creating ?? [];
    this.#creating = null;
    if (error) {
      logger.error('the topic of a coordinator cannot be made', { coordinator: name, error });
      this.#createAgainAtMs = clock.monotonicMs() + CREATE_RETRY_MS;
    } else assert(log.partitions !== null, 'the topic is there');
    const result = this.#closed ? 'NOT_COORDINATOR' : error && 'COORDINATOR_NOT_AVAILABLE';
    for (const done of waiting) done(result);
  }

  /** Loads what is on the disk, one partition after the other, so that all groups are known. */
  loadExisting(): void {
    const partitions = [...this.#options.log.existing];
    const next = (): void => {
      const partition = partitions.shift();
      if (partition !== undefined && !this.#closed) this.#shard(partition).load(next);
    };
    next();
  }

  /** Tells all shards, those too that have to be loaded for it. */
  topicsDeleted(names: readonly string[]): void {
    if (this.#closed || names.length === 0) return;
    for (const partition of this.#options.log.existing) this.#shard(partition);
    for (const shard of this.#shards.values()) shard.topicsDeleted(names);
    this.loadExisting();
  }

  /**
   * Runs no commands any more; `done` is called when all that was appended is committed and whoever waited has been answered.
   * May be called again.
   */
  close(done: () => void): void {
    if (!this.#closing) {
      done();
      return;
    }
    this.#closing.push(done);
    if (this.#closed) return;
    this.#closed = true;
    let left = this.#shards.size + 1;
    const ended = () => {
      if (--left > 0) return;
      const waiting = this.#closing ?? [];
      this.#closing = null;
      for (const waited of waiting) waited();
    };
    for (const shard of this.#shards.values()) shard.close(ended);
    ended();
  }

  #shard(partition: number): ShardHost<Command, Reply> {
    const existing = this.#shards.get(partition);
    if (existing) return existing;
    const { log } = this.#options;
    assert(partition < (log.partitions ?? 0), `there is no partition ${partition}`);
    const shard = new ShardHost({ ...this.#options, partition });
    this.#shards.set(partition, shard);
    return shard;
  }
}
