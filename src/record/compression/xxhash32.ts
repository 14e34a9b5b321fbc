// XXH32, the checksum inside LZ4 frames. Source: the xxHash specification.

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits));

/** XXH32 with seed 0 of the bytes in [start, end), as an unsigned number. O(n). */
export function xxhash32(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const word = (at: number) =>
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
  const round = (lane: number, input: number) =>
    Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1);

  let at = start;
  let hash = PRIME_5;
  if (end - start >= 16) {
    let lane1 = (PRIME_1 + PRIME_2) | 0;
    let lane2 = PRIME_2 | 0;
    let lane3 = 0;
    let lane4 = -PRIME_1 | 0;
    for (; at + 16 <= end; at += 16) {
      lane1 = round(lane1, word(at));
      lane2 = round(lane2, word(at + 4));
      lane3 = round(lane3, word(at + 8));
      lane4 = round(lane4, word(at + 12));
    }
    hash = rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18);
  }
  hash = (hash + (end - start)) | 0;
  for (; at + 4 <= end; at += 4)
    hash = Math.imul(rotate((hash + Math.imul(word(at), PRIME_3)) | 0, 17), PRIME_4);
  for (; at < end; at++)
    hash = Math.imul(rotate((hash + Math.imul(bytes[at] as number, PRIME_5)) | 0, 11), PRIME_1);
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
