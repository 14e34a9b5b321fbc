// LZ4 frames. The library writes them: independent blocks and no checksums, as Java does. Reading is ours, because the
// library takes a cut-off frame for a whole one, skips all but the first of several, and knows no bound.
//
//   magic uint32 0x184d2204 | FLG | BD | [content size uint64] | [dictionary id uint32] | header checksum
//   blocks: size uint32 (top bit: stored as it is), data, [block checksum uint32] | 0 uint32 | [content checksum uint32]
//   FLG: version 01 in bits 7-6, 5 independent blocks, 4 block checksums, 3 content size, 2 content checksum, 0 dictionary
//   BD: bits 6-4 say the largest block: 4 is 64 KiB, 5 256 KiB, 6 1 MiB, 7 4 MiB
//   skippable frame: magic 0x184d2a50 to 5f, size uint32, data
//
// All little-endian; checksums are XXH32, the header's is its second byte. Source: the LZ4 frame and block formats.
import { load } from './load.js';
import { tooLarge } from './too-large.js';
import { xxhash32 } from './xxhash32.js';

interface Lz4Library {
  compressFrameSync(data: Buffer): Buffer;
}

const FRAME_MAGIC = 0x184d2204;
const SKIPPABLE_MAGIC = 0x184d2a50;
const FLAG_INDEPENDENT = 0x20;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_CONTENT_CHECKSUM = 0x04;
const FLAG_DICTIONARY = 0x01;
const STORED = 0x8000_0000;
/** A sequence's length bytes stand for 255 bytes each. */
const MAX_RATIO = 255;
/** Below this many bytes a loop copies faster than a call does. */
const SHORT_COPY_BYTES = 32;

export function lz4Compress(bytes: Buffer): Buffer {
  return load<Lz4Library>('lz4-napi').compressFrameSync(bytes);
}

export function lz4Decompress(bytes: Buffer, maxOutputBytes: number): Buffer {
  if (bytes.length === 0) throw new Error('there is no frame');
  const output = new Output(Math.min(maxOutputBytes, bytes.length * 4), maxOutputBytes);
  let at = 0;
  while (at < bytes.length) {
    const magic = readUint32(bytes, at);
    if (magic === FRAME_MAGIC) at = readFrame(bytes, at + 4, output);
    else if (magic >>> 4 === SKIPPABLE_MAGIC >>> 4) at = needed(bytes, at + 8, readUint32(bytes, at + 4));
    else throw new Error('there is no frame where one should begin');
  }
  return output.taken();
}

/** Grows as frames need it, up to a bound. */
class Output {
  bytes: Buffer;
  length = 0;
  readonly #maxBytes: number;

  constructor(bytes: number, maxBytes: number) {
    this.bytes = Buffer.allocUnsafe(bytes);
    this.#maxBytes = maxBytes;
  }

