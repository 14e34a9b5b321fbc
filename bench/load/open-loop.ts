// The open loop. Node's timers are as fine as a millisecond, which is far more than an acknowledgement takes; so a thread of
// its own sleeps until a request is due, to some 60 µs, and writes it to the socket's descriptor. This thread only reads.
import { Worker } from 'node:worker_threads';
import { deferred } from '../../src/client/deferred.js';
import type { Latency } from '../job.js';
import { percentile } from '../statistics.js';
import { nowMs, type PacerData, UNANSWERED_MAX } from './pacer-data.js';

/** Until the thread runs. */
const LEAD_MS = 200;
/** What is measured: the rest lets the peer warm up. */
const MEASURED_SHARE = 2 / 3;

export interface OpenLoopOptions {
  /** Of a connected socket, which nobody else writes to; null: there is none, which is an error. */
  readonly descriptor: number | null;
  /** The request for a slot: request i takes the one of slot i modulo their number. */
  readonly frame: (slot: number) => Uint8Array;
  readonly requestsPerSecond: number;
  readonly seconds: number;
}

/** Requests that are due at a fixed rate, and the moments at which something came of them. */
export class OpenLoop {
  readonly count: number;
  readonly #data: PacerData;
  readonly #done = deferred<void>();
  #answered = 0;

  constructor({ descriptor, frame, requestsPerSecond, seconds }: OpenLoopOptions) {
    if (descriptor === null)
      throw new Error('Sockets have no descriptors here: latency can be measured on Linux only.');
    this.count = Math.round(requestsPerSecond * seconds);
    this.#data = {
      descriptor,
      frames: Array.from({ length: UNANSWERED_MAX }, (_, slot) => frame(slot)),
      count: this.count,
      intervalMs: 1000 / requestsPerSecond,
      startMs: nowMs() + LEAD_MS,
      sentMs: new Float64Array(new SharedArrayBuffer(this.count * Float64Array.BYTES_PER_ELEMENT)),
      answered: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
    };
  }

  /** How many are answered so far. */
  get answered(): number {
    return this.#answered;
  }

  /** Notes when something came of each request. */
  moments(): Moments {
    return new Moments(this.count);
  }

  /** Tells that one more is answered. */
  answer(): void {
    Atomics.store(this.#data.answered, 0, ++this.#answered);
    if (this.#answered === this.count) this.#done.resolve();
  }

  /** Makes {@link run} fail. */
  readonly fail = (error: Error): void => this.#done.reject(error);

  /** Sends all of them; resolves when each is answered. To be called soon: the first is due by then. */
  async run(): Promise<void> {
    const pacer = new Worker(new URL('./pacer.js', import.meta.url), { workerData: this.#data });
    pacer.on('error', this.fail);
    await this.#done.promise;
  }

  /** From when each request was due to its moment; the first third is left out. */
  latency({ atMs }: Moments): Latency {
    const tookMs = this.#since(atMs);
    return {
      p50Ms: percentile(tookMs, 0.5),
      p99Ms: percentile(tookMs, 0.99),
      lateP50Ms: percentile(this.#since(this.#data.sentMs), 0.5),
    };
  }

  #since(atMs: Float64Array): Float64Array {
    const { startMs, intervalMs } = this.#data;
    const first = Math.floor(this.count * (1 - MEASURED_SHARE));
    return Float64Array.from(
      atMs.subarray(first),
      (momentMs, index) => momentMs - startMs - (first + index) * intervalMs,
    );
  }
}

/** The moments at which something came of each request. */
export class Moments {
  readonly atMs: Float64Array;

  constructor(count: number) {
    this.atMs = new Float64Array(count);
  }

  /** It is now. Throws if the request has its moment already, or does not exist. */
  note(request: number): void {
    if (this.atMs[request] !== 0) throw new Error(`Request ${request} was not to be answered.`);
    this.atMs[request] = nowMs();
  }
}
