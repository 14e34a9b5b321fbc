import type { Offset } from '../../base/ids.js';
import { addOffset } from '../../base/ids.js';
import type { Disk, DiskFile } from '../../io/disk.js';
import { OFFSET_ENTRY_BYTES, OffsetIndexWriter } from '../offset-index.js';
import { TIME_ENTRY_BYTES, TimeIndexWriter } from '../time-index.js';
import type { CompactionProgress, CompactionTarget } from './compaction-jobs.js';

/** Batches are gathered and written together. A larger one is written alone. */
const BUFFER_BYTES = 1024 * 1024;

// One job is over before the next begins on a thread, because nothing here awaits: they share their memory.
let buffer: Buffer | null = null;

/** The `.cleaned` files of a segment to be, as a slice goes on writing them; index entries come where appends would make them. */
export class CleanedSegment {
  readonly #disk: Disk;
  readonly #log: DiskFile;
  readonly #offsetIndex: OffsetIndexWriter;
  readonly #timeIndex: TimeIndexWriter;
  readonly #indexIntervalBytes: number;
  readonly #buffer: Buffer;
  #bufferedBytes = 0;
  #writtenBytes: number;
  #bytesSinceIndexEntry: number;
  #maxTimestampMs: number;
  #maxTimestampOffset: number;
  #indexedTimestampMs: number;
  #nextOffset: Offset;

  /** Cuts what lies behind the progress: a slice that failed may have left something. Throws DiskError, as all methods do. */
  constructor(
    disk: Disk,
    target: CompactionTarget,
    progress: CompactionProgress,
    indexIntervalBytes: number,
  ) {
    const { baseOffset, logPath, offsetIndexPath, timeIndexPath } = target;
    const { offsetEntries, timeEntries, indexedTimestampMs } = progress;
    this.#disk = disk;
    cut(disk, offsetIndexPath, offsetEntries * OFFSET_ENTRY_BYTES);
    cut(disk, timeIndexPath, timeEntries * TIME_ENTRY_BYTES);
    cut(disk, logPath, progress.bytes);
    this.#offsetIndex = new OffsetIndexWriter(disk, offsetIndexPath, baseOffset, offsetEntries, true);
    this.#timeIndex = new TimeIndexWriter(
      disk,
      timeIndexPath,
      baseOffset,
      timeEntries,
      indexedTimestampMs,
      true,
    );
    this.#log = disk.open(logPath, 'write');
    this.#indexIntervalBytes = indexIntervalBytes;
    buffer ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#buffer = buffer;
    this.#writtenBytes = progress.bytes;
    this.#bytesSinceIndexEntry = progress.bytesSinceIndexEntry;
    this.#maxTimestampMs = progress.maxTimestampMs;
    this.#maxTimestampOffset = progress.maxTimestampOffset;
    this.#indexedTimestampMs = indexedTimestampMs;
    this.#nextOffset = progress.nextOffset;
  }

  /** Appends a batch, of which `pieces` are the bytes. */
  append(pieces: readonly Buffer[], lastOffset: Offset, maxTimestampMs: number): void {
    const position = this.#writtenBytes + this.#bufferedBytes;
    if (maxTimestampMs > this.#maxTimestampMs) {
      this.#maxTimestampMs = maxTimestampMs;
      this.#maxTimestampOffset = lastOffset;
    }
    if (this.#bytesSinceIndexEntry > this.#indexIntervalBytes) {
      this.#offsetIndex.append(lastOffset, position);
      this.#indexTimestamp();
      this.#bytesSinceIndexEntry = 0;
    }
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    this.#bytesSinceIndexEntry += bytes;
    this.#nextOffset = addOffset(lastOffset, 1);
    if (this.#bufferedBytes + bytes > BUFFER_BYTES) this.#flush();
    if (bytes > BUFFER_BYTES) this.#write(pieces, bytes);
    else for (const piece of pieces) this.#bufferedBytes += piece.copy(this.#buffer, this.#bufferedBytes);
  }

  /** Writes what is left; with `last` the time index ends with the greatest timestamp, as that of a sealed segment. */
  finish(last: boolean): CompactionProgress {
    this.#flush();
    if (last) this.#indexTimestamp();
    this.#offsetIndex.entries.write();
    this.#timeIndex.entries.write();
    return {
      bytes: this.#writtenBytes,
      offsetEntries: this.#offsetIndex.entries.entries,
      timeEntries: this.#timeIndex.entries.entries,
      bytesSinceIndexEntry: this.#bytesSinceIndexEntry,
      maxTimestampMs: this.#maxTimestampMs,
      maxTimestampOffset: this.#maxTimestampOffset,
      indexedTimestampMs: this.#indexedTimestampMs,
      nextOffset: this.#nextOffset,
    };
  }

  close(): void {
    this.#disk.close(this.#log);
    this.#offsetIndex.entries.close();
    this.#timeIndex.entries.close();
  }

  #indexTimestamp(): void {
    this.#timeIndex.append(this.#maxTimestampMs, this.#maxTimestampOffset);
    this.#indexedTimestampMs = this.#maxTimestampMs;
  }

  #flush(): void {
    const bytes = this.#bufferedBytes;
    if (bytes === 0) return;
    this.#bufferedBytes = 0;
    this.#write([this.#buffer.subarray(0, bytes)], bytes);
  }

  #write(pieces: readonly Buffer[], bytes: number): void {
    this.#disk.write(this.#log, this.#writtenBytes, pieces);
    this.#writtenBytes += bytes;
  }
}

/** Makes the file if there is none, and cuts it to so many bytes if it has more. */
function cut(disk: Disk, path: string, bytes: number): void {
  const file = disk.open(path, 'write');
  try {
    if (disk.size(file) > bytes) disk.truncate(file, bytes);
  } finally {
    disk.close(file);
  }
}
