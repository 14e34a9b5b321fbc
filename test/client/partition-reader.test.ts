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

/** Counts what is given back. */
class Owner {
  bytes = 0;
  readonly ended: number[] = [];

  consumed(bytes: number): void {
    this.bytes += bytes;
  }

  end(streamId: number): void {
    this.ended.push(streamId);
  }
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
    const owner = new Owner();
    const reader = new PartitionReader('t', 0, { position: 5, endOffset: null });
    reader.feed(Buffer.concat([batch(3, ['a', 'b', 'c']), batch(6, ['d'])]), owner);
    expect(reader.fetchOffset).toBe(7);
    expect(offsets(reader)).toEqual([3, 4, 5, 6]);
  });

  it('drops batches that lie wholly before it', () => {
    const owner = new Owner();
    const reader = new PartitionReader('t', 0, { position: 6, endOffset: null });
    reader.feed(Buffer.concat([batch(3, ['a', 'b', 'c']), batch(6, ['d'])]), owner);
    expect(offsets(reader)).toEqual([6]);
  });

  it('gives the bytes of a push back when its last batch is delivered', () => {
    const owner = new Owner();
    const reader = new PartitionReader('t', 0, { position: 0, endOffset: null });
    const push = Buffer.concat([batch(0, ['a']), batch(1, ['bcd'])]);
    reader.feed(push, owner);
    reader.nextBatch();
    reader.nextBatch();
    expect(owner.bytes).toBe(0);
    expect(reader.isDelivering).toBe(true);
    reader.finishBatch();
    reader.finishBatch();
    expect(owner.bytes).toBe(push.length);
    expect(reader.isDelivering).toBe(false);
  });

  it('gives the bytes back of a push that it has no use for', () => {
    const owner = new Owner();
    const reader = new PartitionReader('t', 0, { position: 9, endOffset: null });
    const push = batch(0, ['a']);
    reader.feed(push, owner);
    expect(owner.bytes).toBe(push.length);
    reader.feed(Buffer.alloc(70), owner);
    expect(owner.bytes).toBe(push.length + 70);
    expect(reader.failure).toMatchObject({ code: 'ODR_CORRUPT' });
  });

  it('leaves control batches and emptied ones behind', () => {
    const owner = new Owner();
    const reader = new PartitionReader('t', 0, { position: 0, endOffset: 3 });
    reader.feed(batch(0, ['marker'], { isControl: true }), owner);
    reader.feed(batch(1, [], { lastOffsetDelta: 1 }), owner);
    expect(reader.isAtEnd).toBe(false);
    expect(offsets(reader)).toEqual([]);
    expect(reader.position).toBe(3);
    expect(reader.isAtEnd).toBe(true);
  });

  it('fails at a damaged batch, after what comes before it', () => {
    const owner = new Owner();
    const reader = new PartitionReader('orders', 2, { position: 0, endOffset: null });
    const damaged = batch(1, ['b']);
    damaged[damaged.length - 1] = 0xff;
    reader.feed(Buffer.concat([batch(0, ['a']), damaged]), owner);
    expect(reader.failure).toBeNull();
    expect(reader.needsNoMore).toBe(true);
    expect(offsets(reader)).toEqual([0]);
    expect(reader.failure).toMatchObject({
      code: 'ODR_CORRUPT',
      message: expect.stringContaining('orders-2 at offset 1'),
    });
  });

  it('fails at a batch that is cut off', () => {
    const owner = new Owner();
    const reader = new PartitionReader('t', 0, { position: 0, endOffset: null });
    reader.feed(batch(0, ['a']).subarray(0, -1), owner);
    expect(reader.failure).toMatchObject({ code: 'ODR_CORRUPT' });
  });

  it('forgets what has come and what was wrong when it jumps, and gives it all back', () => {
    const owner = new Owner();
    const reader = new PartitionReader('t', 0, { position: 0, endOffset: null });
    const pushes = [batch(0, ['a']), batch(1, ['b']), Buffer.concat([batch(2, ['c']), Buffer.alloc(20)])];
    for (const push of pushes) reader.feed(push, owner);
    reader.nextBatch();
    reader.jump(40);
    expect(reader).toMatchObject({ position: 40, fetchOffset: 40, isDelivering: false, failure: null });
    expect(owner.bytes).toBe(Buffer.concat(pushes).length);
    reader.feed(batch(40, ['b']), owner);
    expect(offsets(reader)).toEqual([40]);
  });
});
