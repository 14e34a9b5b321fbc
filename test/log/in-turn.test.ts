import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { DiskError } from '../../src/io/disk.js';
import { inTurn, runSteps, severalAtOnce } from '../../src/log/in-turn.js';

const failure = new DiskError('EIO', '/file', 'cannot');

describe('inTurn', () => {
  it('begins each step when the one before called back', () => {
    const clock = new SimulatedClock();
    const order: string[] = [];
    inTurn(
      ['a', 'b', 'c'],
      (item, next) => {
        order.push(`${item} begins`);
        clock.after(1, () => {
          order.push(`${item} ends`);
          next(null);
        });
      },
      (error) => order.push(`done ${error}`),
    );
    clock.advance(10);
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends', 'done null']);
  });

  it('stops at the first error', () => {
    const ran: number[] = [];
    let outcome: Error | null = null;
    inTurn(
      [1, 2, 3],
      (item, next) => {
        ran.push(item);
        next(item === 2 ? failure : null);
      },
      (error) => {
        outcome = error;
      },
    );
    expect(ran).toEqual([1, 2]);
    expect(outcome).toBe(failure);
  });
});

describe('runSteps', () => {
  it('hands on a disk error that a step throws, in a later turn and once', () => {
    const clock = new SimulatedClock();
    const outcomes: (Error | null)[] = [];
    const throwing = () => {
      throw failure;
    };
    runSteps(clock, [(next) => next(null), throwing], (error) => outcomes.push(error));
    expect(outcomes).toEqual([]);
    clock.advance(1);
    expect(outcomes).toEqual([failure]);
  });

  it('lets pass what is not a disk error, or comes from behind the step', () => {
    const clock = new SimulatedClock();
    const broken = () => {
      throw new AssertionError('broken');
    };
    expect(() => runSteps(clock, [broken], () => {})).toThrow(AssertionError);
    const fail = () => {
      throw failure;
    };
    expect(() => runSteps(clock, [(next) => next(null)], fail)).toThrow(failure);
    expect(clock.pending).toBe(0);
  });
});

describe('severalAtOnce', () => {
  it('has so many under way at a time, and begins the next one when one has ended', () => {
    const clock = new SimulatedClock();
    let underWay = 0;
    const most: number[] = [];
    const ended: (Error | null)[] = [];
    severalAtOnce(
      [5, 1, 4, 2, 3],
      2,
      (ms, next) => {
        most.push(++underWay);
        clock.after(ms, () => {
          underWay--;
          next(null);
        });
      },
      (error) => ended.push(error),
    );
    clock.advance(7);
    expect(ended).toEqual([]);
    clock.advance(2);
    expect(ended).toEqual([null]);
    expect(most).toEqual([1, 2, 2, 2, 2]);
  });

  it('takes any number of steps that call back at once', () => {
    let ran = 0;
    const ended: (Error | null)[] = [];
    const items = Array.from({ length: 100_000 }, (_, index) => index);
    const step = (_item: number, next: (error: null) => void): void => {
      ran++;
      next(null);
    };
    severalAtOnce(items, 64, step, (error) => ended.push(error));
    expect(ran).toBe(100_000);
    expect(ended).toEqual([null]);
    severalAtOnce([], 64, step, (error) => ended.push(error));
    expect(ended).toEqual([null, null]);
  });

  it('begins nothing after an error, and tells it when those under way have ended', () => {
    const clock = new SimulatedClock();
    const begun: number[] = [];
    const ended: (Error | null)[] = [];
    severalAtOnce(
      [1, 2, 3, 4],
      3,
      (item, next) => {
        begun.push(item);
        clock.after(item, () => next(item === 1 ? failure : null));
      },
      (error) => ended.push(error),
    );
    clock.advance(2);
    expect(ended).toEqual([]);
    clock.advance(1);
    expect(ended).toEqual([failure]);
    expect(begun).toEqual([1, 2, 3]);
  });
});
