import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInt64, writeInt64 } from '../../src/base/int64.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

describe('int64', () => {
  it('writes and reads what the 64-bit functions of Buffer do', () => {
    const ours = Buffer.alloc(10);
    const theirs = Buffer.alloc(10);
    const edges = [
      0,
      1,
      -1,
      2 ** 31,
      -(2 ** 31),
      2 ** 32 - 1,
      2 ** 32,
      -(2 ** 32),
      -(2 ** 32) - 1,
      2 ** 53 - 1,
      1 - 2 ** 53,
    ];
    const check = (value: number) => {
      writeInt64(ours, 1, value);
      theirs.writeBigInt64BE(BigInt(value), 1);
      expect(ours).toEqual(theirs);
      expect(readInt64(ours, 1)).toBe(value);
    };
    for (const value of edges) check(value);
    fc.assert(fc.property(fc.maxSafeInteger(), check), seed);
  });

  it('reads a value outside the safe range as one that is not safe', () => {
    const bytes = Buffer.alloc(8);
    for (const value of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 53n), -(2n ** 63n)]) {
      bytes.writeBigInt64BE(value);
      expect(readInt64(bytes, 0)).toBe(Number(value));
      expect(Number.isSafeInteger(readInt64(bytes, 0))).toBe(false);
    }
  });
});
