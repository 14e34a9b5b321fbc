import { describe, expect, it } from 'vitest';
import { Delivery } from '../../src/client/delivery.js';
import { PartitionQueue } from '../../src/client/partition-queue.js';
import { ProducerBatch } from '../../src/client/producer-batch.js';

function queueOf(count: number, deadlineMs = (sequence: number) => sequence): PartitionQueue {
  const queue = new PartitionQueue('t', 0);
  for (let sequence = 0; sequence < count; sequence++) {
    const batch = new ProducerBatch({
      topic: 't',
      partition: 0,
      sequence,
      lingerUntilMs: 0,
      deadlineMs: deadlineMs(sequence),
    });
    batch.add({ timestampMs: 1, key: null, value: null, headers: [] }, new Delivery(1, () => {}), 0);
    queue.open = batch;
    queue.seal();
  }
  return queue;
}

const sequences = (batches: readonly ProducerBatch[]) => batches.map(({ sequence }) => sequence);
const nextOf = (queue: PartitionQueue, unansweredMax = 1) => queue.next(unansweredMax);

describe('PartitionQueue', () => {
  it('holds later batches back while one is unanswered', () => {
    const queue = queueOf(2);
    const first = nextOf(queue);
    expect([first?.sequence, nextOf(queue)]).toEqual([0, null]);
    if (first) expect(queue.finish(first)).toBe(true);
    expect(nextOf(queue)?.sequence).toBe(1);
  });

  it('sends as many at a time as it may', () => {
    const queue = queueOf(4);
    expect([nextOf(queue, 3), nextOf(queue, 3), nextOf(queue, 3)].map((batch) => batch?.sequence)).toEqual([
      0, 1, 2,
    ]);
    expect(nextOf(queue, 3)).toBeNull();
  });

  it('puts failed batches back into their order', () => {
    const queue = queueOf(4);
    const batches = [nextOf(queue, 3), nextOf(queue, 3), nextOf(queue, 3)].filter((batch) => batch !== null);
    for (const batch of [...batches].reverse()) expect(queue.putBack(batch)).toBe(true);
    expect(sequences(queue.takeAll())).toEqual([0, 1, 2, 3]);
  });

  it('has nothing of an open batch without records', () => {
    const queue = new PartitionQueue('t', 0);
    queue.open = new ProducerBatch({
      topic: 't',
      partition: 0,
      sequence: 0,
      lingerUntilMs: 0,
      deadlineMs: 0,
    });
    queue.seal();
    expect([queue.open, queue.waiting]).toEqual([null, 0]);
  });

  it('gives up what waited too long, and leaves the rest', () => {
    const queue = queueOf(4, (sequence) => 100 + sequence);
    expect(sequences(queue.takeExpired(101))).toEqual([0, 1]);
    expect(sequences(queue.takeExpired(101))).toEqual([]);
    expect(sequences(queue.takeAll())).toEqual([2, 3]);
  });

  it('knows nothing of a batch that was taken out', () => {
    const queue = queueOf(1);
    const batch = nextOf(queue);
    queue.takeAll();
    if (batch) expect([queue.finish(batch), queue.putBack(batch)]).toEqual([false, false]);
    expect(batch).not.toBeNull();
  });
});
