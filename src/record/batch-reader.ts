import { assert } from '../base/assert.js';
import { OdradekError } from '../base/errors.js';
import { type LeaderEpoch, type Offset, toLeaderEpoch, toOffset } from '../base/ids.js';
import { computeBatchCrc } from './batch-crc.js';
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_DELETE_HORIZON,
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
  readLeaderEpoch,
  readMagic,
  readMaxTimestamp,
  readProducerEpoch,
  readProducerId,
  readRecordCount,
} from './batch-header.js';
import { type CodecName, codecName, decompress } from './compression/codec.js';
import { MAX_RECORDS_BYTES } from './limits.js';
import { decodeRecord, type LogRecord, type TimestampType } from './record.js';
import { corruptBatch, RecordWalk } from './record-walk.js';

export interface DecodeOptions {
  /** Default true. False where the checksum was checked before. */
  readonly checkCrc?: boolean | undefined;
  /** What the records may inflate to, in bytes. */
  readonly maxRecordsBytes?: number | undefined;
}

/** The smallest part of a batch that says its magic. */
const MAGIC_END = 17;

/** One batch: what its header says, and its records, which are decompressed and decoded only when asked for. */
export class Batch {
  readonly baseOffset: Offset;
  /** Stays what it was when compaction removes records. */
  readonly lastOffset: Offset;
  /** The whole batch in bytes, header included. */
  readonly sizeBytes: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly codec: CodecName;
  readonly timestampType: TimestampType;
  /** What the records' timestamps count from; -1 where there is none. */
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  /** -1: none. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** May be 0 after compaction. */
  readonly recordCount: number;
  readonly isTransactional: boolean;
  /** Holds markers for transactions and the like: consumers skip its records. */
  readonly isControl: boolean;
  /** When tombstones may be removed; null if compaction did not set it. */
  readonly deleteHorizonMs: number | null;
  readonly #payload: Buffer;
  readonly #maxRecordsBytes: number;

  /** Use {@link decodeBatch}, which checks that the batch is whole. */
  constructor(bytes: Buffer, at: number, maxRecordsBytes: number) {
    const attributes = readAttributes(bytes, at);
    const baseOffset = readBaseOffset(bytes, at);
    const lastOffsetDelta = readLastOffsetDelta(bytes, at);
    const codec = codecName(attributes & ATTRIBUTE_CODEC_MASK);
    if (codec === null) {
      throw new OdradekError(
        'ODR_COMPRESSION',
        `the batch at offset ${baseOffset} is compressed with codec ${attributes & ATTRIBUTE_CODEC_MASK}, which is unknown`,
      );
    }
    const leaderEpoch = readLeaderEpoch(bytes, at);
    this.sizeBytes = readBatchBytes(bytes, at);
    this.baseTimestampMs = readBaseTimestamp(bytes, at);
    this.maxTimestampMs = readMaxTimestamp(bytes, at);
    this.producerId = readProducerId(bytes, at);
    this.producerEpoch = readProducerEpoch(bytes, at);
    this.baseSequence = readBaseSequence(bytes, at);
    this.recordCount = readRecordCount(bytes, at);
    if (baseOffset < 0 || lastOffsetDelta < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta)) {
      throw corruptBatch(baseOffset, 'its offsets are not possible');
    }
    if (!Number.isSafeInteger(this.baseTimestampMs) || !Number.isSafeInteger(this.maxTimestampMs)) {
      throw corruptBatch(baseOffset, 'its timestamps are not possible');
    }
    if (this.recordCount < 0 || this.recordCount > lastOffsetDelta + 1) {
      throw corruptBatch(baseOffset, `it cannot hold ${this.recordCount} records`);
    }
    if (leaderEpoch < -1 || !Number.isSafeInteger(this.producerId)) {
      throw corruptBatch(baseOffset, 'its leader epoch or producer id is not possible');
    }
    this.baseOffset = toOffset(baseOffset);
    this.lastOffset = toOffset(baseOffset + lastOffsetDelta);
    this.leaderEpoch = toLeaderEpoch(leaderEpoch);
    this.codec = codec;
    this.timestampType = attributes & ATTRIBUTE_LOG_APPEND_TIME ? 'LogAppendTime' : 'CreateTime';
    this.isTransactional = (attributes & ATTRIBUTE_TRANSACTIONAL) !== 0;
    this.isControl = (attributes & ATTRIBUTE_CONTROL) !== 0;
    this.deleteHorizonMs = attributes & ATTRIBUTE_DELETE_HORIZON ? this.baseTimestampMs : null;
    this.#payload = bytes.subarray(at + BATCH_HEADER_BYTES, at + this.sizeBytes);
    this.#maxRecordsBytes = maxRecordsBytes;
  }

  /**
   * Decompresses the records and stands before the first. Throws {@link OdradekError} `ODR_COMPRESSION`; the walk itself
   * throws `ODR_CORRUPT`.
   */
  walk(): RecordWalk {
    // A batch that compaction emptied keeps its codec but has nothing to decompress.
    const isPlain = this.codec === 'none' || this.#payload.length === 0;
    const bytes = isPlain ? this.#payload : decompress(this.codec, this.#payload, this.#maxRecordsBytes);
    return new RecordWalk(this, bytes);
  }

  /**
   * Decodes the records one by one. Keys and values are views: copy what outlives the batch's memory. Throws
   * {@link OdradekError} `ODR_CORRUPT` or `ODR_COMPRESSION` at the record that cannot be read.
   */
  *records(): Generator<LogRecord, void, undefined> {
    const walk = this.walk();
    while (walk.next()) yield decodeRecord(walk.bytes, walk.cursor, this);
  }
}

