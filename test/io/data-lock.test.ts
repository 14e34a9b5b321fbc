import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireDirectoryLock, type DirectoryLock, LOCK_FILE } from '../../src/io/data-lock.js';

const quick = { touchMs: 5, staleMs: 100 };
const built = new URL('../../dist/src/io/data-lock.js', import.meta.url);
const onLinux = process.platform === 'linux';

describe('acquireDirectoryLock', () => {
  let directory: string;
  const locks: DirectoryLock[] = [];
  const children: ChildProcess[] = [];
  const file = () => join(directory, LOCK_FILE);
  const acquire = async (path = directory, options = {}) => {
    const lock = await acquireDirectoryLock(path, options);
    locks.push(lock);
    return lock;
  };
  const write = (owner: object, modified = new Date()) => {
    fs.writeFileSync(file(), JSON.stringify(owner));
    fs.utimesSync(file(), modified, modified);
  };
  const written = () => JSON.parse(fs.readFileSync(file(), 'utf8'));
  const longAgo = new Date(Date.now() - 3_600_000);

  /** Another process that takes the lock and holds it until it is killed; `prefix` goes before the command. */
  const holdElsewhere = async (...prefix: string[]) => {
    const program = `
      const { acquireDirectoryLock } = await import(${JSON.stringify(built.href)});
      try {
        await acquireDirectoryLock(${JSON.stringify(directory)}, ${JSON.stringify(quick)});
        console.log('held');
        setInterval(() => {}, 1000);
      } catch (error) {
        console.log(error.code + ' ' + error.message);
      }`;
    const [command = '', ...rest] = [...prefix, process.execPath, '--input-type=module', '--eval', program];
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [output] = await once(child.stdout, 'data');
    return { child, said: String(output).trim() };
  };

  beforeEach(() => {
    directory = fs.mkdtempSync(join(tmpdir(), 'odradek-lock-'));
  });
  afterEach(async () => {
    await Promise.all(locks.splice(0).map((lock) => lock.release()));
    for (const child of children.splice(0)) child.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
  });

  it('holds the directory against everyone, by any path, until it is released', async () => {
    const lock = await acquire();
    expect(written()).toMatchObject({ pid: process.pid, host: hostname() });
    const link = `${directory}-link`;
    fs.symlinkSync(directory, link);
    try {
      for (const path of [directory, `${directory}/`, link]) {
        await expect(acquire(path)).rejects.toMatchObject({
          code: 'ODR_START',
          message: `the data directory ${path} is in use by process ${process.pid}: stop that broker, or choose another --data-dir`,
        });
      }
    } finally {
      fs.unlinkSync(link);
    }
    await lock.release();
    await lock.release();
    expect(fs.readdirSync(directory)).toEqual([]);
    await acquire();
  });

  it('locks each directory alone', async () => {
    fs.mkdirSync(join(directory, 'inner'));
    await acquire();
    await acquire(join(directory, 'inner'));
  });

  it('rejects when there is no such directory', async () => {
    await expect(acquire(join(directory, 'missing'))).rejects.toMatchObject({
      code: 'ODR_START',
      message: expect.stringMatching(/cannot lock the data directory .*missing: ENOENT/),
    });
  });

  it('has one winner among many at once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => acquire()));
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    expect(fs.readdirSync(directory)).toEqual([LOCK_FILE]);
  });

  it('sees the lock of another process, and takes it over once that one was killed', async () => {
    const { child, said } = await holdElsewhere();
    expect(said).toBe('held');
    await expect(acquire()).rejects.toThrow(`in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(written().pid).toBe(child.pid);
    await acquire();
    expect(written().pid).toBe(process.pid);
    expect(fs.readdirSync(directory)).toEqual([LOCK_FILE]);
  });

  it('tells another process why it may not start', async () => {
    await acquire();
    const { said } = await holdElsewhere();
    expect(said).toContain(`ODR_START the data directory ${directory} is in use by process ${process.pid}`);
  });

  // A network namespace of its own hides the socket, so that the file alone decides. Needs the right to make one.
  const canUnshare = onLinux && process.getuid?.() === 0 && fs.existsSync('/usr/bin/unshare');

  it.runIf(canUnshare)('sees a process of another network namespace by its number and start', async () => {
    const { child, said } = await holdElsewhere('unshare', '--net');
    expect(said).toBe('held');
    await expect(acquire()).rejects.toThrow(`in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await acquire();
  });

  it.runIf(canUnshare)('sees a process of another container by its touches', async () => {
    const { child, said } = await holdElsewhere(
      'unshare',
      '--net',
      '--pid',
      '--fork',
      '--mount-proc',
      '--kill-child',
    );
    expect(said).toBe('held');
    await expect(acquire(directory, { touchMs: 5, staleMs: 30_000 })).rejects.toThrow('in use by process 1');
    child.kill('SIGKILL');
    await once(child, 'exit');
    await acquire(directory, quick);
  });

  it('takes over what a process with a number that lives on as another one left', async () => {
    await acquire();
    const owner = written();
    await locks.pop()?.release();
    write({ ...owner, pid: process.ppid, started: '1' }, longAgo);
    await acquire();
    expect(written().pid).toBe(process.pid);
  });

  it('takes over what another machine left long ago', async () => {
    write({ pid: process.pid, started: '1', system: 'another', host: 'elsewhere' }, longAgo);
    await acquire();
    expect(written().host).toBe(hostname());
  });

  it('watches a young file of another machine, and takes it over when nobody touches it', async () => {
    write({ pid: 1, started: '1', system: 'another', host: 'elsewhere' });
    await acquire(directory, quick);
    expect(written().pid).toBe(process.pid);
  });

  it('respects a file of another machine that is being touched', async () => {
    write({ pid: 77, started: '1', system: 'another', host: 'elsewhere' });
    let watching = true;
    const toucher = (async () => {
      for (let ms = Date.now(); watching; ms++) {
        fs.utimesSync(file(), new Date(ms), new Date(ms));
        await nextTurn();
      }
    })();
    await expect(acquire(directory, { touchMs: 5, staleMs: 60_000 })).rejects.toThrow(
      'in use by process 77 on elsewhere',
    );
    watching = false;
    await toucher;
    expect(written().host).toBe('elsewhere');
  });

  it.each(['', 'not json', '{}', '[]', 'null', '{"pid":-1}', '{"pid":"x"}'])(
    'takes over a broken file %j',
    async (text) => {
      fs.writeFileSync(file(), text);
      await acquire();
      expect(written().pid).toBe(process.pid);
    },
  );

  it('touches its file and leaves one alone that is not its own any more', async () => {
    const lock = await acquire(directory, quick);
    fs.utimesSync(file(), longAgo, longAgo);
    while (fs.statSync(file()).mtimeMs <= longAgo.getTime()) await nextTurn();
    write({ pid: 1 });
    await lock.release();
    expect(written()).toEqual({ pid: 1 });
  });
});
