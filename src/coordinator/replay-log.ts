// Reads a coordinator's log from its start to its end, record by record, in pieces with a turn between them, so that the thread
// has time for others. What was appended before but is not committed yet is waited for.
import type { Clock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import type { Offset } from '../base/ids.js';
import { BatchReader } from '../record/batch-reader.js';
import type { CoordinatorPartition, LogPiece } from './coordinator-log.js';
import type { CoordinatorRecord } from './shard.js';

export interface ReplayLogOptions {
  readonly partition: CoordinatorPartition;
  readonly clock: Clock;
  /** Throws OdradekError if it cannot make sense of the record. */
  readonly replay: (record: CoordinatorRecord, timestampMs: number) => void;
  /** Called once, in a later turn: with the number of records, or with why the log cannot be replayed. */
  readonly done: (result: number | Error) => void;
}

const COMMIT_CHECK_MS = 50;
/** What was appended must be committed within five minutes. */
const COMMIT_CHECKS_MAX = (5 * 60_000) / COMMIT_CHECK_MS;

/** Replays a log; returns what stops it for good, `done` is not called then. O(bytes of the log). */
export function replayLog(options: ReplayLogOptions): () => void {
  const replay = new Replay(options);
  options.clock.after(0, () => replay.start());
  return () => replay.stop();
}

class Replay {
  readonly #options: ReplayLogOptions;
  #stopped = false;
  #records = 0;
  #next: Offset | null = null;
  #end: Offset | null = null;
  #commitChecks = 0;

  constructor(options: ReplayLogOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopped = true;
  }

  start(): void {
    if (this.#stopped) return;
    const extent = this.#options.partition.extent();
    this.#next = extent?.startOffset ?? null;
    this.#end = extent?.endOffset ?? null;
    this.#step();
  }

  #step(): void {
    if (this.#stopped) return;
    const { partition, clock } = this.#options;
    const extent = partition.extent();
    const next = this.#next;
    const end = this.#end;
    if (extent === null || next === null || end === null) this.#finish(new Error('the partition was closed'));
    else if (next >= end) this.#finish(this.#records);
    else if (next < extent.committedOffset)
      partition.read(next, (piece) => this.#take(piece, extent.committedOffset));
    else if (++this.#commitChecks > COMMIT_CHECKS_MAX) {
      this.#finish(new Error(`the records from offset ${next} on are never committed`));
    } else clock.after(COMMIT_CHECK_MS, () => this.#step());
  }

  #take(piece: LogPiece, committedOffset: Offset): void {
    if (this.#stopped) return;
    switch (piece.type) {
      case 'failed':
        this.#finish(new Error(piece.reason));
        return;
      case 'end':
        // Compaction took out all records up to there.
        this.#next = committedOffset;
        this.#step();
        return;
      case 'batches':
        try {
          this.#replayBatches(piece.bytes);
        } catch (error) {
          if (!(error instanceof OdradekError)) throw error;
          this.#finish(error);
          return;
        }
        this.#next = piece.nextOffset;
        this.#step();
        return;
    }
  }

  #replayBatches(bytes: Buffer): void {
    const { replay } = this.#options;
    const from = this.#next ?? 0;
    for (const batch of new BatchReader(bytes)) {
      if (batch.isControl) continue;
      const walk = batch.walk();
      const { cursor } = walk;
      while (walk.next()) {
        const { keyStart, keyLength, valueStart, valueLength } = cursor;
        // Records before the start of the log are deleted; without a key a record says nothing.
        if (walk.offset < from || keyLength < 0) continue;
        const key = walk.bytes.subarray(keyStart, keyStart + keyLength);
        const value = valueLength < 0 ? null : walk.bytes.subarray(valueStart, valueStart + valueLength);
        replay({ key, value }, walk.timestampMs);
        this.#records++;
      }
    }
  }

  #finish(result: number | Error): void {
    this.#stopped = true;
    this.#options.done(result);
  }
}
