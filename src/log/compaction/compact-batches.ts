import type { Disk } from '../../io/disk.js';
import { BATCH_HEADER_BYTES } from '../../record/batch-header.js';
import type { Batch } from '../../record/batch-reader.js';
import { CleanedSegment } from './cleaned-segment.js';
import type { CompactBatchesInput, CompactBatchesOutput } from './compaction-jobs.js';
import { KeyOffsets } from './key-offsets.js';
import { readBatches } from './read-batches.js';
import { type RetainedRecords, retainRecords } from './retain-records.js';
import { emptyBatch, type RewrittenBatch, rewriteBatch, rewriteWithHorizon } from './rewrite-batch.js';

/**
 * The job `compact-batches`: a batch of which all stays is copied byte for byte, one of which nothing stays is left out. Markers of
 * transactions stay. Throws as `readBatches` does, and DiskError. Memory: 1 MiB for what is read, or the largest batch, 1 MiB for
 * what is written, and for one batch at a time that is rewritten its records, inflated and once more.
 */
export function compactBatches(disk: Disk, input: CompactBatchesInput): CompactBatchesOutput {
  const cleaned = new CleanedSegment(disk, input.target, input.progress, input.indexIntervalBytes);
  try {
    const slice = new CompactionSlice(input, cleaned);
    const nextPosition = readBatches(disk, input, (batch, bytes) => slice.take(batch, bytes));
    return {
      nextPosition,
      progress: cleaned.finish(input.last),
      recordsRead: slice.recordsRead,
      recordsKept: slice.recordsKept,
      bytesRead: nextPosition - input.fromPosition,
      nextDeleteHorizonMs: slice.nextDeleteHorizonMs,
    };
  } finally {
    cleaned.close();
  }
}

class CompactionSlice {
  recordsRead = 0;
  recordsKept = 0;
  nextDeleteHorizonMs: number | null = null;
  readonly #input: CompactBatchesInput;
  readonly #cleaned: CleanedSegment;
  readonly #keys: KeyOffsets;
  /** The horizon of tombstones that this pass is the first to see. */
  readonly #newHorizonMs: number;

  constructor(input: CompactBatchesInput, cleaned: CleanedSegment) {
    this.#input = input;
    this.#cleaned = cleaned;
    this.#keys = new KeyOffsets(input.keys);
    this.#newHorizonMs = Math.min(input.nowMs + input.deleteRetentionMs, Number.MAX_SAFE_INTEGER);
  }

  /** Always true: the slice goes on. */
  take(batch: Batch, bytes: Buffer): true {
    const { indexedTo, logStartOffset, producersLastOffsets } = this.#input;
    this.recordsRead += batch.recordCount;
    const isDeleted = batch.lastOffset < logStartOffset;
    const isUnknown = batch.baseOffset >= indexedTo && batch.baseOffset >= logStartOffset;
    if (isUnknown || (batch.isControl && !isDeleted)) {
      this.#copy(batch, bytes);
      return true;
    }
    const retained = isDeleted ? null : retainRecords(batch, this.#keys, this.#input);
    if (retained && retained.count > 0) this.#keep(batch, bytes, retained);
    else if (producersLastOffsets.has(batch.lastOffset)) this.#append(emptyBatch(bytes, batch), batch);
    return true;
  }

  #keep(batch: Batch, bytes: Buffer, retained: RetainedRecords): void {
    const { count, hasSettledTombstones } = retained;
    const isFirstPass = hasSettledTombstones && batch.deleteHorizonMs === null;
    const marked = isFirstPass ? this.#marked(batch, bytes, retained) : null;
    const horizonMs = marked ? this.#newHorizonMs : batch.deleteHorizonMs;
    if (hasSettledTombstones && horizonMs !== null)
      this.nextDeleteHorizonMs = Math.min(this.nextDeleteHorizonMs ?? horizonMs, horizonMs);
    if (!marked && count === batch.recordCount) this.#copy(batch, bytes);
    else {
      this.recordsKept += count;
      this.#append(marked ?? rewriteBatch(bytes, batch, retained), batch);
    }
  }

  /** With the delete horizon, unless the batch would outgrow the limit by it: then its tombstones stay for now. */
  #marked(batch: Batch, bytes: Buffer, retained: RetainedRecords): RewrittenBatch | null {
    const marked = rewriteWithHorizon(bytes, batch, retained, this.#newHorizonMs);
    const bytesMax = Math.max(batch.sizeBytes, this.#input.maxMessageBytes);
    return marked && BATCH_HEADER_BYTES + marked.records.length <= bytesMax ? marked : null;
  }

  #copy(batch: Batch, bytes: Buffer): void {
    this.recordsKept += batch.recordCount;
    this.#cleaned.append([bytes], batch.lastOffset, batch.maxTimestampMs);
  }

  #append({ header, records, maxTimestampMs }: RewrittenBatch, batch: Batch): void {
    this.#cleaned.append([header, records], batch.lastOffset, maxTimestampMs);
  }
}
