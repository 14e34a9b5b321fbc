import { describe, expect, it } from 'vitest';
import { type Offset, toOffset } from '../../../src/base/ids.js';
import { seededRandom } from '../../../src/base/random.js';
import { KeyOffsets, SALT_BYTES } from '../../../src/log/compaction/key-offsets.js';

const SALT = Buffer.alloc(SALT_BYTES, 7);

function map(keys: number): KeyOffsets {
  return new KeyOffsets(KeyOffsets.create(KeyOffsets.bytesFor(keys), SALT));
}

function put(keys: KeyOffsets, key: string, offset: number): boolean {
  const bytes = Buffer.from(key);
  return keys.put(bytes, 0, bytes.length, toOffset(offset));
}

function get(keys: KeyOffsets, key: string): number {
  const bytes = Buffer.from(key);
  return keys.get(bytes, 0, bytes.length);
}

describe('KeyOffsets', () => {
  it('keeps the greatest offset of each key, the empty one too', () => {
    const keys = map(10);
    expect([put(keys, 'a', 0), put(keys, '', 1), put(keys, 'b', 2 ** 53 - 2), put(keys, 'a', 7)]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(put(keys, 'a', 3)).toBe(true);
    expect(['a', '', 'b', 'c'].map((key) => get(keys, key))).toEqual([7, 1, 2 ** 53 - 2, -1]);
    expect(keys.count).toBe(3);
  });

  it.each([1, 2, 3, 4, 100, 1001])('takes %i keys where so many were asked for, and no more', (count) => {
    const keys = map(count);
    expect(keys.keysMax).toBe(count);
    for (let i = 0; i < count; i++) expect(put(keys, `key ${i}`, i)).toBe(true);
    expect(put(keys, 'one more', count)).toBe(false);
    expect(get(keys, 'one more')).toBe(-1);
    // Keys that it has can still be put.
    expect(put(keys, 'key 0', count)).toBe(true);
    expect(get(keys, 'key 0')).toBe(count);
    for (let i = 1; i < count; i++) expect(get(keys, `key ${i}`)).toBe(i);
    expect(keys.count).toBe(count);
  });

  it('takes no more memory than it was given', () => {
    for (const bytes of [200, 1000, 4097, 100_000]) {
      const memory = KeyOffsets.create(bytes, SALT);
      expect(memory.byteLength).toBeLessThanOrEqual(bytes);
      expect(memory.byteLength).toBeGreaterThan(bytes - 24);
      expect(KeyOffsets.bytesFor(new KeyOffsets(memory).keysMax)).toBeLessThanOrEqual(bytes);
    }
    expect(() => KeyOffsets.create(64 + 24, SALT)).toThrow('hold no key');
  });

  it('tells keys apart of whose hashes a quarter is the same', () => {
    // Among so many keys that happens some ten times.
    const count = 300_000;
    const keys = map(count);
    for (let i = 0; i < count; i++) put(keys, `key ${i}`, i);
    expect(keys.count).toBe(count);
  });

  it('lies in memory that others can read', () => {
    const memory = KeyOffsets.create(KeyOffsets.bytesFor(10), SALT);
    put(new KeyOffsets(memory), 'a', 5);
    const other = new KeyOffsets(structuredClone(memory));
    expect(get(other, 'a')).toBe(5);
    put(other, 'b', 6);
    expect(get(new KeyOffsets(memory), 'b')).toBe(6);
  });

  it('finds other slots for the same keys with another salt', () => {
    const layout = (salt: number) => {
      const memory = KeyOffsets.create(KeyOffsets.bytesFor(100), Buffer.alloc(SALT_BYTES, salt));
      const keys = new KeyOffsets(memory);
      for (let i = 0; i < 10; i++) put(keys, `${i}`, i);
      return Buffer.from(memory).subarray(64).toString('hex');
    };
    expect(layout(1)).toBe(layout(1));
    expect(layout(1)).not.toBe(layout(2));
  });

  it('does what a map of keys does', () => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
    const random = seededRandom(seed);
    const keys = map(500);
    const model = new Map<string, Offset>();
    for (let i = 0; i < 5000; i++) {
      const key = random.bytes(random.below(3)).join();
      const offset = toOffset(random.below(10_000));
      const isKnown = model.has(key);
      const taken = put(keys, key, offset);
      expect(taken, `seed ${seed}`).toBe(isKnown || model.size < 500);
      if (taken) model.set(key, toOffset(Math.max(offset, model.get(key) ?? 0)));
    }
    for (const [key, offset] of model) expect(get(keys, key), `seed ${seed}`).toBe(offset);
    expect(keys.count).toBe(500);
  });
});
