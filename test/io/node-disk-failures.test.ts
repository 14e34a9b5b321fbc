// NodeDisk over a system that fails where a real one cannot be made to: as descriptors are closed, and in syncs that have begun.
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DiskDone, DiskError } from '../../src/io/disk.js';
import { NodeDisk } from '../../src/io/node-disk.js';

/** What the system says next of descriptors that are closed, and of syncs. */
const failures = vi.hoisted(() => ({ close: [] as string[], sync: [] as string[] }));

vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  const errorOf = (code: string): Error =>
    Object.assign(new Error(`${code}, as planned`), { code, errno: -1 });
  const sync = (call: typeof real.fsync): typeof real.fsync =>
    Object.assign((descriptor: number, done: (error: NodeJS.ErrnoException | null) => void) => {
      const code = failures.sync.shift();
      call(descriptor, (error) => done(code === undefined ? error : errorOf(code)));
    }, call);
  return {
    ...real,
    closeSync: (descriptor: number) => {
      real.closeSync(descriptor);
      const code = failures.close.shift();
      if (code !== undefined) throw errorOf(code);
    },
    fdatasync: sync(real.fdatasync),
    fsync: sync(real.fsync),
  };
});

const finish = (start: (done: DiskDone) => void) =>
  new Promise<DiskError | null>((resolve) => start(resolve));

describe('NodeDisk, when the system fails', () => {
  let root: string;
  beforeEach(() => {
    root = fs.mkdtempSync(join(tmpdir(), 'odradek-system-'));
  });
  afterEach(() => {
    failures.close.length = 0;
    failures.sync.length = 0;
    fs.rmSync(root, { recursive: true, force: true });
  });

  const twoFiles = () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    const file = disk.open(join(root, 'a'), 'write');
    disk.write(file, 0, [Buffer.from('not synced')]);
    return { disk, file };
  };

  it('tells the next sync of a file what was said when its descriptor was closed, and nobody else', async () => {
    const { disk, file } = twoFiles();
    failures.close.push('EIO');
    // Takes the place of the first one.
    const other = disk.open(join(root, 'b'), 'write');
    disk.write(other, 0, [Buffer.from('x')]);
    expect(failures.close).toEqual([]);
    expect(await finish((done) => disk.sync(other, done))).toBeNull();
    expect(await finish((done) => disk.sync(file, done))).toMatchObject({ code: 'EIO', path: file.path });
    // Nor does it get better.
    expect(await finish((done) => disk.sync(file, done))).toMatchObject({ code: 'EIO' });
    expect(disk.syncs.count).toBe(1);
  });

  it('tells who closes a file what no sync of it has told', async () => {
    const { disk, file } = twoFiles();
    failures.close.push('EIO');
    expect(() => disk.close(file)).toThrow('EIO');
    expect(disk.openDescriptors).toBe(0);
    const evicted = disk.open(join(root, 'b'), 'write');
    failures.close.push('EIO');
    const other = disk.open(join(root, 'c'), 'write');
    expect(() => disk.close(evicted)).toThrow('EIO');
    failures.close.push('EIO');
    disk.open(join(root, 'd'), 'write');
    expect(await finish((done) => disk.sync(other, done))).toMatchObject({ code: 'EIO' });
    disk.close(other);
    const last = disk.open(join(root, 'e'), 'write');
    failures.close.push('EBADF');
    expect(() => disk.close(last)).toThrow('EBADF');
  });

  it('never takes a sync that has begun for one that has not', async () => {
    const { disk, file } = twoFiles();
    for (const code of ['EMFILE', 'ENFILE']) {
      failures.sync.push(code, code);
      const error = await finish((done) => disk.sync(file, done));
      expect(error).toMatchObject({ code: 'EOTHER', lacksDescriptors: false });
      expect(error?.message).toContain('it has begun');
      expect(await finish((done) => disk.syncDirectory(root, done))).toMatchObject({ code: 'EOTHER' });
    }
    failures.sync.push('ENOSPC');
    expect(await finish((done) => disk.sync(file, done))).toMatchObject({ code: 'ENOSPC' });
  });
});
