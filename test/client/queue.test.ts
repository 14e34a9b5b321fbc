import { describe, expect, it } from 'vitest';
import { Queue } from '../../src/client/queue.js';

describe('Queue', () => {
  it('returns items in the order in which they came', () => {
    const queue = new Queue<number>();
    const out: (number | undefined)[] = [];
    let next = 0;
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 7; i++) queue.push(next++);
      for (let i = 0; i < 6; i++) out.push(queue.shift());
      expect(queue.length).toBe(round + 1);
      expect(queue.peek()).toBe((round + 1) * 6);
    }
    while (queue.length > 0) out.push(queue.shift());
    expect(out).toEqual(Array.from({ length: 700 }, (_, i) => i));
  });

  it('stays empty when asked for more than it has', () => {
    const queue = new Queue<string>();
    expect([queue.shift(), queue.peek(), queue.length]).toEqual([undefined, undefined, 0]);
    queue.push('a');
    expect([queue.shift(), queue.shift(), queue.length]).toEqual(['a', undefined, 0]);
  });
});
