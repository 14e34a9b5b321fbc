// The codecs of a record batch: bits 0–2 of its attributes. All work is synchronous; what each needs is loaded on its
// first use, so that a broker that only passes batches on never pays for it. Source: KIP-110 (zstd), KIP-390 (levels).
import { OdradekError } from '../../base/errors.js';
import { gunzip, gzip } from './gzip.js';
import { lz4Compress, lz4Decompress } from './lz4.js';
import { snappyCompress, snappyDecompress } from './snappy.js';
import { tooLarge } from './too-large.js';
import { zstdCompress, zstdDecompress } from './zstd.js';

export type CodecName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

interface Codec {
  readonly name: CodecName;
  /** Lowest, highest and default level; null where there is nothing to choose. */
  readonly levels: { readonly min: number; readonly max: number; readonly default: number } | null;
  compress(bytes: Buffer, level: number): Buffer;
  /** Throws on malformed input and on more than `maxOutputBytes`. */
  decompress(bytes: Buffer, maxOutputBytes: number): Buffer;
}

/** Indexed by the id that batches carry. */
const CODECS: readonly Codec[] = [
  { name: 'none', levels: null, compress: (bytes) => bytes, decompress: (bytes) => bytes },
  { name: 'gzip', levels: { min: 1, max: 9, default: -1 }, compress: gzip, decompress: gunzip },
  { name: 'snappy', levels: null, compress: snappyCompress, decompress: snappyDecompress },
  { name: 'lz4', levels: { min: 1, max: 17, default: 9 }, compress: lz4Compress, decompress: lz4Decompress },
  {
    name: 'zstd',
    levels: { min: -131072, max: 22, default: 3 },
    compress: zstdCompress,
    decompress: zstdDecompress,
  },
];

const ids = new Map(CODECS.map(({ name }, id) => [name, id]));

/** The names of all codecs, `none` first. */
export const CODEC_NAMES: readonly CodecName[] = CODECS.map(({ name }) => name);

/** The codec with this id, or null for an id that no codec has. */
export function codecName(id: number): CodecName | null {
  return CODECS[id]?.name ?? null;
}

export function codecId(name: CodecName): number {
  return ids.get(name) ?? 0;
}

/**
 * The compressed bytes, or the same bytes for `none`. `level` has Kafka's ranges: gzip 1 to 9, zstd -131072 to 22, lz4
 * 1 to 17 (accepted for compatibility: the library has one level). Throws {@link OdradekError} `ODR_COMPRESSION`.
 */
export function compress(name: CodecName, bytes: Buffer, level?: number): Buffer {
  const codec = codecNamed(name);
  const { levels } = codec;
  if (level !== undefined && levels && level !== levels.default) {
    if (!Number.isInteger(level) || level < levels.min || level > levels.max) {
      const problem = `${name} has levels ${levels.min} to ${levels.max}, not ${level}`;
      throw new OdradekError('ODR_COMPRESSION', problem);
    }
  }
  try {
    return codec.compress(bytes, level ?? levels?.default ?? 0);
  } catch (cause) {
    throw failed(`cannot compress with ${name}`, cause);
  }
}

/**
 * The original bytes. Malformed, cut off or oversized input throws {@link OdradekError} `ODR_COMPRESSION`; memory in use
 * stays within a small multiple of `maxOutputBytes`, or of 64 MiB if that is more.
 */
export function decompress(name: CodecName, bytes: Buffer, maxOutputBytes: number): Buffer {
  const codec = codecNamed(name);
  const problem = `${name} data is invalid`;
  let output: Buffer;
  try {
    output = codec.decompress(bytes, maxOutputBytes);
  } catch (cause) {
    throw failed(problem, isZlibLimit(cause) ? tooLarge(maxOutputBytes) : cause);
  }
  if (output.length > maxOutputBytes) throw failed(problem, tooLarge(maxOutputBytes));
  return output;
}

function codecNamed(name: CodecName): Codec {
  const codec = CODECS[ids.get(name) ?? -1];
  if (!codec)
    throw new OdradekError('ODR_COMPRESSION', `unknown codec ${name}; there are ${CODEC_NAMES.join(', ')}`);
  return codec;
}

/** Whatever a library throws becomes an error of ours. */
function failed(problem: string, cause: unknown): OdradekError {
  if (cause instanceof OdradekError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new OdradekError('ODR_COMPRESSION', `${problem}: ${reason}`, { cause });
}

/** What node:zlib says at `maxOutputLength` speaks of buffers that its caller never made. */
function isZlibLimit(cause: unknown): boolean {
  return cause instanceof RangeError && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE';
}
