import type { Clock } from '../../base/clock.js';

/** A value is used for so long, whoever asks. */
const AGE_MS_MAX = 1000;

/**
 * A value that takes some work to get, for many who ask: got once at a time, and not again within a second. So a storm of
 * questions costs no more than one a second.
 */
export class Recent<Value> {
  readonly #get: () => Promise<Value>;
  readonly #clock: Clock;
  #value: Promise<Value> | null = null;
  #untilMs = 0;

  constructor(clock: Clock, get: () => Promise<Value>) {
    this.#clock = clock;
    this.#get = get;
  }

  /** Rejects as `get` does; then the next one asks again. */
  value(): Promise<Value> {
    if (this.#value !== null && this.#clock.monotonicMs() < this.#untilMs) return this.#value;
    const value = this.#get();
    this.#value = value;
    this.#untilMs = Number.POSITIVE_INFINITY;
    value.then(
      () => {
        this.#untilMs = this.#clock.monotonicMs() + AGE_MS_MAX;
      },
      () => {
        this.#value = null;
      },
    );
    return value;
  }
}
