/**
 * Murmur2 with Kafka's seed, as an unsigned 32-bit number. Source: org.apache.kafka.common.utils.Utils.murmur2, after
 * Austin Appleby's MurmurHash2 (public domain). Of the first `length` bytes. O(n).
 */
export function murmur2(bytes: Uint8Array, length = bytes.length): number {
  const multiplier = 0x5bd1e995;
  const at = (position: number) => bytes[position] ?? 0;
  let hash = 0x9747b28c ^ length;
  let position = 0;
  for (; position + 4 <= length; position += 4) {
    let group = at(position) | (at(position + 1) << 8) | (at(position + 2) << 16) | (at(position + 3) << 24);
    group = Math.imul(group, multiplier);
    group ^= group >>> 24;
    group = Math.imul(group, multiplier);
    hash = Math.imul(hash, multiplier) ^ group;
  }
  const rest = length - position;
  if (rest > 0) {
    if (rest === 3) hash ^= at(position + 2) << 16;
    if (rest >= 2) hash ^= at(position + 1) << 8;
    hash ^= at(position);
    hash = Math.imul(hash, multiplier);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, multiplier);
  hash ^= hash >>> 15;
  return hash >>> 0;
}
