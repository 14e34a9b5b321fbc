import { assert } from '../base/assert.js';
import { OdradekError } from '../base/errors.js';
import type { SendResult } from './message.js';

/** Who waits for what becomes of messages, which are numbered from 0. Each is told of once. */
export interface Recipient {
  /** What a message costs besides its bytes, for the bound of the producer's buffer. */
  readonly overheadBytes: number;
  delivered(index: number, result: SendResult): void;
  failed(index: number, error: OdradekError): void;
}

/** A place in a list and a result. */
const BATCH_OVERHEAD_BYTES = 256;
/**
 * A promise, a result, what the caller chains to it, and several times as much that the collector has not come to. Counted
 * lower, a full buffer holds more and is slower: the collector copies whatever waits for long.
 */
export const SINGLE_OVERHEAD_BYTES = 4096;

/** Who waits for one message that had to wait for room. */
export class SingleDelivery implements Recipient {
  readonly #resolve: (result: SendResult) => void;
  readonly #reject: (error: OdradekError) => void;

  constructor(resolve: (result: SendResult) => void, reject: (error: OdradekError) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get overheadBytes(): number {
    return SINGLE_OVERHEAD_BYTES;
  }

  delivered(_index: number, result: SendResult): void {
    this.#resolve(result);
  }

  failed(_index: number, error: OdradekError): void {
    this.#reject(error);
  }
}

/**
 * Some messages of one call were not delivered. The code and the cause are those of the first of them; `results` tells what
 * became of each message of the call, in their order.
 */
export class BatchError extends OdradekError {
  readonly results: readonly (SendResult | OdradekError)[];

  constructor(results: readonly (SendResult | OdradekError)[], first: OdradekError) {
    const failures = results.filter((result) => result instanceof OdradekError).length;
    const { code, message, retriable, errorName } = first;
    super(code, `${failures} of ${results.length} messages were not delivered. ${message}`, {
      ...{ retriable, cause: first },
      ...(errorName && { errorName }),
    });
    this.results = results;
  }
}

/** What became of the messages of one call; settles when the last of them was answered. */
export class BatchDelivery implements Recipient {
  readonly #results: SendResult[];
  readonly #errors = new Map<number, OdradekError>();
  readonly #settled: (error: BatchError | null, results: SendResult[]) => void;
  #missing: number;

  constructor(count: number, settled: (error: BatchError | null, results: SendResult[]) => void) {
    this.#results = new Array(count);
    this.#settled = settled;
    this.#missing = count;
  }

  get overheadBytes(): number {
    return BATCH_OVERHEAD_BYTES;
  }

  delivered(index: number, result: SendResult): void {
    assert(this.#results[index] === undefined, 'a message was answered twice');
    this.#results[index] = result;
    this.#answered();
  }

  failed(index: number, error: OdradekError): void {
    assert(!this.#errors.has(index) && this.#results[index] === undefined, 'a message was answered twice');
    this.#errors.set(index, error);
    this.#answered();
  }

  #answered(): void {
    assert(this.#missing > 0, 'a message was answered twice');
    if (--this.#missing > 0) return;
    const [first] = this.#errors.values();
    if (first) this.#settled(new BatchError(this.#outcomes(), first), []);
    else this.#settled(null, this.#results);
  }

  #outcomes(): (SendResult | OdradekError)[] {
    return Array.from(this.#results, (result, index) => this.#errors.get(index) ?? result);
  }
}
