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

/** What a field is made of; text is written as UTF-8. */
export type FieldInput = Uint8Array | string | null;

/** A record to be written whose fields may be text: its bytes are made where they are to lie, without memory of their own. */
export interface TextRecordInput {
  readonly timestampMs: number;
  readonly key: FieldInput;
  readonly value: FieldInput;
  readonly headers: readonly { readonly key: string; readonly value: FieldInput }[];
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
export function recordBytesUpperBound(record: TextRecordInput): number {
  let bytes = RECORD_OVERHEAD_BYTES + contentBytes(record.key) + contentBytes(record.value);
  for (const header of record.headers) bytes += 10 + header.key.length * 3 + contentBytes(header.value);
  return bytes;
}

/** How long the text is as UTF-8. */
export function textBytes(text: string): number {
  const { length } = text;
  if (length > SHORT_COPY_BYTES) return Buffer.byteLength(text);
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text);
  return length;
}

/** Writes the text, whose {@link textBytes} are given and fit. */
export function writeText(target: Buffer, position: number, text: string, bytes: number): void {
  if (bytes !== text.length) target.write(text, position, bytes, 'utf8');
  // One byte a character: then it is ASCII.
  else if (bytes > SHORT_COPY_BYTES) target.write(text, position, bytes, 'latin1');
  else for (let i = 0; i < bytes; i++) target[position + i] = text.charCodeAt(i);
}

/** The bytes of the record without its leading length. */
export function recordBodyBytes(
  record: TextRecordInput,
  timestampDelta: number,
  offsetDelta: number,
): number {
  const { headers } = record;
  let bytes = 1 + varlongBytes(timestampDelta) + varintBytes(offsetDelta) + varintBytes(headers.length);
  bytes += fieldBytes(record.key) + fieldBytes(record.value);
  for (const header of headers) {
    const keyBytes = textBytes(header.key);
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
  record: TextRecordInput,
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
    at = writeTextField(target, at, header.key);
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

function contentBytes(field: FieldInput): number {
  if (field === null) return 0;
  return typeof field === 'string' ? textBytes(field) : field.length;
}

function fieldBytes(field: FieldInput): number {
  if (field === null) return 1;
  const bytes = contentBytes(field);
  return varintBytes(bytes) + bytes;
}

function writeField(target: Buffer, position: number, field: FieldInput): number {
  if (field === null) {
    target[position] = 1; // -1 in zigzag form.
    return position + 1;
  }
  if (typeof field === 'string') return writeTextField(target, position, field);
  const at = writeVarint(target, position, field.length);
  if (field.length <= SHORT_COPY_BYTES)
    for (let i = 0; i < field.length; i++) target[at + i] = field[i] as number;
  else target.set(field, at);
  return at + field.length;
}

function writeTextField(target: Buffer, position: number, text: string): number {
  const bytes = textBytes(text);
  const at = writeVarint(target, position, bytes);
  writeText(target, at, text, bytes);
  return at + bytes;
}
