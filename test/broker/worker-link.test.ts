import { describe, expect, it } from 'vitest';
import {
  createRing,
  RingConsumer,
  RingProducer,
  ringIsAsleep,
  writeWide,
} from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { ERRORS } from '../../src/base/errors.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { type Appended, WorkerLink } from '../../src/broker/worker-link.js';
import { COMPLETION, COMPLETION_KIND, SUBMISSION } from '../../src/partition/messages.js';
import { type Extent, WriteBuffer } from '../../src/partition/write-buffer.js';
import { chance, withSeeds } from '../actor/seeds.js';

interface Seen {
  readonly token: number;
  readonly slot: number;
  readonly start: number;
  readonly bytes: number;
}

/** A link, and the worker's ends of its rings, which the test works by hand. */
class Scene {
  readonly clock = new SimulatedClock();
  readonly writeBuffer = new WriteBuffer({ extentBytes: 1024, extents: 8, largeBytes: 0 });
  readonly link: WorkerLink;
  readonly advanced: number[] = [];
  roomCalls = 0;
  onRoom: () => void = () => {};
  readonly #taken: RingConsumer;
  readonly #completions: RingProducer;

  constructor(capacity = 4) {
    const submissions = createRing(capacity);
    const completions = createRing(capacity);
    const bell = (ring: typeof submissions) =>
      new LocalDoorbell(
        (run) => this.clock.schedule(0, run),
        () => ringIsAsleep(ring),
      );
    const [toWorker, toRouter] = [bell(submissions), bell(completions)];
    this.#taken = new RingConsumer(submissions, toWorker);
    this.#completions = new RingProducer(completions, toRouter);
    this.link = new WorkerLink({
      index: 3,
      submissions: new RingProducer(submissions, toWorker),
      completions: new RingConsumer(completions, toRouter),
      capacity,
      advanced: (slot) => this.advanced.push(slot),
      hasRoom: () => {
        this.roomCalls++;
        this.onRoom();
      },
    });
  }

  extent(): Extent {
    const extent = this.writeBuffer.acquire(1);
    if (!extent) throw new Error('no extent');
    return extent;
  }

  /** Submits a batch; its result is pushed when it is known. */
  submit(slot: number, results: Appended[] = []): Extent {
    const extent = this.extent();
    this.link.submit({
      slot,
      start: extent.start,
      bytes: 100 + slot,
      extent,
      waiter: { appended: (_, result) => results.push(result) },
      place: 0,
    });
    return extent;
  }

  /** What the worker finds in its ring, and gives back at once. */
  take(): Seen[] {
    const { words } = this.#taken;
    const seen = Array.from({ length: this.#taken.available }, (_, i) => {
      const at = this.#taken.peek(i);
      const word = (index: number) => words[at + index] ?? -1;
      return {
        token: word(SUBMISSION.token),
        slot: word(SUBMISSION.slot),
        start: word(SUBMISSION.start),
        bytes: word(SUBMISSION.bytes),
      };
    });
    this.#taken.release(seen.length);
    return seen;
  }

  complete(
    token: number,
    {
      error = 0,
      baseOffset = 0,
      logAppendTimeMs = -1,
      logStartOffset = 0,
      kind = COMPLETION_KIND.appended as number,
    } = {},
  ): void {
    const at = this.#completions.claim();
    if (at < 0) throw new Error('the completions are full');
    const { words } = this.#completions;
    words[at + COMPLETION.kind] = kind;
    words[at + COMPLETION.token] = token;
    words[at + COMPLETION.error] = error;
    writeWide(words, at + COMPLETION.baseOffset, baseOffset);
    writeWide(words, at + COMPLETION.logAppendTimeMs, logAppendTimeMs);
    writeWide(words, at + COMPLETION.logStartOffset, logStartOffset);
    this.#completions.publish();
  }

  settle(): void {
    while (this.clock.runNext());
  }
}

