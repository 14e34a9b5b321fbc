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

/** The longest wait of setTimeout; asked for more, it fires at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, fire) {
    const handle: { timer: NodeJS.Timeout | null } = { timer: null };
    const wait = (leftMs: number): void => {
      const next = leftMs > TIMEOUT_MS_MAX ? () => wait(leftMs - TIMEOUT_MS_MAX) : fire;
      handle.timer = setTimeout(next, Math.min(leftMs, TIMEOUT_MS_MAX)).unref();
    };
    wait(delayMs);
    return handle;
  },
  cancel: ({ timer }) => clearTimeout(timer as NodeJS.Timeout),
};
