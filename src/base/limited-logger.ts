// Keeps a log readable and bounded whatever happens a thousand times a second: a client that sends nonsense over and over, a
// disk that refuses each write. Of one cause (the same message about the same partition, file, client host and reason) a few
// lines a minute are written, and of one message so many over all causes; then one line says how many were left out.
import type { Clock } from './clock.js';
import type { LogFields, Logger } from './log.js';

const WINDOW_MS = 60_000;
const LINES_PER_CAUSE = 5;
const LINES_PER_MESSAGE = 500;
/** Of lines about a client: it can make up causes. */
const LINES_PER_CLIENT_MESSAGE = 50;
const CAUSES_MAX = 2000;
const MESSAGES_MAX = 500;
/** Numbers that tell causes apart; others tell what happened this time. */
const NUMBERS_OF_CAUSES: ReadonlySet<string> = new Set(['partition', 'worker']);
const OTHER_MESSAGES = 'other messages';

interface MessageLines {
  written: number;
  leftOut: number;
}

/** A logger that leaves lines out where there are too many of them; debug lines are all written. */
export function limitLines(logger: Logger, clock: Clock): Logger {
  const limits = new LineLimits(clock, (message, lines) =>
    logger.warn('log lines were left out: too many in a minute', { of: message, lines }),
  );
  const at = (level: 'info' | 'warn' | 'error') => (message: string, fields?: LogFields) => {
    if (limits.allow(message, fields)) logger[level](message, fields);
  };
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}

class LineLimits {
  readonly #clock: Clock;
  readonly #report: (message: string, lines: number) => void;
  readonly #causes = new Map<string, number>();
  readonly #messages = new Map<string, MessageLines>();
  #windowEndMs = 0;
  #reporting = false;

  constructor(clock: Clock, report: (message: string, lines: number) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  allow(message: string, fields: LogFields | undefined): boolean {
    if (this.#clock.monotonicMs() >= this.#windowEndMs) this.#nextWindow();
    const lines = this.#linesOf(message);
    const max = fields?.['client'] === undefined ? LINES_PER_MESSAGE : LINES_PER_CLIENT_MESSAGE;
    if (lines.written < max && this.#allowCause(causeOf(message, fields))) {
      lines.written++;
      return true;
    }
    lines.leftOut++;
    this.#reportLater();
    return false;
  }

  #linesOf(message: string): MessageLines {
    const key = this.#messages.size < MESSAGES_MAX || this.#messages.has(message) ? message : OTHER_MESSAGES;
    const known = this.#messages.get(key);
    if (known) return known;
    const lines = { written: 0, leftOut: 0 };
    this.#messages.set(key, lines);
    return lines;
  }

  #allowCause(cause: string): boolean {
    const written = this.#causes.get(cause) ?? 0;
    if (written >= LINES_PER_CAUSE) return false;
    if (written > 0 || this.#causes.size < CAUSES_MAX) this.#causes.set(cause, written + 1);
    return true;
  }

  #reportLater(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    this.#clock.after(this.#windowEndMs - this.#clock.monotonicMs(), () => {
      this.#reporting = false;
      if (this.#clock.monotonicMs() >= this.#windowEndMs) this.#nextWindow();
    });
  }

  #nextWindow(): void {
    this.#windowEndMs = this.#clock.monotonicMs() + WINDOW_MS;
    const before = [...this.#messages];
    this.#messages.clear();
    this.#causes.clear();
    for (const [message, { leftOut }] of before) if (leftOut > 0) this.#report(message, leftOut);
  }
}

function causeOf(message: string, fields: LogFields | undefined): string {
  if (!fields) return message;
  let cause = message;
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'client' && typeof value === 'string')
      cause += `\n${value.slice(0, value.lastIndexOf(':'))}`;
    else if (typeof value === 'string' || NUMBERS_OF_CAUSES.has(name)) cause += `\n${value}`;
  }
  return cause;
}
