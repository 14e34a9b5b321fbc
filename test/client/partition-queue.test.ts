import { describe, expect, it } from 'vitest';
import { BatchDelivery } from '../../src/client/delivery.js';
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
    batch.add({ timestampMs: 1, key: null, value: null, headers: [] }, new BatchDelivery(1, () => {}), 0);
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

  describe('of an idempotent producer', () => {
    const producer = { producerId: 7, producerEpoch: 0 };
    const numberOf = ({ producer: owner, baseSequence }: ProducerBatch) => (owner ? baseSequence : null);

    /** Numbers and takes the next batch; null if it has to wait. */
    function send(queue: PartitionQueue, identity = producer): ProducerBatch | null {
      const batch = queue.peek(10);
      if (!batch || !queue.number(batch, identity)) return null;
      queue.take(batch);
      return batch;
    }

    /** A queue whose first batch is in the log, and the next of which were sent. */
    function underWay(count: number): { queue: PartitionQueue; batches: ProducerBatch[] } {
      const queue = queueOf(10);
      const first = send(queue);
      if (first) {
        queue.finish(first);
        queue.appended(first);
      }
      const batches = Array.from({ length: count }, () => send(queue)).filter((batch) => batch !== null);
      expect(batches.map(numberOf)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
      return { queue, batches };
    }

    it('sends one batch until the partition has one, then at most five from the first without an answer', () => {
      const fresh = queueOf(3);
      expect([send(fresh)?.baseSequence, send(fresh)]).toEqual([0, null]);
      const { queue, batches } = underWay(5);
      for (const batch of batches.slice(1)) queue.finish(batch);
      expect(send(queue)).toBeNull();
      if (batches[0]) queue.finish(batches[0]);
      expect(send(queue)?.baseSequence).toBe(6);
    });

    it('gives the number of a batch that is not sent to the next one', () => {
      const { queue, batches } = underWay(2);
      const [, last] = batches;
      if (!last) throw new Error('no batch');
      queue.finish(last);
      queue.takeNumberBack(last);
      expect([last.producer, send(queue)?.baseSequence]).toEqual([null, 2]);
    });

    it('begins with 0 for another identity, when no batch has a number of the one before', () => {
      const { queue, batches } = underWay(2);
      const next = { producerId: 7, producerEpoch: 1 };
      expect(send(queue, next)).toBeNull();
      for (const batch of batches) queue.finish(batch);
      expect([send(queue, next)?.baseSequence, send(queue, next)]).toEqual([0, null]);
    });

    it('takes the numbers of the batches behind a refused one, unless they are in doubt or under way', () => {
      const { queue, batches } = underWay(4);
      const [refused, doubtful, certain, unanswered] = batches;
      if (!refused || !doubtful || !certain) throw new Error('no batch');
      doubtful.isInDoubt = true;
      for (const batch of [refused, doubtful, certain]) queue.putBack(batch);
      expect(queue.isFirstNumbered(refused)).toBe(true);
      queue.voidAfter(refused);
      refused.unnumber();
      expect(batches.map(numberOf)).toEqual([null, 2, null, 4]);
      expect([doubtful.isVoid, unanswered?.isVoid]).toEqual([true, true]);
      // The one in doubt goes first, so that its fate becomes clear.
      expect([queue.peek(10), queue.peekNumbered(10)]).toEqual([refused, doubtful]);
      expect(queue.isFirstNumbered(doubtful)).toBe(true);
    });

    it('gives up what waits without a number alone', () => {
      const { queue, batches } = underWay(1);
      const [batch] = batches;
      if (batch) queue.putBack(batch);
      expect(queue.takeUnnumbered()).toHaveLength(8);
      expect(queue.takeAll()).toEqual([batch]);
    });
  });
});
