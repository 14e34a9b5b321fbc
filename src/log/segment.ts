// One segment of a log: a file of batches and its two indexes, as its owner sees it. Positions and sizes are kept in memory,
// so that an append costs one write and no other call. Descriptors are opened when first used; a sealed segment gives them
// back once it is synced.
import { join } from 'node:path';
import { AssertionError, assert, present } from '../base/assert.js';
import { type LeaderEpoch, type Offset, toOffset } from '../base/ids.js';
import { type Disk, DiskError, type DiskFile } from '../io/disk.js';
import { BATCH_HEADER_BYTES, readMaxTimestamp } from '../record/batch-header.js';
import { BatchWalker } from './batch-walker.js';
import { type SegmentSuffix, segmentFileName, snapshotFileName } from './file-names.js';
import { inTurn } from './in-turn.js';
import type { LogConfig } from './log-config.js';
import { OFFSET_ENTRY_BYTES, OffsetIndexWriter, RELATIVE_OFFSET_MAX } from './offset-index.js';
import type { SegmentScanOutput } from './scan-segment.js';
import { TIME_ENTRY_BYTES, TimeIndexWriter } from './time-index.js';

/** A batch as it is appended: whole, stamped with its base offset and leader epoch. */
export interface AppendBatch {
  /** May lie in shared memory. Not kept. */
  readonly bytes: Buffer;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly maxTimestampMs: number;
  readonly leaderEpoch: LeaderEpoch;
}

/** Asserts that the batch begins where its log ends. The message is made only when it does not. */
export function assertFollows({ baseOffset, lastOffset }: AppendBatch, logEndOffset: Offset): void {
  if (baseOffset === logEndOffset && lastOffset >= baseOffset) return;
  throw new AssertionError(
    `a batch from ${baseOffset} to ${lastOffset}, but the log ends at ${logEndOffset}`,
  );
}

/** How much of the files is known to be valid when a segment is taken over from disk. */
export interface SegmentFiles {
  readonly bytes: number;
  readonly offsetEntries: number;
  readonly offsetIndexExists: boolean;
  readonly timeEntries: number;
  readonly timeIndexExists: boolean;
  /** The timestamp of the last time index entry; -1 if there is none. */
  readonly lastTimestampMs: number;
}

/** Entries at the start of the index files that stay when the rest is replaced. */
export interface KeptEntries {
  readonly offsetEntries: number;
  readonly timeEntries: number;
  /** The timestamp of the last time index entry that stays; -1 if none does. */
  readonly timestampMs: number;
}

export const NO_ENTRIES: KeptEntries = { offsetEntries: 0, timeEntries: 0, timestampMs: -1 };

const NO_FILES: SegmentFiles = {
  bytes: 0,
  offsetEntries: 0,
  offsetIndexExists: false,
  timeEntries: 0,
  timeIndexExists: false,
  lastTimestampMs: -1,
};

function exists(disk: Disk, path: string): boolean {
  try {
    disk.close(disk.open(path, 'read'));
    return true;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return false;
    throw error;
  }
}

export class Segment {
  readonly baseOffset: Offset;
  readonly path: string;
  /** The wall clock when this object was made: stands in for the timestamps of a segment without any. */
  readonly openedAtMs: number;
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #offsetIndex: OffsetIndexWriter;
  readonly #timeIndex: TimeIndexWriter;
  #file: DiskFile | null = null;
  #bytes: number;
  #syncedBytes: number;
  #maxTimestampMs: number;
  #maxTimestampOffset = -1;
  #firstTimestampMs: number | null = null;
  #bytesSinceIndexEntry = 0;
  #indexesFinished = true;
  /** The time index lacks its end, and could not be emptied. */
  #timesEndEarly = false;
  #newNames = false;

