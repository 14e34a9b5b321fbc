import { type Offset, toOffset, ZERO_OFFSET } from '../base/ids.js';
import { BATCH_HEADER_BYTES, readBatchBytes, readLastOffset } from '../record/batch-header.js';
import { headerProblem } from './batch-walker.js';

export interface WholeBatches {
  /** How many bytes from the start are whole batches below the limit. */
  readonly bytes: number;
  readonly batches: number;
  /** One behind the last offset of the last of them; 0 if there are none. */
  readonly nextOffset: Offset;
  /** The size of the first batch, which may be more than was read; null if that cannot be told. */
  readonly firstBatchBytes: number | null;
  /** Where a batch is structurally invalid, and why; null if none is. A batch that is cut off is not invalid. */
  readonly invalidPosition: number | null;
  readonly reason: string | null;
}

/**
 * Trims what was read from a segment, from the start of a batch on, to the whole batches whose offsets all lie below
 * `limitOffset`. Looks at headers only: O(batches).
 */
export function wholeBatches(buffer: Buffer, bytes: number, limitOffset: Offset): WholeBatches {
  let position = 0;
  let batches = 0;
  let nextOffset = ZERO_OFFSET;
  let reason: string | null = null;
  let firstBatchBytes: number | null = null;
  while (bytes - position >= BATCH_HEADER_BYTES) {
    reason = headerProblem(buffer, position, nextOffset, Number.POSITIVE_INFINITY);
    if (reason) break;
    const batchBytes = readBatchBytes(buffer, position);
    if (position === 0) firstBatchBytes = batchBytes;
    if (batchBytes > bytes - position || readLastOffset(buffer, position) >= limitOffset) break;
    nextOffset = toOffset(readLastOffset(buffer, position) + 1);
    position += batchBytes;
    batches++;
  }
  return {
    bytes: position,
    batches,
    nextOffset,
    firstBatchBytes,
    invalidPosition: reason ? position : null,
    reason,
  };
}
