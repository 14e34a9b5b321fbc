import { describe, expect, it } from 'vitest';
import { Placement, WorkerSlots } from '../../src/broker/placement.js';
import { chance, pick, withSeeds } from '../actor/seeds.js';

describe('WorkerSlots', () => {
  it('gives each partition a slot of its own until all are taken, and freed ones again', () => {
    const slots = new WorkerSlots<string>(0, 3);
    expect(['a', 'b', 'c', 'd'].map((name) => slots.add(name))).toEqual([0, 1, 2, -1]);
    expect([...slots.partitions.values()]).toEqual(['a', 'b', 'c']);
    slots.remove(1);
    expect(slots.add('e')).toBe(1);
    expect(slots.partitions.get(1)).toBe('e');
    slots.remove(0);
    expect(() => slots.remove(0)).toThrow('only a taken slot');
  });

  it('never gives a slot twice', () => {
    withSeeds(30, (random) => {
      const slots = new WorkerSlots<number>(0, 8);
      const taken = new Map<number, number>();
      for (let i = 0; i < 300; i++) {
        if (taken.size > 0 && chance(random, 1, 2)) {
          const slot = pick(random, [...taken.keys()]);
          taken.delete(slot);
          slots.remove(slot);
        } else {
          const slot = slots.add(i);
          expect(slot < 0).toBe(taken.size === 8);
          if (slot < 0) continue;
          expect(taken.has(slot)).toBe(false);
          expect(slot).toBeLessThan(8);
          taken.set(slot, i);
        }
        expect(new Map(slots.partitions)).toEqual(taken);
      }
    });
  });
});

describe('Placement', () => {
  it('gives each partition a worker of its own while there is one, then spreads them evenly', () => {
    const placement = new Placement<number>(3, 100);
    for (let i = 0; i < 3; i++) placement.leastLoaded().add(i);
    expect(placement.workers.map(({ partitions }) => partitions.size)).toEqual([1, 1, 1]);
    for (let i = 3; i < 12; i++) placement.leastLoaded().add(i);
    expect(placement.workers.map(({ partitions }) => partitions.size)).toEqual([4, 4, 4]);
    placement.workers[1]?.remove(0);
    expect(placement.leastLoaded().index).toBe(1);
  });
});
