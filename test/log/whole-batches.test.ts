import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { wholeBatches } from '../../src/log/whole-batches.js';
import { batch, batches, concat } from './log-fixture.js';

const all = batches(5, 4);
const bytes = concat(all);

describe('wholeBatches', () => {
  it('trims to whole batches at every length', () => {
    for (let length = 0; length <= bytes.length; length++) {
      const whole = wholeBatches(bytes, length, toOffset(99));
      const count = Math.floor(length / 76);
      expect(whole).toMatchObject({
        bytes: count * 76,
        batches: count,
        nextOffset: count === 0 ? 0 : 5 + count,
        reason: null,
      });
      expect(whole.firstBatchBytes).toBe(length < 61 ? null : 76);
    }
  });

  it('stops at the limit', () => {
    for (let limit = 5; limit <= 10; limit++) {
      expect(wholeBatches(bytes, bytes.length, toOffset(limit)).batches).toBe(Math.min(limit - 5, 4));
    }
    const wide = concat([batch({ baseOffset: 0, count: 3 })]);
    expect(wholeBatches(wide, wide.length, toOffset(2)).batches).toBe(0);
    expect(wholeBatches(wide, wide.length, toOffset(3)).batches).toBe(1);
  });

  it('says how large the first batch is that did not fit', () => {
    const large = concat([batch({ baseOffset: 0, valueBytes: 5000 })]);
    expect(wholeBatches(large, 100, toOffset(9))).toMatchObject({
      bytes: 0,
      firstBatchBytes: large.length,
      reason: null,
    });
  });

  it('says where something else than a batch begins', () => {
    const damaged = Buffer.from(bytes);
    damaged.writeInt8(7, 2 * 76 + 16);
    expect(wholeBatches(damaged, damaged.length, toOffset(99))).toMatchObject({
      bytes: 2 * 76,
      nextOffset: 7,
      invalidPosition: 2 * 76,
      reason: expect.stringContaining('magic'),
    });
  });

  it('takes shared memory', () => {
    const shared = Buffer.from(new SharedArrayBuffer(bytes.length));
    bytes.copy(shared);
    expect(wholeBatches(shared, shared.length, toOffset(99)).batches).toBe(4);
  });
});
