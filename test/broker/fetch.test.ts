import { describe, expect, it } from 'vitest';
import { present } from '../../src/base/assert.js';
import { toOffset } from '../../src/base/ids.js';
import { isBytes, type Piece } from '../../src/base/piece.js';
import { Fetch, type FetchAnswer, type Fetched } from '../../src/broker/fetch.js';
import { FetchCounters } from '../../src/broker/metrics/counters.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';
import { bytesOf } from '../base/bytes-of.js';
import { appendLeft } from './append-left.js';
import { BATCH_BYTES, CHUNK_BYTES, offsetsIn, PARTITIONS, PartitionScene, range } from './partition-scene.js';
import { READ_AT_ONCE } from './read-paces.js';

interface Asked {
  readonly fetch: Fetch;
  /** The answer, once there is one. */
  readonly answer: () => FetchAnswer | null;
}

/** What a client gets. */
interface Read extends Omit<Fetched, 'records'> {
  readonly records: Buffer | null;
}

class Scene extends PartitionScene {
  sliceBytesMin = Number.POSITIVE_INFINITY;

  /** Fetches from partitions, by default from the first of them at offset 0. */
  fetch(
    request: { minBytes?: number; maxWaitMs?: number; maxBytes?: number } = {},
    targets: readonly { index?: number; offset?: number; maxBytes?: number }[] = [{}],
  ): Asked {
    const answers: FetchAnswer[] = [];
    const fetch = new Fetch(
      {
        minBytes: 1,
        maxWaitMs: 1000,
        maxBytes: 1_000_000,
        ...request,
        targets: targets.map(({ index = 0, offset = 0, maxBytes = 0 }) => ({
          entry: this.partitions[index]?.entry,
          offset,
          maxBytes,
        })),
      },
      {
        clock: this.machine.clock,
        disk: this.machine.disk,
        logger: this.machine.logger,
        readBuffer: this.readBuffer,
        counters: new FetchCounters(),
        withRoutes: (_entries, done) => {
          if (this.routing) this.routing.push(done);
          else done();
        },
        inTurn: (read) => {
          if (this.turns) this.turns.push(read);
          else read(() => {});
        },
        defer: (run) => run(),
        later: (run) => this.machine.clock.schedule(0, run),
        sliceBytesMin: this.sliceBytesMin,
      },
      (answer) => answers.push(answer),
    );
    fetch.start();
    return {
      fetch,
      answer: () => {
        if (answers.length > 1) throw new Error('a fetch is answered once');
        return answers[0] ?? null;
      },
    };
  }

  /** Fetches, waits if it must, checks and releases the answer. */
  read(...args: Parameters<Scene['fetch']>): Read[] {
    const { answer } = this.fetch(...args);
    this.machine.clock.runUntil(() => answer() !== null);
    return this.take(answer());
  }

  /** A copy of an answer, which is released. */
  take(answer: FetchAnswer | null): Read[] {
    if (!answer) throw new Error('no answer');
    const copy = answer.partitions.map((fetched) => ({
      ...fetched,
      records: fetched.records && this.#bytesOf(fetched.records),
    }));
    answer.release();
    return copy;
  }

  /** What a transport does, which may have to wait for a helper. */
  #bytesOf(piece: Piece): Buffer {
    if (isBytes(piece)) return Buffer.from(piece);
    const bytes = Buffer.alloc(piece.length);
    let count: number | null = null;
    piece.read(0, bytes, (error, read) => {
      count = error ? -1 : read;
    });
    this.machine.clock.runUntil(() => count !== null);
    expect(count).toBe(piece.length);
    return bytes;
  }
}

