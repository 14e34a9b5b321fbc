import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.js';

describe('systemClock', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('waits for longer than setTimeout can, and can be cancelled meanwhile', () => {
    vi.useFakeTimers();
    const fired: string[] = [];
    systemClock.after(2 ** 32, () => fired.push('fired'));
    const cancelled = systemClock.after(2 ** 32, () => fired.push('cancelled'));
    vi.advanceTimersByTime(2 ** 31);
    systemClock.cancel(cancelled);
    vi.advanceTimersByTime(2 ** 31 - 1);
    expect(fired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(fired).toEqual(['fired']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fires a timer once, in a later turn', async () => {
    let fired = 0;
    const done = new Promise<void>((resolve) => {
      systemClock.after(0, () => {
        fired++;
        resolve();
      });
    });
    // The timer keeps no process alive, so that something else must.
    const keepAlive = setInterval(() => {}, 1000);
    expect(fired).toBe(0);
    await done;
    clearInterval(keepAlive);
    expect(fired).toBe(1);
  });

  it('does not fire a cancelled timer', async () => {
    let fired = false;
    const cancelled = systemClock.after(0, () => {
      fired = true;
    });
    systemClock.cancel(cancelled);
    const keepAlive = setInterval(() => {}, 1000);
    await new Promise<void>((resolve) => systemClock.after(1, resolve));
    clearInterval(keepAlive);
    expect(fired).toBe(false);
  });

  it('never goes back', () => {
    let last = systemClock.monotonicMs();
    for (let i = 0; i < 1000; i++) {
      const now = systemClock.monotonicMs();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });

  it('tells whole milliseconds since 1970', () => {
    expect(Number.isSafeInteger(systemClock.wallMs())).toBe(true);
    expect(systemClock.wallMs()).toBeGreaterThan(Date.UTC(2020, 0, 1));
  });
});
