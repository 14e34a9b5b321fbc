// What a leader checks of a produced batch before it takes it, and the changes that it makes in place. The order of the
// checks and the errors are Kafka's; see "Broker-side validation" there: LogValidator, KIP-98, KIP-937.
import { present } from '../base/assert.js';
import type { ErrorName, Failure } from '../base/errors.js';
import { OdradekError } from '../base/errors.js';
import { writeInt64 } from '../base/int64.js';
import { computeBatchCrc, stampBatchCrc } from './batch-crc.js';
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_LOG_APPEND_TIME,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  readAttributes,
  readBaseOffset,
  readBaseSequence,
  readBaseTimestamp,
  readBatchBytes,
  readCrc,
  readLastOffsetDelta,
  readMagic,
  readMaxTimestamp,
  readProducerEpoch,
  readProducerId,
  readRecordCount,
} from './batch-header.js';
import { codecName, decompress } from './compression/codec.js';
import { InflatesTooLarge } from './compression/too-large.js';
import { MAX_COMPACTED_RECORDS_BYTES } from './limits.js';
import type { TimestampType } from './record.js';
import { RecordCursor } from './record-cursor.js';
import { USUAL_DELTA_MAX_MS, type UsualWalk, walkUsualRecords } from './walk-usual-records.js';

/** The topic's rules, by Kafka's setting names. */
export interface BatchRules {
  /** `max.message.bytes`: of the batch as it came, header included. */
  readonly maxMessageBytes: number;
  /** Whether `cleanup.policy` includes compact: then every record needs a key. */
  readonly compacted: boolean;
  /** `message.timestamp.type` */
  readonly timestampType: TimestampType;
  /** `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`; Infinity: no limit. */
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** The broker's wall clock. */
  readonly nowMs: number;
}

/** The smallest part of a batch that says its magic. */
const MAGIC_END = 17;
const CLIENT_ATTRIBUTES = ATTRIBUTE_CODEC_MASK | ATTRIBUTE_LOG_APPEND_TIME | ATTRIBUTE_TRANSACTIONAL;

const NO_CODEC = 0;

const NOTHING = Buffer.alloc(0);
// Shared, so that a walk allocates nothing: one at a time, because nothing here calls back or awaits.
const cursor = new RecordCursor(NOTHING);
const walk: UsualWalk = { position: 0, count: 0, minDeltaMs: 0, maxDeltaMs: 0 };

/**
 * Checks that `length` bytes from `at` are exactly one batch that a client may write; null if so. An uncompressed batch is
 * walked once, without allocating; of a compressed one header and checksum are checked, unless the topic is compacted.
 *
 * A maximum timestamp in the header that is not that of the records is corrected in place, with the checksum, as Kafka
 * does: indexes and retention rely on it. Call {@link stampLogAppendTime} after it where the topic asks for that.
 */
export function validateBatch(bytes: Buffer, at: number, length: number, rules: BatchRules): Failure | null {
  return checkFrame(bytes, at, length, rules) ?? checkHeader(bytes, at) ?? checkRecords(bytes, at, rules);
}

/** Sets LogAppendTime: `nowMs` is the time of every record of the batch from now on. The checksum is made anew. */
export function stampLogAppendTime(bytes: Buffer, at: number, nowMs: number): void {
  bytes.writeInt16BE(readAttributes(bytes, at) | ATTRIBUTE_LOG_APPEND_TIME, at + 21);
  stampMaxTimestamp(bytes, at, nowMs);
}

function stampMaxTimestamp(bytes: Buffer, at: number, timestampMs: number): void {
  writeInt64(bytes, at + 35, timestampMs);
  stampBatchCrc(bytes, at);
}

const failure = (error: ErrorName, detail: string): Failure => ({ error, detail });
const invalid = (detail: string): Failure => failure('INVALID_RECORD', detail);

