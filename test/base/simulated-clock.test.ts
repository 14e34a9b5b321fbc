import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';

describe('SimulatedClock', () => {
  it('stands still until it is moved', () => {
    const clock = new SimulatedClock({ wallMs: 1000 });
    let fired = 0;
    clock.after(5, () => fired++);
    expect([clock.wallMs(), clock.monotonicMs(), fired, clock.pending, clock.nextMs]).toEqual([
      1000, 0, 0, 1, 5,
    ]);
    clock.advance(4.5);
    expect([clock.wallMs(), clock.monotonicMs(), fired]).toEqual([1004, 4.5, 0]);
    clock.advance(0.5);
    expect([clock.wallMs(), clock.monotonicMs(), fired, clock.pending]).toEqual([1005, 5, 1, 0]);
  });

  it('runs timers in the order of their times, with those that timers start', () => {
    const clock = new SimulatedClock();
    const order: string[] = [];
    clock.after(10, () => order.push(`late ${clock.monotonicMs()}`));
    clock.after(1, () => {
      order.push(`early ${clock.monotonicMs()}`);
      clock.after(2, () => order.push(`nested ${clock.monotonicMs()}`));
      clock.after(100, () => order.push('beyond'));
    });
    clock.advance(50);
    expect(order).toEqual(['early 1', 'nested 3', 'late 10']);
    expect(clock.monotonicMs()).toBe(50);
  });

  it('keeps the order of a sorted list whatever is added and cancelled', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 32);
    const random = seededRandom(seed);
    const clock = new SimulatedClock();
    const expected: { due: number; id: number }[] = [];
    const ran: number[] = [];
    const timers = Array.from({ length: 500 }, (_, id) => {
      const due = random.below(100);
      expected.push({ due, id });
      return clock.after(due, () => ran.push(id));
    });
    const cancelled = new Set(timers.map((_, id) => id).filter(() => random.below(3) === 0));
    for (const id of cancelled) {
      const timer = timers[id];
      if (timer) clock.cancel(timer);
    }
    while (clock.runNext());
    const survivors = expected
      .filter(({ id }) => !cancelled.has(id))
      .sort((a, b) => a.due - b.due || a.id - b.id);
    expect(ran, `SEED=${seed}`).toEqual(survivors.map(({ id }) => id));
    expect(cancelled.size).toBeGreaterThan(0);
  });

  it('shuffles events of one moment by its seed, the same way each time', () => {
    const run = (seed: number) => {
      const clock = new SimulatedClock({ random: seededRandom(seed) });
      const order: number[] = [];
      for (let i = 0; i < 20; i++) clock.schedule(1, () => order.push(i));
      clock.advance(1);
      return order.join();
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
    expect(run(1)).not.toBe(Array.from({ length: 20 }, (_, i) => i).join());
  });

  it('lets the wall clock jump without touching timers', () => {
    const clock = new SimulatedClock({ wallMs: 5000 });
    let fired = false;
    clock.after(10, () => {
      fired = true;
    });
    clock.jumpWall(-3000);
    expect([clock.wallMs(), fired]).toEqual([2000, false]);
    clock.advance(10);
    expect([clock.wallMs(), fired]).toEqual([2010, true]);
  });

  it('forgets a timer that is cancelled, also one that ran', () => {
    const clock = new SimulatedClock();
    let fired = 0;
    const first = clock.after(1, () => fired++);
    const second = clock.after(2, () => fired++);
    clock.cancel(second);
    clock.cancel(second);
    clock.advance(5);
    clock.cancel(first);
    expect(fired).toBe(1);
  });

  it('runs until a condition holds or a limit is reached', () => {
    const clock = new SimulatedClock();
    let count = 0;
    const tick = () => {
      count++;
      clock.after(1, tick);
    };
    clock.after(1, tick);
    expect(clock.runUntil(() => count === 7)).toBe(true);
    expect(clock.monotonicMs()).toBe(7);
    expect(clock.runUntil(() => false, 3)).toBe(false);
    expect(count).toBe(10);
  });

  it('lets out what an event throws and goes on afterwards', () => {
    const clock = new SimulatedClock();
    let fired = false;
    clock.after(1, () => {
      throw new Error('crash');
    });
    clock.after(2, () => {
      fired = true;
    });
    expect(() => clock.advance(5)).toThrow('crash');
    expect(clock.monotonicMs()).toBe(1);
    clock.advance(5);
    expect(fired).toBe(true);
  });

  it('refuses an event that moves the clock', () => {
    const clock = new SimulatedClock();
    clock.after(1, () => clock.advance(1));
    clock.after(1, () => {});
    expect(() => clock.advance(5)).toThrow('may not move the clock');
  });
});
