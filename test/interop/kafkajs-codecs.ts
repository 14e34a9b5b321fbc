// kafkajs brings gzip only. The other codecs, with the libraries that its own plug-ins use. Import it for its effect.
import { createRequire } from 'node:module';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';

/** What kafkajs hands to a codec. */
interface Encoder {
  readonly buffer: Buffer;
}
type Transform = (bytes: Buffer) => Promise<Buffer>;

/** How snappy's Java library begins what it writes; then come two numbers of 4 bytes, and blocks, each with its length before it. */
const XERIAL_MAGIC = Buffer.from('82534e4150505900', 'hex');
const XERIAL_HEADER_BYTES = 16;

const require = createRequire(import.meta.url);
const snappy: { compress: Transform; uncompress: Transform } = require('snappy');
const lz4: { compressFrame: Transform; decompressFrame: Transform } = require('lz4-napi');
const zstd: {
  Encoder: new (level: number) => { encode: Transform };
  Decoder: new () => { decode: Transform };
} = require('@toondepauw/node-zstd');

async function uncompressSnappy(bytes: Buffer): Promise<Buffer> {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappy.uncompress(bytes);
  const blocks: Buffer[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length; ) {
    const end = at + 4 + bytes.readInt32BE(at);
    blocks.push(await snappy.uncompress(bytes.subarray(at + 4, end)));
    at = end;
  }
  return Buffer.concat(blocks);
}

const codec = (compress: Transform, decompress: Transform) => () => ({
  compress: ({ buffer }: Encoder) => compress(buffer),
  decompress,
});
CompressionCodecs[CompressionTypes.Snappy] = codec((bytes) => snappy.compress(bytes), uncompressSnappy);
CompressionCodecs[CompressionTypes.LZ4] = codec(
  (bytes) => lz4.compressFrame(bytes),
  (bytes) => lz4.decompressFrame(bytes),
);
CompressionCodecs[CompressionTypes.ZSTD] = codec(
  (bytes) => new zstd.Encoder(3).encode(bytes),
  (bytes) => new zstd.Decoder().decode(bytes),
);
