import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { CoordinatorPartition, LogExtent, LogPiece } from '../../src/coordinator/coordinator-log.js';
import { replayLog } from '../../src/coordinator/replay-log.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';

/** A log of batches of one record each, of which others say how much is committed. */
class Scene implements CoordinatorPartition {
  readonly clock = new SimulatedClock();
  readonly batchBytesMax = 1000;
  startOffset = 0;
  committedOffset: number;
  endOffset: number;
  open = true;
  failure: LogPiece | null = null;
  readonly replayed: number[] = [];
  result: number | Error | null = null;
  readonly stop: () => void;

  constructor(log: { startOffset?: number; committedOffset: number; endOffset: number }) {
    this.startOffset = log.startOffset ?? 0;
    this.committedOffset = log.committedOffset;
    this.endOffset = log.endOffset;
    this.stop = replayLog({
      partition: this,
      clock: this.clock,
      replay: (_, timestampMs) => this.replayed.push(timestampMs),
      done: (result) => {
        expect(this.result).toBeNull();
        this.result = result;
      },
    });
  }

  extent(): LogExtent | null {
    const [startOffset, committedOffset, endOffset] = [
      this.startOffset,
      this.committedOffset,
      this.endOffset,
    ].map(toOffset);
    if (!this.open || startOffset === undefined || committedOffset === undefined || endOffset === undefined)
      return null;
    return { startOffset, committedOffset, endOffset };
  }

  /** Two records at a time; the timestamp of a record is its offset. */
  read(offset: number, done: (piece: LogPiece) => void): void {
    const count = Math.min(2, this.committedOffset - offset);
    this.clock.after(1, () => {
      if (this.failure) done(this.failure);
      else if (count <= 0) done({ type: 'end' });
      else {
        const nextOffset = toOffset(offset + count);
        done({ type: 'batches', bytes: keyed(offset, count), nextOffset });
      }
    });
  }

  append(): void {
    throw new Error('a replay appends nothing');
  }

  close(): void {}
}

function keyed(from: number, count: number): Buffer {
  const batches = Array.from({ length: count }, (_, i) => {
    const builder = new BatchBuilder();
    builder.add({ timestampMs: from + i, key: Buffer.from('k'), value: null, headers: [] });
    return builder.build({ baseOffset: toOffset(from + i) });
  });
  return Buffer.concat(batches);
}

describe('replayLog', () => {
  it('replays everything from the start to the end, in order', () => {
    const scene = new Scene({ startOffset: 3, committedOffset: 8, endOffset: 8 });
    expect(scene.replayed).toEqual([]);
    scene.clock.advance(100);
    expect(scene.replayed).toEqual([3, 4, 5, 6, 7]);
    expect(scene.result).toBe(5);
  });

  it('ends at once with an empty log', () => {
    const scene = new Scene({ committedOffset: 0, endOffset: 0 });
    scene.clock.advance(1);
    expect(scene.result).toBe(0);
  });

  it('waits until what was appended before is committed, and not for what comes after', () => {
    const scene = new Scene({ committedOffset: 2, endOffset: 4 });
    scene.clock.advance(10_000);
    expect(scene.replayed).toEqual([0, 1]);
    expect(scene.result).toBeNull();
    scene.endOffset = 100;
    scene.committedOffset = 4;
    scene.clock.advance(100);
    expect(scene.replayed).toEqual([0, 1, 2, 3]);
    expect(scene.result).toBe(4);
  });

  it('gives up on records that are never committed', () => {
    const scene = new Scene({ committedOffset: 2, endOffset: 4 });
    scene.clock.advance(3_600_000);
    expect(scene.result).toEqual(new Error('the records from offset 2 on are never committed'));
    expect(scene.clock.pending).toBe(0);
  });

  it('ends where compaction took the last records out', () => {
    const scene = new Scene({ committedOffset: 4, endOffset: 4 });
    scene.failure = { type: 'end' };
    scene.clock.advance(100);
    expect(scene.result).toBe(0);
  });

  it('goes on behind what compaction took out', () => {
    const scene = new Scene({ committedOffset: 4, endOffset: 6 });
    scene.failure = { type: 'end' };
    scene.clock.advance(100);
    expect(scene.result).toBeNull();
    scene.failure = null;
    scene.committedOffset = 6;
    scene.clock.advance(100);
    expect(scene.replayed).toEqual([4, 5]);
    expect(scene.result).toBe(2);
  });

  it('passes over batches of which compaction left only the header, and offsets that are gone', () => {
    const scene = new Scene({ committedOffset: 12, endOffset: 12 });
    const emptied = new BatchBuilder().build({ baseOffset: toOffset(2), lastOffsetDelta: 3 });
    const bytes = Buffer.concat([keyed(1, 1), emptied, keyed(8, 1)]);
    scene.failure = { type: 'batches', bytes, nextOffset: toOffset(9) };
    scene.clock.advance(2);
    scene.failure = null;
    scene.clock.advance(100);
    expect(scene.replayed).toEqual([1, 8, 9, 10, 11]);
    expect(scene.result).toBe(5);
  });

  it('says why the log cannot be read', () => {
    const scene = new Scene({ committedOffset: 4, endOffset: 4 });
    scene.failure = { type: 'failed', reason: 'the disk is gone' };
    scene.clock.advance(100);
    expect(scene.result).toEqual(new Error('the disk is gone'));
  });

  it('fails when the partition is closed meanwhile', () => {
    const scene = new Scene({ committedOffset: 4, endOffset: 4 });
    scene.clock.runNext();
    scene.open = false;
    scene.clock.advance(100);
    expect(scene.result).toEqual(new Error('the partition was closed'));
  });

  it('is silent once it is stopped, whatever is under way', () => {
    const scene = new Scene({ committedOffset: 4, endOffset: 4 });
    scene.clock.runNext();
    scene.stop();
    scene.clock.advance(100);
    expect(scene.replayed).toEqual([]);
    expect(scene.result).toBeNull();
  });
});
