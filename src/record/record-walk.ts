import { OdradekError } from '../base/errors.js';
import { type Offset, toOffset } from '../base/ids.js';
import { type RecordContext, recordTimestampMs } from './record.js';
import { RecordCursor } from './record-cursor.js';

/** What a walk needs to know of its batch. */
export interface WalkedBatch extends RecordContext {
  readonly lastOffset: Offset;
  readonly recordCount: number;
}

/** Goes over the records of one batch, and checks that they are the records that its header speaks of. */
export class RecordWalk {
  /** What {@link cursor} points into: the records, not compressed. */
  readonly bytes: Buffer;
  readonly cursor: RecordCursor;
  readonly #batch: WalkedBatch;
  readonly #lastOffsetDelta: number;
  #previousOffsetDelta = -1;
  #passed = 0;

  constructor(batch: WalkedBatch, bytes: Buffer) {
    this.bytes = bytes;
    this.cursor = new RecordCursor(bytes);
    this.#batch = batch;
    this.#lastOffsetDelta = batch.lastOffset - batch.baseOffset;
  }

  /** Of the record that the walk stands on. */
  get offset(): Offset {
    return toOffset(this.#batch.baseOffset + this.cursor.offsetDelta);
  }

  get timestampMs(): number {
    return recordTimestampMs(this.cursor.timestampDelta, this.#batch);
  }

  /** Goes on to the next record; false after the last. Throws {@link OdradekError} `ODR_CORRUPT`. */
  next(): boolean {
    const { cursor } = this;
    if (this.#passed === this.#batch.recordCount) {
      if (!cursor.isAtEnd) throw this.#corrupt(`more bytes follow its ${this.#passed} records`);
      return false;
    }
    if (!cursor.next()) throw this.#corrupt(`record ${this.#passed}: ${cursor.problem}`);
    const { offsetDelta } = cursor;
    if (offsetDelta <= this.#previousOffsetDelta || offsetDelta > this.#lastOffsetDelta) {
      throw this.#corrupt(
        `record ${this.#passed} has the offset delta ${offsetDelta}, which is out of order`,
      );
    }
    if (!Number.isSafeInteger(this.timestampMs)) {
      throw this.#corrupt(`record ${this.#passed} has a timestamp that is not possible`);
    }
    this.#previousOffsetDelta = offsetDelta;
    this.#passed++;
    return true;
  }

  #corrupt(problem: string): OdradekError {
    return corruptBatch(this.#batch.baseOffset, problem);
  }
}

/** An error about the batch at this base offset. */
export function corruptBatch(baseOffset: number, problem: string): OdradekError {
  return new OdradekError('ODR_CORRUPT', `the batch at offset ${baseOffset} is corrupt: ${problem}`);
}
