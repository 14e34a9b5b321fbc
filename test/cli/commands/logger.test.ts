import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../../../src/cli/commands/logger.js';

describe('createLogger', () => {
  let folder: string;
  let fd: number;
  const written = () => readFileSync(join(folder, 'log'), 'utf8');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-logger-'));
    fd = openSync(join(folder, 'log'), 'w');
  });

  afterEach(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  it('writes one JSON object a line', async () => {
    const logger = await createLogger({ level: 'info', format: 'json', color: false, fd });
    logger.debug('too unimportant');
    logger.info('broker ready', { native: '127.0.0.1:9091' });
    logger.error('it broke');
    await logger.flush();
    const lines = written()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toEqual([
      { level: 30, time: expect.any(Number), native: '127.0.0.1:9091', msg: 'broker ready' },
      { level: 50, time: expect.any(Number), msg: 'it broke' },
    ]);
  });

  it('writes lines for people', async () => {
    const logger = await createLogger({ level: 'debug', format: 'pretty', color: false, fd });
    logger.debug('looked up', { topic: 'flights' });
    logger.warn('slow disk');
    await logger.flush();
    const [first, second] = written().split('\n');
    expect(first).toMatch(/DEBUG.*looked up.*"topic":"flights"/);
    expect(second).toMatch(/WARN.*slow disk/);
  });

  it('loses nothing when the end is sudden', async () => {
    const logger = await createLogger({ level: 'info', format: 'json', color: false, fd });
    for (let line = 0; line < 1000; line++) logger.info('line', { line });
    logger.flushSync();
    // What was under way when the end came is in the hands of a thread of its own.
    await vi.waitFor(() => expect(written().match(/\n/g)).toHaveLength(1000), { timeout: 20_000 });
  });
});
