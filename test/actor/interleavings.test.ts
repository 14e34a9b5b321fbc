import { describe, expect, it } from 'vitest';
import { explore } from './interleavings.js';

const memory = () => new Int32Array(new SharedArrayBuffer(16));

describe('explore', () => {
  it('finds the lost update of two unguarded increments', () => {
    const words = memory();
    const increment = () => Atomics.store(words, 0, Atomics.load(words, 0) + 1);
    const sums = new Set<number>();
    explore({
      memory: words,
      threads: [increment, increment],
      ended: (end) => sums.add(end.memory[0] ?? -1),
    });
    expect([...sums].sort()).toEqual([1, 2]);
  });

  it('finds no lost update without a change of threads in the middle', () => {
    const words = memory();
    const increment = () => Atomics.store(words, 0, Atomics.load(words, 0) + 1);
    const sums = new Set<number>();
    explore({
      memory: words,
      threads: [increment, increment],
      ended: (end) => sums.add(end.memory[0] ?? -1),
      switchesMax: 0,
    });
    expect([...sums]).toEqual([2]);
  });

  it('sees that one of two threads that raise a flag and look at the other one always sees it', () => {
    const words = memory();
    const raise = (own: number, other: number) => () => {
      Atomics.store(words, own, 1);
      return Atomics.load(words, other);
    };
    const seen = new Set<string>();
    explore({
      memory: words,
      threads: [raise(0, 1), raise(1, 0)],
      ended: ({ outcomes }) => seen.add(outcomes.join()),
    });
    expect([...seen].sort()).toEqual(['0,1', '1,0', '1,1']);
  });

  it('finds the wake-up that is lost when a sleeper does not look again', () => {
    const words = memory();
    const sleeper = () => {
      if (Atomics.load(words, 1) === 1) return 'seen';
      Atomics.store(words, 0, 1);
      const result = Atomics.waitAsync(words, 0, 1);
      let woken = 'not woken';
      if (!result.async) return 'not slept';
      result.value.then(() => {
        woken = 'woken';
      });
      return woken;
    };
    const waker = () => {
      Atomics.store(words, 1, 1);
      if (Atomics.exchange(words, 0, 0) === 1) Atomics.notify(words, 0);
      return 'done';
    };
    const ends = new Set<string>();
    explore({
      memory: words,
      threads: [sleeper, waker],
      ended: ({ outcomes }) => ends.add(String(outcomes[0])),
    });
    expect([...ends].sort()).toEqual(['not slept', 'seen', 'undefined', 'woken']);
  });

  it('names the schedule in which a thread fails', () => {
    const words = memory();
    const fails = () => {
      if (Atomics.load(words, 0) === 1) throw new Error('one');
    };
    const writes = () => Atomics.store(words, 0, 1);
    expect(() => explore({ memory: words, threads: [fails, writes], ended: () => {} })).toThrow(
      'in schedule 10',
    );
  });
});
