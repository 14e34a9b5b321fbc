import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.js';
import { type Random, randomUuid, seededRandom, systemRandom } from '../../src/base/random.js';

const take = (random: Random, count: number) => Array.from({ length: count }, () => random.uint32());

describe('seededRandom', () => {
  it('gives the same sequence for the same seed', () => {
    expect(take(seededRandom(7), 50)).toEqual(take(seededRandom(7), 50));
    expect(take(seededRandom(7), 5)).not.toEqual(take(seededRandom(8), 5));
  });

  it('gives the sequence that recorded seeds were found with', () => {
    expect(take(seededRandom(1), 4)).toEqual([1_506_684_997, 389_392_296, 138_374_344, 482_077_534]);
    expect(Buffer.from(seededRandom(2026).bytes(8)).toString('hex')).toBe('b3305a7a8bfeca21');
  });

  it('spreads over the whole range', () => {
    const random = seededRandom(3);
    const buckets = new Array<number>(16).fill(0);
    for (const value of take(random, 16_000)) buckets[value >>> 28] = (buckets[value >>> 28] ?? 0) + 1;
    // Each bucket expects 1000 with a deviation of 31.
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(200);
  });
});

describe.each([
  ['seededRandom', seededRandom(42)],
  ['systemRandom', systemRandom],
])('%s', (_, random) => {
  it('stays below the end, and reaches every value', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 500; i++) seen.add(random.below(5));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(random.below(1)).toBe(0);
    expect(() => random.below(0)).toThrow(AssertionError);
  });

  it('gives as many bytes as asked for', () => {
    expect(random.bytes(0)).toHaveLength(0);
    expect(random.bytes(33)).toHaveLength(33);
    expect(Buffer.from(random.bytes(16)).equals(Buffer.from(random.bytes(16)))).toBe(false);
  });
});

describe('randomUuid', () => {
  it('is a version 4 UUID in 22 characters that never begins with a dash', () => {
    const random = seededRandom(9);
    const ids = Array.from({ length: 500 }, () => randomUuid(random));
    for (const id of ids) {
      expect(id).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/);
      const bytes = Buffer.from(id, 'base64url');
      expect(bytes).toHaveLength(16);
      expect((bytes[6] ?? 0) >>> 4).toBe(4);
      expect((bytes[8] ?? 0) >>> 6).toBe(2);
    }
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('is the same for the same seed', () => {
    expect(randomUuid(seededRandom(5))).toBe(randomUuid(seededRandom(5)));
  });
});
