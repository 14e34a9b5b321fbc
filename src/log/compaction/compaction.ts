// What the owner of a log says and hears when the log is compacted.
import type { Offset } from '../../base/ids.js';

/** Why a log should be compacted. */
export interface CompactionNeed {
  /** The part of what can be compacted that came after the last compaction, in (0, 1]. */
  readonly dirtyRatio: number;
  /** How many bytes came after it. */
  readonly dirtyBytes: number;
  /** `max.compaction.lag.ms` has passed for a record: it is time, whatever the ratio. */
  readonly forced: boolean;
}

export interface CompactionRequest {
  /** By the wall clock: what lags and delete horizons count from. */
  readonly nowMs: number;
  /** Only what lies below is compacted: the high watermark. */
  readonly limitOffset: Offset;
  /** How large the map of keys may be; a log with more keys takes several passes. */
  readonly keysBytesMax: number;
  /** So many bytes were read or written: how long to wait before the next ones, in milliseconds. */
  readonly pace: (bytes: number) => number;
  /** Segments were replaced, or the active one was sealed: what the log says now must be published before this returns. */
  readonly replaced: () => void;
}

export interface CompactionResult {
  /** `stopped`: the log was closed, deleted or cut meanwhile. What was done until then stands. */
  readonly outcome: 'completed' | 'stopped';
  /** How often the keys of a part of the log were gathered and the log rewritten by them. */
  readonly passes: number;
  readonly recordsRead: number;
  readonly recordsRemoved: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** By how much the log is smaller. */
  readonly bytesFreed: number;
  /** The largest map of keys that was needed. */
  readonly keysBytes: number;
  readonly elapsedMs: number;
  /** When the first tombstone that is left may go, at a compaction after that; null: there is none. */
  readonly nextDeleteHorizonMs: number | null;
}

/** Of a compaction that did not come to do anything. */
export const NOTHING_DONE: CompactionResult = {
  outcome: 'stopped',
  passes: 0,
  recordsRead: 0,
  recordsRemoved: 0,
  bytesRead: 0,
  bytesWritten: 0,
  bytesFreed: 0,
  keysBytes: 0,
  elapsedMs: 0,
  nextDeleteHorizonMs: null,
};

/** Called once: with an error, or with what was done. */
export type CompactionDone = (error: Error | null, result: CompactionResult | null) => void;

/** What of a log cannot be compacted, because it cannot be read. */
export interface Uncleanable {
  readonly path: string;
  readonly reason: string;
}
