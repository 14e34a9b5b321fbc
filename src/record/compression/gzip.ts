import { gunzipSync, gzipSync } from 'node:zlib';

/** Level -1 is zlib's own default. */
export function gzip(bytes: Buffer, level: number): Buffer {
  return gzipSync(bytes, { level });
}

export function gunzip(bytes: Buffer, maxOutputBytes: number): Buffer {
  return gunzipSync(bytes, { maxOutputLength: Math.max(1, maxOutputBytes), chunkSize: 64 * 1024 });
}
