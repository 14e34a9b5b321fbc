// A batch after some of its records went. What a batch says besides its records stays as it was: its first and last offset,
// its producer and sequence, its codec. Source: KIP-534 and Kafka's MemoryRecords.filterTo.
import { crc32c } from '../../base/crc32c.js';
import { writeInt64 } from '../../base/int64.js';
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_DELETE_HORIZON,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  CRC_START,
  readAttributes,
} from '../../record/batch-header.js';
import type { Batch } from '../../record/batch-reader.js';
import { compress } from '../../record/compression/codec.js';
import { MAX_RECORDS_BYTES } from '../../record/limits.js';
import { recordTimestampMs } from '../../record/record.js';
import { RecordCursor } from '../../record/record-cursor.js';
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from '../../record/varint.js';
import type { RetainedRecords } from './retain-records.js';

/** A batch as it is written: its header, and what follows it. */
export interface RewrittenBatch {
  readonly header: Buffer;
  readonly records: Buffer;
  readonly maxTimestampMs: number;
}

/**
 * The batch with the records that stay, of which there is one at least.
 *
 * @param original the header of the batch as it is
 */
export function rewriteBatch(original: Buffer, batch: Batch, retained: RetainedRecords): RewrittenBatch {
  const { maxTimestampMs } = retained;
  const header = copyOfHeader(original);
  writeInt64(header, 35, maxTimestampMs);
  header.writeInt32BE(retained.count, 57);
  return { header, records: seal(header, compress(batch.codec, retained.bytes)), maxTimestampMs };
}

/**
 * The batch with the records that stay, marked with the time from when on its tombstones may go: that takes the place of the base
 * timestamp, which those of the records count from. Null if they would inflate to more than can be read, or if one is so far from
 * that time that the difference is not exact.
 */
export function rewriteWithHorizon(
  original: Buffer,
  batch: Batch,
  retained: RetainedRecords,
  deleteHorizonMs: number,
): RewrittenBatch | null {
  const records = countFrom(deleteHorizonMs, batch, retained);
  if (!records) return null;
  const marked = copyOfHeader(original);
  marked.writeInt16BE(readAttributes(original, 0) | ATTRIBUTE_DELETE_HORIZON, 21);
  writeInt64(marked, 27, deleteHorizonMs);
  return rewriteBatch(marked, batch, { ...retained, bytes: records });
}

/** The batch without records: it keeps its greatest timestamp, and has no codec and no time to count from. */
export function emptyBatch(original: Buffer, batch: Batch): RewrittenBatch {
  const header = copyOfHeader(original);
  header.writeInt16BE(readAttributes(header, 0) & ~(ATTRIBUTE_CODEC_MASK | ATTRIBUTE_DELETE_HORIZON), 21);
  writeInt64(header, 27, -1);
  header.writeInt32BE(0, 57);
  return { header, records: seal(header, Buffer.alloc(0)), maxTimestampMs: batch.maxTimestampMs };
}

function copyOfHeader(batch: Buffer): Buffer {
  return Buffer.from(batch.subarray(0, BATCH_HEADER_BYTES));
}

/** Gives the header the size and the checksum that go with the bytes behind it. */
function seal(header: Buffer, records: Buffer): Buffer {
  header.writeInt32BE(BATCH_HEADER_BYTES + records.length - BATCH_PREFIX_BYTES, 8);
  header.writeUInt32BE(crc32c(records, crc32c(header.subarray(CRC_START))), 17);
  return records;
}

/** The records with timestamps that count from another time; null if they would take too much, or lie too far from it. */
function countFrom(baseTimestampMs: number, batch: Batch, retained: RetainedRecords): Buffer | null {
  const { bytes } = retained;
  const cursor = new RecordCursor(bytes);
  const delta = () => recordTimestampMs(cursor.timestampDelta, batch) - baseTimestampMs;
  let size = 0;
  while (cursor.next()) {
    const timestampDelta = delta();
    if (!Number.isSafeInteger(timestampDelta)) return null;
    const bodyBytes = 1 + varlongBytes(timestampDelta) + cursor.recordEnd - behindTimestamp(bytes, cursor);
    size += varintBytes(bodyBytes) + bodyBytes;
  }
  if (size > MAX_RECORDS_BYTES) return null;
  const target = Buffer.allocUnsafeSlow(size);
  let at = 0;
  cursor.reset(bytes, 0, bytes.length);
  while (cursor.next()) {
    const timestampDelta = delta();
    const rest = behindTimestamp(bytes, cursor);
    at = writeVarint(target, at, 1 + varlongBytes(timestampDelta) + cursor.recordEnd - rest);
    target[at++] = bytes[attributesOf(bytes, cursor)] as number;
    at = writeVarlong(target, at, timestampDelta);
    at += bytes.copy(target, at, rest, cursor.recordEnd);
  }
  return target;
}

/** Where the attributes of the record are that the cursor stands on: behind its length. */
function attributesOf(bytes: Buffer, { recordStart }: RecordCursor): number {
  return behindNumber(bytes, recordStart);
}

/** Where what follows the timestamp begins. */
function behindTimestamp(bytes: Buffer, cursor: RecordCursor): number {
  return behindNumber(bytes, attributesOf(bytes, cursor) + 1);
}

/** Where the number of variable length ends that begins here; it may be longer than it had to be. */
function behindNumber(bytes: Buffer, start: number): number {
  let at = start;
  while ((bytes[at] as number) >= 0x80) at++;
  return at + 1;
}