/**
 * The batch that begins at `at`. Throws {@link OdradekError} `ODR_CORRUPT` if it is not whole, not of format 2, or fails
 * its checksum; `ODR_COMPRESSION` if its codec is unknown. Source: Kafka's "Message Format" documentation.
 */
export function decodeBatch(bytes: Buffer, at = 0, options: DecodeOptions = {}): Batch {
  const sizeBytes = wholeBatchBytes(bytes, at, bytes.length);
  if (sizeBytes === null) {
    throw new OdradekError(
      'ODR_CORRUPT',
      `the batch at byte ${at} is cut off: only ${bytes.length - at} bytes are there`,
    );
  }
  return decodeWhole(bytes, at, options);
}

export interface BatchReaderOptions extends DecodeOptions {
  /** The first byte to read; default 0. */
  readonly start?: number | undefined;
  /** The byte to stop before; default the end of the bytes. */
  readonly end?: number | undefined;
}

/**
 * Reads the batches of a byte range one after the other. What a fetch returns may end within a batch; that is no error
 * but told by {@link isTruncated}. Reading throws as {@link decodeBatch} does.
 *
 * @example
 * for (const batch of new BatchReader(bytes)) for (const record of batch.records()) console.log(record.offset);
 */
export class BatchReader implements Iterable<Batch> {
  readonly #bytes: Buffer;
  readonly #end: number;
  readonly #options: DecodeOptions;
  #position: number;

  constructor(bytes: Buffer, options: BatchReaderOptions = {}) {
    this.#bytes = bytes;
    this.#end = options.end ?? bytes.length;
    this.#position = options.start ?? 0;
    this.#options = options;
    assert(
      this.#position >= 0 && this.#position <= this.#end && this.#end <= bytes.length,
      'range outside the bytes',
    );
  }

  /** Where the next batch begins. */
  get position(): number {
    return this.#position;
  }

  /** Whether bytes of an incomplete batch are left, once {@link next} has returned null. */
  get isTruncated(): boolean {
    return this.#position < this.#end;
  }

  /** Null: no whole batch is left. */
  next(): Batch | null {
    const sizeBytes = wholeBatchBytes(this.#bytes, this.#position, this.#end);
    if (sizeBytes === null) return null;
    const batch = decodeWhole(this.#bytes, this.#position, this.#options);
    this.#position += sizeBytes;
    return batch;
  }

  *[Symbol.iterator](): Generator<Batch, void, undefined> {
    for (let batch = this.next(); batch !== null; batch = this.next()) yield batch;
  }
}

/** The size of the batch in bytes, or null if it does not end before `end`. */
function wholeBatchBytes(bytes: Buffer, at: number, end: number): number | null {
  if (end - at < MAGIC_END) return null;
  const magic = readMagic(bytes, at);
  if (magic !== BATCH_MAGIC) {
    const what =
      magic === 0 || magic === 1 ? `has the old format ${magic}, which is` : `has magic ${magic}, which is`;
    throw new OdradekError('ODR_CORRUPT', `the batch at byte ${at} ${what} not supported`);
  }
  const sizeBytes = readBatchBytes(bytes, at);
  if (sizeBytes < BATCH_HEADER_BYTES) {
    throw new OdradekError(
      'ODR_CORRUPT',
      `the batch at byte ${at} is corrupt: it says that it has ${sizeBytes} bytes`,
    );
  }
  return sizeBytes <= end - at ? sizeBytes : null;
}

function decodeWhole(bytes: Buffer, at: number, options: DecodeOptions): Batch {
  if (options.checkCrc !== false && computeBatchCrc(bytes, at) !== readCrc(bytes, at)) {
    throw corruptBatch(readBaseOffset(bytes, at), 'it fails its checksum');
  }
  return new Batch(bytes, at, options.maxRecordsBytes ?? MAX_RECORDS_BYTES);
}
