// Stepping from batch header to batch header through a segment file, reading as little as possible: many small batches come
// with one read, the bodies of large ones are skipped.
import type { Disk, DiskFile } from '../io/disk.js';
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  readBaseOffset,
  readBatchBytes,
  readLastOffsetDelta,
  readLeaderEpoch,
  readMagic,
  readMaxTimestamp,
  readRecordCount,
} from '../record/batch-header.js';

/**
 * Why the 61 bytes at `at` cannot be the header of the next batch, or null if they can.
 *
 * @param minOffset the base offset must not be below it.
 * @param remainingBytes bytes from the start of the batch to the end of the data.
 */
export function headerProblem(
  bytes: Buffer,
  at: number,
  minOffset: number,
  remainingBytes: number,
): string | null {
  const magic = readMagic(bytes, at);
  if (magic !== BATCH_MAGIC) return `magic byte ${magic} instead of ${BATCH_MAGIC}`;
  const batchBytes = readBatchBytes(bytes, at);
  if (batchBytes < BATCH_HEADER_BYTES) return `a batch of ${batchBytes} bytes, less than its header`;
  if (batchBytes > remainingBytes)
    return `a batch of ${batchBytes} bytes, but only ${remainingBytes} are left`;
  const baseOffset = readBaseOffset(bytes, at);
  if (baseOffset < minOffset) return `base offset ${baseOffset} where at least ${minOffset} must come`;
  const lastOffsetDelta = readLastOffsetDelta(bytes, at);
  if (lastOffsetDelta < 0) return `last offset delta ${lastOffsetDelta}`;
  if (!Number.isSafeInteger(baseOffset + lastOffsetDelta)) return `base offset ${baseOffset} beyond 2^53`;
  const recordCount = readRecordCount(bytes, at);
  if (recordCount < 0) return `record count ${recordCount}`;
  return null;
}

/** A part of a file in memory, moved by reading. */
export class FileWindow {
  readonly bytes: Buffer;
  readonly #disk: Disk;
  readonly #file: DiskFile;
  #start = 0;
  #length = 0;

  /** `bytes` is the memory to read into; its size bounds what `at` can be asked for. */
  constructor(disk: Disk, file: DiskFile, bytes: Buffer) {
    this.#disk = disk;
    this.#file = file;
    this.bytes = bytes;
  }

  /**
   * Where in `bytes` the `count` bytes at `position` of the file lie; -1 if the file ends before. Reads up to
   * `readAheadBytes` if they are not there yet, which moves whatever was there.
   */
  at(position: number, count: number, readAheadBytes: number): number {
    if (position < this.#start || position + count > this.#start + this.#length) {
      const wanted = Math.min(Math.max(count, readAheadBytes), this.bytes.length);
      this.#start = position;
      this.#length = 0;
      this.#length = this.#disk.read(this.#file, position, this.bytes.subarray(0, wanted));
      if (this.#length < count) return -1;
    }
    return position - this.#start;
  }

  /** How many of the `count` bytes at `position` are in memory. */
  available(position: number, count: number): number {
    if (position < this.#start) return 0;
    return Math.max(0, Math.min(count, this.#start + this.#length - position));
  }
}

const READ_AHEAD_BYTES = 16 * 1024;

// One walk is over before the next begins on a thread, because nothing here awaits: they share their memory.
const walkBytes = Buffer.allocUnsafeSlow(READ_AHEAD_BYTES);

/**
 * Walks over the headers of [position, endPosition) of a segment file. Uses memory shared by all walkers of the thread: a
 * walk must end before another one begins. Disk errors are thrown.
 */
export class BatchWalker {
  /** Where the next batch begins, or, after `next` returned true, where the current one ends. */
  position: number;
  /** The current batch's header fields; valid after `next` returned true. */
  batchPosition = -1;
  batchBytes = 0;
  baseOffset = -1;
  lastOffset = -1;
  maxTimestampMs = -1;
  leaderEpoch = -1;
  /** 0: compaction took all records and left the batch for what its header says. Its timestamp is that of none. */
  recordCount = -1;
  /** Why the walk ended before `endPosition`; null if it did not. */
  problem: string | null = null;
  readonly #window: FileWindow;
  readonly #endPosition: number;
  #minOffset: number;

  /** `minOffset`: no base offset may be below it; it rises with each batch. */
  constructor(disk: Disk, file: DiskFile, position: number, endPosition: number, minOffset: number) {
    this.#window = new FileWindow(disk, file, walkBytes);
    this.position = position;
    this.#endPosition = endPosition;
    this.#minOffset = minOffset;
  }

  /** Steps to the next batch. False at the end and at a problem. */
  next(): boolean {
    const { position } = this;
    const remainingBytes = this.#endPosition - position;
    if (remainingBytes === 0 || this.problem) return false;
    // Behind a batch that is larger than the window the next one is likely large too: only its header is read.
    const readAheadBytes = Math.min(
      this.batchBytes > READ_AHEAD_BYTES / 2 ? 0 : READ_AHEAD_BYTES,
      remainingBytes,
    );
    const at =
      remainingBytes < BATCH_HEADER_BYTES
        ? -1
        : this.#window.at(position, BATCH_HEADER_BYTES, readAheadBytes);
    if (at < 0) {
      this.problem = `${remainingBytes} bytes left, less than the header of a batch`;
      return false;
    }
    const { bytes } = this.#window;
    this.problem = headerProblem(bytes, at, this.#minOffset, remainingBytes);
    if (this.problem) return false;
    this.batchPosition = position;
    this.batchBytes = readBatchBytes(bytes, at);
    this.baseOffset = readBaseOffset(bytes, at);
    this.lastOffset = this.baseOffset + readLastOffsetDelta(bytes, at);
    this.maxTimestampMs = readMaxTimestamp(bytes, at);
    this.leaderEpoch = readLeaderEpoch(bytes, at);
    this.recordCount = readRecordCount(bytes, at);
    this.position = position + this.batchBytes;
    this.#minOffset = this.lastOffset + 1;
    return true;
  }

  /** The current batch's 61 header bytes; overwritten by the next step. */
  header(): Buffer {
    const at = this.#window.at(this.batchPosition, BATCH_HEADER_BYTES, BATCH_HEADER_BYTES);
    return this.#window.bytes.subarray(at, at + BATCH_HEADER_BYTES);
  }
}
