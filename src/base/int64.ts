// 64-bit integers as numbers. Offsets, timestamps and producer ids are safe integers in practice; a value outside that
// range is rejected or clamped where it enters, on purpose.

const HIGH = 2 ** 32;

/** The big-endian int64 at `position`. Exact in the safe range; outside it the nearest double, which is not safe. */
export function readInt64(bytes: Buffer, position: number): number {
  return bytes.readInt32BE(position) * HIGH + bytes.readUInt32BE(position + 4);
}

/** Writes a safe integer as big-endian int64. */
export function writeInt64(bytes: Buffer, position: number, value: number): void {
  bytes.writeInt32BE(Math.floor(value / HIGH), position);
  bytes.writeUInt32BE(value - Math.floor(value / HIGH) * HIGH, position + 4);
}
