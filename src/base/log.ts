/** Values that a log line can carry. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** What actors write log lines to; production sends them to pino on the main thread, tests collect them. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const nothing = () => {};

export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
