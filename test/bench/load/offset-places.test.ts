import { describe, expect, it } from 'vitest';
import { OFFSET_PLACEHOLDER, offsetPlaces, writeOffset } from '../../../bench/load/offset-places.js';

function frame(): Buffer {
  const bytes = Buffer.alloc(30);
  bytes.writeBigInt64BE(BigInt(OFFSET_PLACEHOLDER), 3);
  bytes.writeBigInt64BE(BigInt(OFFSET_PLACEHOLDER), 11);
  return bytes;
}

describe('offsetPlaces', () => {
  it('finds the placeholders, which can be written over', () => {
    const bytes = frame();
    expect(offsetPlaces(bytes, 2)).toEqual([3, 11]);
    writeOffset(bytes, 11, 77);
    expect(bytes.readBigInt64BE(11)).toBe(77n);
    expect(offsetPlaces(bytes, 1)).toEqual([3]);
  });

  it('refuses a request with more or less of them', () => {
    expect(() => offsetPlaces(frame(), 3)).toThrow('in some other way');
    expect(() => offsetPlaces(frame(), 1)).toThrow('in some other way');
  });
});
