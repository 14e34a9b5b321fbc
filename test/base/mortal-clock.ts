import type { Clock } from '../../src/base/clock.js';

/** A clock as a process sees it: timers of one that died do not fire in the next one. */
export function mortalClock(clock: Clock, isAlive: () => boolean): Clock {
  return {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, fire) =>
      clock.after(delayMs, () => {
        if (isAlive()) fire();
      }),
    cancel: (timer) => clock.cancel(timer),
  };
}
