import { describe, expect, it } from 'vitest';
import { SharedArena } from '../../../bench/experiments/shared-arena.js';

describe('SharedArena', () => {
  it('copies within itself, overlapping ranges too, and nothing else', () => {
    const arena = new SharedArena(100_000);
    const plain = new Uint8Array(arena.bytes.length);
    for (let index = 0; index < plain.length; index++) plain[index] = arena.bytes[index] = index % 251;
    for (const [target, start, bytes] of [
      [70_000, 3, 20_001],
      [5, 0, 9_000],
      [0, 7, 9_000],
      [99_999, 1, 1],
    ] as const) {
      arena.copy(target, start, bytes);
      plain.copyWithin(target, start, start + bytes);
      expect(Buffer.compare(arena.bytes, plain)).toBe(0);
    }
    expect(arena.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(arena.bytes.byteOffset).toBe(0);
  });

  it('refuses ranges that do not fit its memory', () => {
    expect(() => new SharedArena(1000).copy(0, 65_000, 1000)).toThrow();
  });
});
