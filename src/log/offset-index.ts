// The offset index of a segment: where to begin looking for an offset.
//
//   0 relativeOffset int32 | 4 position int32        8 bytes an entry, big-endian
//
// An entry points at the START of a batch and carries that batch's LAST offset, less the segment's base offset. Both fields
// grow from entry to entry. One entry comes for each index.interval.bytes of batches, none for the first of them. Source:
// Kafka's OffsetIndex (Kafka documentation, "Implementation / Log").
import { AssertionError } from '../base/assert.js';
import { type Offset, toOffset } from '../base/ids.js';
import type { Disk, DiskFile } from '../io/disk.js';
import { BATCH_HEADER_BYTES } from '../record/batch-header.js';
import { EntryWriter, type FoundEntry, lastEntryWhere } from './entry-file.js';

export const OFFSET_ENTRY_BYTES = 8;
export const RELATIVE_OFFSET_MAX = 0x7fffffff;

export interface OffsetEntry {
  /** The last offset of the batch. */
  readonly lastOffset: Offset;
  /** Where the batch begins in the segment's log file. */
  readonly position: number;
}

/** Asserts that the offset is near enough to the base offset of its segment. The message is made only when it is not. */
export function assertNear(offset: number, baseOffset: Offset): void {
  if (offset - baseOffset <= RELATIVE_OFFSET_MAX) return;
  throw new AssertionError(`offset ${offset} is too far from ${baseOffset}`);
}

function toEntry(found: FoundEntry | null, baseOffset: Offset): OffsetEntry | null {
  if (!found) return null;
  const relativeOffset = found.bytes.readInt32BE(found.at);
  const position = found.bytes.readInt32BE(found.at + 4);
  if (relativeOffset < 0 || position < 0) return null;
  return { lastOffset: toOffset(baseOffset + relativeOffset), position };
}

/** The entries in an index of so many bytes, of which a torn last one does not count. */
export function offsetEntryCount(indexBytes: number): number {
  return Math.floor(indexBytes / OFFSET_ENTRY_BYTES);
}

/** The entry with the greatest last offset that is not above `offset`, or null. The caller checks what it points at. */
export function findOffsetEntry(
  disk: Disk,
  file: DiskFile,
  baseOffset: Offset,
  count: number,
  offset: number,
): OffsetEntry | null {
  const relative = offset - baseOffset;
  const found = lastEntryWhere(
    disk,
    file,
    OFFSET_ENTRY_BYTES,
    count,
    (bytes, at) => bytes.readInt32BE(at) <= relative,
  );
  return toEntry(found, baseOffset);
}

/**
 * The last entry that points at `position` or before it, or null. One small read where the entries of the segment, which ends at
 * `endPosition`, lie about as far from one another everywhere.
 */
export function findEntryAt(
  disk: Disk,
  file: DiskFile,
  baseOffset: Offset,
  count: number,
  position: number,
  endPosition: number,
): OffsetEntry | null {
  const holds = (bytes: Buffer, at: number) => bytes.readInt32BE(at + 4) <= position;
  const guess = Math.floor((count * position) / endPosition);
  return toEntry(lastEntryWhere(disk, file, OFFSET_ENTRY_BYTES, count, holds, guess), baseOffset);
}

/** The first entry that points behind `position`, or null. */
export function findEntryBehind(
  disk: Disk,
  file: DiskFile,
  baseOffset: Offset,
  count: number,
  position: number,
): OffsetEntry | null {
  const holds = (bytes: Buffer, at: number) => bytes.readInt32BE(at + 4) <= position;
  const number = (lastEntryWhere(disk, file, OFFSET_ENTRY_BYTES, count, holds)?.number ?? -1) + 1;
  if (number >= count) return null;
  const bytes = Buffer.alloc(OFFSET_ENTRY_BYTES);
  if (disk.read(file, number * OFFSET_ENTRY_BYTES, bytes) < OFFSET_ENTRY_BYTES) return null;
  return toEntry({ number, bytes, at: 0 }, baseOffset);
}