function checkFrame(bytes: Buffer, at: number, length: number, rules: BatchRules): Failure | null {
  if (length < MAGIC_END) return invalid('The request holds no record batch.');
  const magic = readMagic(bytes, at);
  if (magic === 0 || magic === 1) return invalid(`Message format ${magic} is not supported; format 2 is.`);
  if (magic !== BATCH_MAGIC) return failure('CORRUPT_MESSAGE', `The batch has the unknown format ${magic}.`);
  const batchBytes = readBatchBytes(bytes, at);
  if (batchBytes < BATCH_HEADER_BYTES)
    return failure('CORRUPT_MESSAGE', `The batch says that it has ${batchBytes} bytes.`);
  if (batchBytes > length) return invalid(`The batch is cut off: ${length} of ${batchBytes} bytes came.`);
  if (batchBytes < length)
    return invalid('A request may hold one batch for a partition, but more bytes follow it.');
  if (readBaseOffset(bytes, at) !== 0) return invalid('The base offset of a new batch must be 0.');
  if (batchBytes > rules.maxMessageBytes) {
    return failure(
      'MESSAGE_TOO_LARGE',
      `The batch has ${batchBytes} bytes; max.message.bytes is ${rules.maxMessageBytes}.`,
    );
  }
  if (computeBatchCrc(bytes, at) !== readCrc(bytes, at))
    return failure('CORRUPT_MESSAGE', 'The batch fails its checksum.');
  return null;
}

function checkHeader(bytes: Buffer, at: number): Failure | null {
  const attributes = readAttributes(bytes, at);
  if (attributes & ATTRIBUTE_CONTROL) return invalid('Clients may not write control batches.');
  if (attributes & ~CLIENT_ATTRIBUTES)
    return invalid(`The batch has reserved attributes set: ${attributes}.`);
  if (codecName(attributes & ATTRIBUTE_CODEC_MASK) === null) {
    return failure('UNSUPPORTED_COMPRESSION_TYPE', `There is no codec ${attributes & ATTRIBUTE_CODEC_MASK}.`);
  }
  const recordCount = readRecordCount(bytes, at);
  if (recordCount < 1) return invalid('The batch holds no records.');
  if (readLastOffsetDelta(bytes, at) !== recordCount - 1) {
    return invalid(
      `The batch has ${recordCount} records and a last offset delta of ${readLastOffsetDelta(bytes, at)}.`,
    );
  }
  const producerId = readProducerId(bytes, at);
  if (producerId !== -1) {
    if (producerId < 0 || !Number.isSafeInteger(producerId))
      return invalid(`${producerId} is no producer id.`);
    if (readProducerEpoch(bytes, at) < 0)
      return invalid('A batch with a producer id needs a producer epoch.');
    if (readBaseSequence(bytes, at) < 0)
      return invalid('A batch with a producer id needs a sequence number.');
  }
  if (attributes & ATTRIBUTE_LOG_APPEND_TIME) {
    return failure('INVALID_TIMESTAMP', 'Producers may not set the timestamp type LogAppendTime.');
  }
  return null;
}

/** Of the smallest and largest that there are; -1 is no timestamp. */
function checkTimestamps(minMs: number, maxMs: number, rules: BatchRules): Failure | null {
  if (!Number.isSafeInteger(minMs) || !Number.isSafeInteger(maxMs) || minMs < -1) {
    return failure('INVALID_TIMESTAMP', 'A timestamp of the batch is no time.');
  }
  if (rules.timestampType === 'LogAppendTime') return null;
  if (minMs !== -1 && rules.nowMs - minMs > rules.timestampBeforeMaxMs) {
    return failure(
      'INVALID_TIMESTAMP',
      `The timestamp ${minMs} is older than message.timestamp.before.max.ms allows, ${rules.timestampBeforeMaxMs} ms before ${rules.nowMs}.`,
    );
  }
  if (maxMs - rules.nowMs > rules.timestampAfterMaxMs) {
    return failure(
      'INVALID_TIMESTAMP',
      `The timestamp ${maxMs} is newer than message.timestamp.after.max.ms allows, ${rules.timestampAfterMaxMs} ms after ${rules.nowMs}.`,
    );
  }
  return null;
}

