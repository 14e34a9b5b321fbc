import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import type { DiskDone, DiskError } from '../../src/io/disk.js';
import { NodeDisk } from '../../src/io/node-disk.js';
import { describeDiskContract } from './disk-contract.js';

const finish = (start: (done: DiskDone) => void) =>
  new Promise<DiskError | null>((resolve) => start(resolve));

/** Writes to the file until the clock of the file system has ticked, if that tells when files were made. */
function waitForAnotherTime(path: string): void {
  for (let i = 0; i < 10_000; i++) {
    const { birthtimeNs, ctimeNs } = fs.statSync(path, { bigint: true });
    if (birthtimeNs !== ctimeNs) return;
    fs.appendFileSync(path, '.');
  }
}

describe('NodeDisk', () => {
  let root: string;
  const roots: string[] = [];
  const temporary = () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'odradek-disk-'));
    roots.push(folder);
    return folder;
  };
  beforeEach(() => {
    root = temporary();
  });
  afterEach(() => {
    for (const folder of roots.splice(0)) fs.rmSync(folder, { recursive: true, force: true });
  });

  describe('with many descriptors', () => {
    describeDiskContract(() => ({ disk: new NodeDisk(), root, finish, dispose: () => {} }));
  });

  describe('with one descriptor and small calls', () => {
    const options = { openFilesMax: 1, writePieceBytes: 3 };
    describeDiskContract(() => ({ disk: new NodeDisk(options), root, finish, dispose: () => {} }));
  });

  it('lends a quarter of them at most', () => {
    const disk = new NodeDisk({ openFilesMax: 8 });
    const files = [0, 1, 2].map((name) => disk.open(join(root, `${name}`), 'write'));
    const lent = files.map((file) => disk.lend(file));
    expect(lent.map((one) => one !== null)).toEqual([true, true, false]);
    lent[0]?.release();
    const again = files[2] && disk.lend(files[2]);
    expect(again).not.toBeNull();
    again?.release();
    lent[1]?.release();
    for (const file of files) disk.close(file);
    expect(disk.openDescriptors).toBe(0);
  });

  it('holds no more descriptors than allowed, and opens closed ones again', () => {
    const disk = new NodeDisk({ openFilesMax: 8 });
    const files = Array.from({ length: 100 }, (_, i) => disk.open(join(root, `${i}`), 'write'));
    expect(disk.openDescriptors).toBe(8);
    for (let round = 0; round < 3; round++) {
      for (const [i, file] of files.entries()) disk.write(file, round * 4, [Buffer.from(`${i}`.padStart(4))]);
    }
    expect(disk.openDescriptors).toBe(8);
    for (const [i, file] of files.entries()) {
      const target = Buffer.alloc(12);
      expect(disk.read(file, 0, target)).toBe(12);
      expect(target.toString()).toBe(`${i}`.padStart(4).repeat(3));
      disk.close(file);
    }
    expect(disk.openDescriptors).toBe(0);
  });

  it.runIf(fs.existsSync('/proc/self'))('gives up on a folder that cannot be made', () => {
    // Where Node 20's own recursive mkdir never returns.
    expect(() => new NodeDisk().makeDirectory('/proc/none/at/all')).toThrow(
      expect.objectContaining({ name: 'DiskError' }),
    );
  });

  it('does not bring a file back that someone else removed', () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    const file = disk.open(join(root, 'a'), 'write');
    disk.open(join(root, 'b'), 'write');
    fs.unlinkSync(join(root, 'a'));
    expect(() => disk.write(file, 0, [Buffer.from('x')])).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
    expect(fs.existsSync(join(root, 'a'))).toBe(false);
  });

  it('tells a removed file, whose descriptor was closed before, from a new one of its name', async () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    const file = disk.open(join(root, 'a'), 'write');
    disk.open(join(root, 'b'), 'write');
    expect(await finish((done) => disk.remove(join(root, 'a'), done))).toBe(null);
    fs.writeFileSync(join(root, 'a'), 'another');
    expect(() => disk.size(file)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });

  it('tells a file that someone else replaced, whose descriptor was closed before, from the new one', () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    for (let round = 0; round < 20; round++) {
      fs.writeFileSync(join(root, 'a'), 'old');
      const file = disk.open(join(root, 'a'), 'read');
      const other = disk.open(join(root, 'b'), 'write');
      expect(disk.isCurrent(file)).toBe(true);
      expect(disk.size(other)).toBe(0);
      // With the second replacement the old file's number in the file system is free, and often the next one's.
      for (const name of ['new', 'newer']) {
        fs.writeFileSync(join(root, name), name);
        waitForAnotherTime(join(root, name));
        fs.renameSync(join(root, name), join(root, 'a'));
      }
      expect(() => disk.read(file, 0, Buffer.alloc(3))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
      disk.close(file);
      disk.close(other);
    }
  });

  it('opens a file again that was written to meanwhile', () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    fs.writeFileSync(join(root, 'a'), 'some');
    const file = disk.open(join(root, 'a'), 'read');
    disk.size(disk.open(join(root, 'b'), 'write'));
    fs.appendFileSync(join(root, 'a'), ' more');
    expect(disk.size(file)).toBe(9);
  });

  it('keeps the descriptor of a removed file beyond the limit', async () => {
    const disk = new NodeDisk({ openFilesMax: 2 });
    const file = disk.open(join(root, 'a'), 'write');
    disk.write(file, 0, [Buffer.from('kept')]);
    expect(await finish((done) => disk.remove(join(root, 'a'), done))).toBe(null);
    for (let i = 0; i < 10; i++) disk.open(join(root, `${i}`), 'write');
    const target = Buffer.alloc(4);
    disk.read(file, 0, target);
    expect(target.toString()).toBe('kept');
    expect(disk.openDescriptors).toBe(2);
  });

  it('finds a file whose folder is being renamed', async () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    disk.makeDirectory(join(root, 'topic'));
    const files = Array.from({ length: 20 }, (_, i) => disk.open(join(root, 'topic', `${i}`), 'write'));
    const done = finish((resolve) => disk.rename(join(root, 'topic'), join(root, 'moved'), resolve));
    // Reads at any moment of the rename succeed, whether it has taken effect or not.
    while (!fs.existsSync(join(root, 'moved'))) for (const file of files) expect(disk.size(file)).toBe(0);
    for (const file of files) expect(disk.size(file)).toBe(0);
    expect(await done).toBe(null);
    expect(files.map((file) => file.path)).toEqual(files.map((_, i) => join(root, 'moved', `${i}`)));
    for (const file of files) expect(disk.size(file)).toBe(0);
  });

  it('does not close a descriptor under an asynchronous operation', async () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    const content = Buffer.alloc(100_000, 'abc');
    fs.writeFileSync(join(root, 'a'), content);
    const file = disk.open(join(root, 'a'), 'read');
    const targets = Array.from({ length: 20 }, () => Buffer.alloc(content.length));
    const reads = targets.map((target) =>
      finish((done) => disk.readLater(file, 0, target, (error) => done(error))),
    );
    disk.open(join(root, 'b'), 'write');
    disk.close(file);
    disk.open(join(root, 'c'), 'write');
    expect(disk.openDescriptors).toBe(2);
    expect(await Promise.all(reads)).toEqual(targets.map(() => null));
    for (const target of targets) expect(target.equals(content)).toBe(true);
    expect(disk.openDescriptors).toBe(1);
  });

  it('tells a folder that cannot be looked at from one that is not there', () => {
    const disk = new NodeDisk();
    expect(disk.list(join(root, 'missing'))).toEqual([]);
    const [one, other] = [join(root, 'one'), join(root, 'other')];
    fs.symlinkSync(one, other);
    fs.symlinkSync(other, one);
    expect(() => disk.list(one)).toThrow(/ELOOP/);
  });

  it('gives descriptors back when the process has no more', async () => {
    const disk = new NodeDisk({ openFilesMax: 1_000_000 });
    fs.mkdirSync(join(root, 'many'));
    const taken: number[] = [];
    const limit = Number(/Max open files\s+(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'latin1'))?.[1]);
    if (limit > 100_000) return; // The system grants more than a test should take.
    for (let i = 0; i < 10; i++) disk.open(join(root, `${i}`), 'write');
    try {
      while (true) taken.push(fs.openSync('/dev/null', 'r'));
    } catch (error) {
      expect(error).toMatchObject({ code: 'EMFILE' });
    }
    const file = disk.open(join(root, 'one more'), 'write');
    expect(disk.openDescriptors).toBe(10);
    const synced = await new Promise((resolve) => disk.syncDirectory(root, resolve));
    for (const descriptor of taken) fs.closeSync(descriptor);
    expect(synced).toBeNull();
    disk.write(file, 0, [Buffer.from('x')]);
  });

  it('has not begun a sync for which there is no descriptor, and does it later', async () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    const limit = Number(/Max open files\s+(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'latin1'))?.[1]);
    if (limit > 100_000) return; // The system grants more than a test should take.
    const file = disk.open(join(root, 'a'), 'write');
    disk.write(file, 0, [Buffer.from('written before')]);
    disk.open(join(root, 'b'), 'write');
    const taken: number[] = [];
    try {
      while (true) taken.push(fs.openSync('/dev/null', 'r'));
    } catch (error) {
      expect(error).toMatchObject({ code: 'EMFILE' });
    }
    const synced = [
      await finish((done) => disk.sync(file, done)),
      await finish((done) => disk.syncDirectory(root, done)),
    ];
    for (const descriptor of taken) fs.closeSync(descriptor);
    expect(synced).toMatchObject([{ code: 'EMFILE', lacksDescriptors: true }, { code: 'EMFILE' }]);
    expect(await finish((done) => disk.sync(file, done))).toBeNull();
    expect(await finish((done) => disk.syncDirectory(root, done))).toBeNull();
    expect(disk.syncs.count).toBe(1);
  });

  it('writes any pieces in calls of any size, byte for byte', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 32);
    const random = seededRandom(seed);
    for (let round = 0; round < 40; round++) {
      const disk = new NodeDisk({ writePieceBytes: 1 + random.below(5000) });
      const file = disk.open(join(root, `${round}`), 'write');
      const pieces = Array.from({ length: random.below(30) }, () =>
        random.bytes(random.below(3) * random.below(4000)),
      );
      const position = random.below(100);
      disk.write(file, position, pieces);
      const expected = Buffer.concat(pieces);
      const written = disk.readFile(join(root, `${round}`));
      expect(written?.subarray(position).equals(expected), `SEED=${seed} round ${round}`).toBe(true);
      disk.close(file);
    }
  });

  it('writes more pieces than one call takes, also from shared memory', () => {
    const disk = new NodeDisk();
    const shared = new Uint8Array(new SharedArrayBuffer(10_000));
    for (let i = 0; i < shared.length; i++) shared[i] = i % 251;
    const file = disk.open(join(root, 'a'), 'write');
    disk.write(
      file,
      0,
      Array.from({ length: 5000 }, (_, i) => shared.subarray(2 * i, 2 * i + 2)),
    );
    expect(disk.readFile(join(root, 'a'))?.equals(Buffer.from(shared))).toBe(true);
    const back = new Uint8Array(new SharedArrayBuffer(10_000));
    expect(disk.read(file, 0, back)).toBe(10_000);
    expect(Buffer.from(back).equals(Buffer.from(shared))).toBe(true);
  });

  it('says that the disk is full', () => {
    if (!fs.existsSync('/dev/full')) return; // Linux only.
    const disk = new NodeDisk();
    const file = disk.open('/dev/full', 'write');
    for (const pieces of [[Buffer.alloc(10)], [Buffer.alloc(10), Buffer.alloc(100_000)]]) {
      expect(() => disk.write(file, 0, pieces)).toThrow(
        expect.objectContaining({ code: 'ENOSPC', path: '/dev/full' }),
      );
    }
    disk.close(file);
  });

  it('syncs as many files at once as allowed, the others in turn, and counts them', async () => {
    // With one at a time they end in the order in which they were asked for, however much each has to write.
    const disk = new NodeDisk({ syncsMax: 1 });
    const sizes = [3_000_000, 10, 2_000_000, 10, 1_000_000, 10];
    const ended: number[] = [];
    const files = sizes.map((bytes, index) => {
      const file = disk.open(join(root, `file-${index}`), 'write');
      disk.write(file, 0, [Buffer.alloc(bytes)]);
      return file;
    });
    await Promise.all(
      files.map((file, index) =>
        finish((done) =>
          disk.sync(file, (error) => {
            ended.push(index);
            done(error);
          }),
        ),
      ),
    );
    expect(ended).toEqual([0, 1, 2, 3, 4, 5]);
    expect(disk.syncs.count).toBe(6);
    expect(disk.syncs.seconds).toBeGreaterThan(0);
    // A file that is closed while its sync waits keeps its descriptor until then.
    const [first, second] = files;
    if (!first || !second) throw new Error('no files');
    const both = [first, second].map((file) => finish((done) => disk.sync(file, done)));
    disk.close(second);
    expect(await Promise.all(both)).toEqual([null, null]);
  });

  it('fails a later read of a file that is gone through its callback', async () => {
    const disk = new NodeDisk({ openFilesMax: 1 });
    const file = disk.open(join(root, 'a'), 'write');
    disk.open(join(root, 'b'), 'write');
    fs.unlinkSync(join(root, 'a'));
    const error = await finish((done) =>
      disk.readLater(file, 0, Buffer.alloc(1), (failure) => done(failure)),
    );
    expect(error).toMatchObject({ name: 'DiskError', code: 'ENOENT' });
    expect(await finish((done) => disk.sync(file, done))).toMatchObject({ code: 'ENOENT' });
  });
});
