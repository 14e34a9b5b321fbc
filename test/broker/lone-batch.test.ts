import { describe, expect, it } from 'vitest';
import { createRing, RingConsumer, RingProducer, ringIsAsleep } from '../../src/actor/descriptor-ring.js';
import { LocalDoorbell } from '../../src/actor/doorbell.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { LoneBatch } from '../../src/broker/lone-batch.js';
import { WorkerLink } from '../../src/broker/worker-link.js';
import { COMPLETION, SUBMISSION } from '../../src/partition/messages.js';
import { WriteBuffer } from '../../src/partition/write-buffer.js';

/** A bell whose worker has a turn while somebody looks at the ring. */
class WatchedBell extends LocalDoorbell {
  watches = 0;
  meanwhile: () => void = () => {};

  override watch(): void {
    this.watches++;
    this.meanwhile();
  }
}

/** Workers that the test works by hand, and what stands between them and the sockets. */
class Scene {
  readonly clock = new SimulatedClock();
  readonly bells: WatchedBell[] = [];
  readonly loneBatch: LoneBatch;
  readonly answered: number[] = [];
  readonly #writeBuffer = new WriteBuffer({ extentBytes: 64 * 1024, extents: 64, largeBytes: 0 });
  readonly #links = new Map<number, { readonly link: WorkerLink }>();
  readonly #works: (() => void)[] = [];

  constructor(workers: number) {
    for (let index = 0; index < workers; index++) this.#addWorker(index);
    this.loneBatch = new LoneBatch((run) => this.clock.schedule(0, run), this.#links, this.clock);
  }

  #addWorker(index: number): void {
    const capacity = 16;
    const [submissions, completions] = [createRing(capacity), createRing(capacity)];
    const bell = (ring: typeof submissions) =>
      new WatchedBell(
        (run) => this.clock.schedule(0, run),
        () => ringIsAsleep(ring),
      );
    const [toWorker, toRouter] = [bell(submissions), bell(completions)];
    const ends = {
      submissions: new RingProducer(submissions, toWorker),
      completions: new RingConsumer(completions, toRouter),
    };
    const link = new WorkerLink({ index, ...ends, capacity, advanced: () => {}, hasRoom: () => {} });
    this.#links.set(index, { link });
    this.bells.push(toRouter);
    const [taken, completed] = [
      new RingConsumer(submissions, toWorker),
      new RingProducer(completions, toRouter),
    ];
    this.#works.push(() => {
      for (; taken.available > 0; taken.release(1)) {
        const at = completed.claim();
        completed.words.fill(0, at, at + 16);
        completed.words[at + COMPLETION.token] = taken.words[taken.peek(0) + SUBMISSION.token] ?? -1;
      }
      completed.publish();
    });
  }

  /** The worker completes what it was given. */
  work(worker = 0): void {
    this.#works[worker]?.();
  }

  submit(bytes: number, worker = 0, restMs = 1): void {
    if (restMs > 0) this.clock.advance(restMs);
    const extent = this.#writeBuffer.acquire(bytes);
    const link = this.#links.get(worker)?.link;
    if (!extent || !link) throw new Error('no room');
    const waiter = { appended: (place: number) => this.answered.push(place) };
    link.submit({ slot: 0, start: extent.start, bytes, extent, waiter, place: this.answered.length });
    link.publish();
    this.loneBatch.submitted();
  }

  turns(): void {
    while (this.clock.runNext());
  }

  get watches(): number {
    return this.bells.reduce((sum, { watches }) => sum + watches, 0);
  }
}

describe('LoneBatch', () => {
  it('takes the completion of a lone small batch without a sleep, after sockets had their turn', () => {
    const scene = new Scene(2);
    for (const bell of scene.bells) bell.meanwhile = () => scene.work(1);
    for (let i = 1; i <= 10; i++) {
      scene.submit(100, 1);
      expect(scene.watches).toBe(i - 1);
      scene.turns();
      expect(scene.watches).toBe(i);
      expect(scene.answered.length).toBe(i);
    }
  });

  it('does not look for several batches, of one worker or of two, nor for a large one', () => {
    const scene = new Scene(2);
    scene.submit(100, 0);
    scene.submit(100, 0, 0);
    scene.turns();
    scene.work(0);
    scene.turns();
    scene.submit(100, 0);
    scene.submit(100, 1, 0);
    scene.turns();
    scene.work(0);
    scene.work(1);
    scene.turns();
    scene.submit(5000);
    scene.turns();
    scene.work(0);
    scene.turns();
    expect(scene.answered.length).toBe(5);
    expect(scene.watches).toBe(0);
  });

  it('does not look where batches follow each other closely', () => {
    const scene = new Scene(1);
    for (const bell of scene.bells) bell.meanwhile = () => scene.work();
    for (let i = 0; i < 100; i++) {
      scene.submit(100, 0, i === 0 ? 1 : 0.1);
      scene.turns();
      scene.work();
      scene.turns();
    }
    expect(scene.watches).toBe(1);
    scene.submit(100, 0, 1);
    scene.turns();
    expect(scene.watches).toBe(2);
  });

  it('gives up ever longer while looking is in vain, and looks at each again when it is not', () => {
    const scene = new Scene(1);
    const lookedAt: number[] = [];
    const submitted = (count: number, isLate: boolean) => {
      lookedAt.length = 0;
      for (const bell of scene.bells) bell.meanwhile = () => isLate || scene.work();
      for (let i = 0; i < count; i++) {
        const before = scene.watches;
        scene.submit(100);
        scene.turns();
        if (scene.watches > before) lookedAt.push(i);
        scene.work();
        scene.turns();
      }
      return [...lookedAt];
    };
    expect(submitted(40, true)).toEqual([0, 2, 6, 14, 30]);
    const after = submitted(60, false);
    expect(after[0]).toBe(22);
    expect(after.slice(1)).toEqual(Array.from({ length: 37 }, (_, i) => 23 + i));
    expect(scene.answered.length).toBe(100);
    const rare = submitted(20_000, true).length;
    expect(rare).toBeLessThan(30);
    expect(rare).toBeGreaterThan(15);
  });
});
