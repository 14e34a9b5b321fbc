import { describe, expect, it } from 'vitest';
import { sipHash128 } from '../../../src/log/compaction/sip-hash.js';

/** Length of the message 00 01 02 … → its hash under the key 00 01 … 0f, as OpenSSL's SIPHASH with 16 bytes computes it. */
const VECTORS: readonly (readonly [number, string])[] = [
  [0, 'a3817f04ba25a8e66df67214c7550293'],
  [1, 'da87c1d86b99af44347659119b22fc45'],
  [2, '8177228da4a45dc7fca38bdef60affe4'],
  [3, '9c70b60c5267a94e5f33b6b02985ed51'],
  [4, 'f88164c12d9c8faf7d0f6e7c7bcd5579'],
  [5, '1368875980776f8854527a07690e9627'],
  [6, '14eeca338b208613485ea0308fd7a15e'],
  [7, 'a1f1ebbed8dbc153c0b84aa61ff08239'],
  [8, '3b62a9ba6258f5610f83e264f31497b4'],
  [9, '264499060ad9baabc47f8b02bb6d71ed'],
  [15, '5493e99933b0a8117e08ec0f97cfc3d9'],
  [16, '6ee2a4ca67b054bbfd3315bf85230577'],
  [24, '2db479ae78bd50d8882a8a178a6132ad'],
  [31, '2939b0183223fafc1723de4f52c43d35'],
  [63, '5150d1772f50834a503e069a973fbd7c'],
];

const counting = (length: number) => Buffer.from(Array.from({ length }, (_, i) => i));

function words(bytes: Buffer): Int32Array {
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readInt32LE(4 * i));
}

describe('sipHash128', () => {
  it.each(VECTORS)('hashes %i bytes as others do', (length, expected) => {
    const hash = new Int32Array(4);
    // Behind and before other bytes, which must not matter.
    const bytes = Buffer.concat([Buffer.alloc(3, 0xee), counting(length), Buffer.alloc(9, 0xdd)]);
    sipHash128(words(counting(16)), bytes, 3, length, hash);
    expect(hash).toEqual(words(Buffer.from(expected, 'hex')));
  });
});
