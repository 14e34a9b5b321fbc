import { describe, expect, it } from 'vitest';
import { toLeaderEpoch, toOffset } from '../../src/base/ids.js';
import { PartitionReader } from '../../src/client/partition-reader.js';
import { BatchBuilder, type BuildOptions } from '../../src/record/batch-builder.js';

function batch(baseOffset: number, values: string[], options: BuildOptions = {}): Buffer {
  const builder = new BatchBuilder();
  for (const value of values)
    builder.add({ timestampMs: 1, key: null, value: Buffer.from(value), headers: [] });
  return builder.build({ baseOffset: toOffset(baseOffset), leaderEpoch: toLeaderEpoch(0), ...options });
}

function offsets(reader: PartitionReader): number[] {
  const found: number[] = [];
  for (let next = reader.nextBatch(); next; next = reader.nextBatch()) {
    for (const { offset } of next.records()) found.push(offset);
  }
  return found;
}

describe('PartitionReader', () => {
  it('goes on behind what it was fed', () => {
    const reader = new PartitionReader('t', 0, { position: 5, endOffset: null });
    reader.feed(Buffer.concat([batch(3, ['a', 'b', 'c']), batch(6, ['d'])]));
    expect(reader.fetchOffset).toBe(7);
    expect(offsets(reader)).toEqual([3, 4, 5, 6]);
  });

  it('drops batches that lie wholly before it', () => {
    const reader = new PartitionReader('t', 0, { position: 6, endOffset: null });
    reader.feed(Buffer.concat([batch(3, ['a', 'b', 'c']), batch(6, ['d'])]));
    expect(offsets(reader)).toEqual([6]);
  });

  it('counts the bytes that wait', () => {
    const reader = new PartitionReader('t', 0, { position: 0, endOffset: null });
    const [one, two] = [batch(0, ['a']), batch(1, ['bcd'])];
    reader.feed(Buffer.concat([one, two]));
    expect(reader.fetchedBytes).toBe(one.length + two.length);
    reader.nextBatch();
    expect(reader.fetchedBytes).toBe(two.length);
  });

  it('leaves control batches and emptied ones behind', () => {
    const reader = new PartitionReader('t', 0, { position: 0, endOffset: 3 });
    reader.feed(batch(0, ['marker'], { isControl: true }));
    reader.feed(batch(1, [], { lastOffsetDelta: 1 }));
    expect(reader.isAtEnd).toBe(false);
    expect(offsets(reader)).toEqual([]);
    expect(reader.position).toBe(3);
    expect(reader.isAtEnd).toBe(true);
  });

  it('fails at a damaged batch, after what comes before it', () => {
    const reader = new PartitionReader('orders', 2, { position: 0, endOffset: null });
    const damaged = batch(1, ['b']);
    damaged[damaged.length - 1] = 0xff;
    reader.feed(Buffer.concat([batch(0, ['a']), damaged]));
    expect(reader.failure).toBeNull();
    expect(reader.needsNoMore).toBe(true);
    expect(offsets(reader)).toEqual([0]);
    expect(reader.failure).toMatchObject({
      code: 'ODR_CORRUPT',
      message: expect.stringContaining('orders-2 at offset 1'),
    });
  });

  it('fails at a batch that is cut off', () => {
    const reader = new PartitionReader('t', 0, { position: 0, endOffset: null });
    reader.feed(batch(0, ['a']).subarray(0, -1));
    expect(reader.failure).toMatchObject({ code: 'ODR_CORRUPT' });
  });

  it('forgets what was fetched and what was wrong when it jumps', () => {
    const reader = new PartitionReader('t', 0, { position: 0, endOffset: null });
    reader.feed(Buffer.concat([batch(0, ['a']), Buffer.alloc(20)]));
    reader.jump(40);
    expect(reader).toMatchObject({ position: 40, fetchOffset: 40, fetchedBytes: 0, failure: null });
    reader.feed(batch(40, ['b']));
    expect(offsets(reader)).toEqual([40]);
  });
});
