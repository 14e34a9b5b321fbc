// What the compaction of a log asks of the job threads, in slices small enough that others get their turn, a stop is soon, and
// the owner of the log can slow it down between them. A pass over a log:
//
//   'index-keys' …     each slice notes, in shared memory, the offset of the newest record of each key of the dirty section
//   'compact-batches' … each slice copies what is kept of sealed segments to the end of `.cleaned` files
//
// Jobs read sealed segments and write `.cleaned` files, nothing else; the owner of the log syncs and renames them.
import type { Offset } from '../../base/ids.js';

/** Where a slice reads: a part of a sealed segment. */
export interface CompactionSource {
  /** The `.log` file. */
  readonly path: string;
  /** Where to begin: the start of a batch. */
  readonly fromPosition: number;
  /** How much of the file holds batches. */
  readonly endPosition: number;
  /** The slice ends behind the batch that reaches so many bytes; it holds one batch at least. */
  readonly bytesMax: number;
}

/** Notes the newest record of each key. Fails if a batch is not valid: nothing is compacted that cannot be read. */
export interface IndexKeysInput extends CompactionSource {
  /** Records below are passed over: the log start offset, or where the section begins. */
  readonly minOffset: Offset;
  /** A `KeyOffsets` map. */
  readonly keys: SharedArrayBuffer;
}

export interface IndexKeysOutput {
  /** Where the next slice begins. */
  readonly nextPosition: number;
  /** The newest of all keyed records from the input's `minOffset` up to here is in the map; `minOffset` if there was no room. */
  readonly indexedTo: Offset;
  /** The map takes no more keys: the pass ends at `indexedTo`, which may lie within a batch. */
  readonly full: boolean;
}

/** The files that a slice writes behind what is there; all end with `.cleaned`. */
export interface CompactionTarget {
  /** The base offset of the segment to be, of which index entries are relative. */
  readonly baseOffset: Offset;
  readonly logPath: string;
  readonly offsetIndexPath: string;
  readonly timeIndexPath: string;
}

/** How far a target is; what the next slice for it must be given. */
export interface CompactionProgress {
  readonly bytes: number;
  readonly offsetEntries: number;
  readonly timeEntries: number;
  /** Bytes of batches since the last entry of the offset index. */
  readonly bytesSinceIndexEntry: number;
  /** The greatest timestamp, and the last offset of its batch; -1 if there is none. */
  readonly maxTimestampMs: number;
  readonly maxTimestampOffset: number;
  /** The timestamp of the last entry of the time index; -1 if there is none. */
  readonly indexedTimestampMs: number;
  /** One behind the last offset of the last batch that was copied; the target's base offset if there is none. */
  readonly nextOffset: Offset;
}

export interface CompactBatchesInput extends CompactionSource {
  readonly target: CompactionTarget;
  readonly progress: CompactionProgress;
  /** A `KeyOffsets` map: a record goes if a newer one of its key is in it. */
  readonly keys: SharedArrayBuffer;
  /** Records from here on stay as they are: the map knows nothing of them. */
  readonly indexedTo: Offset;
  /** Records below have been deleted and go. */
  readonly logStartOffset: Offset;
  readonly nowMs: number;
  /** `delete.retention.ms`: a tombstone stays for so long after the first pass that saw it (KIP-534). */
  readonly deleteRetentionMs: number;
  /**
   * The last offsets of the newest batches of producers that are not forgotten: such a batch stays, without records if it
   * must, so that its producer's sequence survives.
   */
  readonly producersLastOffsets: ReadonlySet<Offset>;
  readonly indexIntervalBytes: number;
  /** A batch does not get a delete horizon if it would outgrow this by it. */
  readonly maxMessageBytes: number;
  /** The last slice for a target also ends the time index with the greatest timestamp. */
  readonly last: boolean;
}

export interface CompactBatchesOutput {
  readonly nextPosition: number;
  readonly progress: CompactionProgress;
  readonly recordsRead: number;
  readonly recordsKept: number;
  readonly bytesRead: number;
  /** Tombstones that stay for now, and when the first of them may go; null: there is none. */
  readonly nextDeleteHorizonMs: number | null;
}

declare module '../../io/jobs.js' {
  interface JobTable {
    'index-keys': { input: IndexKeysInput; output: IndexKeysOutput };
    'compact-batches': { input: CompactBatchesInput; output: CompactBatchesOutput };
  }
}
