import { OdradekError } from '../../base/errors.js';
import type { Disk, DiskFile } from '../../io/disk.js';
import { BATCH_HEADER_BYTES, readBatchBytes } from '../../record/batch-header.js';
import { type Batch, decodeBatch } from '../../record/batch-reader.js';
import { MAX_RECORDS_BYTES } from '../../record/limits.js';
import { FileWindow, headerProblem } from '../batch-walker.js';
import type { CompactionSource } from './compaction-jobs.js';

/** What is read at a time. A larger batch takes memory of its own for as long as the job lasts. */
const WINDOW_BYTES = 1024 * 1024;
/** No batch is larger: one that is not compressed could not be read, and a compressed one would not be worth it. */
const BATCH_BYTES_MAX = BATCH_HEADER_BYTES + MAX_RECORDS_BYTES;

// One job is over before the next begins on a thread, because nothing here awaits: they share their memory.
let windowBytes: Buffer | null = null;

/**
 * Gives the batches of a slice one after the other, checked by header and checksum, to `visit`, until that returns false;
 * returns where the first batch begins that was not taken. What `visit` gets lies in memory that it may change and must not keep.
 *
 * Throws {@link OdradekError} `ODR_CORRUPT` or `ODR_COMPRESSION` with file and position if a batch cannot be read, be it that
 * `visit` finds that out, and DiskError. Takes max(1 MiB, the largest batch) of memory.
 */
export function readBatches(
  disk: Disk,
  source: CompactionSource,
  visit: (batch: Batch, bytes: Buffer) => boolean,
): number {
  const file = disk.open(source.path, 'read');
  try {
    const reader = new SliceReader(disk, file, source);
    while (reader.next(visit)) {}
    return reader.position;
  } finally {
    disk.close(file);
  }
}

class SliceReader {
  position: number;
  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #source: CompactionSource;
  #window: FileWindow;
  #minOffset = 0;

  constructor(disk: Disk, file: DiskFile, source: CompactionSource) {
    this.#disk = disk;
    this.#file = file;
    this.#source = source;
    this.position = source.fromPosition;
    windowBytes ??= Buffer.allocUnsafeSlow(WINDOW_BYTES);
    this.#window = new FileWindow(disk, file, windowBytes);
  }

  /** Takes the next batch; false at the end of the slice, and if `visit` says so. */
  next(visit: (batch: Batch, bytes: Buffer) => boolean): boolean {
    const { fromPosition, endPosition, bytesMax } = this.#source;
    const { position } = this;
    if (position >= endPosition || position - fromPosition >= bytesMax) return false;
    const bytes = this.#read();
    try {
      const batch = decodeBatch(bytes);
      if (!visit(batch, bytes)) return false;
      this.#minOffset = batch.lastOffset + 1;
    } catch (error) {
      if (error instanceof OdradekError) throw this.#failure(error.code, error.message);
      throw error;
    }
    this.position = position + bytes.length;
    return true;
  }

  /** The bytes of the next batch, whose frame is sound. */
  #read(): Buffer {
    const { position } = this;
    const leftBytes = this.#source.endPosition - position;
    const readAheadBytes = Math.min(WINDOW_BYTES, leftBytes);
    const headerAt =
      leftBytes < BATCH_HEADER_BYTES ? -1 : this.#window.at(position, BATCH_HEADER_BYTES, readAheadBytes);
    if (headerAt < 0)
      throw this.#failure('ODR_CORRUPT', `${leftBytes} bytes are left, less than the header of a batch`);
    const problem = headerProblem(this.#window.bytes, headerAt, this.#minOffset, leftBytes);
    if (problem) throw this.#failure('ODR_CORRUPT', problem);
    const batchBytes = readBatchBytes(this.#window.bytes, headerAt);
    if (batchBytes > BATCH_BYTES_MAX) throw this.#failure('ODR_CORRUPT', `a batch of ${batchBytes} bytes`);
    if (batchBytes > this.#window.bytes.length)
      this.#window = new FileWindow(this.#disk, this.#file, Buffer.allocUnsafeSlow(batchBytes));
    const at = this.#window.at(position, batchBytes, readAheadBytes);
    if (at < 0) throw this.#failure('ODR_CORRUPT', 'the file ends inside the batch');
    return this.#window.bytes.subarray(at, at + batchBytes);
  }

  #failure(code: OdradekError['code'], problem: string): OdradekError {
    return new OdradekError(code, `${this.#source.path}, position ${this.position}: ${problem}`);
  }
}
