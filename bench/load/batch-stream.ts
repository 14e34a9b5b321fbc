import {
  BATCH_HEADER_BYTES,
  readBaseOffset,
  readBatchBytes,
  readRecordCount,
} from '../../src/record/batch-header.js';
import { Collector } from './collector.js';

/**
 * Counts the record batches of one partition that pass by, and checks by their headers that they are dense: each one begins at
 * the offset at which the one before ended, and is as large as it should be.
 */
export class BatchStream {
  readonly #batchBytes: number;
  readonly #batchRecords: number;
  readonly #collector = new Collector();
  #left = 0;
  /** The offset of the next batch; of all complete ones, the end. */
  #offset = 0;

  constructor(batch: { readonly bytes: Buffer; readonly records: number }) {
    this.#batchBytes = batch.bytes.length;
    this.#batchRecords = batch.records;
  }

  /** The offset behind the last batch that has passed completely. */
  get endOffset(): number {
    return this.#left > 0 ? this.#offset - this.#batchRecords : this.#offset;
  }

  received(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#left > 0) {
        const end = Math.min(piece.length, at + this.#left);
        this.#left -= end - at;
        at = end;
        continue;
      }
      const header = this.#collector.collect(piece, at, BATCH_HEADER_BYTES);
      at += this.#collector.used;
      if (header === null) return;
      this.#begin(header);
    }
  }

  #begin(header: Buffer): void {
    const offset = readBaseOffset(header, 0);
    const bytes = readBatchBytes(header, 0);
    const records = readRecordCount(header, 0);
    if (offset !== this.#offset || bytes !== this.#batchBytes || records !== this.#batchRecords) {
      throw new Error(
        `A batch of ${records} records and ${bytes} bytes at offset ${offset} came where one of ` +
          `${this.#batchRecords} and ${this.#batchBytes} at ${this.#offset} was to come.`,
      );
    }
    this.#offset += records;
    this.#left = bytes - BATCH_HEADER_BYTES;
  }
}
