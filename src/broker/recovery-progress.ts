// Tells how far the recovery after a crash is: in the log every few seconds and at its end, and to whoever asks.
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Jobs } from '../io/jobs.js';
import type { LogToMeasure } from '../log/measure-recovery.js';

export interface RecoveryProgressOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly jobs: Jobs;
}

const TELL_MS = 5000;

export class RecoveryProgress {
  readonly #options: RecoveryProgressOptions;
  readonly #logs: ReadonlySet<LogToMeasure>;
  readonly #left: Set<LogToMeasure>;
  readonly #startedMs: number;
  /** Null until they are measured. */
  #bytes: ReadonlyMap<LogToMeasure, number> | null = null;
  #failed = 0;
  #timer: Timer | null = null;

  constructor(options: RecoveryProgressOptions, logs: readonly LogToMeasure[]) {
    this.#options = options;
    this.#logs = new Set(logs);
    this.#left = new Set(logs);
    this.#startedMs = options.clock.monotonicMs();
    this.#tellLater();
    const asked = [...logs];
    options.jobs.run('measure-recovery', asked, (_error, bytes) => {
      // Without it only logs are counted.
      if (bytes) this.#bytes = new Map(asked.map((log, index) => [log, bytes[index] ?? 0]));
    });
  }

  /** Logs that are to be recovered yet. */
  get left(): number {
    return this.#left.size;
  }

  /** Bytes that they hold behind their recovery points; 0 until that is known. O(logs left). */
  get bytesLeft(): number {
    return this.#sum(this.#left);
  }

  /** Nothing is left to be done for the log; `recovered` is false if it cannot be opened. */
  ended(log: LogToMeasure, recovered: boolean): void {
    if (!this.#left.delete(log)) return;
    if (!recovered) this.#failed++;
    if (this.#left.size > 0) return;
    this.stop();
    const { logger } = this.#options;
    const failed = this.#failed > 0 ? { failed: this.#failed } : {};
    logger.info('logs recovered', {
      logs: this.#logs.size - this.#failed,
      ...failed,
      bytes: this.#sum(this.#logs),
      seconds: this.#seconds,
    });
  }

  stop(): void {
    if (this.#timer) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #tellLater(): void {
    this.#timer = this.#options.clock.after(TELL_MS, () => {
      const bytesLeft = this.bytesLeft;
      this.#options.logger.info('recovering logs', {
        done: this.#logs.size - this.#left.size,
        left: this.#left.size,
        bytesDone: this.#sum(this.#logs) - bytesLeft,
        bytesLeft,
        seconds: this.#seconds,
      });
      this.#tellLater();
    });
  }

  get #seconds(): number {
    return Math.round((this.#options.clock.monotonicMs() - this.#startedMs) / 100) / 10;
  }

  #sum(logs: Iterable<LogToMeasure>): number {
    let sum = 0;
    for (const log of logs) sum += this.#bytes?.get(log) ?? 0;
    return sum;
  }
}