describe('Fetch', () => {
  it('answers with slices of files what it would read', () => {
    const scene = new Scene({ pace: READ_AT_ONCE });
    for (const partition of scene.partitions) partition.add(40);
    const requests = [
      [{}],
      [{ offset: 7 }, { index: 1, offset: 39 }],
      [
        { offset: 3, maxBytes: 3 * BATCH_BYTES },
        { index: 1, maxBytes: 1 },
        { index: 2, offset: 40 },
      ],
      [{ offset: 41 }, { index: 2, offset: 12 }],
    ];
    for (const targets of requests) {
      scene.sliceBytesMin = Number.POSITIVE_INFINITY;
      const read = scene.read({ maxWaitMs: 0 }, targets);
      scene.sliceBytesMin = 2 * BATCH_BYTES;
      const { slices } = scene.readBuffer.counts;
      expect(scene.read({ maxWaitMs: 0 }, targets)).toEqual(read);
      expect(scene.readBuffer.counts.slices).toBeGreaterThan(slices);
    }
  });

  it('keeps the file of a slice until its answer is released, whatever becomes of the log', () => {
    const scene = new Scene({ pace: READ_AT_ONCE });
    scene.sliceBytesMin = 1;
    scene.partition().add(30);
    const { answer } = scene.fetch();
    const records = bytesOf([present(answer()?.partitions[0]?.records, 'records')]);
    const { log } = scene.partition();
    log.advanceLogStartOffset(log.logEndOffset);
    log.deleteBelowLogStart();
    scene.machine.clock.advance(120_000);
    scene.partition().publish();
    expect(scene.read({ maxWaitMs: 0 }, [{}])).toMatchObject([{ error: 'OFFSET_OUT_OF_RANGE' }]);
    scene.partition().entry.route?.reader.close();
    const usedBytes = scene.machine.disk.usedBytes;
    expect(scene.take(answer())[0]?.records).toEqual(records);
    expect(scene.machine.disk.usedBytes).toBeLessThan(usedBytes);
  });

  it('passes over batches of which compaction left only the header, as long as others follow', () => {
    const scene = new Scene();
    const { log } = scene.partition();
    const empty = { timestamps: {}, maxTimestampMs: 1 };
    // More than a segment of them.
    for (let i = 0; i < 30; i++) appendLeft(log, { ...empty, lastOffsetDelta: 9 });
    appendLeft(log, { timestamps: { 2: 5 }, lastOffsetDelta: 4 });
    appendLeft(log, { ...empty, lastOffsetDelta: 1 });
    scene.partition().publish();
    scene.readBuffer.acquire(1)?.release();
    const freeBytes = scene.readBuffer.freeBytes;
    for (const maxBytes of [1, 62, 200, 1_000_000]) {
      for (const offset of [0, 9, 125, 300]) {
        const [fetched] = scene.read({ maxBytes }, [{ offset }]);
        const batches = [...new BatchReader(fetched?.records ?? Buffer.alloc(0))];
        expect(batches.filter(({ recordCount }) => recordCount > 0)).toMatchObject([{ baseOffset: 300 }]);
      }
      // At the end there is nothing else: whoever understands them comes further.
      const [rest] = scene.read({ maxBytes }, [{ offset: 305 }]);
      expect(offsetsIn(rest?.records)).toEqual([306]);
    }
    expect(scene.readBuffer.freeBytes).toBe(freeBytes);
  });

  it('keeps to the limit with them too', () => {
    const scene = new Scene();
    for (const index of [0, 1]) {
      const partition = scene.partition(index);
      appendLeft(partition.log, { timestamps: { 0: 1 }, lastOffsetDelta: 0 });
      appendLeft(partition.log, { timestamps: {}, maxTimestampMs: 1, lastOffsetDelta: 0 });
      partition.publish();
    }
    for (let maxBytes = 1; maxBytes < 500; maxBytes++) {
      const answers = scene.read({ maxBytes }, [{ index: 0 }, { index: 1, offset: 1 }]);
      const bytes = answers.reduce((sum, { records }) => sum + (records?.length ?? 0), 0);
      expect(bytes <= maxBytes || !answers[1]?.records).toBe(true);
    }
  });

  it('answers with the batches from the offset to the high watermark', () => {
    const scene = new Scene();
    scene.partition().append(10);
    scene.partition().publish(7);
    const [fetched] = scene.read({}, [{ offset: 3 }]);
    expect(fetched).toMatchObject({
      error: 'NONE',
      highWatermark: 7,
      lastStableOffset: 7,
      logStartOffset: 0,
    });
    expect(offsetsIn(fetched?.records)).toEqual([3, 4, 5, 6]);
  });

  it('gives what is there at once if no bytes are asked for', () => {
    const scene = new Scene();
    const asked = scene.fetch({ minBytes: 0 });
    expect(asked.answer()?.partitions).toMatchObject([{ error: 'NONE', highWatermark: 0, records: null }]);
  });

  it('waits until enough bytes are there, over all partitions', () => {
    const scene = new Scene();
    const asked = scene.fetch({ minBytes: 3 * BATCH_BYTES }, [{ index: 0 }, { index: 1 }]);
    scene.partition(0).add(1);
    scene.partition(2).add(9);
    expect(asked.answer()).toBeNull();
    scene.partition(1).add(1);
    expect(asked.answer()).toBeNull();
    scene.partition(1).add(1);
    expect(scene.take(asked.answer()).map(({ records }) => offsetsIn(records))).toEqual([[0], [0, 1]]);
  });

  it('does not wait for more bytes than it may give', () => {
    const scene = new Scene();
    scene.partition().add(4);
    const asked = scene.fetch({ minBytes: 1_000_000, maxBytes: 2 * BATCH_BYTES });
    expect(offsetsIn(asked.answer()?.partitions[0]?.records)).toEqual([0, 1]);
  });

  it('ends its wait with what is there', () => {
    const scene = new Scene();
    const asked = scene.fetch({ minBytes: 1000, maxWaitMs: 500 });
    scene.partition().add(2);
    scene.machine.clock.advance(499);
    expect(asked.answer()).toBeNull();
    scene.machine.clock.advance(1);
    expect(offsetsIn(asked.answer()?.partitions[0]?.records)).toEqual([0, 1]);
    expect(scene.partition().entry.waiting.size).toBe(0);
    scene.machine.clock.advance(10_000);
    asked.answer();
  });

  it('does not sleep over what was published while it looked', () => {
    const scene = new Scene();
    const partition = scene.partition();
    const { view } = present(partition.entry.route, 'a route');
    const want = view.want.bind(view);
    // The owner publishes just before it can hear the wish.
    view.want = () => {
      view.want = want;
      partition.add(1);
      want();
    };
    const asked = scene.fetch();
    expect(offsetsIn(asked.answer()?.partitions[0]?.records)).toEqual([0]);
  });

  it('looks once for each publication, and not after its end', () => {
    const scene = new Scene();
    const asked = scene.fetch({ minBytes: 10_000 });
    for (let i = 0; i < 5; i++) {
      expect(scene.partition().entry.waiting.size).toBe(1);
      scene.partition().add(1);
    }
    asked.fetch.cancel();
    expect(offsetsIn(asked.answer()?.partitions[0]?.records)).toEqual([0, 1, 2, 3, 4]);
    expect(scene.partition().entry.waiting.size).toBe(0);
    scene.partition().add(1);
    asked.fetch.cancel();
    expect(asked.answer()).not.toBeNull();
  });

  it('does not wait for more of a segment that takes no more', () => {
    const scene = new Scene();
    scene.partition().add(30);
    const [fetched] = scene.read({ minBytes: 100_000 }, [{ offset: 0 }]);
    expect(offsetsIn(fetched?.records)).toEqual(range(0, 20));
    expect(scene.machine.clock.monotonicMs()).toBeLessThan(500 + 10_000);
  });

  it('bounds a partition and the whole answer, in whole batches, the first partitions first', () => {
    const scene = new Scene();
    for (const partition of scene.partitions) partition.add(10);
    const targets = [{ index: 0, maxBytes: 3 * BATCH_BYTES + 10 }, { index: 1 }, { index: 2 }];
    const fetched = scene.read({ maxBytes: 8 * BATCH_BYTES }, targets);
    expect(fetched.map(({ records }) => offsetsIn(records))).toEqual([range(0, 3), range(0, 5), []]);
    expect(fetched.map(({ error }) => error)).toEqual(['NONE', 'NONE', 'NONE']);
  });

  it('gives the first batch whole, even if it is larger than allowed, but only as the first of the answer', () => {
    const scene = new Scene();
    scene.partition(0).add(1, { valueBytes: 900 });
    scene.partition(1).add(1, { valueBytes: 900 });
    const fetched = scene.read({ maxBytes: 10 }, [{ index: 2 }, { index: 0 }, { index: 1 }]);
    expect(fetched.map(({ records }) => offsetsIn(records))).toEqual([[], [0], []]);
    const [single] = scene.read({}, [{ index: 1, maxBytes: 1 }]);
    expect(offsetsIn(single?.records)).toEqual([0]);
  });

  it('says what is wrong with an offset, with the bounds of the log', () => {
    const scene = new Scene();
    scene.partition().append(5);
    scene.partition().log.advanceLogStartOffset(toOffset(2));
    scene.partition().publish(4);
    const errors = (offset: number) => scene.read({ maxWaitMs: 0 }, [{ offset }])[0];
    expect(errors(1)).toMatchObject({
      error: 'OFFSET_OUT_OF_RANGE',
      logStartOffset: 2,
      highWatermark: 4,
      records: null,
    });
    expect(errors(-1)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' });
    expect(errors(6)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' });
    expect(errors(2 ** 60)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' });
    expect(errors(4)).toMatchObject({ error: 'NONE', records: null });
    expect(errors(5)).toMatchObject({ error: 'NONE', records: null });
    expect(offsetsIn(errors(2)?.records)).toEqual([2, 3]);
  });

  it('answers at once if one partition has an error, with what the others have', () => {
    const scene = new Scene();
    scene.partition(1).add(2);
    const asked = scene.fetch({ minBytes: 100_000 }, [{ index: 7 }, { index: 1 }, { index: 0, offset: 9 }]);
    const fetched = scene.take(asked.answer());
    expect(fetched.map(({ error }) => error)).toEqual([
      'UNKNOWN_TOPIC_OR_PARTITION',
      'NONE',
      'OFFSET_OUT_OF_RANGE',
    ]);
    expect(offsetsIn(fetched[1]?.records)).toEqual([0, 1]);
  });

  it('wakes up when the topic is deleted, the owner ends or the route is gone', () => {
    const scene = new Scene();
    const [deleted, retired, unrouted] = [0, 1, 2].map((index) => scene.fetch({}, [{ index }]));
    scene.partition(1).retire();
    expect(retired?.answer()?.partitions[0]?.error).toBe('NOT_LEADER_OR_FOLLOWER');
    scene.partition(2).unroute();
    expect(unrouted?.answer()?.partitions[0]?.error).toBe('NOT_LEADER_OR_FOLLOWER');
    expect(deleted?.answer()).toBeNull();
    scene.topics.delete('orders');
    scene.partition(0).unroute();
    expect(deleted?.answer()?.partitions[0]?.error).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  });

  it('waits for routes before it looks, and gives the reason if there is none', () => {
    const scene = new Scene();
    scene.routing = [];
    scene.partition().add(1);
    const asked = scene.fetch();
    expect(asked.answer()).toBeNull();
    scene.partition().unroute();
    scene.partition().entry.failure = { error: 'KAFKA_STORAGE_ERROR', untilMs: 0 };
    scene.routing[0]?.();
    expect(asked.answer()?.partitions[0]?.error).toBe('KAFKA_STORAGE_ERROR');
  });

  it('answers nobody once it is abandoned, and holds nothing', () => {
    const scene = new Scene();
    scene.turns = [];
    const parked = scene.fetch({}, [{ index: 1 }]);
    scene.partition(0).add(3);
    const reading = scene.fetch();
    scene.routing = [];
    const routing = scene.fetch();
    for (const { fetch } of [parked, reading, routing]) fetch.abandon();
    scene.partition(1).add(1);
    scene.routing[0]?.();
    let overs = 0;
    for (const turn of scene.turns) turn(() => overs++);
    scene.machine.clock.advance(5000);
    expect([parked.answer(), reading.answer(), routing.answer()]).toEqual([null, null, null]);
    expect(overs).toBe(1);
    expect(scene.partition(1).entry.waiting.size).toBe(0);
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('looks again when its turn comes late: the topic may be gone, with its files', () => {
    const scene = new Scene();
    scene.turns = [];
    for (const partition of scene.partitions) partition.add(3);
    const asked = scene.fetch({}, [{ index: 0 }, { index: 1 }]);
    scene.partition(0).unroute();
    scene.partition(1).add(2);
    for (const turn of scene.turns) turn(() => {});
    const fetched = scene.take(asked.answer());
    expect(fetched.map(({ error }) => error)).toEqual(['NOT_LEADER_OR_FOLLOWER', 'NONE']);
    expect(offsetsIn(fetched[1]?.records)).toEqual(range(0, 5));
  });

  it('looks again between partitions that it reads on a helper thread, and after a wait for memory', () => {
    const scene = new Scene({ readBytes: 16 * CHUNK_BYTES });
    for (const partition of scene.partitions) partition.add(30);
    // Sealed segments are read later; meanwhile the second partition goes.
    const asked = scene.fetch({}, [{ index: 0 }, { index: 1 }]);
    expect(asked.answer()).toBeNull();
    scene.partition(1).unroute();
    scene.machine.clock.runUntil(() => asked.answer() !== null);
    expect(asked.answer()?.partitions.map(({ error }) => error)).toEqual(['NONE', 'NOT_LEADER_OR_FOLLOWER']);
    asked.answer()?.release();

    const held = Array.from({ length: 16 }, () => scene.readBuffer.acquire(1));
    expect(held).not.toContain(null);
    const waiting = scene.fetch({}, [{ index: 2, offset: 25 }]);
    expect(waiting.answer()).toBeNull();
    scene.partition(2).unroute();
    for (const run of held) run?.release();
    expect(waiting.answer()?.partitions[0]?.error).toBe('NOT_LEADER_OR_FOLLOWER');
    waiting.answer()?.release();
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('reads sealed segments at once where it may', () => {
    const scene = new Scene({ readBytes: 16 * CHUNK_BYTES, pace: READ_AT_ONCE });
    scene.partition(0).add(30);
    const asked = scene.fetch({}, [{ index: 0 }]);
    const [fetched] = scene.take(asked.answer());
    expect(offsetsIn(fetched?.records).length).toBeGreaterThan(0);
    expect(scene.readBuffer.counts.hotReads).toBeGreaterThan(0);
    expect(scene.readBuffer.counts.coldReads).toBe(0);
  });

  it('lets others have their turn between partitions once it has read a MiB', () => {
    const scene = new Scene({ readBytes: 2 ** 26 });
    for (const partition of scene.partitions) partition.add(1, { valueBytes: 700_000 });
    const request = { maxBytes: 2 ** 23 };
    const small = scene.fetch(request, [{ index: 0 }]);
    expect(scene.take(small.answer())).toHaveLength(1);
    const large = scene.fetch(request, [{ index: 0 }, { index: 1 }, { index: 2 }]);
    expect(large.answer()).toBeNull();
    scene.machine.clock.runNext();
    const fetched = scene.take(large.answer());
    expect(fetched.map(({ records }) => offsetsIn(records))).toEqual([[0], [0], [0]]);
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('waits for memory if it has nothing in hand, else answers with what it has', () => {
    const scene = new Scene({ readBytes: 4 * CHUNK_BYTES });
    for (const partition of scene.partitions) partition.add(2);
    const held = Array.from({ length: 3 }, () => scene.readBuffer.acquire(1));
    const first = scene.fetch({}, [{ index: 0 }, { index: 1 }, { index: 2 }]);
    // A chunk has room for three batches.
    expect(scene.take(first.answer()).map(({ records }) => offsetsIn(records))).toEqual([[0, 1], [0], []]);
    held.push(scene.readBuffer.acquire(1));
    const second = scene.fetch();
    expect(second.answer()).toBeNull();
    expect(scene.readBuffer.contended).toBe(true);
    held[0]?.release();
    expect(offsetsIn(second.answer()?.partitions[0]?.records)).toEqual([0, 1]);
  });

  it('puts small reads of an answer into the same memory', () => {
    const scene = new Scene({ readBytes: 64 * CHUNK_BYTES });
    for (const partition of scene.partitions) partition.add(1);
    const { answer } = scene.fetch({}, [{ index: 0 }, { index: 1 }, { index: 2 }, { index: 2 }]);
    // Three batches fit into a chunk, and the fourth one does not.
    expect(scene.readBuffer.bytes - scene.readBuffer.freeBytes).toBe(2 * CHUNK_BYTES);
    expect(scene.take(answer()).map(({ records }) => offsetsIn(records))).toEqual([[0], [0], [0], [0]]);
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('looks only at what was woken', () => {
    const scene = new Scene();
    for (const partition of scene.partitions) partition.add(1);
    const targets = [0, 1, 2].map((index) => ({ index }));
    const asked = scene.fetch({ minBytes: 10 * BATCH_BYTES }, targets);
    const looks = [0, 0, 0];
    for (const [index, { entry }] of scene.partitions.entries()) {
      const { view } = present(entry.route, 'a route');
      const read = view.read.bind(view);
      view.read = () => {
        looks[index] = (looks[index] ?? 0) + 1;
        return read();
      };
    }
    scene.partition(1).add(3);
    expect(asked.answer()).toBeNull();
    // Once to look, once for what comes between the look and the wish.
    expect(looks).toEqual([0, 2, 0]);
    scene.partition(2).add(4);
    const fetched = scene.take(asked.answer());
    expect(fetched.map(({ records }) => offsetsIn(records))).toEqual([[0], range(0, 4), range(0, 5)]);
  });

  it('reads a large first batch once, however long it waits for memory', () => {
    const scene = new Scene({ readBytes: 8 * CHUNK_BYTES });
    scene.partition().add(1, { valueBytes: 5 * CHUNK_BYTES });
    const held = Array.from({ length: 7 }, () => scene.readBuffer.acquire(1));
    const asked = scene.fetch({ maxBytes: 100 });
    const before = scene.machine.disk.operations;
    for (const run of held.slice(0, 5)) run?.release();
    expect(asked.answer()).toBeNull();
    // Each time it looks where the batch lies, which takes two reads, but it does not read the batch in part again.
    expect(scene.machine.disk.operations - before).toBeLessThanOrEqual(5 * 2);
    held[5]?.release();
    expect(offsetsIn(asked.answer()?.partitions[0]?.records)).toEqual([0]);
  });

  it('refuses a batch that will never fit into the read buffer, instead of waiting for ever', () => {
    const scene = new Scene({ readBytes: 4 * CHUNK_BYTES });
    scene.partition().add(1, { valueBytes: 5 * CHUNK_BYTES });
    const [fetched] = scene.read();
    expect(fetched).toMatchObject({ error: 'MESSAGE_TOO_LARGE', records: null });
    expect(scene.readBuffer.contended).toBe(false);
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('reports what cannot be read, and what is no batch', () => {
    const scene = new Scene();
    scene.partition().add(5);
    scene.read();
    scene.machine.disk.failNext({ operation: 'read', times: 10 });
    expect(scene.read({}, [{ offset: 1 }])[0]).toMatchObject({ error: 'KAFKA_STORAGE_ERROR', records: null });
    scene.machine.disk.stopFailing();
    const path = present(
      scene.machine.disk.files().find((file) => /orders-0\/.*\.log$/.test(file)),
      'a segment',
    );
    scene.machine.disk.corrupt(path, 2 * BATCH_BYTES + 16);
    expect(offsetsIn(scene.read()[0]?.records)).toEqual([0, 1]);
    expect(scene.read({}, [{ offset: 2 }])[0]).toMatchObject({ error: 'CORRUPT_MESSAGE', records: null });
    expect(
      scene.machine.logger.lines.some(({ message }) => message === 'invalid record batch in a segment'),
    ).toBe(true);
    expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
  });

  it('gives consumers every record once and in order, whatever happens beside them', () => {
    withSeeds(40, (random) => {
      const pace = {
        ...READ_AT_ONCE,
        get mayBlock() {
          return chance(random, 1, 2);
        },
      };
      const scene = new Scene({ readBytes: 12 * CHUNK_BYTES, pace });
      scene.sliceBytesMin = pick(random, [1, 200, Number.POSITIVE_INFINITY]);
      const positions = [0, 1, 2, 3].map(() => range(0, PARTITIONS).map(() => 0));
      const under: { consumer: number; targets: { index: number; offset: number }[]; asked: Asked }[] = [];
      const step = () => {
        for (const one of [...under]) {
          const answer = one.asked.answer();
          if (!answer || chance(random, 1, 2)) continue;
          under.splice(under.indexOf(one), 1);
          const fetched = scene.take(answer);
          fetched.forEach(({ error, records }, place) => {
            const { index, offset } = present(one.targets[place], 'a target');
            expect(error).toBe('NONE');
            const offsets = offsetsIn(records);
            expect(offsets).toEqual(range(offset, offset + offsets.length));
            expect(offset + offsets.length).toBeLessThanOrEqual(scene.partition(index).highWatermark);
            present(positions[one.consumer], 'positions')[index] = offset + offsets.length;
          });
        }
        const consumer = random.below(positions.length);
        if (!under.some((one) => one.consumer === consumer)) {
          const own = present(positions[consumer], 'positions');
          const targets = own.map((offset, index) => ({
            index,
            offset,
            maxBytes: pick(random, [0, 50, 300, 2000]),
          }));
          if (chance(random, 1, 2)) targets.reverse();
          const request = {
            minBytes: pick(random, [0, 1, 500, 5000]),
            maxWaitMs: random.below(50),
            maxBytes: pick(random, [10, 500, 5000, 1_000_000]),
          };
          under.push({ consumer, targets, asked: scene.fetch(request, targets) });
        }
      };
      for (let i = 0; i < 250; i++) {
        const partition = scene.partition(random.below(PARTITIONS));
        const action = random.below(4);
        if (action === 0)
          partition.append(1 + random.below(3), { valueBytes: pick(random, [8, 8, 40, 700]) });
        else if (action === 1) {
          const behind = partition.log.logEndOffset - partition.highWatermark;
          partition.publish(partition.highWatermark + random.below(behind + 1));
        } else scene.machine.clock.advance(random.below(8));
        step();
      }
      for (const partition of scene.partitions) partition.publish();
      const behind = () =>
        positions.some((own) => own.some((offset, index) => offset < scene.partition(index).highWatermark));
      for (let i = 0; behind(); i++) {
        if (i > 5000) throw new Error(`consumers do not come to the end: ${JSON.stringify(positions)}`);
        scene.machine.clock.advance(20);
        step();
      }
      while (under.length > 0) {
        scene.machine.clock.advance(20);
        for (const one of under.splice(0)) {
          if (one.asked.answer()) scene.take(one.asked.answer());
          else under.push(one);
        }
      }
      expect(scene.readBuffer.freeBytes).toBe(scene.readBuffer.bytes);
    });
  });
});
