// The time index of a segment: where to begin looking for a timestamp.
//
//   0 timestamp int64 | 8 relativeOffset int32        12 bytes an entry, big-endian
//
// An entry (T, offset) says that T is the greatest timestamp of the segment up to that moment and that the batch which brought
// it ends with the offset; every record before that batch is older than T. Both fields grow from entry to entry. An entry is
// made together with one of the offset index unless T stayed the same, and one more when the segment is closed. Source:
// KIP-33 and Kafka's TimeIndex.
import { type Offset, toOffset } from '../base/ids.js';
import { readInt64, writeInt64 } from '../base/int64.js';
import type { Disk, DiskFile } from '../io/disk.js';
import { BATCH_HEADER_BYTES } from '../record/batch-header.js';
import { EntryWriter, lastEntryWhere } from './entry-file.js';
import { assertNear } from './offset-index.js';

export const TIME_ENTRY_BYTES = 12;

export interface TimeEntry {
  readonly timestampMs: number;
  /** The last offset of the batch that has this timestamp. */
  readonly offset: Offset;
}

function toEntry(bytes: Buffer, at: number, baseOffset: Offset): TimeEntry | null {
  const timestampMs = readInt64(bytes, at);
  const relativeOffset = bytes.readInt32BE(at + 8);
  if (relativeOffset < 0 || timestampMs < 0 || !Number.isSafeInteger(timestampMs)) return null;
  return { timestampMs, offset: toOffset(baseOffset + relativeOffset) };
}

/** The entries in an index of so many bytes, of which a torn last one does not count. */
export function timeEntryCount(indexBytes: number): number {
  return Math.floor(indexBytes / TIME_ENTRY_BYTES);
}

/** The entry with the greatest timestamp that is not above `timestampMs`, or null. */
export function findTimeEntry(
  disk: Disk,
  file: DiskFile,
  baseOffset: Offset,
  count: number,
  timestampMs: number,
): TimeEntry | null {
  const found = lastEntryWhere(
    disk,
    file,
    TIME_ENTRY_BYTES,
    count,
    (bytes, at) => readInt64(bytes, at) <= timestampMs,
  );
  return found && toEntry(found.bytes, found.at, baseOffset);
}

/** The last entry of an index with `count` of them, or null. */
export function lastTimeEntry(
  disk: Disk,
  file: DiskFile,
  baseOffset: Offset,
  count: number,
): TimeEntry | null {
  if (count === 0) return null;
  const last = Buffer.alloc(TIME_ENTRY_BYTES);
  if (disk.read(file, (count - 1) * TIME_ENTRY_BYTES, last) < TIME_ENTRY_BYTES) return null;
  return toEntry(last, 0, baseOffset);
}

/** Puts an entry at `at` of the buffer. */
export function putTimeEntry(
  buffer: Buffer,
  at: number,
  baseOffset: Offset,
  timestampMs: number,
  offset: number,
): void {
  writeInt64(buffer, at, timestampMs);
  buffer.writeInt32BE(offset - baseOffset, at + 8);
}

/** How far an index can be believed. */
export interface TrustedTimeEntries {
  readonly count: number;
  readonly last: TimeEntry | null;
}

/** The first entries of a whole index file that grow as they must and whose offsets lie below `offsetEnd`. */
export function trustedTimeEntries(bytes: Buffer, baseOffset: Offset, offsetEnd: number): TrustedTimeEntries {
  let last: TimeEntry | null = null;
  let count = 0;
  for (let at = 0; at + TIME_ENTRY_BYTES <= bytes.length; at += TIME_ENTRY_BYTES) {
    const entry = toEntry(bytes, at, baseOffset);
    if (!entry || entry.offset >= offsetEnd) break;
    if (last && (entry.timestampMs <= last.timestampMs || entry.offset <= last.offset)) break;
    last = entry;
    count++;
  }
  return { count, last };
}

/** Whether an index file may be believed as far as a look at its size and its first and last entries can tell. */
export function timeIndexLooksSound(
  disk: Disk,
  file: DiskFile,
  baseOffset: Offset,
  offsetEnd: number,
  logBytes: number,
): boolean {
  const indexBytes = disk.size(file);
  if (indexBytes === 0) return true;
  if (indexBytes % TIME_ENTRY_BYTES !== 0) return false;
  const count = indexBytes / TIME_ENTRY_BYTES;
  if (count > logBytes / BATCH_HEADER_BYTES + 1) return false;
  const both = Buffer.alloc(2 * TIME_ENTRY_BYTES);
  if (disk.read(file, 0, both.subarray(0, TIME_ENTRY_BYTES)) < TIME_ENTRY_BYTES) return false;
  if (disk.read(file, indexBytes - TIME_ENTRY_BYTES, both.subarray(TIME_ENTRY_BYTES)) < TIME_ENTRY_BYTES)
    return false;
  if (count === 1)
    return trustedTimeEntries(both.subarray(0, TIME_ENTRY_BYTES), baseOffset, offsetEnd).count === 1;
  return trustedTimeEntries(both, baseOffset, offsetEnd).count === 2;
}

/** The owner's side: appends entries to a segment's time index. */
export class TimeIndexWriter {
  readonly entries: EntryWriter;
  readonly #baseOffset: Offset;
  #lastTimestampMs: number;

  /** `lastTimestampMs` is that of the last of the `entries`, -1 if there are none. */
  constructor(
    disk: Disk,
    path: string,
    baseOffset: Offset,
    entries: number,
    lastTimestampMs: number,
    exists: boolean,
  ) {
    this.entries = new EntryWriter(disk, path, TIME_ENTRY_BYTES, entries, exists);
    this.#baseOffset = baseOffset;
    this.#lastTimestampMs = lastTimestampMs;
  }

  /** Appends an entry unless the timestamp is not above the last one. */
  append(timestampMs: number, offset: number): void {
    if (timestampMs <= this.#lastTimestampMs) return;
    assertNear(offset, this.#baseOffset);
    const { buffer, position } = this.entries.add();
    putTimeEntry(buffer, position, this.#baseOffset, timestampMs, offset);
    this.#lastTimestampMs = timestampMs;
  }

  /** Keeps the first `count` entries, the last of which has the timestamp, and puts `bytes` behind them. */
  replaceFrom(count: number, bytes: Uint8Array, lastTimestampMs: number): void {
    this.entries.replaceFrom(count, bytes);
    this.#lastTimestampMs = lastTimestampMs;
  }

  /** The last entry with an offset below `offset`, and how many entries there are up to it. */
  lastBelow(offset: number): { entry: TimeEntry; count: number } | null {
    const relative = offset - this.#baseOffset;
    const found = this.entries.lastWhere((bytes, at) => bytes.readInt32BE(at + 8) < relative);
    const entry = found && toEntry(found.bytes, found.at, this.#baseOffset);
    return found && entry ? { entry, count: found.number + 1 } : null;
  }
}