function checkRecords(bytes: Buffer, at: number, rules: BatchRules): Failure | null {
  const codecId = readAttributes(bytes, at) & ATTRIBUTE_CODEC_MASK;
  const start = at + BATCH_HEADER_BYTES;
  const end = at + readBatchBytes(bytes, at);
  if (codecId === NO_CODEC) return walkRecords(bytes, at, bytes, start, end, rules);
  const base = readBaseTimestamp(bytes, at);
  if (!rules.compacted) return checkTimestamps(base, Math.max(base, readMaxTimestamp(bytes, at)), rules);
  return checkCompressed(bytes, at, bytes.subarray(start, end), rules);
}

function checkCompressed(batch: Buffer, at: number, compressed: Buffer, rules: BatchRules): Failure | null {
  const codec = present(codecName(readAttributes(batch, at) & ATTRIBUTE_CODEC_MASK), 'a known codec');
  try {
    const records = decompress(codec, compressed, MAX_COMPACTED_RECORDS_BYTES);
    return walkRecords(batch, at, records, 0, records.length, rules);
  } catch (error) {
    if (!(error instanceof OdradekError)) throw error;
    const isTooLarge = error.cause instanceof InflatesTooLarge;
    const name = isTooLarge ? 'MESSAGE_TOO_LARGE' : 'INVALID_RECORD';
    return failure(name, `The records cannot be read: ${error.message}.`);
  } finally {
    cursor.reset(NOTHING, 0, 0); // What was inflated must not outlive the check.
  }
}

/**
 * Counts, lengths, offsets 0 to n-1 without gaps, timestamps, and keys where they must be, of the records in [start, end) of
 * `bytes`. The quick walk does what it can; the cursor does a record of a rare shape, and tells what is wrong with one.
 */
function walkRecords(
  batch: Buffer,
  at: number,
  bytes: Buffer,
  start: number,
  end: number,
  rules: BatchRules,
): Failure | null {
  const recordCount = readRecordCount(batch, at);
  const baseTimestampMs = readBaseTimestamp(batch, at);
  // Not so near to 1970 that a record among them may have the timestamp -1, which is none.
  const isUsual = baseTimestampMs >= USUAL_DELTA_MAX_MS;
  let minMs = Number.POSITIVE_INFINITY;
  let maxMs = -1;
  walk.position = start;
  walk.count = 0;
  walk.minDeltaMs = USUAL_DELTA_MAX_MS;
  walk.maxDeltaMs = -USUAL_DELTA_MAX_MS;
  for (;;) {
    if (isUsual) walkUsualRecords(bytes, end, recordCount, rules.compacted, walk);
    if (walk.count === recordCount) break;
    cursor.reset(bytes, walk.position, end);
    if (!cursor.next()) return invalid(`Record ${walk.count} of the batch is invalid: ${cursor.problem}.`);
    if (cursor.offsetDelta !== walk.count)
      return invalid(`Record ${walk.count} of the batch has the offset delta ${cursor.offsetDelta}.`);
    if (rules.compacted && cursor.keyLength < 0)
      return invalid(`Record ${walk.count} has no key, which a compacted topic needs.`);
    const timestampMs = baseTimestampMs + cursor.timestampDelta;
    if (timestampMs > maxMs) maxMs = timestampMs;
    if (timestampMs < minMs && timestampMs !== -1) minMs = timestampMs;
    walk.position = cursor.recordEnd;
    walk.count++;
  }
  if (walk.position !== end) return invalid(`More bytes follow the ${recordCount} records of the batch.`);
  if (walk.minDeltaMs <= walk.maxDeltaMs) {
    minMs = Math.min(minMs, baseTimestampMs + walk.minDeltaMs);
    maxMs = Math.max(maxMs, baseTimestampMs + walk.maxDeltaMs);
  }
  const failed = checkTimestamps(minMs === Number.POSITIVE_INFINITY ? -1 : minMs, maxMs, rules);
  if (failed === null && maxMs !== readMaxTimestamp(batch, at)) stampMaxTimestamp(batch, at, maxMs);
  return failed;
}
