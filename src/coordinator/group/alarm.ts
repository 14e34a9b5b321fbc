import type { Clock, Timer } from '../../base/clock.js';

/**
 * A timer that is put off far more often than it rings, as a session is by every heartbeat. Putting it off only notes the new time;
 * the clock's timer is armed again when it fires too soon.
 */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #timer: Timer | null = null;
  #timerMs = Number.POSITIVE_INFINITY;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings once, `delayMs` from now, in place of what was set before. */
  set(delayMs: number): void {
    this.#dueMs = this.#clock.monotonicMs() + delayMs;
    if (this.#dueMs < this.#timerMs) this.#arm(delayMs);
  }

  clear(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#disarm();
  }

  #arm(delayMs: number): void {
    this.#disarm();
    this.#timerMs = this.#dueMs;
    this.#timer = this.#clock.after(delayMs, () => this.#fired());
  }

  #disarm(): void {
    if (this.#timer !== null) this.#clock.cancel(this.#timer);
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
  }

  #fired(): void {
    this.#disarm();
    const leftMs = this.#dueMs - this.#clock.monotonicMs();
    if (leftMs > 0) {
      this.#arm(leftMs);
      return;
    }
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#ring();
  }
}
