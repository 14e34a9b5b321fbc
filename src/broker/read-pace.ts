// Whether the router's thread may read old data of a data directory itself. From the page cache it should: that costs half of what a
// helper thread costs. From a disk that has to turn or seek, or that dies, it must not, for meanwhile nobody is served. Nothing tells
// beforehand what is in the page cache, so the reads themselves tell:
//
//   a helper thread reads first. If that was quick, this thread may read for a second, then a helper has its turn again
//   what reads on this thread take longer than the page cache would is added up. Once it is more than some milliseconds, the
//   thread reads nothing for a hundred times as long
//
// So the thread waits for disks about a hundredth of its time. A disk that hangs holds it only if it hangs within a second after a quick
// read, as it would hold one of Kafka's network threads.
import type { Clock } from '../base/clock.js';

export interface ReadPace {
  /** Whether data that may not be in the page cache may be read on this thread now. */
  readonly mayBlock: boolean;
  /** Reads so many bytes on this thread, and takes note of how long that took. */
  readonly here: <Result>(bytes: number, read: () => Result) => Result;
  /** The same for a call that returns how many bytes it read. */
  readonly sending: (send: () => number) => number;
  /** A helper thread begins to read; to be called when it has ended. */
  readonly elsewhere: () => () => void;
}

/** What the page cache takes for a read, and for each byte on fresh memory of a virtual machine. */
const CALL_MS = 0.1;
const BYTE_MS = 0.6 / 2 ** 20;
/** A helper thread's read with the way there and back, if nothing is awaited. */
const QUICK_MS = 2;
const TRUST_MS = 1000;
const WAITED_MAX_MS = 10;
const REST_FACTOR = 100;
/** A read that was late though the process read nothing from a disk waited for a processor, or for a file system that is not counted. */
const UNCOUNTED_SHARE = 0.1;

export class MeasuredReadPace implements ReadPace {
  readonly #clock: Clock;
  readonly #diskReads: () => number;
  #diskReadsSeen = 0;
  #trustedUntilMs = Number.NEGATIVE_INFINITY;
  #restUntilMs = Number.NEGATIVE_INFINITY;
  /** Since a helper's read was last quick. */
  #waitedMs = 0;

  /** `diskReads` tells how much the process has read from disks. */
  constructor(clock: Clock, diskReads: () => number) {
    this.#clock = clock;
    this.#diskReads = diskReads;
  }

  get mayBlock(): boolean {
    return this.#clock.monotonicMs() < this.#trustedUntilMs;
  }

  elsewhere(): () => void {
    const startMs = this.#clock.monotonicMs();
    return () => {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - startMs >= QUICK_MS || nowMs < this.#restUntilMs) return;
      this.#trustedUntilMs = nowMs + TRUST_MS;
      this.#waitedMs = 0;
    };
  }

  here<Result>(bytes: number, read: () => Result): Result {
    const startMs = this.#clock.monotonicMs();
    try {
      return read();
    } finally {
      this.#took(this.#clock.monotonicMs() - startMs, bytes);
    }
  }

  sending(send: () => number): number {
    const startMs = this.#clock.monotonicMs();
    const bytes = send();
    this.#took(this.#clock.monotonicMs() - startMs, Math.max(bytes, 0));
    return bytes;
  }

  #took(ms: number, bytes: number): void {
    const lateMs = ms - CALL_MS - bytes * BYTE_MS;
    if (lateMs > 0) this.#wasLate(lateMs);
  }

  #wasLate(lateMs: number): void {
    const diskReads = this.#diskReads();
    this.#waitedMs += diskReads === this.#diskReadsSeen ? lateMs * UNCOUNTED_SHARE : lateMs;
    this.#diskReadsSeen = diskReads;
    if (this.#waitedMs < WAITED_MAX_MS) return;
    this.#trustedUntilMs = Number.NEGATIVE_INFINITY;
    this.#restUntilMs = this.#clock.monotonicMs() + this.#waitedMs * REST_FACTOR;
  }
}
