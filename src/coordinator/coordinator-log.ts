// What a coordinator asks of its internal topic. In the broker its partitions lie on the coordinator's own thread, so that an
// append crosses none.
import type { ErrorName } from '../base/errors.js';
import type { Offset } from '../base/ids.js';

/** An internal topic with the log of a coordinator. */
export interface CoordinatorLog {
  /** How many partitions it has; null if it has not been made yet. */
  readonly partitions: number | null;
  /** Partitions that hold something, or may. Grows as they are opened. */
  readonly existing: readonly number[];
  /** Has the topic made; `done` is called once, with null when it is there. */
  create(done: (error: ErrorName | null) => void): void;
  /** Opens a partition; `done` is called once, maybe at once. */
  open(partition: number, done: (result: CoordinatorPartition | ErrorName) => void): void;
}

/** `[startOffset, endOffset)` is in the log, and below `committedOffset` it is there to stay. */
export interface LogExtent {
  readonly startOffset: Offset;
  readonly committedOffset: Offset;
  readonly endOffset: Offset;
}

/** A piece of the log. */
export type LogPiece =
  /** Whole batches, in memory of their own; `nextOffset` lies behind the last of them. */
  | { readonly type: 'batches'; readonly bytes: Buffer; readonly nextOffset: Offset }
  /** Nothing committed is left behind the offset. */
  | { readonly type: 'end' }
  | { readonly type: 'failed'; readonly reason: string };

/** An open partition of a coordinator's log. */
export interface CoordinatorPartition {
  /** The largest batch that it takes. */
  readonly batchBytesMax: number;
  /** null: it is not open any more. */
  extent(): LogExtent | null;
  /** Reads from the batch on that holds the offset; `done` is called once, in a later turn. */
  read(offset: Offset, done: (piece: LogPiece) => void): void;
  /**
   * Appends batches, in order, with one write; offsets and epoch are stamped here. `done` is called once, maybe at once: with
   * null when all are committed, else with the first error; what came before it may be in the log.
   */
  append(batches: readonly Buffer[], done: (error: ErrorName | null) => void): void;
  /** Lets go of its files; what is under way ends without effect. */
  close(): void;
}
