import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  unsignedVarintBytes,
  VarintReader,
  varintBytes,
  varlongBytes,
  writeUnsignedVarint,
  writeVarint,
  writeVarlong,
} from '../../src/record/varint.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };
const hex = (text: string) => Buffer.from(text, 'hex');

/** Made by hand from the definition: zigzag, then seven bits a byte, the low ones first. */
const VARLONGS: readonly (readonly [number, string])[] = [
  [0, '00'],
  [-1, '01'],
  [1, '02'],
  [63, '7e'],
  [-64, '7f'],
  [64, '8001'],
  [8191, 'fe7f'],
  [8192, '808001'],
  [2 ** 31 - 1, 'feffffff0f'],
  [-(2 ** 31), 'ffffffff0f'],
  [2 ** 31, '8080808010'],
  [-(2 ** 31) - 1, '8180808010'],
  [Number.MAX_SAFE_INTEGER, 'feffffffffffff1f'],
  [Number.MIN_SAFE_INTEGER, 'fdffffffffffff1f'],
];

describe('writeVarlong', () => {
  it.each(VARLONGS)('writes %d', (value, expected) => {
    const bytes = Buffer.alloc(12);
    const end = writeVarlong(bytes, 1, value);
    expect(bytes.toString('hex', 1, end)).toBe(expected);
    expect(varlongBytes(value)).toBe(end - 1);
    expect(bytes.subarray(end).every((byte) => byte === 0)).toBe(true);
  });

  it('writes what is read back', () => {
    const bytes = Buffer.alloc(10);
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const end = writeVarlong(bytes, 0, value);
        expect(varlongBytes(value)).toBe(end);
        const reader = new VarintReader(bytes, 0, end);
        expect(reader.varlong()).toBe(value);
        expect(reader).toMatchObject({ position: end, failed: false });
      }),
      seed,
    );
  });
});

describe('writeVarint', () => {
  it.each(VARLONGS.filter(([value]) => (value | 0) === value))('writes %d', (value, expected) => {
    const bytes = Buffer.alloc(6);
    expect(bytes.toString('hex', 0, writeVarint(bytes, 0, value))).toBe(expected);
  });

  it('writes what is read back', () => {
    const bytes = Buffer.alloc(5);
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const end = writeVarint(bytes, 0, value);
        expect(varintBytes(value)).toBe(end);
        const reader = new VarintReader(bytes, 0, end);
        expect(reader.varint()).toBe(value);
        expect(reader).toMatchObject({ position: end, failed: false });
      }),
      seed,
    );
  });
});

describe('writeUnsignedVarint', () => {
  it('writes what is read back', () => {
    const bytes = Buffer.alloc(5);
    const check = (value: number) => {
      const end = writeUnsignedVarint(bytes, 0, value);
      expect(unsignedVarintBytes(value)).toBe(end);
      const reader = new VarintReader(bytes, 0, end);
      expect(reader.unsignedVarint()).toBe(value);
      expect(reader).toMatchObject({ position: end, failed: false });
    };
    for (const bits of [7, 14, 21, 28]) for (const value of [2 ** bits - 1, 2 ** bits]) check(value);
    fc.assert(fc.property(fc.nat(2 ** 32 - 1), check), seed);
  });
});

describe('VarintReader', () => {
  const READS = ['varint', 'unsignedVarint', 'varlong'] as const;

  it.each(READS)('fails, and does not throw, where %s reaches past the limit', (read) => {
    for (const [text, limit] of [
      ['', 0],
      ['02', 0],
      ['80', 1],
      ['8001', 1],
      ['ffffff', 3],
    ] as const) {
      const reader = new VarintReader(hex(text), 0, limit);
      expect(reader[read]()).toBe(0);
      expect(reader.failed, text).toBe(true);
      expect(reader.position).toBeLessThanOrEqual(limit);
    }
  });

  it('refuses numbers of more than 32 bits, and of more than 5 bytes', () => {
    for (const text of ['ffffffff10', '8080808080', '808080808001', 'ffffffffff']) {
      const reader = new VarintReader(hex(text));
      reader.varint();
      expect(reader.failed, text).toBe(true);
    }
    expect(new VarintReader(hex('ffffffff0f')).unsignedVarint()).toBe(2 ** 32 - 1);
  });

  it('refuses a varlong that is no safe integer, or has more than 10 bytes', () => {
    for (const text of [
      '8080808080808020', // 2^53
      'ffffffffffffff1f', // -2^53
      'feffffffffffffffff01', // 2^63 - 1
      'ffffffffffffffffff01', // -2^63
      'ffffffffffffffffffff01',
      '8080808080808080808000',
    ]) {
      const reader = new VarintReader(hex(text));
      expect(reader.varlong()).toBe(0);
      expect(reader.failed, text).toBe(true);
    }
  });

  it('takes numbers that are longer than they need be', () => {
    expect(new VarintReader(hex('8000')).varint()).toBe(0);
    expect(new VarintReader(hex('8280808000')).varint()).toBe(1);
    expect(new VarintReader(hex('82808080808080808000')).varlong()).toBe(1);
  });

  it('stays failed over later reads', () => {
    const reader = new VarintReader(hex('ffffffffff0202'));
    reader.varint();
    expect(reader.varint()).toBe(1);
    expect(reader.failed).toBe(true);
  });
});
