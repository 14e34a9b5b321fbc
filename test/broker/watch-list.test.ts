import { describe, expect, it } from 'vitest';
import { present } from '../../src/base/assert.js';
import { seePartition } from '../../src/broker/partition-sight.js';
import type { PartitionEntry } from '../../src/broker/topic-table.js';
import {
  type Attendant,
  type FetchTarget,
  type Telling,
  type Watched,
  WatchList,
} from '../../src/broker/watch-list.js';
import { BATCH_BYTES, PARTITIONS, PartitionScene, range } from './partition-scene.js';

interface Target extends FetchTarget {
  readonly entry: PartitionEntry;
}

const NOTHING: Telling = { highWatermark: 0, logStartOffset: 0, hasRecords: false, isUnfinished: false };

/** A list of all partitions of a topic, read from their starts. */
class Scene extends PartitionScene implements Attendant {
  readonly list = new WatchList<Target>();
  readonly watched: Watched<Target>[] = [];
  newsCount = 0;
  dismissals = 0;

  constructor() {
    super();
    for (const { entry } of this.partitions)
      this.watched.push(this.list.add({ entry, offset: 0, maxBytes: 0 }));
  }

  news(): void {
    this.newsCount++;
  }

  dismissed(): void {
    this.dismissals++;
  }

  at(index: number): Watched<Target> {
    return present(this.watched[index], 'it');
  }

  tell(index: number, telling: Partial<Telling> = {}): boolean {
    const watched = this.at(index);
    return this.list.tell(watched, watched.target, { ...NOTHING, ...telling });
  }

  /** Of those that are ready, in order. */
  get ready(): number[] {
    return this.list.ready().map(({ target }) => target.entry.index);
  }

  get registered(): number[] {
    return this.partitions.map(({ entry }) => entry.waiting.size);
  }

  /** Looks at all that are to be looked at, once. */
  look(): number[] {
    const unlooked = this.list.unlooked();
    for (const watched of unlooked) {
      const { entry, offset } = watched.target;
      this.list.saw(watched, seePartition(entry, offset, this.machine.logger));
    }
    for (const watched of unlooked) this.list.watch(watched);
    return unlooked.map(({ target }) => target.entry.index);
  }
}

describe('WatchList', () => {
  it('has all ready at first, and nobody registered', () => {
    const scene = new Scene();
    expect(scene.ready).toEqual(range(0, PARTITIONS));
    expect(scene.registered).toEqual([0, 0, 0]);
  });

  it('lets rest what was told and has nothing to be read, until something happens to it', () => {
    const scene = new Scene();
    for (const index of range(0, PARTITIONS)) expect(scene.tell(index)).toBe(true);
    expect(scene.ready).toEqual([]);
    expect(scene.registered).toEqual([1, 1, 1]);
    scene.partition(1).add(1);
    expect(scene.ready).toEqual([1]);
    scene.partition(2).unroute();
    scene.partition(0).retire();
    expect(scene.ready).toEqual([0, 1, 2]);
    expect(scene.registered).toEqual([0, 0, 0]);
  });

  it('keeps ready what has records, an error, or more than the answer had room for', () => {
    const scene = new Scene();
    scene.tell(0, { hasRecords: true });
    scene.tell(1, { isUnfinished: true });
    scene.tell(2);
    expect(scene.ready).toEqual([1, 0]);
    scene.list.change(scene.at(2), { ...scene.at(2).target, offset: 5 });
    expect(scene.ready).toEqual([1, 2, 0]);
  });

  it('keeps ready what is not any more as it was told', () => {
    const scene = new Scene();
    scene.partition(0).add(1);
    expect(scene.tell(0)).toBe(true);
    expect(scene.ready).toContain(0);
    // The answer to an earlier request comes after one that found more.
    scene.partition(1).add(1);
    const { target } = scene.at(1);
    scene.list.change(scene.at(1), { ...target, offset: 1 });
    expect(scene.tell(1, { highWatermark: 1 })).toBe(true);
    expect(scene.ready).not.toContain(1);
    expect(scene.list.tell(scene.at(1), target, NOTHING)).toBe(true);
    expect(scene.ready).toContain(1);
    expect(scene.tell(1, { highWatermark: 1 })).toBe(true);
    expect(scene.ready).not.toContain(1);
  });

  it('does not let rest what is asked for otherwise by now', () => {
    const scene = new Scene();
    const { target } = scene.at(0);
    scene.list.change(scene.at(0), { ...target, offset: 99 });
    scene.list.tell(scene.at(0), target, NOTHING);
    expect(scene.ready).toContain(0);
  });

  it('gives who waits what is to be looked at, and counts what is there', () => {
    const scene = new Scene();
    scene.partition(0).add(2);
    scene.list.attend(scene);
    expect(scene.look()).toEqual([0, 1, 2]);
    expect(scene.list.availableBytes).toBe(2 * BATCH_BYTES);
    expect(scene.look()).toEqual([]);
    scene.partition(0).add(1);
    scene.partition(2).add(1);
    expect(scene.newsCount).toBe(2);
    expect(scene.look()).toEqual([0, 2]);
    expect(scene.list.availableBytes).toBe(4 * BATCH_BYTES);
    scene.list.remove(scene.at(0));
    expect(scene.list.availableBytes).toBe(BATCH_BYTES);
    // The next wait begins with nothing.
    scene.list.leave(scene);
    scene.list.attend(scene);
    expect(scene.list.availableBytes).toBe(0);
    expect(scene.look()).toEqual([1, 2]);
    expect(scene.dismissals).toBe(0);
  });

  it('counts in a wait only what was seen in it', () => {
    const scene = new Scene();
    scene.partition(0).add(1);
    scene.list.attend(scene);
    scene.look();
    scene.list.leave(scene);
    // It is read and asked for anew, and rests until the next wait.
    scene.list.change(scene.at(0), { ...scene.at(0).target, offset: 1 });
    scene.tell(0, { highWatermark: 1 });
    expect(scene.ready).not.toContain(0);
    scene.list.attend(scene);
    scene.look();
    expect(scene.list.availableBytes).toBe(0);
    scene.partition(0).add(1);
    expect(scene.look()).toEqual([0]);
    expect(scene.list.availableBytes).toBe(BATCH_BYTES);
  });

  it('tells only who waits, and dismisses whoever waited before', () => {
    const scene = new Scene();
    const other: Attendant = { news: () => expect.unreachable(), dismissed: () => expect.unreachable() };
    scene.list.attend(scene);
    scene.look();
    scene.list.attend(other);
    expect(scene.dismissals).toBe(1);
    scene.list.leave(scene);
    scene.list.leave(other);
    scene.partition(0).add(1);
    expect(scene.newsCount).toBe(0);
    expect(scene.list.unlooked()).toEqual([]);
  });

  it('lets go of all at its end, and of what is removed', () => {
    const scene = new Scene();
    for (const index of range(0, PARTITIONS)) scene.tell(index);
    scene.list.remove(scene.at(1));
    expect(scene.registered).toEqual([1, 0, 1]);
    scene.list.attend(scene);
    scene.list.end([scene.at(0), scene.at(2)]);
    expect(scene.dismissals).toBe(1);
    expect(scene.list.hasEnded).toBe(true);
    expect(scene.registered).toEqual([0, 0, 0]);
    // Who still reads may say what it found, which is not held.
    expect(scene.tell(0)).toBe(true);
    expect(scene.registered).toEqual([0, 0, 0]);
    expect(scene.ready).toEqual([]);
  });
});
