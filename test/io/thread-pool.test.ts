import { describe, expect, it } from 'vitest';
import { syncsPerThread } from '../../src/io/thread-pool.js';

describe('syncsPerThread', () => {
  it('leaves a quarter of the pool to others, and each thread one sync at least', () => {
    const given = [1, 2, 4, 16, 256].map((threads) => syncsPerThread(threads, '16'));
    expect(given).toEqual([12, 6, 3, 1, 1]);
  });

  it('takes the standard size of libuv where none is set, or what is set is none', () => {
    for (const size of [undefined, '', 'many', '0', '-3']) expect(syncsPerThread(1, size)).toBe(3);
  });
});
