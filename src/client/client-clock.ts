import { type Clock, systemClock } from '../base/clock.js';

/**
 * The system's clock with timers that keep the process alive: a message that waits for the next try must not be lost
 * because nothing else is left to do. Closing the client ends them all.
 */
export const clientClock: Clock = {
  ...systemClock,
  after(delayMs, fire) {
    const pending = systemClock.after(delayMs, fire);
    const { timer } = pending;
    if (timer instanceof Object && 'ref' in timer && typeof timer.ref === 'function') timer.ref();
    return pending;
  },
};

/** Resolves after `delayMs`, at once if the signal is or becomes aborted. Never rejects. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clock.cancel(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal.addEventListener('abort', done);
  });
}
