import { assert } from '../base/assert.js';
import { OdradekError } from '../base/errors.js';
import type { SendResult } from './message.js';

/** What became of the messages of one call of `send`; settles when the last of them was answered. */
export class Delivery {
  readonly #results: (SendResult | undefined)[];
  readonly #settled: (error: OdradekError | null, results: readonly SendResult[]) => void;
  #missing: number;
  #failures = 0;
  #firstError: OdradekError | null = null;

  constructor(count: number, settled: (error: OdradekError | null, results: readonly SendResult[]) => void) {
    this.#results = new Array(count);
    this.#settled = settled;
    this.#missing = count;
  }

  /** The message at this place of the call was appended. */
  delivered(index: number, result: SendResult): void {
    this.#results[index] = result;
    this.#answered();
  }

  /** So many of the messages will not be delivered. */
  failed(error: OdradekError, count = 1): void {
    this.#firstError ??= error;
    this.#failures += count;
    this.#answered(count);
  }

  #answered(count = 1): void {
    this.#missing -= count;
    assert(this.#missing >= 0, 'a message was answered twice');
    if (this.#missing > 0) return;
    const results: SendResult[] = [];
    for (const result of this.#results) if (result) results.push(result);
    this.#settled(this.#error(), results);
  }

  #error(): OdradekError | null {
    const error = this.#firstError;
    if (error === null || this.#results.length === 1) return error;
    const message = `${this.#failures} of ${this.#results.length} messages were not delivered. ${error.message}`;
    const { code, retriable, errorName } = error;
    return new OdradekError(code, message, { retriable, cause: error, ...(errorName && { errorName }) });
  }
}
