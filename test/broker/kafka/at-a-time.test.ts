import { describe, expect, it } from 'vitest';
import { atATime } from '../../../src/broker/kafka/at-a-time.js';
import { pick, withSeeds } from '../../actor/seeds.js';

describe('atATime', () => {
  it('is done at once if there is nothing to do', () => {
    let dones = 0;
    atATime([], 5, expect.unreachable, () => dones++);
    expect(dones).toBe(1);
  });

  it('does work that ends at once in order, however much it is', () => {
    const seen: number[] = [];
    let dones = 0;
    atATime(
      Array.from({ length: 100_000 }, (_, index) => index),
      2,
      (item, index, ended) => {
        if (item === index) seen.push(item);
        ended();
      },
      () => dones++,
    );
    expect(seen).toHaveLength(100_000);
    expect(dones).toBe(1);
  });

  it('never has more under way than it may, and is done once, when all have ended', () => {
    withSeeds(50, (random) => {
      const count = random.below(30);
      const bound = 1 + random.below(5);
      const running = new Map<number, () => void>();
      const begun: number[] = [];
      let dones = 0;
      atATime(
        Array.from({ length: count }, (_, index) => index),
        bound,
        (item, _, ended) => {
          begun.push(item);
          if (random.below(3) === 0) ended();
          else running.set(item, ended);
          expect(running.size).toBeLessThanOrEqual(bound);
        },
        () => {
          dones++;
          expect(running.size).toBe(0);
        },
      );
      while (running.size > 0) {
        expect(dones).toBe(0);
        const item = pick(random, [...running.keys()]);
        const ended = running.get(item);
        running.delete(item);
        ended?.();
      }
      expect(begun).toEqual(Array.from({ length: count }, (_, index) => index));
      expect(dones).toBe(1);
    });
  });
});
