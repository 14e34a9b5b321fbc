import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BackgroundWriter } from '../../../src/cli/commands/background-writer.js';

describe('BackgroundWriter', () => {
  let folder: string;
  const open: number[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'odradek-writer-'));
  });

  afterEach(() => {
    for (const fd of open.splice(0)) closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  function opened(path: string, flags: string | number): number {
    const fd = openSync(path, flags);
    open.push(fd);
    return fd;
  }

  it('writes texts in their order', async () => {
    const path = join(folder, 'file');
    const writer = new BackgroundWriter({
      fd: opened(path, 'w'),
      charactersMax: 1_000_000,
      dropped: () => {},
    });
    const lines = Array.from({ length: 10_000 }, (_, line) => `zeile ä ${line}\n`);
    for (const line of lines) writer.write(line);
    await writer.flush();
    expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
  });

  it('has nothing to flush at the beginning', async () => {
    const writer = new BackgroundWriter({
      fd: opened(join(folder, 'file'), 'w'),
      charactersMax: 10,
      dropped: () => {},
    });
    await writer.flush();
    writer.flushSync();
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('');
  });

  it('drops what does not fit, and says so when there is room again', async () => {
    const path = join(folder, 'file');
    let dropped = 0;
    const writer = new BackgroundWriter({
      fd: opened(path, 'w'),
      charactersMax: 10,
      dropped: (count) => {
        dropped += count;
        writer.write('dropped\n');
      },
    });
    writer.write('0123456789'); // Under way at once: it does not wait.
    writer.write('0123456789');
    writer.write('x');
    writer.write('y');
    await writer.flush();
    expect(dropped).toBe(2);
    expect(readFileSync(path, 'utf8')).toBe('01234567890123456789dropped\n');
  });

  it.runIf(process.platform === 'linux')(
    'waits for a slow reader of a pipe that does not block',
    async () => {
      const path = join(folder, 'pipe');
      execFileSync('mkfifo', [path]);
      const reader = opened(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const fd = opened(path, constants.O_WRONLY | constants.O_NONBLOCK);
      const writer = new BackgroundWriter({ fd, charactersMax: 1_000_000, dropped: () => {} });
      const text = 'x'.repeat(300_000);
      writer.write(text);
      let flushed = false;
      const flush = writer.flush().then(() => {
        flushed = true;
      });
      const buffer = Buffer.alloc(10_000);
      let bytes = 0;
      while (!flushed) {
        try {
          bytes += readSync(reader, buffer);
        } catch {
          await new Promise((resolve) => setImmediate(resolve)); // Empty at the moment.
        }
      }
      await flush;
      while (bytes < text.length) bytes += readSync(reader, buffer);
      expect(bytes).toBe(text.length);
    },
  );

  it('drops everything once the descriptor is of no use', async () => {
    const fd = openSync(join(folder, 'file'), 'w');
    closeSync(fd);
    const writer = new BackgroundWriter({ fd, charactersMax: 10, dropped: () => {} });
    writer.write('a');
    await writer.flush();
    writer.write('b');
    writer.flushSync();
    await writer.flush();
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('');
  });
});
