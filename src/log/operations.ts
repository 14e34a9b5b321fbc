import { assert } from '../base/assert.js';

/** Counts the asynchronous operations under way, for whoever must wait until there are none. */
export class Operations {
  #count = 0;
  #waiters: (() => void)[] = [];

  begin(): void {
    this.#count++;
  }

  /** Call it last: it runs those who wait. */
  end(): void {
    assert(this.#count > 0, 'an operation ended twice');
    this.#count--;
    while (this.#count === 0 && this.#waiters.length > 0) this.#waiters.shift()?.();
  }

  /** Calls back when nothing is under way; at once if nothing is. */
  whenQuiet(run: () => void): void {
    if (this.#count === 0) run();
    else this.#waiters.push(run);
  }
}