  private constructor(disk: Disk, directory: string, baseOffset: Offset, files: SegmentFiles, nowMs: number) {
    const path = (suffix: SegmentSuffix) => join(directory, segmentFileName(baseOffset, suffix));
    this.baseOffset = baseOffset;
    this.path = path('log');
    this.openedAtMs = nowMs;
    this.#disk = disk;
    this.#directory = directory;
    this.#bytes = files.bytes;
    this.#syncedBytes = files.bytes;
    this.#maxTimestampMs = files.lastTimestampMs;
    this.#offsetIndex = new OffsetIndexWriter(
      disk,
      path('index'),
      baseOffset,
      files.offsetEntries,
      files.offsetIndexExists,
    );
    this.#timeIndex = new TimeIndexWriter(
      disk,
      path('timeindex'),
      baseOffset,
      files.timeEntries,
      files.lastTimestampMs,
      files.timeIndexExists,
    );
  }

  /** A new, empty segment; the file is created at once, and emptied if one is there. Throws DiskError. */
  static create(disk: Disk, directory: string, baseOffset: Offset, nowMs: number, mayExist = true): Segment {
    const segment = new Segment(disk, directory, baseOffset, NO_FILES, nowMs);
    // Once the file is there nothing may fail: the log would grow past the base offset and have an empty segment in its middle.
    if (mayExist && exists(disk, segment.path)) disk.truncate(segment.#log(), 0);
    else segment.#log();
    segment.#newNames = true;
    return segment;
  }

  /** A segment that is on disk. */
  static existing(
    disk: Disk,
    directory: string,
    baseOffset: Offset,
    files: SegmentFiles,
    nowMs: number,
  ): Segment {
    return new Segment(disk, directory, baseOffset, files, nowMs);
  }

  /** The size of the log file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The greatest timestamp known, -1 if none is. */
  get maxTimestampMs(): number {
    return this.#maxTimestampMs;
  }

  /** How many entries the indexes have. */
  get offsetEntries(): number {
    return this.#offsetIndex.entries.entries;
  }

  get timeEntries(): number {
    return this.#timeIndex.entries.entries;
  }

  /** All batches are on the disk; what an index lacks may not be. */
  get isDurable(): boolean {
    return this.#syncedBytes >= this.#bytes;
  }

  /** Something of it was not synced since it changed. */
  get dirty(): boolean {
    return (
      this.#syncedBytes < this.#bytes || this.#offsetIndex.entries.dirty || this.#timeIndex.entries.dirty
    );
  }

  /** What no sync of ours has covered is not taken for durable: neither the contents of the files nor their names. */
  markUnsynced(): void {
    this.#syncedBytes = -1;
    this.#newNames = true;
    this.#offsetIndex.entries.markUnsynced();
    this.#timeIndex.entries.markUnsynced();
  }

  /** Whether files were created since the last call, whose names a sync of the folder must cover. */
  takeNewNames(): boolean {
    const created = [this.#offsetIndex.entries, this.#timeIndex.entries].filter((entries) =>
      entries.takeCreated(),
    );
    const newNames = this.#newNames || created.length > 0;
    this.#newNames = false;
    return newNames;
  }

  /**
   * Whether the batch belongs to a new segment. The rules are Kafka's: size, age between record timestamps, a full index, or
   * an offset too far from the base offset for an index entry. Throws DiskError.
   */
  mustRollFor(batch: AppendBatch, config: LogConfig, jitterMs: number, wallMs: number): boolean {
    if (batch.lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) return true;
    if (this.#bytes === 0) return false;
    if (this.#bytes + batch.bytes.length > config.segmentBytes) return true;
    return (
      this.#isOlder(config.segmentMs - jitterMs, batch.maxTimestampMs, wallMs) || this.#indexRoom(config) <= 0
    );
  }

  /**
   * Where the run of batches from `start` on ends that goes into this segment with one write. The batch at `start` belongs to it;
   * that an index might become full is reckoned with one entry a batch.
   */
  runEnd(batches: readonly AppendBatch[], start: number, config: LogConfig, jitterMs: number): number {
    const first = batches[start];
    assert(first, 'a run has a first batch');
    if (start + 1 === batches.length) return batches.length;
    const firstMs = this.#bytes === 0 ? first.maxTimestampMs : this.#firstTimestamp();
    const room = this.#indexRoom(config);
    let bytes = this.#bytes + first.bytes.length;
    let end = start + 1;
    for (; end < batches.length && end - start < room; end++) {
      const { bytes: piece, lastOffset, maxTimestampMs } = present(batches[end], 'a batch');
      bytes += piece.length;
      if (bytes > config.segmentBytes || lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) break;
      if (firstMs >= 0 && maxTimestampMs - firstMs > config.segmentMs - jitterMs) break;
    }
    return end;
  }

  /** Entries that both indexes still take. One of the time index is kept for the last entry. */
  #indexRoom(config: LogConfig): number {
    return Math.min(
      Math.floor(config.segmentIndexBytes / OFFSET_ENTRY_BYTES) - this.#offsetIndex.entries.entries,
      Math.floor(config.segmentIndexBytes / TIME_ENTRY_BYTES) - 1 - this.#timeIndex.entries.entries,
    );
  }

  /** Whether so much time has passed since the first batch: to a timestamp, or by the wall clock if the first has none. */
  #isOlder(ageMs: number, timestampMs: number, wallMs: number): boolean {
    const firstMs = this.#firstTimestamp();
    return (firstMs >= 0 ? timestampMs - firstMs : wallMs - this.openedAtMs) > ageMs;
  }

  /** The greatest timestamp of the first batch, -1 if it has none. Throws DiskError. */
  get firstTimestampMs(): number {
    return this.#bytes === 0 ? -1 : this.#firstTimestamp();
  }

  #firstTimestamp(): number {
    if (this.#firstTimestampMs === null) {
      const header = Buffer.alloc(BATCH_HEADER_BYTES);
      const read = this.#disk.read(this.#log(), 0, header);
      this.#firstTimestampMs = read === BATCH_HEADER_BYTES ? readMaxTimestamp(header, 0) : -1;
    }
    return this.#firstTimestampMs;
  }

  /**
   * Writes batches [start, end) in one write and enters them into the indexes. Throws DiskError; the file may then hold a part
   * of them, and {@link cutBack} must follow. `indexFailed` hears of an index that could not be written: the batches stand.
   */
  append(
    batches: readonly AppendBatch[],
    start: number,
    end: number,
    indexIntervalBytes: number,
    indexFailed: (error: unknown) => void,
  ): void {
    const pieces: Buffer[] = [];
    for (let i = start; i < end; i++) pieces.push(present(batches[i], 'a batch').bytes);
    this.#disk.write(this.#log(), this.#bytes, pieces);
    for (let i = start; i < end; i++)
      this.#enter(present(batches[i], 'a batch'), indexIntervalBytes, indexFailed);
  }

  #enter(batch: AppendBatch, indexIntervalBytes: number, indexFailed: (error: unknown) => void): void {
    const { lastOffset, maxTimestampMs } = batch;
    if (this.#bytes === 0) this.#firstTimestampMs = maxTimestampMs;
    if (maxTimestampMs > this.#maxTimestampMs) {
      this.#maxTimestampMs = maxTimestampMs;
      this.#maxTimestampOffset = lastOffset;
    }
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      try {
        this.#offsetIndex.append(lastOffset, this.#bytes);
        this.#timeIndex.append(this.#maxTimestampMs, this.#maxTimestampOffset);
      } catch (error) {
        indexFailed(error);
      }
      this.#bytesSinceIndexEntry = 0;
    }
    this.#indexesFinished = false;
    this.#bytes += batch.bytes.length;
    this.#bytesSinceIndexEntry += batch.bytes.length;
  }

  /** Removes what a failed append left behind the last batch. Throws DiskError. */
  cutBack(): void {
    this.#disk.truncate(this.#log(), this.#bytes);
  }

  /**
   * Ends the indexes as Kafka does when a segment is sealed or its log closed: the time index gets the greatest timestamp,
   * and everything is written. Both files exist afterwards. Nothing to do if no batch came since. Throws DiskError; the time
   * index is then empty, if it can be written to, because readers take the last entry of a sealed segment for its greatest timestamp.
   */
  finishIndexes(): void {
    if (this.#timesEndEarly) {
      this.#emptyTimes();
      this.#indexesFinished = false;
    }
    if (this.#indexesFinished) return;
    this.#indexesFinished = true;
    try {
      this.#timeIndex.append(this.#maxTimestampMs, this.#maxTimestampOffset);
      for (const { entries } of [this.#offsetIndex, this.#timeIndex]) {
        entries.write();
        entries.open();
      }
    } catch (error) {
      this.#emptyTimes();
      throw error;
    }
  }

  #emptyTimes(): void {
    this.#timesEndEarly = true;
    this.#timeIndex.entries.clear();
    this.#timesEndEarly = false;
  }

  /**
   * Seals this segment, and returns the one that follows. Throws DiskError: then this one is not sealed, because there cannot be
   * another one, or because there is no descriptor with which to keep its time index from leading readers astray. `indexFailed` hears
   * of an index that is not complete.
   */
  seal(logEndOffset: Offset, nowMs: number, indexFailed: (error: unknown) => void): Segment {
    try {
      this.finishIndexes();
    } catch (error) {
      if (this.#timesEndEarly && error instanceof DiskError && error.lacksDescriptors) throw error;
      indexFailed(error);
    }
    // Last, because readers take it for the end of this one as soon as it is there.
    return Segment.create(this.#disk, this.#directory, logEndOffset, nowMs);
  }

  /** {@link sync}, then {@link syncIndexes}. */
  syncAll(indexFailed: (error: DiskError) => void, done: (error: Error | null) => void): void {
    this.sync((error) => {
      if (error) done(error);
      else this.syncIndexes(indexFailed, done);
    });
  }

  /** Syncs the batches. Throws DiskError if the file cannot be opened. */
  sync(done: (error: DiskError | null) => void): void {
    const syncedBytes = this.#bytes;
    this.#disk.sync(this.#log(), (error) => {
      if (!error) this.#syncedBytes = Math.max(this.#syncedBytes, syncedBytes);
      done(error);
    });
  }

  /**
   * Syncs the index files as far as they were written: index entries in memory are not worth a sync, readers and recovery do without
   * them. An index that fails is told to `indexFailed` and is no error; one for which there is no descriptor has not been tried.
   */
  syncIndexes(indexFailed: (error: DiskError) => void, done: (error: Error | null) => void): void {
    const dirty = [this.#offsetIndex.entries, this.#timeIndex.entries].filter((entries) => entries.dirty);
    inTurn(
      dirty,
      (entries, next) => {
        entries.sync((error) => {
          if (error?.lacksDescriptors) return next(error);
          if (error) indexFailed(error);
          next(null);
        });
      },
      done,
    );
  }

  /** Its files are about to be replaced: nothing of them needs a sync any more. */
  abandon(): void {
    this.release();
    this.#syncedBytes = this.#bytes;
    this.#offsetIndex.entries.abandon();
    this.#timeIndex.entries.abandon();
  }

  /** Opens the batches, so that a file that takes their name meanwhile is not taken for them. Throws DiskError. */
  hold(): void {
    this.#log();
  }

  /** Gives the descriptors back; they are opened again when needed. Buffered index entries must have been written. */
  release(): void {
    if (this.#file) this.#disk.close(this.#file);
    this.#file = null;
    this.#offsetIndex.entries.close();
    this.#timeIndex.entries.close();
  }

  /** The paths of the files that exist or may exist; the batches first, the producers before the segment last. */
  paths(): string[] {
    const suffixes: readonly SegmentSuffix[] = ['log', 'index', 'timeindex', 'txnindex'];
    const names = suffixes.map((suffix) => segmentFileName(this.baseOffset, suffix));
    return [...names, snapshotFileName(this.baseOffset)].map((name) => join(this.#directory, name));
  }

  /** How many entries an index can have at the most. */
  get possibleEntries(): number {
    return Math.floor(this.#bytes / BATCH_HEADER_BYTES) + 1;
  }

  /** Walks over the headers from a position, which must be the start of a batch. */
  walkFrom(position: number): BatchWalker {
    return new BatchWalker(this.#disk, this.#log(), position, this.#bytes, this.baseOffset);
  }

  /** Walks over the headers, beginning with the batch at or shortly before the offset. Throws DiskError. */
  walk(fromOffset: number): BatchWalker {
    const floor = this.#offsetIndex.lastBelow(fromOffset);
    if (floor) {
      const { position, lastOffset } = floor.entry;
      const walker = this.walkFrom(position);
      if (walker.next() && walker.lastOffset === lastOffset) return this.walkFrom(position);
    }
    return this.walkFrom(0);
  }

  /**
   * Where a batch begins that has about so many bytes of the segment behind it; 0 if the segment has no more. The end of the
   * segment if the index does not tell. Throws DiskError.
   */
  tailPosition(bytes: number): number {
    if (bytes >= this.#bytes) return 0;
    const entry = this.#offsetIndex.lastAt(this.#bytes - bytes);
    if (!entry) return this.#bytes;
    const walker = this.walkFrom(entry.position);
    return walker.next() && walker.lastOffset === entry.lastOffset ? entry.position : this.#bytes;
  }

  /**
   * Learns where appending goes on by walking over the batches from the last index entries below the offset on, and stops
   * at the first batch that reaches it. With `truncate`, files and indexes are cut there. Returns where the batches end,
   * with what is wrong behind it if something is. Throws DiskError.
   */
  resume(
    untilOffset: number,
    truncate: boolean,
  ): { position: number; nextOffset: Offset; problem: string | null } {
    const offsets = this.#offsetIndex.lastBelow(untilOffset);
    const times = this.#timeIndex.lastBelow(untilOffset);
    this.#maxTimestampMs = times?.entry.timestampMs ?? -1;
    this.#maxTimestampOffset = times?.entry.offset ?? -1;
    // The file of one index may have got further than that of the other: what the time index knows nothing of is walked over.
    const walker = this.walk(Math.min(untilOffset, this.#maxTimestampOffset + 1));
    let { position } = walker;
    let nextOffset = this.baseOffset;
    let trusted = offsets === null;
    while (walker.next() && walker.lastOffset < untilOffset) {
      position = walker.position;
      nextOffset = toOffset(walker.lastOffset + 1);
      if (walker.batchPosition === offsets?.entry.position)
        trusted = walker.lastOffset === offsets.entry.lastOffset;
      if (walker.maxTimestampMs > this.#maxTimestampMs) {
        this.#maxTimestampMs = walker.maxTimestampMs;
        this.#maxTimestampOffset = walker.lastOffset;
      }
    }
    this.#bytesSinceIndexEntry = position - (trusted ? (offsets?.entry.position ?? 0) : 0);
    if (truncate) {
      const nothing = Buffer.alloc(0);
      this.#offsetIndex.entries.replaceFrom(trusted ? (offsets?.count ?? 0) : 0, nothing);
      this.#timeIndex.replaceFrom(times?.count ?? 0, nothing, times?.entry.timestampMs ?? -1);
      this.#cutTo(position);
    }
    let { problem } = walker;
    if (!trusted) problem ??= 'the offset index points at no batch';
    if (times && times.entry.offset >= nextOffset) problem ??= 'the time index points behind the last batch';
    return { position, nextOffset, problem };
  }

  /**
   * Takes over what a scan found: index entries behind the first kept ones, and where the valid batches end. False if the disk had
   * no room for the entries: those behind the kept ones are then missing, and all of the time index. Throws DiskError.
   */
  adopt(scan: SegmentScanOutput, kept: KeptEntries): boolean {
    const hasIndexes = this.#replaceIndexesIfRoom(scan, kept);
    if (scan.validBytes < this.#bytes) this.#cutTo(scan.validBytes);
    assert(scan.validBytes === this.#bytes, `${this.path} has ${this.#bytes} bytes, not ${scan.validBytes}`);
    return hasIndexes;
  }

  #replaceIndexesIfRoom(scan: SegmentScanOutput, kept: KeptEntries): boolean {
    try {
      this.replaceIndexes(scan, kept);
      return true;
    } catch (error) {
      if (!(error instanceof DiskError && error.isFull)) throw error;
      const nothing = new Uint8Array(0);
      this.replaceIndexes(
        { ...scan, offsetIndex: nothing, timeIndex: nothing },
        { ...NO_ENTRIES, offsetEntries: kept.offsetEntries },
      );
      return false;
    }
  }

  /** Puts index entries that a scan found behind the first kept ones. Throws DiskError. */
  replaceIndexes(scan: SegmentScanOutput, kept: KeptEntries): void {
    this.#offsetIndex.entries.replaceFrom(kept.offsetEntries, scan.offsetIndex);
    const lastTimestampMs = scan.timeIndex.length > 0 ? scan.maxTimestampMs : kept.timestampMs;
    this.#timeIndex.replaceFrom(kept.timeEntries, scan.timeIndex, lastTimestampMs);
    this.#maxTimestampMs = scan.maxTimestampMs;
    this.#maxTimestampOffset = scan.maxTimestampOffset;
    this.#bytesSinceIndexEntry = scan.bytesSinceIndexEntry;
  }

  #cutTo(bytes: number): void {
    assert(bytes <= this.#bytes, `${this.path} has ${this.#bytes} bytes, fewer than ${bytes}`);
    this.#disk.truncate(this.#log(), bytes);
    this.#bytes = bytes;
    this.markUnsynced();
    this.#indexesFinished = false;
    if (bytes === 0) this.#firstTimestampMs = null;
  }

  #log(): DiskFile {
    this.#file ??= this.#disk.open(this.path, 'write');
    return this.#file;
  }
}
