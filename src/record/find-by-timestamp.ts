// Look-ups by time inside one batch, with the precision of a record. Compressed batches must be inflated for it, so that
// the same is a job for the pool of job threads. Source: KIP-79, KIP-734, Kafka's ListOffsets.
import type { Offset } from '../base/ids.js';
import { type Batch, type DecodeOptions, decodeBatch } from './batch-reader.js';

/** A place in the log by time. */
export interface TimestampedOffset {
  readonly offset: Offset;
  readonly timestampMs: number;
}

export interface FindByTimestampInput {
  /** One whole batch. */
  readonly batch: Uint8Array;
  /** Milliseconds since 1970, or `max` for the record with the largest timestamp. */
  readonly target: number | 'max';
  /** Records before it do not count: they were deleted. Default: all count. */
  readonly fromOffset?: number;
}

declare module '../io/jobs.js' {
  interface JobTable {
    /** {@link runFindByTimestamp} */
    readonly findByTimestamp: {
      readonly input: FindByTimestampInput;
      readonly output: TimestampedOffset | null;
    };
  }
}

/** The first record from `fromOffset` on with a timestamp of at least `targetMs`; null if there is none. O(records). */
export function findByTimestamp(batch: Batch, targetMs: number, fromOffset = 0): TimestampedOffset | null {
  const walk = batch.walk();
  while (walk.next()) {
    const { offset, timestampMs } = walk;
    if (timestampMs >= targetMs && offset >= fromOffset) return { offset, timestampMs };
  }
  return null;
}

/** The first record of those from `fromOffset` on with the largest timestamp; null if there are none. O(records). */
export function findMaxTimestamp(batch: Batch, fromOffset = 0): TimestampedOffset | null {
  const walk = batch.walk();
  let found: TimestampedOffset | null = null;
  while (walk.next()) {
    const { offset, timestampMs } = walk;
    if (offset < fromOffset) continue;
    if (found === null || timestampMs > found.timestampMs) found = { offset, timestampMs };
  }
  return found;
}

/** The job: throws {@link OdradekError} `ODR_CORRUPT` or `ODR_COMPRESSION` if the batch cannot be read. */
export function runFindByTimestamp(
  input: FindByTimestampInput,
  options?: DecodeOptions,
): TimestampedOffset | null {
  const { buffer, byteOffset, length } = input.batch;
  const batch = decodeBatch(Buffer.from(buffer, byteOffset, length), 0, options);
  const { target, fromOffset } = input;
  return target === 'max' ? findMaxTimestamp(batch, fromOffset) : findByTimestamp(batch, target, fromOffset);
}
