// Snappy in batches comes in two shapes: librdkafka and franz-go write one raw block, Java and its followers Xerial's
// frames. Both are read, the frames are written, which every client reads.
//
//   82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version int32 | lowest compatible version int32 | blocks: length int32, raw block
//
// A raw block begins with its original length as an unsigned varint. The magic and versions may come again between
// blocks, where streams were joined.
import { VarintReader } from '../varint.js';
import { load } from './load.js';
import { tooLarge } from './too-large.js';

interface SnappyLibrary {
  compressSync(input: Uint8Array): Buffer;
  uncompressSync(input: Uint8Array): Buffer;
}

const XERIAL_MAGIC = Buffer.from('82534e4150505900', 'hex');
const XERIAL_HEADER_BYTES = 16;
const XERIAL_VERSION = 1;
/** What Xerial compresses at a time. */
const BLOCK_BYTES = 32 * 1024;
/** The densest element copies 64 bytes and takes 3. */
const MAX_RATIO = 22;

export function snappyCompress(bytes: Buffer): Buffer {
  const { compressSync } = load<SnappyLibrary>('snappy');
  const header = Buffer.alloc(XERIAL_HEADER_BYTES);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(XERIAL_VERSION, 8);
  header.writeInt32BE(XERIAL_VERSION, 12);
  const pieces: Buffer[] = [header];
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const block = compressSync(bytes.subarray(at, at + BLOCK_BYTES));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length);
    pieces.push(length, block);
  }
  return Buffer.concat(pieces);
}

export function snappyDecompress(bytes: Buffer, maxOutputBytes: number): Buffer {
  if (!isXerialHeader(bytes, 0)) return decompressBlock(bytes, 0, maxOutputBytes);
  const pieces: Buffer[] = [];
  let outputBytes = 0;
  let at = 0;
  while (at < bytes.length) {
    if (isXerialHeader(bytes, at)) {
      at += XERIAL_HEADER_BYTES;
      continue;
    }
    if (at + 4 > bytes.length) throw new Error('the data ends in the length of a block');
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < 0 || at + length > bytes.length) throw new Error('a block reaches past the end of the data');
    const piece = decompressBlock(bytes.subarray(at, at + length), outputBytes, maxOutputBytes);
    outputBytes += piece.length;
    if (piece.length > 0) pieces.push(piece);
    at += length;
  }
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces, outputBytes);
}

function isXerialHeader(bytes: Buffer, at: number): boolean {
  return (
    bytes.length - at >= XERIAL_HEADER_BYTES &&
    bytes[at] === XERIAL_MAGIC[0] &&
    bytes.compare(XERIAL_MAGIC, 0, XERIAL_MAGIC.length, at, at + XERIAL_MAGIC.length) === 0
  );
}

/** The library believes the block's length and takes as much memory, so that it is checked before. */
function decompressBlock(block: Buffer, outputBytes: number, maxOutputBytes: number): Buffer {
  const reader = new VarintReader(block);
  const length = reader.unsignedVarint();
  if (reader.failed) throw new Error('a block does not begin with its length');
  if (length > maxOutputBytes - outputBytes) throw tooLarge(maxOutputBytes);
  if (length > block.length * MAX_RATIO) throw new Error('a block claims more than it can hold');
  return load<SnappyLibrary>('snappy').uncompressSync(block);
}
