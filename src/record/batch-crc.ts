import { crc32c } from '../base/crc32c.js';
import { CRC_START, readBatchBytes } from './batch-header.js';

/** The checksum of the batch as its bytes are now. The whole batch must be there. O(bytes). */
export function computeBatchCrc(bytes: Buffer, at: number): number {
  return crc32c(bytes.subarray(at + CRC_START, at + readBatchBytes(bytes, at)));
}

/** Makes the checksum valid again after a change behind it. O(bytes). */
export function stampBatchCrc(bytes: Buffer, at: number): void {
  bytes.writeUInt32BE(computeBatchCrc(bytes, at), at + 17);
}
