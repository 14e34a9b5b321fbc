import { parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.js';
import { systemClock } from '../base/clock.js';
import { limitLines } from '../base/limited-logger.js';
import type { LogFields, Logger } from '../base/log.js';
import type { LogLine } from './worker-data.js';

/** A logger for worker threads: lines go to the main thread, which writes them; not too many of them. */
export function threadLogger(): Logger {
  const port = parentPort;
  assert(port !== null, 'a worker has a parent');
  const write = (level: LogLine['level']) => (message: string, fields?: LogFields) => {
    const line: LogLine = { level, message, fields };
    port.postMessage(line);
  };
  const lines = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  return limitLines(lines, systemClock);
}
