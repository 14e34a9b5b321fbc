import { describe, expect, it } from 'vitest';
import { Budget } from '../../src/broker/budget.js';

describe('Budget', () => {
  it('gives out no more than there is', () => {
    const budget = new Budget(10);
    expect([budget.take(6), budget.take(5), budget.take(4), budget.take(1), budget.take(0)]).toEqual([
      ...[true, false, true, false, true],
    ]);
    expect(budget.taken).toBe(10);
    budget.give(4);
    expect([budget.take(5), budget.take(4)]).toEqual([false, true]);
  });

  it('takes no more back than it gave', () => {
    const budget = new Budget(10);
    budget.take(3);
    expect(() => budget.give(4)).toThrow();
    budget.give(3);
    expect(budget.taken).toBe(0);
  });
});