/** Puts an entry at `at` of the buffer. */
export function putOffsetEntry(
  buffer: Buffer,
  at: number,
  baseOffset: Offset,
  lastOffset: number,
  position: number,
): void {
  buffer.writeInt32BE(lastOffset - baseOffset, at);
  buffer.writeInt32BE(position, at + 4);
}

/** How far an index can be believed. */
export interface TrustedOffsetEntries {
  readonly count: number;
  readonly last: OffsetEntry | null;
}

/**
 * The first entries of a whole index file that grow as they must, whose batches end below `offsetEnd` and begin below
 * `positionEnd`.
 */
export function trustedOffsetEntries(
  bytes: Buffer,
  baseOffset: Offset,
  offsetEnd: number,
  positionEnd: number,
): TrustedOffsetEntries {
  let lastRelativeOffset = -1;
  let lastPosition = 0;
  let count = 0;
  for (let at = 0; at + OFFSET_ENTRY_BYTES <= bytes.length; at += OFFSET_ENTRY_BYTES) {
    const relativeOffset = bytes.readInt32BE(at);
    const position = bytes.readInt32BE(at + 4);
    if (relativeOffset <= lastRelativeOffset || position < lastPosition + BATCH_HEADER_BYTES) break;
    if (baseOffset + relativeOffset >= offsetEnd || position >= positionEnd) break;
    lastRelativeOffset = relativeOffset;
    lastPosition = position;
    count++;
  }
  if (count === 0) return { count, last: null };
  return { count, last: { lastOffset: toOffset(baseOffset + lastRelativeOffset), position: lastPosition } };
}

/**
 * Whether an index file of a segment with `logBytes` may be believed as far as a look at its size and last entry can tell. A
 * file that a broker left preallocated ends with zeroes and fails this.
 */
export function offsetIndexLooksSound(
  disk: Disk,
  file: DiskFile,
  baseOffset: Offset,
  offsetEnd: number,
  logBytes: number,
): boolean {
  const indexBytes = disk.size(file);
  if (indexBytes === 0) return true;
  if (indexBytes % OFFSET_ENTRY_BYTES !== 0) return false;
  if (indexBytes / OFFSET_ENTRY_BYTES > logBytes / BATCH_HEADER_BYTES) return false;
  const last = Buffer.alloc(OFFSET_ENTRY_BYTES);
  if (disk.read(file, indexBytes - OFFSET_ENTRY_BYTES, last) < OFFSET_ENTRY_BYTES) return false;
  return trustedOffsetEntries(last, baseOffset, offsetEnd, logBytes).count === 1;
}

/** The owner's side: appends entries to a segment's offset index. */
export class OffsetIndexWriter {
  readonly entries: EntryWriter;
  readonly #baseOffset: Offset;

  constructor(disk: Disk, path: string, baseOffset: Offset, entries: number, exists: boolean) {
    this.entries = new EntryWriter(disk, path, OFFSET_ENTRY_BYTES, entries, exists);
    this.#baseOffset = baseOffset;
  }

  append(lastOffset: Offset, position: number): void {
    assertNear(lastOffset, this.#baseOffset);
    if (position > RELATIVE_OFFSET_MAX) throw new AssertionError(`position ${position} is no int32`);
    const { buffer, position: at } = this.entries.add();
    putOffsetEntry(buffer, at, this.#baseOffset, lastOffset, position);
  }

  /** The entry with the greatest last offset below `offset`, and how many entries there are up to it. */
  lastBelow(offset: number): { entry: OffsetEntry; count: number } | null {
    const relative = offset - this.#baseOffset;
    const found = this.entries.lastWhere((bytes, at) => bytes.readInt32BE(at) < relative);
    const entry = toEntry(found, this.#baseOffset);
    return found && entry ? { entry, count: found.number + 1 } : null;
  }

  /** The last entry that points at `position` or before it. */
  lastAt(position: number): OffsetEntry | null {
    return toEntry(
      this.entries.lastWhere((bytes, at) => bytes.readInt32BE(at + 4) <= position),
      this.#baseOffset,
    );
  }
}
