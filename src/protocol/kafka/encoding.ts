// What compiled encoders call, and the memory that they write to: one buffer for the thread, which grows when it must. The
// finished message is copied out in one go; record batches are only referred to, at the places where they belong.
import { assert } from '../../base/assert.js';
import { OdradekError } from '../../base/errors.js';
import { isBytes, type Piece } from '../../base/piece.js';
import { STRING_BYTES_MAX } from './decoding.js';
import type { RecordsInput } from './schema.js';

const BUFFER_BYTES = 64 * 1024;
/** A larger buffer is given up after use. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** A message, without records, is no larger. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** Writes an unsigned varint and returns the position after it. */
function putVarint(bytes: Buffer, start: number, value: number): number {
  let position = start;
  let rest = value;
  while (rest > 0x7f) {
    bytes[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[position++] = rest;
  return position;
}

/** Writes UTF-8 where there is room for it and returns the number of bytes. For a short text the call costs most. */
function putText(bytes: Buffer, position: number, text: string): number {
  const { length } = text;
  if (length > 32) return bytes.write(text, position);
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return bytes.write(text, position);
    bytes[position + index] = code;
  }
  return length;
}

function unencodable(path: string, problem: string): never {
  throw new OdradekError('ODR_PROTOCOL', `${path} ${problem}`);
}

function checkedString(value: string, path: string): string {
  if (typeof value !== 'string') bad(path, value);
  if (value.length > STRING_BYTES_MAX) {
    unencodable(path, `has ${value.length} characters, more than ${STRING_BYTES_MAX}`);
  }
  return value;
}

/** The value is missing, of another type or out of range, which is a mistake of the caller. */
function bad(path: string, value: unknown): never {
  assert(value !== undefined, `${path} is missing`);
  assert(value !== null, `${path} is null, which this version cannot say`);
  assert(false, `${path} cannot be ${String(value)}`);
}

interface Insertion {
  /** Where in the buffer the records belong. */
  readonly at: number;
  readonly piece: Piece;
}

class Encoding {
  buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  view = viewOf(this.buffer);
  capacity = BUFFER_BYTES;
  #insertions: Insertion[] = [];

  /** Makes room for `bytes` more at `position` and returns the view of the new buffer. */
  grow(position: number, bytes: number): DataView {
    const needed = position + bytes;
    if (needed > MESSAGE_BYTES_MAX) unencodable('The message', `is larger than ${MESSAGE_BYTES_MAX} bytes`);
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.capacity));
    this.buffer.copy(grown, 0, 0, position);
    this.#use(grown);
    return this.view;
  }

  #use(buffer: Buffer): void {
    this.buffer = buffer;
    this.view = viewOf(buffer);
    this.capacity = buffer.length;
  }

  /** Forgets what an encoder that failed has left. */
  begin(): void {
    if (this.#insertions.length > 0) this.#insertions = [];
  }

  /** Puts the length of what was written up to `end`, records included, before it: into the first four bytes. */
  frame(end: number): void {
    let length = end - 4;
    for (const { piece } of this.#insertions) length += piece.length;
    if (length > 0x7fff_ffff) unencodable('The frame', `of ${length} bytes is too large`);
    this.view.setInt32(0, length);
  }

  /** What was written up to `end`, as pieces to be sent one after the other. */
  take(end: number): Piece[] {
    const insertions = this.#insertions;
    const written = this.#copyOut(end);
    if (insertions.length === 0) return [written];
    this.#insertions = [];
    const pieces: Piece[] = [];
    let from = 0;
    for (const { at, piece } of insertions) {
      if (at > from) pieces.push(written.subarray(from, at));
      pieces.push(piece);
      from = at;
    }
    if (from < end) pieces.push(written.subarray(from));
    return pieces;
  }

  /** As {@link take}, of what has no slices of files in it. */
  takeBytes(end: number): Uint8Array[] {
    const pieces = this.take(end);
    const bytes = pieces.filter(isBytes);
    assert(bytes.length === pieces.length, 'files are sent by brokers only');
    return bytes;
  }

  /** As {@link take}, of what has no records in it. */
  takeWhole(end: number): Uint8Array {
    assert(this.#insertions.length === 0, 'records are sent in pieces');
    return this.#copyOut(end);
  }

  #copyOut(end: number): Buffer {
    const written = Buffer.allocUnsafe(end);
    this.buffer.copy(written, 0, 0, end);
    if (this.capacity > KEPT_BYTES_MAX) this.#use(Buffer.allocUnsafeSlow(BUFFER_BYTES));
    return written;
  }

  varint(position: number, value: number): number {
    if (position + 5 > this.capacity) this.grow(position, 5);
    return putVarint(this.buffer, position, value);
  }

  string(position: number, value: string, path: string): number {
    const { length } = checkedString(value, path);
    if (position + 3 * length + 2 > this.capacity) this.grow(position, 3 * length + 2);
    const bytes = putText(this.buffer, position + 2, value);
    if (bytes > STRING_BYTES_MAX) unencodable(path, `has ${bytes} bytes, more than ${STRING_BYTES_MAX}`);
    this.view.setInt16(position, bytes);
    return position + 2 + bytes;
  }

  compactString(position: number, value: string, path: string): number {
    const { length } = checkedString(value, path);
    if (position + 3 * length + 5 > this.capacity) this.grow(position, 3 * length + 5);
    // The length of most strings takes one byte, whatever characters they are made of.
    if (3 * length < 0x7f) {
      const bytes = putText(this.buffer, position + 1, value);
      this.buffer[position] = bytes + 1;
      return position + 1 + bytes;
    }
    const bytes = Buffer.byteLength(value);
    if (bytes > STRING_BYTES_MAX) unencodable(path, `has ${bytes} bytes, more than ${STRING_BYTES_MAX}`);
    const start = putVarint(this.buffer, position, bytes + 1);
    return start + putText(this.buffer, start, value);
  }

  uuid(position: number, value: string, path: string): number {
    if (typeof value !== 'string' || value.length !== 22) bad(path, value);
    if (this.buffer.write(value, position, 16, 'base64url') !== 16) bad(path, value);
    return position + 16;
  }

  bytes(position: number, value: Uint8Array, compact: boolean, path: string): number {
    if (!(value instanceof Uint8Array)) bad(path, value);
    const start = this.#length(position, value.length, compact, path);
    if (start + value.length > this.capacity) this.grow(start, value.length);
    this.buffer.set(value, start);
    return start + value.length;
  }

  records(position: number, value: RecordsInput, compact: boolean, path: string): number {
    const pieces = piecesOf(value, path);
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const start = this.#length(position, length, compact, path);
    for (const piece of pieces) if (piece.length > 0) this.#insertions.push({ at: start, piece });
    return start;
  }

  #length(position: number, length: number, compact: boolean, path: string): number {
    if (length > 0x7fff_fffe) unencodable(path, `has ${length} bytes`);
    if (compact) return this.varint(position, length + 1);
    if (position + 4 > this.capacity) this.grow(position, 4);
    this.view.setInt32(position, length);
    return position + 4;
  }

  /** A tagged field was written from `start` on, behind one byte for its size. Puts the size there; returns the new end. */
  tagSize(start: number, end: number): number {
    const size = end - start;
    if (size < 0x80) {
      this.buffer[start - 1] = size;
      return end;
    }
    if (end + 4 > this.capacity) this.grow(end, 4);
    const sizeBytes = size < 0x4000 ? 2 : size < 0x20_0000 ? 3 : size < 0x1000_0000 ? 4 : 5;
    this.buffer.copyWithin(start - 1 + sizeBytes, start, end);
    putVarint(this.buffer, start - 1, size);
    return end + sizeBytes - 1;
  }

  readonly bad = bad;
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}

function piecesOf(value: RecordsInput, path: string): readonly Piece[] {
  if (value instanceof Uint8Array) return [value];
  if (value === null || typeof value !== 'object') bad(path, value);
  if ('descriptor' in value) return [value];
  if ('start' in value) return [value.bytes.subarray(value.start, value.start + value.length)];
  return value;
}

/** One for the thread: an encoder runs to its end before another starts. */
export const encoding = new Encoding();
