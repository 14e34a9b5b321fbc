import type { LogFields, Logger } from '../../src/base/log.js';

/** What happened in a history, for whoever has to understand it; costs nothing unless it is wanted. */
export class Trace {
  readonly lines: string[] = [];
  readonly wanted: boolean;
  readonly #nowMs: () => number;

  constructor(wanted: boolean, nowMs: () => number) {
    this.wanted = wanted;
    this.#nowMs = nowMs;
  }

  add(text: () => string): void {
    if (this.wanted) this.lines.push(`${this.#nowMs().toFixed(3).padStart(11)}  ${text()}`);
  }

  /** A logger for a thread of the broker. */
  logger(thread: string): Logger {
    const line = (level: string) => (message: string, fields?: LogFields) =>
      this.add(() => `${thread} ${level}: ${message} ${fields ? JSON.stringify(fields) : ''}`);
    return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  }
}
