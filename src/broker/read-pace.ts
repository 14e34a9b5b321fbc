// Whether the router's thread may read a segment itself. From the page cache it should: that costs half of what a helper thread
// costs. From a disk that has to turn or seek it must not, for meanwhile nobody is served. Nothing tells beforehand what is in
// the page cache, so the reads themselves tell: one that waited for a disk has all reads go to the helper threads for a hundred
// times as long. Hence the thread waits for disks no more than a hundredth of its time, and one read at a time.
import type { Clock } from '../base/clock.js';

/** A read of a MiB from the page cache takes a fifth of it, on fresh memory of a virtual machine half. */
const SLOW_MS = 2;
/** Such a read waited, whatever the system says of its disks: not all file systems are counted there. */
const VERY_SLOW_MS = 20;
const REST_FACTOR = 100;

export interface ReadPace {
  /** Whether data that may not be in the page cache may be read on this thread now. */
  readonly mayBlock: boolean;
  /** Reads, and takes note of how long that took. */
  readonly timed: <Result>(read: () => Result) => Result;
}

export class MeasuredReadPace implements ReadPace {
  readonly #clock: Clock;
  readonly #diskReads: () => number;
  #diskReadsSeen = 0;
  #restUntilMs = 0;

  /** `diskReads` tells how often the process has read from a disk: a thread that had to wait for a processor is slow as well. */
  constructor(clock: Clock, diskReads: () => number) {
    this.#clock = clock;
    this.#diskReads = diskReads;
  }

  get mayBlock(): boolean {
    return this.#clock.monotonicMs() >= this.#restUntilMs;
  }

  timed<Result>(read: () => Result): Result {
    const startMs = this.#clock.monotonicMs();
    try {
      return read();
    } finally {
      const tookMs = this.#clock.monotonicMs() - startMs;
      if (tookMs >= SLOW_MS) this.#wasSlow(tookMs);
    }
  }

  #wasSlow(tookMs: number): void {
    const diskReads = this.#diskReads();
    const waited = diskReads !== this.#diskReadsSeen || tookMs >= VERY_SLOW_MS;
    this.#diskReadsSeen = diskReads;
    if (waited) this.#restUntilMs = this.#clock.monotonicMs() + tookMs * REST_FACTOR;
  }
}
