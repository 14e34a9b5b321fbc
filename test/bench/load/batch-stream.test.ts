import { describe, expect, it } from 'vitest';
import { buildBatch } from '../../../bench/load/batch.js';
import { BatchStream } from '../../../bench/load/batch-stream.js';
import { toLeaderEpoch, toOffset } from '../../../src/base/ids.js';
import { stampPlace } from '../../../src/record/batch-header.js';

const batch = buildBatch(500, 100, 1);

/** The batch as a broker hands it out that put it at this offset. */
function at(offset: number): Buffer {
  const bytes = Buffer.from(batch.bytes);
  stampPlace(bytes, 0, toOffset(offset), toLeaderEpoch(0));
  return bytes;
}

describe('BatchStream', () => {
  it('counts batches as they become complete, in pieces of any size', () => {
    for (const size of [1, 7, 60, 61, 62, 1000]) {
      const stream = new BatchStream(batch);
      const bytes = Buffer.concat([at(0), at(batch.records), at(2 * batch.records)]);
      for (let from = 0; from < bytes.length; from += size) {
        const before = Math.floor(from / batch.bytes.length);
        expect(stream.endOffset, `pieces of ${size}`).toBe(before * batch.records);
        stream.received(bytes.subarray(from, from + size));
      }
      expect(stream.endOffset).toBe(3 * batch.records);
    }
  });

  it('refuses a gap, a repetition, and a batch of another size', () => {
    for (const second of [at(batch.records + 1), at(0), buildBatch(300, 100, 1).bytes]) {
      const stream = new BatchStream(batch);
      stream.received(at(0));
      expect(() => stream.received(second)).toThrow(`at ${batch.records} was to come`);
    }
  });
});
