// Zstandard: Node's own where it has one (22.15 and newer), a native package else. Streaming writers leave the content
// size out, so that nothing says beforehand how much a frame inflates to. The walk over the frames' blocks below finds
// an upper bound, and whether the data is whole, before any memory is taken.
//
//   magic uint32 0xfd2fb528 | descriptor | [window] | [dictionary id 1, 2, 4] | [content size 1, 2, 4, 8]
//   blocks: uint24 (bit 0 last, bits 1-2 type, size above), data | [checksum uint32]
//   skippable frame: magic 0x184d2a50 to 5f, size uint32, data
//
// All little-endian. Source: RFC 8878, section 3.
import * as zlib from 'node:zlib';
import { load } from './load.js';
import { tooLarge } from './too-large.js';

interface ZstdImplementation {
  compress(bytes: Buffer, level: number): Buffer;
  decompress(bytes: Buffer, maxOutputBytes: number): Buffer;
}

/** Node's functions, which the types of the oldest supported Node do not know. */
interface NodeZstd {
  zstdCompressSync?(bytes: Buffer, options: { params: Record<number, number> }): Buffer;
  zstdDecompressSync?(bytes: Buffer, options: { maxOutputLength: number }): Buffer;
}

interface ZstdPackage {
  Encoder: new (level: number) => { encodeSync(data: Buffer): Buffer };
  Decoder: new () => { decodeSync(data: Buffer): Buffer };
}

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const PARAMETER_COMPRESSION_LEVEL = 100;
const MAX_BLOCK_BYTES = 128 * 1024;
/** What a decompression may take in any case: small blocks make the upper bound a coarse one. */
const ALLOWANCE_BYTES = 64 * 2 ** 20;
/** Each costs a call, however little is in it; writers make one. */
const MAX_FRAMES = 1000;
const BLOCK_REPEATED_BYTE = 1;
const BLOCK_COMPRESSED = 2;

let implementation: ZstdImplementation | undefined;

function zstd(): ZstdImplementation {
  implementation ??= fromNode(zlib as NodeZstd) ?? fromPackage();
  return implementation;
}

function fromNode({ zstdCompressSync, zstdDecompressSync }: NodeZstd): ZstdImplementation | null {
  if (!zstdCompressSync || !zstdDecompressSync) return null;
  return {
    compress: (bytes, level) => zstdCompressSync(bytes, { params: { [PARAMETER_COMPRESSION_LEVEL]: level } }),
    decompress: (bytes, maxOutputBytes) =>
      zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxOutputBytes) }),
  };
}

function fromPackage(): ZstdImplementation {
  const { Encoder, Decoder } = load<ZstdPackage>('@toondepauw/node-zstd');
  return {
    compress: (bytes, level) => new Encoder(level).encodeSync(bytes),
    decompress: (bytes) => new Decoder().decodeSync(bytes),
  };
}

export function zstdCompress(bytes: Buffer, level: number): Buffer {
  return zstd().compress(bytes, level);
}

export function zstdDecompress(bytes: Buffer, maxOutputBytes: number): Buffer {
  const { frames, upperBound } = walkFrames(bytes);
  if (upperBound > Math.max(maxOutputBytes, ALLOWANCE_BYTES)) throw tooLarge(maxOutputBytes);
  const { decompress } = zstd();
  const [first] = frames;
  if (frames.length === 1 && first) return decompress(first, maxOutputBytes);
  // One at a time: Node's function stops after the first without a word.
  const outputs: Buffer[] = [];
  let outputBytes = 0;
  for (const frame of frames) {
    const output = decompress(frame, maxOutputBytes);
    outputs.push(output);
    outputBytes += output.length;
    if (outputBytes > maxOutputBytes) throw tooLarge(maxOutputBytes);
  }
  return Buffer.concat(outputs, outputBytes);
}

interface Frames {
  /** Without skippable ones. */
  readonly frames: Buffer[];
  /** How many bytes they inflate to at most. */
  readonly upperBound: number;
}

/** Throws if a frame is cut off or something else stands between them. */
function walkFrames(bytes: Buffer): Frames {
  if (bytes.length === 0) throw new Error('there is no frame');
  const frames: Buffer[] = [];
  let upperBound = 0;
  let at = 0;
  while (at < bytes.length) {
    const magic = readLittleEndian(bytes, at, 4);
    let end: number;
    if (magic === FRAME_MAGIC) {
      const frame = walkFrame(bytes, at + 4);
      upperBound += frame.upperBound;
      end = frame.end;
      frames.push(bytes.subarray(at, end));
    } else if (magic >>> 4 === SKIPPABLE_MAGIC >>> 4) end = at + 8 + readLittleEndian(bytes, at + 4, 4);
    else throw new Error('there is no frame where one should begin');
    if (end > bytes.length) throw new Error('the data is cut off');
    if (frames.length > MAX_FRAMES) throw new Error(`it has more than ${MAX_FRAMES} frames`);
    at = end;
  }
  return { frames, upperBound };
}

function walkFrame(bytes: Buffer, start: number): { upperBound: number; end: number } {
  const descriptor = readLittleEndian(bytes, start, 1);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  if (descriptor & 0x08) throw new Error('the frame header has a reserved bit set');
  let at = start + 1 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  if (dictionaryBytes > 0 && readLittleEndian(bytes, at - dictionaryBytes, dictionaryBytes) !== 0) {
    throw new Error('the frame needs a dictionary');
  }
  const contentBytes = readLittleEndian(bytes, at, contentSizeBytes) + (contentSizeBytes === 2 ? 256 : 0);
  at += contentSizeBytes;
  const windowBytes = isSingleSegment ? contentBytes : windowOf(readLittleEndian(bytes, start + 1, 1));
  const maxBlockBytes = Math.min(windowBytes, MAX_BLOCK_BYTES);
  let upperBound = 0;
  for (let isLast = false; !isLast; ) {
    const header = readLittleEndian(bytes, at, 3);
    at += 3;
    isLast = (header & 1) === 1;
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type > BLOCK_COMPRESSED) throw new Error('a block has an unknown type');
    if (size > maxBlockBytes) throw new Error('a block is larger than the frame allows');
    upperBound += type === BLOCK_COMPRESSED ? maxBlockBytes : size;
    at += type === BLOCK_REPEATED_BYTE ? 1 : size;
  }
  // The decoders take memory for the size that the header claims.
  if (contentSizeBytes > 0 && contentBytes > upperBound)
    throw new Error('the frame claims more than it can hold');
  return { upperBound, end: at + (hasChecksum ? 4 : 0) };
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readLittleEndian(bytes: Buffer, at: number, count: number): number {
  if (at + count > bytes.length) throw new Error('the data is cut off');
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] as number);
  return value;
}
