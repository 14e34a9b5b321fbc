// What compiled decoders call: everything that is not on the straight way through a well-formed message. One object for
// the thread; a decoder runs to its end before another starts.

import { assert } from '../../base/assert.js';
import { OdradekError } from '../../base/errors.js';

/** As in Kafka, in both encodings. */
export const STRING_BYTES_MAX = 32_767;
/** Elements of all arrays in one message together: what a frame may cost beyond its own bytes. */
export const ELEMENTS_MAX = 1_000_000;

/** Fields that are checked at once, with the bytes that each takes at least. */
export type Run = readonly { readonly path: string; readonly bytes: number }[];

function fail(path: string, position: number, problem: string): never {
  throw new OdradekError('ODR_PROTOCOL', `${path} ${problem} (byte ${position})`);
}

export const decoding = {
  /** Where the last function that returns something else stopped reading. */
  position: 0,
  /** Where the tagged field ends that {@link decoding}.tag found. */
  tagEnd: 0,

  fail,

  /** The run does not fit into what is left: throws for the first field that does not. */
  truncated(run: Run, start: number, end: number): never {
    let position = start;
    for (const { path, bytes } of run) {
      if (end - position < bytes) fail(path, position, `needs ${bytes} bytes, ${end - position} are left`);
      position += bytes;
    }
    assert(false, `${run[0]?.path} fits`);
  },

  /** An unsigned varint of several bytes, the first of which was read. */
  longVarint(bytes: Buffer, start: number, end: number, first: number, path: string): number {
    let value = first & 0x7f;
    let position = start;
    for (let shift = 7; shift <= 28; shift += 7) {
      if (position >= end) fail(path, position, 'ends within a varint');
      const byte = bytes[position++] as number;
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        decoding.position = position;
        return value >>> 0;
      }
    }
    fail(path, start - 1, 'has a varint of more than 32 bits');
  },

  varint(bytes: Buffer, start: number, end: number, path: string): number {
    if (start >= end) fail(path, start, 'ends early');
    const first = bytes[start] as number;
    if (first > 0x7f) return decoding.longVarint(bytes, start + 1, end, first, path);
    decoding.position = start + 1;
    return first;
  },

  /** The number of the tagged field that begins here; its content lies in [position, tagEnd). */
  tag(bytes: Buffer, start: number, end: number, path: string): number {
    const tag = decoding.varint(bytes, start, end, path);
    const size = decoding.varint(bytes, decoding.position, end, path);
    const { position } = decoding;
    if (size > end - position) decoding.badLength(size, end - position, path, position);
    decoding.tagEnd = position + size;
    return tag;
  },

  /** Skips a tag buffer of which this version knows no tag; returns the position after it. */
  skipTags(bytes: Buffer, start: number, end: number, path: string): number {
    let count = decoding.varint(bytes, start, end, path);
    let { position } = decoding;
    for (; count > 0; count--) {
      decoding.tag(bytes, position, end, path);
      position = decoding.tagEnd;
    }
    return position;
  },

  /** For an int64 outside the safe integers, as the nearest double. */
  unsafeInt64(value: number, clamp: boolean, path: string, position: number): number {
    if (!clamp) fail(path, position, `is ${value}, which is not a safe integer`);
    return value > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
  },

  badLength(length: number, left: number, path: string, position: number): never {
    if (length === -1) fail(path, position, 'is null');
    if (length < 0) fail(path, position, `has the length ${length}`);
    if (length > left) fail(path, position, `has ${length} bytes, ${left} are left`);
    fail(path, position, `has ${length} bytes, more than ${STRING_BYTES_MAX}`);
  },

  badCount(count: number, left: number, path: string, position: number): never {
    if (count === -1) fail(path, position, 'is null');
    if (count < 0) fail(path, position, `has the count ${count}`);
    fail(path, position, `has ${count} elements, which ${left} bytes cannot hold`);
  },

  tooManyElements(path: string, position: number): never {
    fail(path, position, `brings the message to more than ${ELEMENTS_MAX} elements`);
  },

  text(bytes: Buffer, start: number, end: number): string {
    return bytes.toString('utf8', start, end);
  },

  uuid(bytes: Buffer, start: number): string {
    return bytes.toString('base64url', start, start + 16);
  },
};
