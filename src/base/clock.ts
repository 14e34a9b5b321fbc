/** A pending timer; {@link Clock.cancel} takes it. */
export type Timer = { readonly timer: unknown };

/**
 * Time as actors see it. The wall clock is for record timestamps and retention, the monotonic one for deadlines; safety
 * rests on neither. A timer never keeps a process alive.
 */
export interface Clock {
  /** Milliseconds since 1970; may jump. */
  wallMs(): number;
  /** Milliseconds since some fixed moment; never goes back. May have a fraction. */
  monotonicMs(): number;
  /** Calls `fire` once, in a turn of its own, after at least `delayMs`. */
  after(delayMs: number, fire: () => void): Timer;
  cancel(timer: Timer): void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    timer.unref();
    return { timer };
  },
  cancel: ({ timer }) => clearTimeout(timer as NodeJS.Timeout),
};