  /** Where a block may write at most, with room for as much of it as the bound leaves. */
  reserve(blockBytes: number): number {
    const end = Math.min(this.length + blockBytes, this.#maxBytes);
    if (end > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#maxBytes, Math.max(end, this.bytes.length * 2)));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    return end;
  }

  tooLarge(): Error {
    return tooLarge(this.#maxBytes);
  }

  taken(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}

function readFrame(bytes: Buffer, start: number, output: Output): number {
  needed(bytes, start, 2);
  const flags = bytes.readUInt8(start);
  const blockCode = (bytes.readUInt8(start + 1) >>> 4) & 7;
  if (flags >>> 6 !== 1) throw new Error('the frame has an unknown version');
  if (flags & FLAG_DICTIONARY) throw new Error('the frame needs a dictionary');
  if (blockCode < 4) throw new Error('the frame has an unknown block size');
  const maxBlockBytes = 1 << (8 + 2 * blockCode);
  const descriptorEnd = needed(bytes, start + 2, flags & FLAG_CONTENT_SIZE ? 8 : 0);
  needed(bytes, descriptorEnd, 1);
  if (bytes[descriptorEnd] !== ((xxhash32(bytes, start, descriptorEnd) >>> 8) & 0xff)) {
    throw new Error('the frame header fails its checksum');
  }
  const contentStart = output.length;
  let at = descriptorEnd + 1;
  for (;;) {
    const size = readUint32(bytes, at);
    at += 4;
    if (size === 0) break;
    at = readBlock(bytes, at, { size, flags, maxBlockBytes, contentStart }, output);
  }
  if (flags & FLAG_CONTENT_SIZE) {
    const contentBytes = bytes.readUInt32LE(start + 2) + bytes.readUInt32LE(start + 6) * 2 ** 32;
    if (contentBytes !== output.length - contentStart)
      throw new Error('the frame has another size than it says');
  }
  if (flags & FLAG_CONTENT_CHECKSUM) {
    const checksum = readUint32(bytes, at);
    at += 4;
    if (checksum !== xxhash32(output.bytes, contentStart, output.length))
      throw new Error('the content fails its checksum');
  }
  return at;
}

interface Block {
  readonly size: number;
  readonly flags: number;
  readonly maxBlockBytes: number;
  readonly contentStart: number;
}

function readBlock(bytes: Buffer, start: number, block: Block, output: Output): number {
  const isStored = block.size >= STORED;
  const size = block.size % STORED;
  if (size > block.maxBlockBytes) throw new Error('a block is larger than the frame allows');
  let end = needed(bytes, start, size);
  const blockStart = output.length;
  const limit = output.reserve(isStored ? size : Math.min(block.maxBlockBytes, size * MAX_RATIO));
  if (isStored) {
    if (limit - blockStart < size) throw output.tooLarge();
    bytes.copy(output.bytes, blockStart, start, end);
    output.length = limit;
  } else {
    const isLinked = (block.flags & FLAG_INDEPENDENT) === 0;
    const reachStart = isLinked ? block.contentStart : blockStart;
    const target = { bytes: output.bytes, start: blockStart, limit, reachStart };
    const written = decodeBlock(bytes.subarray(start, end), target);
    if (written < 0) {
      if (limit - blockStart < Math.min(block.maxBlockBytes, size * MAX_RATIO)) throw output.tooLarge();
      throw new Error('a block is malformed');
    }
    output.length = written;
  }
  if (block.flags & FLAG_BLOCK_CHECKSUM) {
    if (readUint32(bytes, end) !== xxhash32(bytes, start, end)) throw new Error('a block fails its checksum');
    end += 4;
  }
  return end;
}

interface Target {
  readonly bytes: Buffer;
  readonly start: number;
  /** Exclusive. */
  readonly limit: number;
  /** The oldest byte that a match may copy. */
  readonly reachStart: number;
}

/**
 * Decodes one block and returns where its output ends, or -1 if it is malformed or does not fit. A block is sequences of
 * token (lengths of literals and match, 15: more bytes follow), literals, match distance uint16; the last one ends after
 * its literals.
 */
function decodeBlock(source: Buffer, target: Target): number {
  const { bytes: output, limit, reachStart } = target;
  const sourceEnd = source.length;
  let from = 0;
  let to = target.start;
  while (from < sourceEnd) {
    const token = source[from++] as number;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && from < sourceEnd) {
        more = source[from++] as number;
        literals += more;
      }
    }
    const literalsEnd = from + literals;
    if (literalsEnd > sourceEnd || to + literals > limit) return -1;
    if (literals <= SHORT_COPY_BYTES) while (from < literalsEnd) output[to++] = source[from++] as number;
    else {
      source.copy(output, to, from, literalsEnd);
      from = literalsEnd;
      to += literals;
    }
    if (from === sourceEnd) return to;

    if (from + 2 > sourceEnd) return -1;
    const distance = (source[from] as number) | ((source[from + 1] as number) << 8);
    from += 2;
    let length = token & 15;
    if (length === 15) {
      let more = 255;
      while (more === 255 && from < sourceEnd) {
        more = source[from++] as number;
        length += more;
      }
    }
    length += 4;
    const matchStart = to - distance;
    if (distance === 0 || matchStart < reachStart || to + length > limit) return -1;
    to = copyMatch(output, matchStart, to, length);
  }
  return -1;
}

/** A match may overlap what it writes: then it repeats the bytes of its distance. */
function copyMatch(output: Buffer, matchStart: number, start: number, length: number): number {
  const end = start + length;
  if (length <= SHORT_COPY_BYTES) {
    for (let to = start, from = matchStart; to < end; to++, from++) output[to] = output[from] as number;
    return end;
  }
  let to = start;
  while (to < end) {
    const count = Math.min(to - matchStart, end - to);
    output.copyWithin(to, matchStart, matchStart + count);
    to += count;
  }
  return end;
}

function readUint32(bytes: Buffer, at: number): number {
  needed(bytes, at, 4);
  return bytes.readUInt32LE(at);
}

/** The position after `count` bytes, which must be there. */
function needed(bytes: Buffer, at: number, count: number): number {
  if (at + count > bytes.length) throw new Error('the data is cut off');
  return at + count;
}
