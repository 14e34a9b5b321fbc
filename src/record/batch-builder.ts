import { assert } from '../base/assert.js';
import { OdradekError } from '../base/errors.js';
import { type LeaderEpoch, NO_EPOCH, type Offset, ZERO_OFFSET } from '../base/ids.js';
import { writeInt64 } from '../base/int64.js';
import { stampBatchCrc } from './batch-crc.js';
import {
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_DELETE_HORIZON,
  ATTRIBUTE_LOG_APPEND_TIME,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BATCH_PREFIX_BYTES,
} from './batch-header.js';
import { type CodecName, codecId, compress } from './compression/codec.js';
import { MAX_RECORDS_BYTES } from './limits.js';
import { recordBodyBytes, type TextRecordInput, writeRecord } from './record.js';
import { varintBytes } from './varint.js';

export interface BatchBuilderOptions {
  /** Bound of the uncompressed batch in bytes, header included. */
  readonly maxBytes?: number | undefined;
  /** For compaction: when tombstones may go, in milliseconds since 1970. It takes the place of the base timestamp. */
  readonly deleteHorizonMs?: number | undefined;
  /** Where the first batch is built if it fits. A batch that is not compressed may be a view of it. */
  readonly memory?: Buffer | undefined;
}

/** What a batch says besides its records. A producer needs the first five, compaction and coordinators the others. */
export interface BuildOptions {
  /** Default none. A batch that does not become smaller is left uncompressed. */
  readonly codec?: CodecName | undefined;
  readonly level?: number | undefined;
  /** Default -1: no idempotence. */
  readonly producerId?: number | undefined;
  readonly producerEpoch?: number | undefined;
  readonly baseSequence?: number | undefined;
  readonly isTransactional?: boolean | undefined;
  readonly isControl?: boolean | undefined;
  readonly baseOffset?: Offset | undefined;
  readonly leaderEpoch?: LeaderEpoch | undefined;
  /** Default: that of the last record. Must be given for a batch without records. */
  readonly lastOffsetDelta?: number | undefined;
  /** Default: the largest of the records, -1 if there are none. */
  readonly maxTimestampMs?: number | undefined;
  /** Sets LogAppendTime: this is the time of all records. */
  readonly logAppendTimeMs?: number | undefined;
}

const INITIAL_BYTES = 4 * 1024;
/** The longest length prefix of a record. */
const LENGTH_BYTES = 5;

/**
 * Builds one RecordBatch v2. Records are encoded at once into a growing buffer, behind room for the header, so that
 * an uncompressed batch is never copied. After {@link build} the builder is empty and can be used again.
 *
 * @example
 * const builder = new BatchBuilder();
 * builder.add({ timestampMs: Date.now(), key: null, value: Buffer.from('hello'), headers: [] });
 * const batch = builder.build({ codec: 'lz4' });
 */
export class BatchBuilder {
  readonly #maxBytes: number;
  readonly #deleteHorizonMs: number | undefined;
  #buffer: Buffer = Buffer.allocUnsafe(0);
  /** The size of the batch before: the next one is likely to be as large. */
  #expectedBytes = INITIAL_BYTES;
  #end = BATCH_HEADER_BYTES;
  #recordCount = 0;
  #baseTimestampMs = -1;
  #maxTimestampMs = -1;
  #lastOffsetDelta = -1;

