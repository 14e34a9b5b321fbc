import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { DiskError } from '../../src/io/disk.js';
import { inTurn, runSteps } from '../../src/log/in-turn.js';

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
