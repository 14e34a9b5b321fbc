import { type DestinationStream, pino } from 'pino';
import type { LogFields, Logger } from '../../base/log.js';
import { BackgroundWriter } from './background-writer.js';

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'pretty' | 'json';
  readonly color: boolean;
  /** Descriptor to write to; stdout unless given. */
  readonly fd?: number;
}

export interface ProcessLogger extends Logger {
  /** Completes when every line so far has been taken by the operating system. */
  flush(): Promise<void>;
  /** The same, blocking; for the very end of a process. */
  flushSync(): void;
}

const STDOUT = 1;
const WAITING_CHARACTERS_MAX = 8 * 1024 * 1024;

/** Log lines on stdout (or another descriptor), written in the background: one JSON object a line, or for people. */
export async function createLogger({
  level,
  format,
  color,
  fd = STDOUT,
}: LoggerOptions): Promise<ProcessLogger> {
  const writer = new BackgroundWriter({
    fd,
    charactersMax: WAITING_CHARACTERS_MAX,
    dropped: (count) => lines.warn({ count }, 'log lines were dropped: stdout is read too slowly'),
  });
  const lines = pino({ level, base: null }, format === 'json' ? writer : await prettyStream(writer, color));
  const at = (name: LoggerOptions['level']) => (message: string, fields?: LogFields) => {
    if (fields === undefined) lines[name](message);
    else lines[name](fields, message);
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    flush: () => writer.flush(),
    flushSync: () => writer.flushSync(),
  };
}

/** Formats each line where it is logged: a stream of pino-pretty's own could lose the last ones. */
async function prettyStream(target: DestinationStream, color: boolean): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty');
  const format = prettyFactory({ colorize: color, translateTime: 'SYS:HH:MM:ss.l', singleLine: true });
  return { write: (line) => target.write(format(line)) };
}
