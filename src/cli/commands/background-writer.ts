import { write, writeSync } from 'node:fs';
import { type Clock, systemClock } from '../../base/clock.js';

const RETRY_MS = 10;
/** A write to a file or a pipe with room takes microseconds; its completion is only told to the event loop. */
const UNDER_WAY_MS = 20;

export interface BackgroundWriterOptions {
  readonly fd: number;
  /** Bound on what waits to be written; a text that does not fit is dropped. */
  readonly charactersMax: number;
  /** So many texts were dropped, and there is room again. */
  readonly dropped: (count: number) => void;
  readonly clock?: Clock;
}

/**
 * Writes texts to a descriptor in their order and in the background, so that whoever reads slowly at the other end holds nobody
 * up. If the other end is gone, texts are dropped without a word.
 */
export class BackgroundWriter {
  readonly #options: BackgroundWriterOptions;
  readonly #clock: Clock;
  #waiting: string[] = [];
  #waitingCharacters = 0;
  #dropped = 0;
  /** What the operating system has not taken yet of the write under way. */
  #rest: Buffer | null = null;
  #broken = false;
  #flushed: (() => void)[] = [];

  constructor(options: BackgroundWriterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  write(text: string): void {
    if (this.#broken) return;
    if (this.#waitingCharacters + text.length > this.#options.charactersMax) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(text);
    this.#waitingCharacters += text.length;
    if (this.#rest === null) this.#next();
  }

  /** Completes when everything so far was taken by the operating system, or will never be. */
  flush(): Promise<void> {
    return this.#rest === null ? Promise.resolve() : new Promise((resolve) => this.#flushed.push(resolve));
  }

  /** Writes what waits, blocking: for the end of the process. What is under way is given a moment to get ahead of it. */
  flushSync(): void {
    if (this.#rest !== null) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, UNDER_WAY_MS);
    let rest = this.#takeWaiting();
    while (!this.#broken && rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(this.#options.fd, rest));
      } catch (error) {
        if (!isBusy(error)) this.#broken = true;
      }
    }
  }

  #takeWaiting(): Buffer {
    const bytes = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingCharacters = 0;
    return bytes;
  }

  #next(): void {
    this.#rest = this.#takeWaiting();
    this.#writeRest(this.#rest);
  }

  #writeRest(bytes: Buffer): void {
    write(this.#options.fd, bytes, (error, count) => {
      if (error === null) this.#written(bytes.subarray(count));
      else if (isBusy(error)) this.#clock.after(RETRY_MS, () => this.#writeRest(bytes));
      else this.#break();
    });
  }

  #written(rest: Buffer): void {
    if (rest.length > 0) {
      this.#rest = rest;
      this.#writeRest(rest);
      return;
    }
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (this.#waiting.length > 0) this.#next();
    else this.#rest = null;
    if (dropped > 0) this.#options.dropped(dropped);
    if (this.#rest === null) this.#end();
  }

  #break(): void {
    this.#broken = true;
    this.#takeWaiting();
    this.#end();
  }

  #end(): void {
    this.#rest = null;
    const flushed = this.#flushed;
    this.#flushed = [];
    for (const resolve of flushed) resolve();
  }
}

/** The pipe is full and does not block. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
