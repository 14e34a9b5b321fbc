/**
 * How the producer of a ring wakes its sleeping consumer. The consumer raises the `sleeping` word, looks at the ring once
 * more, then waits; the producer lowers the word and rings if it was raised. One bell has one waiter.
 */
export interface Doorbell {
  ring(): void;
  /** Calls `wake` once, in a later turn, when the bell is rung or if `sleeping` is already lowered. */
  wait(wake: () => void): void;
  /** Stops the thread while `holding` is raised, until {@link letGo} or for so long. Where all is on one thread: does nothing. */
  hold(timeoutMs: number): void;
  letGo(): void;
}

/** A bell between two threads: `sleeping` and, behind it, `holding` lie in shared memory. Waiting does not keep a thread alive. */
export class SharedDoorbell implements Doorbell {
  readonly #words: Int32Array;
  readonly #sleepingIndex: number;
  readonly #holdingIndex: number;

  constructor(words: Int32Array, sleepingIndex: number) {
    this.#words = words;
    this.#sleepingIndex = sleepingIndex;
    this.#holdingIndex = sleepingIndex + 1;
  }

  ring(): void {
    Atomics.notify(this.#words, this.#sleepingIndex);
  }

  wait(wake: () => void): void {
    const result = Atomics.waitAsync(this.#words, this.#sleepingIndex, 1);
    if (result.async) result.value.then(wake);
    else setImmediate(wake);
  }

  hold(timeoutMs: number): void {
    Atomics.wait(this.#words, this.#holdingIndex, 1, timeoutMs);
  }

  letGo(): void {
    Atomics.notify(this.#words, this.#holdingIndex);
  }
}

/** A bell within one thread, for simulations: `schedule` runs a function in a later turn. */
export class LocalDoorbell implements Doorbell {
  readonly #schedule: (run: () => void) => void;
  readonly #asleep: () => boolean;
  #wake: (() => void) | null = null;

  constructor(schedule: (run: () => void) => void, asleep: () => boolean) {
    this.#schedule = schedule;
    this.#asleep = asleep;
  }

  ring(): void {
    const wake = this.#wake;
    this.#wake = null;
    if (wake) this.#schedule(wake);
  }

  wait(wake: () => void): void {
    if (this.#asleep()) this.#wake = wake;
    else this.#schedule(wake);
  }

  hold(_timeoutMs: number): void {}

  letGo(): void {}
}
