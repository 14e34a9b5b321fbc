// Group commit: all that a shard appends in one turn goes to its partition with one write, as one batch or as few as the largest
// batch allows. The records of one append lie in one batch, so that they are in the log together or not at all.
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { ErrorName } from '../base/errors.js';
import { BatchBuilder } from '../record/batch-builder.js';
import { BATCH_HEADER_BYTES } from '../record/batch-header.js';
import { recordBytesUpperBound } from '../record/record.js';
import type { CoordinatorPartition } from './coordinator-log.js';
import type { CoordinatorRecord } from './shard.js';

type Done = (error: ErrorName | null) => void;

/** Who waits for one write. */
type Group = Done[];

export interface AppendQueueOptions {
  readonly partition: CoordinatorPartition;
  readonly clock: Clock;
  /** Runs a function in a later turn. */
  readonly later: (run: () => void) => void;
  /** An append failed: called once, in no call of the shard's. The owner must {@link AppendQueue.close} the queue. */
  readonly failed: (error: ErrorName) => void;
}

const NO_HEADERS = [] as const;

export class AppendQueue {
  readonly #options: AppendQueueOptions;
  readonly #builder: BatchBuilder;
  /** Batches that are full, before the one that is being built. */
  #full: Buffer[] = [];
  #group: Group = [];
  /** Written and not committed yet, the oldest first. */
  readonly #inFlight: Group[] = [];
  /** Whose records can never be appended. */
  #oversized: Done[] = [];
  #flushing = false;
  #closed = false;
  #whenIdle: (() => void) | null = null;

  constructor(options: AppendQueueOptions) {
    this.#options = options;
    this.#builder = new BatchBuilder({ maxBytes: options.partition.batchBytesMax });
  }

  fits(records: readonly CoordinatorRecord[]): boolean {
    return BATCH_HEADER_BYTES + this.#bytesOf(records) <= this.#options.partition.batchBytesMax;
  }

  append(records: readonly CoordinatorRecord[], done: Done): void {
    assert(!this.#closed, 'a closed queue takes nothing');
    if (records.length === 0) {
      this.afterAppends(done);
      return;
    }
    if (!this.fits(records)) {
      this.#oversized.push(done);
      this.#options.later(() => {
        if (!this.#closed) this.#options.failed('INVALID_COMMIT_OFFSET_SIZE');
      });
      return;
    }
    const builder = this.#builder;
    if (builder.bytes + this.#bytesOf(records) > this.#options.partition.batchBytesMax) {
      this.#full.push(builder.build());
    }
    const timestampMs = this.#options.clock.wallMs();
    for (const { key, value } of records) builder.add({ timestampMs, key, value, headers: NO_HEADERS });
    this.#group.push(done);
    this.#flushLater();
  }

  afterAppends(done: Done): void {
    assert(!this.#closed, 'a closed queue takes nothing');
    const last = this.#group.length > 0 ? this.#group : this.#inFlight.at(-1);
    if (last) last.push(done);
    else done(null);
  }

  /** Calls back when all that was appended is committed, or has failed. */
  whenIdle(run: () => void): void {
    assert(this.#whenIdle === null, 'one waits for the end');
    this.#whenIdle = run;
    this.#checkIdle();
  }

  /** Ends it: whoever waits gets the error, whatever becomes of the records. */
  close(error: ErrorName): void {
    this.#closed = true;
    this.#full = [];
    this.#builder.reset();
    const groups = [...this.#inFlight.splice(0), this.#group];
    const oversized = this.#oversized;
    this.#group = [];
    this.#oversized = [];
    for (const group of groups) for (const done of group) done(error);
    for (const done of oversized) done('INVALID_COMMIT_OFFSET_SIZE');
    this.#checkIdle();
  }

  #bytesOf(records: readonly CoordinatorRecord[]): number {
    let bytes = 0;
    for (const { key, value } of records) {
      bytes += recordBytesUpperBound({ timestampMs: 0, key, value, headers: NO_HEADERS });
    }
    return bytes;
  }

  #flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#options.later(() => {
      this.#flushing = false;
      if (!this.#closed) this.#flush();
    });
  }

  #flush(): void {
    const batches = this.#full;
    if (this.#builder.recordCount > 0) batches.push(this.#builder.build());
    assert(batches.length > 0, 'there is something to write');
    const group = this.#group;
    this.#full = [];
    this.#group = [];
    this.#inFlight.push(group);
    this.#options.partition.append(batches, (error) => {
      if (this.#closed) return;
      if (error) {
        this.#options.failed(error);
        return;
      }
      const oldest = this.#inFlight.shift();
      assert(oldest === group, 'appends are committed in order');
      for (const done of group) done(null);
      this.#checkIdle();
    });
  }

  #checkIdle(): void {
    if (!this.#whenIdle || this.#group.length > 0 || this.#inFlight.length > 0) return;
    const run = this.#whenIdle;
    this.#whenIdle = null;
    run();
  }
}