  constructor({ maxBytes = MAX_RECORDS_BYTES, deleteHorizonMs, memory }: BatchBuilderOptions = {}) {
    assert(maxBytes >= BATCH_HEADER_BYTES && maxBytes <= MAX_RECORDS_BYTES, `not a bound: ${maxBytes}`);
    this.#maxBytes = maxBytes;
    this.#deleteHorizonMs = deleteHorizonMs;
    if (memory) this.#buffer = memory;
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** The size of the batch so far in bytes, header included, if it is not compressed. */
  get bytes(): number {
    return this.#end;
  }

  /** What {@link bytes} would be with this record, exactly. */
  bytesWith(record: TextRecordInput, offsetDelta = this.#lastOffsetDelta + 1): number {
    const bodyBytes = recordBodyBytes(record, this.#timestampDelta(record.timestampMs), offsetDelta);
    return this.#end + varintBytes(bodyBytes) + bodyBytes;
  }

  /**
   * Adds a record and returns the bytes that it took. `offsetDelta` is one more than the last one's, unless given; it must
   * grow. Throws {@link OdradekError} `ODR_USAGE` if the timestamp is no time or the batch becomes larger than allowed;
   * nothing is added then.
   */
  add(record: TextRecordInput, offsetDelta = this.#lastOffsetDelta + 1): number {
    assert(
      offsetDelta > this.#lastOffsetDelta && offsetDelta < 2 ** 31,
      `not the next delta: ${offsetDelta}`,
    );
    const { timestampMs } = record;
    if (!Number.isSafeInteger(timestampMs) || timestampMs < -1) {
      throw new OdradekError(
        'ODR_USAGE',
        `a timestamp is whole milliseconds since 1970, or -1, not ${timestampMs}`,
      );
    }
    const timestampDelta = this.#timestampDelta(timestampMs);
    const bodyBytes = recordBodyBytes(record, timestampDelta, offsetDelta);
    const start = this.#end;
    this.#reserve(start + LENGTH_BYTES + bodyBytes, start + varintBytes(bodyBytes) + bodyBytes);
    this.#end = writeRecord(this.#buffer, start, record, timestampDelta, offsetDelta, bodyBytes);
    if (this.#recordCount === 0) this.#baseTimestampMs = timestampMs;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    this.#lastOffsetDelta = offsetDelta;
    this.#recordCount++;
    return this.#end - start;
  }

  /** The finished batch, which belongs to the caller. Compressing throws {@link OdradekError} `ODR_COMPRESSION`. */
  build(options: BuildOptions = {}): Buffer {
    const lastOffsetDelta = options.lastOffsetDelta ?? this.#lastOffsetDelta;
    assert(lastOffsetDelta >= 0, 'a batch without records needs a last offset');
    assert(lastOffsetDelta >= this.#lastOffsetDelta, 'a record lies behind the last offset');
    this.#reserve(this.#end, this.#end);
    const { codec = 'none' } = options;
    const compressed =
      codec === 'none' || this.#recordCount === 0 ? null : this.#compressed(codec, options.level);
    const batch = compressed ?? this.#takeBuffer();
    this.#writeHeader(batch, options, { lastOffsetDelta, codec: compressed ? codec : 'none' });
    this.reset();
    return batch;
  }

  /** Drops all records. */
  reset(): void {
    this.#end = BATCH_HEADER_BYTES;
    this.#recordCount = 0;
    this.#baseTimestampMs = -1;
    this.#maxTimestampMs = -1;
    this.#lastOffsetDelta = -1;
  }

  #timestampDelta(timestampMs: number): number {
    if (this.#deleteHorizonMs !== undefined) return timestampMs - this.#deleteHorizonMs;
    return this.#recordCount === 0 ? 0 : timestampMs - this.#baseTimestampMs;
  }

  #reserve(capacity: number, size: number): void {
    if (size > this.#maxBytes) {
      throw new OdradekError(
        'ODR_USAGE',
        `the batch would take ${size} bytes, and ${this.#maxBytes} are allowed`,
      );
    }
    if (capacity <= this.#buffer.length) return;
    const isFirst = this.#buffer.length === 0;
    const wanted = isFirst ? this.#expectedBytes : Math.min(this.#buffer.length * 2, this.#maxBytes);
    const grown = Buffer.allocUnsafeSlow(Math.max(capacity, wanted));
    this.#buffer.copy(grown, 0, 0, this.#end);
    this.#buffer = grown;
  }

  /** Null if compression does not help: then the batch says so, whatever was asked. */
  #compressed(codec: CodecName, level: number | undefined): Buffer | null {
    const records = compress(codec, this.#buffer.subarray(BATCH_HEADER_BYTES, this.#end), level);
    if (records.length >= this.#end - BATCH_HEADER_BYTES) return null;
    const batch = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + records.length);
    records.copy(batch, BATCH_HEADER_BYTES);
    return batch;
  }

  /** Hands the buffer out, or a copy if most of it is empty: batches may wait for long until they are sent. */
  #takeBuffer(): Buffer {
    const used = this.#buffer.subarray(0, this.#end);
    if (this.#end * 2 < this.#buffer.length) return Buffer.from(used);
    this.#expectedBytes = Math.max(INITIAL_BYTES, this.#end);
    this.#buffer = Buffer.allocUnsafe(0);
    return used;
  }

  #writeHeader(
    batch: Buffer,
    options: BuildOptions,
    content: { lastOffsetDelta: number; codec: CodecName },
  ): void {
    const { logAppendTimeMs } = options;
    let attributes = codecId(content.codec);
    if (logAppendTimeMs !== undefined) attributes |= ATTRIBUTE_LOG_APPEND_TIME;
    if (options.isTransactional) attributes |= ATTRIBUTE_TRANSACTIONAL;
    if (options.isControl) attributes |= ATTRIBUTE_CONTROL;
    if (this.#deleteHorizonMs !== undefined) attributes |= ATTRIBUTE_DELETE_HORIZON;
    writeInt64(batch, 0, options.baseOffset ?? ZERO_OFFSET);
    batch.writeInt32BE(batch.length - BATCH_PREFIX_BYTES, 8);
    batch.writeInt32BE(options.leaderEpoch ?? NO_EPOCH, 12);
    batch.writeInt8(BATCH_MAGIC, 16);
    batch.writeInt16BE(attributes, 21);
    batch.writeInt32BE(content.lastOffsetDelta, 23);
    writeInt64(batch, 27, this.#deleteHorizonMs ?? this.#baseTimestampMs);
    writeInt64(batch, 35, logAppendTimeMs ?? options.maxTimestampMs ?? this.#maxTimestampMs);
    writeInt64(batch, 43, options.producerId ?? -1);
    batch.writeInt16BE(options.producerEpoch ?? -1, 51);
    batch.writeInt32BE(options.baseSequence ?? -1, 53);
    batch.writeInt32BE(this.#recordCount, 57);
    stampBatchCrc(batch, 0);
  }
}
