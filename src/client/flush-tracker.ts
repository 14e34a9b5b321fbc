import { type Deferred, deferred } from './deferred.js';

/** What was begun between two flushes. */
export interface FlushSpan {
  unfinished: number;
  /** Set when a flush ended the span. */
  flushed: Deferred<void> | null;
}

/** Tells when all that was begun before a moment is finished, while more is begun. */
export class FlushTracker {
  /** Ended by a flush and not finished, oldest first. */
  readonly #spans: FlushSpan[] = [];
  #current: FlushSpan = { unfinished: 0, flushed: null };

  /** Something begins; {@link finish} takes the answer. */
  begin(): FlushSpan {
    this.#current.unfinished++;
    return this.#current;
  }

  finish(span: FlushSpan): void {
    span.unfinished--;
    if (span.flushed) this.#resolveFinished();
  }

  /** True while a flush waits. */
  get isFlushing(): boolean {
    return this.#spans.length > 0;
  }

  /** Resolves when all that has begun until now is finished. */
  flush(): Promise<void> {
    const flushed = deferred<void>();
    this.#current.flushed = flushed;
    this.#spans.push(this.#current);
    this.#current = { unfinished: 0, flushed: null };
    this.#resolveFinished();
    return flushed.promise;
  }

  #resolveFinished(): void {
    for (let first = this.#spans[0]; first?.unfinished === 0; first = this.#spans[0]) {
      this.#spans.shift();
      first.flushed?.resolve();
    }
  }
}
