import { assert } from '../base/assert.js';

/** So much of something, for all to share. */
export class Budget {
  readonly #total: number;
  #taken = 0;

  constructor(total: number) {
    this.#total = total;
  }

  get taken(): number {
    return this.#taken;
  }

  /** False if there is not so much left: then nothing is taken. */
  take(amount: number): boolean {
    if (this.#taken + amount > this.#total) return false;
    this.#taken += amount;
    return true;
  }

  give(amount: number): void {
    assert(amount <= this.#taken, 'no more is given back than was taken');
    this.#taken -= amount;
  }
}