describe('WorkerLink', () => {
  it('shows the worker what was submitted, once it is published', () => {
    const scene = new Scene();
    const extents = [scene.submit(7), scene.submit(9)];
    expect(scene.take()).toEqual([]);
    scene.link.publish();
    const seen = scene.take();
    expect(seen.map(({ slot, start, bytes }) => [slot, start, bytes])).toEqual([
      [7, extents[0]?.start, 107],
      [9, extents[1]?.start, 109],
    ]);
    expect(seen[0]?.token).not.toBe(seen[1]?.token);
    expect(scene.link.inFlight).toBe(2);
  });

  it('gives each result to its submission, in any order, and lets go of its extent', () => {
    const scene = new Scene();
    const [first, second]: [Appended[], Appended[]] = [[], []];
    scene.submit(1, first);
    scene.submit(2, second);
    scene.link.publish();
    const [a, b] = scene.take();
    scene.complete(b?.token ?? -1, {
      baseOffset: 2 ** 40 + 5,
      logAppendTimeMs: 1_700_000_000_000,
      logStartOffset: 3,
    });
    expect(second).toEqual([]);
    scene.settle();
    expect(second).toEqual([
      { error: 'NONE', baseOffset: 2 ** 40 + 5, logAppendTimeMs: 1_700_000_000_000, logStartOffset: 3 },
    ]);
    expect(first).toEqual([]);
    expect(scene.writeBuffer.freeExtents).toBe(7);
    scene.complete(a?.token ?? -1, { error: ERRORS.INVALID_RECORD.code, baseOffset: -1, logStartOffset: -1 });
    scene.settle();
    expect(first).toEqual([
      { error: 'INVALID_RECORD', baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 },
    ]);
    expect(scene.writeBuffer.freeExtents).toBe(8);
    expect(scene.link.inFlight).toBe(0);
  });

  it('says which view has news, and keeps its tokens apart from them', () => {
    const scene = new Scene();
    const results: Appended[] = [];
    scene.submit(1, results);
    scene.link.publish();
    const [seen] = scene.take();
    scene.complete(42, { kind: COMPLETION_KIND.advanced });
    scene.complete(seen?.token ?? -1, { kind: COMPLETION_KIND.advanced });
    scene.settle();
    expect(scene.advanced).toEqual([42, seen?.token]);
    expect(results).toEqual([]);
    expect(scene.link.inFlight).toBe(1);
  });

  it('has room for as many as the rings hold, and tells when there is room again', () => {
    const scene = new Scene(4);
    expect(scene.link.room).toBe(4);
    for (let i = 0; i < 4; i++) scene.submit(i);
    expect(scene.link.room).toBe(0);
    expect(() => scene.submit(4)).toThrow('the ring has room');
    scene.link.publish();
    const seen = scene.take();
    // The ring is empty again, but what became of the batches is not known.
    expect(scene.link.room).toBe(0);
    scene.complete(seen[0]?.token ?? -1);
    scene.settle();
    expect(scene.roomCalls).toBe(1);
    expect(scene.link.room).toBe(1);
  });

  it('ends what is in flight when the worker dies, but for what was completed before', () => {
    const scene = new Scene();
    const [done, lost]: [Appended[], Appended[]] = [[], []];
    scene.submit(1, done);
    scene.submit(2, lost);
    scene.link.publish();
    const [first] = scene.take();
    scene.complete(first?.token ?? -1, { baseOffset: 5 });
    scene.link.died();
    expect(done[0]).toMatchObject({ error: 'NONE', baseOffset: 5 });
    expect(lost).toEqual([
      { error: 'NOT_LEADER_OR_FOLLOWER', baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 },
    ]);
    expect(scene.writeBuffer.freeExtents).toBe(8);
    expect(scene.roomCalls).toBeGreaterThan(0);
    // The bell that was rung for the completion above is heard late.
    scene.settle();
    expect([done.length, lost.length]).toEqual([1, 1]);
  });

  it('has no room once the worker is dead, also for those who are woken by its end', () => {
    const scene = new Scene();
    const rooms: number[] = [];
    scene.onRoom = () => rooms.push(scene.link.room);
    const extent = scene.extent();
    const waiter = { appended: () => rooms.push(scene.link.room) };
    scene.link.submit({ slot: 1, start: 0, bytes: 1, extent, waiter, place: 0 });
    scene.link.publish();
    scene.link.died();
    expect(rooms.length).toBeGreaterThan(1);
    expect(rooms.every((room) => room === 0)).toBe(true);
    expect(() => scene.submit(2)).toThrow('a dead worker takes nothing');
  });

  it('answers every submission once, whatever the order, and loses no extent', () => {
    withSeeds(60, (random) => {
      const capacity = 2 ** (1 + random.below(3));
      const scene = new Scene(capacity);
      const results: Appended[][] = [];
      const expected = new Map<number, number>();
      const atWorker: (Seen & { order: number })[] = [];
      let order = 0;
      let taken = 0;
      for (let step = 0; step < 200; step++) {
        const action = random.below(4);
        if (action === 0 && scene.link.room > 0 && scene.writeBuffer.freeExtents > 2) {
          const own: Appended[] = [];
          results.push(own);
          scene.submit(order++ % 5, own);
        } else if (action === 1) scene.link.publish();
        else if (action === 2) atWorker.push(...scene.take().map((seen) => ({ ...seen, order: taken++ })));
        else if (atWorker.length > 0) {
          const [seen] = atWorker.splice(random.below(atWorker.length), 1);
          expected.set(seen?.order ?? -1, step);
          scene.complete(seen?.token ?? -1, { baseOffset: step });
          if (chance(random, 2, 3)) scene.settle();
        }
      }
      scene.settle();
      if (chance(random, 1, 2)) scene.link.died();
      else {
        scene.link.publish();
        atWorker.push(...scene.take().map((seen) => ({ ...seen, order: taken++ })));
        for (const seen of atWorker) {
          scene.complete(seen.token);
          scene.settle();
          expected.set(seen.order, 0);
        }
      }
      results.forEach((own, index) => {
        expect(own.length).toBe(1);
        const baseOffset = expected.get(index);
        expect(own[0]).toMatchObject(
          baseOffset === undefined ? { error: 'NOT_LEADER_OR_FOLLOWER' } : { error: 'NONE', baseOffset },
        );
      });
      expect(scene.writeBuffer.freeExtents).toBe(8);
    });
  });
});
