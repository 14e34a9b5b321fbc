import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { snappyCompress, snappyDecompress } from '../../../src/record/compression/snappy.js';

const BOUND = 2 ** 20;
const raw = (text: string): Buffer => createRequire(import.meta.url)('snappy').compressSync(text);
const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const HEADER = Buffer.from('82534e41505059000000000100000001', 'hex');
const block = (text: string) => Buffer.concat([int32(raw(text).length), raw(text)]);

describe('snappyCompress', () => {
  it("writes Xerial's frames of 32 KiB each", () => {
    const bytes = snappyCompress(Buffer.alloc(70_000, 'abc'));
    expect(bytes.subarray(0, 16)).toEqual(HEADER);
    const lengths: number[] = [];
    for (let at = 16; at < bytes.length; at += 4 + bytes.readInt32BE(at)) {
      lengths.push(snappyDecompress(bytes.subarray(at + 4, at + 4 + bytes.readInt32BE(at)), BOUND).length);
    }
    expect(lengths).toEqual([32768, 32768, 70_000 - 65_536]);
  });
});

describe('snappyDecompress', () => {
  const read = (...pieces: Buffer[]) => snappyDecompress(Buffer.concat(pieces), BOUND).toString();

  it('reads a raw block', () => {
    expect(read(raw('as librdkafka writes it'))).toBe('as librdkafka writes it');
  });

  it('reads frames of any version, joined streams and empty blocks', () => {
    const future = Buffer.from(HEADER);
    future.writeInt32BE(9, 8);
    expect(read(future, block('one '), block(''), block('two '), HEADER, block('three'))).toBe(
      'one two three',
    );
    expect(read(HEADER)).toBe('');
  });

  it('says what is wrong with a frame', () => {
    expect(() => read(HEADER, Buffer.from([0, 0]))).toThrow('ends in the length of a block');
    expect(() => read(HEADER, int32(-1))).toThrow('reaches past the end');
    expect(() => read(HEADER, int32(100), raw('x'))).toThrow('reaches past the end');
    expect(() => read(HEADER, int32(0))).toThrow('does not begin with its length');
  });

  it('does not believe a length that the block cannot have', () => {
    expect(() => read(Buffer.from('ffff3f00', 'hex'))).toThrow('claims more than it can hold');
    expect(() => read(Buffer.from('ffffffff0f00', 'hex'))).toThrow('inflates to more than');
    expect(() => read(Buffer.from('ffffffffff', 'hex'))).toThrow('does not begin with its length');
  });

  it('bounds the sum of all blocks', () => {
    const bytes = Buffer.concat([HEADER, block('12345'), block('67890')]);
    expect(snappyDecompress(bytes, 10).toString()).toBe('1234567890');
    expect(() => snappyDecompress(bytes, 9)).toThrow('inflates to more than 9 bytes');
  });
});
