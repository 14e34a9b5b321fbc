// Whether this thread should look for a completion without a pause instead of falling asleep. A lone small batch is in the log after some
// tens of microseconds; a sleep and a wake-up of two threads take as long, and more of the processor. But where the worker is late (the
// machine is busy, the disk is awaited) looking is in vain: then it is tried ever more rarely.
import type { Clock } from '../base/clock.js';
import type { WorkerLink } from './worker-link.js';

/** What other sockets may have to wait for it. */
const WATCH_MS = 0.06;
/** Larger ones take longer to be written. */
const SMALL_BYTES = 4096;
/** Batches that follow each other sooner find warm threads, whose wake-ups cost less than looking does. */
const RESTED_MS = 0.5;
const PASSED_OVER_MAX = 1023;

export class LoneBatch {
  readonly #later: (run: () => void) => void;
  readonly #workers: ReadonlyMap<number, { readonly link: WorkerLink }>;
  readonly #clock: Clock;
  #planned = false;
  #lastMs = 0;
  /** So many chances are passed over after the next failure, and before the next attempt. */
  #passOver = 1;
  #passing = 0;

  /** `later` runs a function in a later turn, after sockets had theirs. */
  constructor(
    later: (run: () => void) => void,
    workers: ReadonlyMap<number, { readonly link: WorkerLink }>,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.#later = later;
    this.#workers = workers;
  }

  /** All that came with a read of a socket was submitted, if there was something. */
  submitted(): void {
    const restedMs = this.#clock.monotonicMs() - this.#lastMs;
    this.#lastMs += restedMs;
    if (restedMs < RESTED_MS || this.#planned || this.#lone() === null) return;
    if (this.#passing > 0) {
      this.#passing--;
      return;
    }
    this.#planned = true;
    this.#later(() => this.#watch());
  }

  #watch(): void {
    this.#planned = false;
    const lone = this.#lone();
    if (lone === null) return; // Others came, and they are better taken together.
    if (lone.watch(WATCH_MS)) {
      this.#passOver = 1;
      return;
    }
    this.#passing = this.#passOver;
    this.#passOver = Math.min(2 * this.#passOver + 1, PASSED_OVER_MAX);
  }

  /** The worker that has the only batch in flight, if that is a small one. */
  #lone(): WorkerLink | null {
    let lone: WorkerLink | null = null;
    for (const { link } of this.#workers.values()) {
      if (link.inFlight === 0) continue;
      if (lone !== null || link.inFlight > 1 || link.bytesInFlight > SMALL_BYTES) return null;
      lone = link;
    }
    return lone;
  }
}
