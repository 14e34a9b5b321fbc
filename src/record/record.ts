// One record as people see it, and its encoding inside a batch; record-cursor.ts has the layout.
import { type Offset, toOffset } from '../base/ids.js';
import type { RecordCursor } from './record-cursor.js';
import { VarintReader, varintBytes, varlongBytes, writeVarint, writeVarlong } from './varint.js';

/** Who set a record's timestamp. Source: Kafka's topic setting `message.timestamp.type`. */
export type TimestampType = 'CreateTime' | 'LogAppendTime';

/** Keys may repeat, and their order counts. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** A record to be written. */
export interface RecordInput {
  /** Milliseconds since 1970; -1 for none. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  /** Null is a tombstone: compaction deletes the key. */
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** A record as the log has it. Key, value and header values are views of the batch's memory. */
export interface LogRecord {
  readonly offset: Offset;
  /** Milliseconds since 1970; -1 for none. */
  readonly timestampMs: number;
  readonly timestampType: TimestampType;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

export const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);
/** Length, timestamp and offset deltas, key and value lengths and header count at their longest, and the attributes. */
const RECORD_OVERHEAD_BYTES = 5 + 1 + 8 + 5 + 5 + 5 + 5;
/** Below this many bytes a loop copies faster than a call does. */
const SHORT_COPY_BYTES = 24;

/** An upper bound of what the record takes in a batch, whatever its place there. */
export function recordBytesUpperBound(record: RecordInput): number {
  let bytes = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const header of record.headers) bytes += 10 + header.key.length * 3 + (header.value?.length ?? 0);
  return bytes;
}

/** The bytes of the record without its leading length. */
export function recordBodyBytes(record: RecordInput, timestampDelta: number, offsetDelta: number): number {
  const { headers } = record;
  let bytes = 1 + varlongBytes(timestampDelta) + varintBytes(offsetDelta) + varintBytes(headers.length);
  bytes += fieldBytes(record.key) + fieldBytes(record.value);
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key);
    bytes += varintBytes(keyBytes) + keyBytes + fieldBytes(header.value);
  }
  return bytes;
}

/**
 * Writes the record and returns the position after it. `bodyBytes` is what {@link recordBodyBytes} says of the same
 * record and deltas; the buffer must have room for it and 5 bytes more.
 */
export function writeRecord(
  target: Buffer,
  position: number,
  record: RecordInput,
  timestampDelta: number,
  offsetDelta: number,
  bodyBytes: number,
): number {
  let at = writeVarint(target, position, bodyBytes);
  target[at++] = 0;
  at = writeVarlong(target, at, timestampDelta);
  at = writeVarint(target, at, offsetDelta);
  at = writeField(target, at, record.key);
  at = writeField(target, at, record.value);
  at = writeVarint(target, at, record.headers.length);
  for (const header of record.headers) {
    at = writeVarint(target, at, Buffer.byteLength(header.key));
    at += target.write(header.key, at);
    at = writeField(target, at, header.value);
  }
  return at;
}

/** What a batch's header says about each of its records. */
export interface RecordContext {
  readonly baseOffset: Offset;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly timestampType: TimestampType;
}

/** The record that the cursor stands on; `bytes` is what the cursor walks. */
export function decodeRecord(bytes: Buffer, cursor: RecordCursor, context: RecordContext): LogRecord {
  const { keyStart, keyLength, valueStart, valueLength } = cursor;
  return {
    offset: toOffset(context.baseOffset + cursor.offsetDelta),
    timestampMs: recordTimestampMs(cursor.timestampDelta, context),
    timestampType: context.timestampType,
    key: keyLength < 0 ? null : bytes.subarray(keyStart, keyStart + keyLength),
    value: valueLength < 0 ? null : bytes.subarray(valueStart, valueStart + valueLength),
    headers: cursor.headerCount === 0 ? NO_HEADERS : decodeHeaders(bytes, cursor),
  };
}

/** With LogAppendTime the batch's maximum is the time of all its records. */
export function recordTimestampMs(timestampDelta: number, context: RecordContext): number {
  return context.timestampType === 'LogAppendTime'
    ? context.maxTimestampMs
    : context.baseTimestampMs + timestampDelta;
}

/** The headers of the record that the cursor stands on. */
export function decodeHeaders(bytes: Buffer, cursor: RecordCursor): RecordHeader[] {
  const reader = new VarintReader(bytes, cursor.headersStart, cursor.recordEnd);
  const headers: RecordHeader[] = [];
  for (let i = 0; i < cursor.headerCount; i++) {
    const keyEnd = reader.varint() + reader.position;
    const key = bytes.toString('utf8', reader.position, keyEnd);
    reader.position = keyEnd;
    const valueLength = reader.varint();
    const valueStart = reader.position;
    if (valueLength > 0) reader.position += valueLength;
    headers.push({
      key,
      value: valueLength < 0 ? null : bytes.subarray(valueStart, valueStart + valueLength),
    });
  }
  return headers;
}

function fieldBytes(field: Uint8Array | null): number {
  return field === null ? 1 : varintBytes(field.length) + field.length;
}

function writeField(target: Buffer, position: number, field: Uint8Array | null): number {
  if (field === null) {
    target[position] = 1; // -1 in zigzag form.
    return position + 1;
  }
  const at = writeVarint(target, position, field.length);
  if (field.length <= SHORT_COPY_BYTES)
    for (let i = 0; i < field.length; i++) target[at + i] = field[i] as number;
  else target.set(field, at);
  return at + field.length;
}
