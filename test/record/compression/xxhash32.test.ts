import { describe, expect, it } from 'vitest';
import { xxhash32 } from '../../../src/record/compression/xxhash32.js';

describe('xxhash32', () => {
  // Source: the xxHash specification's reference implementation, seed 0.
  it.each([
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['abcd', 0xa3643705],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ])('knows the hash of "%s"', (text, expected) => {
    expect(xxhash32(Buffer.from(text))).toBe(expected);
  });

  it('hashes a range only', () => {
    const bytes = Buffer.from('xxNobody inspects the spammish repetitionyy');
    expect(xxhash32(bytes, 2, bytes.length - 2)).toBe(0xe2293b2f);
  });
});
