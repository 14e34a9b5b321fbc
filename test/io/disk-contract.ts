// What every Disk does, whatever stands behind it: run against NodeDisk and against SimulatedDisk.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assert } from '../../src/base/assert.js';
import { type Disk, type DiskDone, DiskError, type DiskFile } from '../../src/io/disk.js';

export interface DiskUnderTest {
  readonly disk: Disk;
  /** An empty folder. */
  readonly root: string;
  /** Starts an asynchronous call and waits for its completion. */
  finish(start: (done: DiskDone) => void): Promise<DiskError | null>;
  dispose(): void;
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof DiskError) return error.code;
    throw error;
  }
  return 'no error';
}

export function describeDiskContract(create: () => DiskUnderTest): void {
  describe('contract', () => {
    let under: DiskUnderTest;
    let disk: Disk;
    const at = (name: string) => `${under.root}/${name}`;
    const text = (file: DiskFile, position = 0, length = 100) => {
      const target = Buffer.alloc(length);
      return target.toString('latin1', 0, disk.read(file, position, target));
    };
    const make = (name: string, content: string) => {
      const file = disk.open(at(name), 'write');
      disk.write(file, 0, [Buffer.from(content)]);
      return file;
    };

    beforeEach(() => {
      under = create();
      disk = under.disk;
    });
    afterEach(() => under.dispose());

    it('shows written bytes to every handle at once', () => {
      const file = make('a', 'hello');
      const reader = disk.open(at('a'), 'read');
      disk.write(file, 5, [Buffer.from(' '), Buffer.alloc(0), Buffer.from('world')]);
      expect(text(reader)).toBe('hello world');
      expect(disk.size(reader)).toBe(11);
      disk.write(file, 0, []);
      expect(disk.size(file)).toBe(11);
      disk.close(reader);
      disk.close(file);
    });

    it('lends a file that can be read when its handle is closed and its name is gone', async () => {
      const file = make('a', 'abcdef');
      const lent = disk.lend(file);
      assert(lent, 'nothing is lent yet');
      disk.close(file);
      expect(await under.finish((done) => disk.remove(at('a'), done))).toBeNull();
      const target = Buffer.alloc(3);
      expect(lent.read(2, target)).toBe(3);
      expect(target.toString()).toBe('cde');
      const late = Buffer.alloc(10);
      const read = under.finish((done) =>
        lent.readLater(4, late, (error, bytes) =>
          done(bytes === 2 ? error : new DiskError('EIO', 'a', 'short')),
        ),
      );
      lent.release(); // Also while it is being read.
      expect(await read).toBeNull();
      expect(late.toString('latin1', 0, 2)).toBe('ef');
    });

    it('reads less only at the end, and nothing behind it', () => {
      const file = make('a', 'abcdef');
      expect(text(file, 2, 3)).toBe('cde');
      expect(text(file, 4, 10)).toBe('ef');
      expect(text(file, 6, 10)).toBe('');
      expect(text(file, 60, 10)).toBe('');
      expect(text(file, 0, 0)).toBe('');
    });

    it('fills a gap and an extension with zeroes, and forgets what was cut', () => {
      const file = make('a', 'abcdef');
      disk.truncate(file, 3);
      disk.truncate(file, 5);
      disk.write(file, 7, [Buffer.from('x')]);
      expect(text(file)).toBe('abc\0\0\0\0x');
    });

    it('opens for reading only what is there, and for writing what may not be', () => {
      expect(codeOf(() => disk.open(at('missing'), 'read'))).toBe('ENOENT');
      expect(codeOf(() => disk.open(at('no folder/a'), 'write'))).toBe('ENOENT');
      const reader = disk.open(make('a', 'x').path, 'read');
      expect(codeOf(() => disk.write(reader, 0, [Buffer.from('y')]))).toBe('EOTHER');
      expect(text(disk.open(at('a'), 'write'))).toBe('x');
    });

    it('names the path and the reason in an error', () => {
      expect(() => disk.open(at('missing'), 'read')).toThrow(/cannot open.*no such file.*missing/);
    });

    it('reads whole files and lists folders, with null and nothing where there is none', () => {
      make('b', 'content');
      make('a', '');
      disk.makeDirectory(at('c/d/e'));
      disk.makeDirectory(at('c/d'));
      expect(disk.readFile(at('b'))?.toString()).toBe('content');
      expect(disk.readFile(at('a'))?.length).toBe(0);
      expect(disk.readFile(at('missing'))).toBe(null);
      expect(disk.list(under.root)).toEqual(['a', 'b', 'c']);
      expect(disk.list(at('c'))).toEqual(['d']);
      expect(disk.list(at('missing'))).toEqual([]);
      expect(codeOf(() => disk.list(at('a')))).not.toBe('no error');
      expect(codeOf(() => disk.readFile(at('c')))).not.toBe('no error');
      expect(codeOf(() => disk.makeDirectory(at('a')))).toBe('EEXIST');
    });

    it('syncs files and folders', async () => {
      const file = make('a', 'x');
      expect(await under.finish((done) => disk.sync(file, done))).toBe(null);
      expect(await under.finish((done) => disk.syncDirectory(under.root, done))).toBe(null);
      expect((await under.finish((done) => disk.syncDirectory(at('missing'), done)))?.code).toBe('ENOENT');
    });

    it('tells whether the path of a handle still leads to its file', async () => {
      const file = disk.open(make('a', 'old').path, 'read');
      expect(disk.isCurrent(file)).toBe(true);
      disk.write(disk.open(at('a'), 'write'), 0, [Buffer.from('changed')]);
      expect(disk.isCurrent(file)).toBe(true);
      make('b', 'new');
      expect(await under.finish((done) => disk.rename(at('b'), at('a'), done))).toBe(null);
      expect(disk.isCurrent(file)).toBe(false);
      expect(disk.isCurrent(disk.open(at('a'), 'read'))).toBe(true);
      expect(await under.finish((done) => disk.remove(at('a'), done))).toBe(null);
      expect(disk.isCurrent(file)).toBe(false);
    });

    it('renames a file over another; handles follow, those of the replaced one keep its content', async () => {
      const moved = make('new', 'new content');
      const replaced = make('current', 'old content');
      expect(await under.finish((done) => disk.rename(at('new'), at('current'), done))).toBe(null);
      expect([moved.path, replaced.path]).toEqual([at('current'), at('current')]);
      expect([text(moved), text(replaced)]).toEqual(['new content', 'old content']);
      expect(disk.readFile(at('current'))?.toString()).toBe('new content');
      expect(disk.list(under.root)).toEqual(['current']);
      disk.write(moved, 0, [Buffer.from('NEW')]);
      expect(disk.readFile(at('current'))?.toString()).toBe('NEW content');
    });

    it('renames a folder; handles in it follow, those beside it do not', async () => {
      disk.makeDirectory(at('topic'));
      disk.makeDirectory(at('topic-2'));
      const inside = make('topic/log', 'inside');
      const beside = make('topic-2/log', 'beside');
      expect(await under.finish((done) => disk.rename(at('topic'), at('gone'), done))).toBe(null);
      expect([inside.path, beside.path]).toEqual([at('gone/log'), at('topic-2/log')]);
      expect([text(inside), text(beside)]).toEqual(['inside', 'beside']);
    });

    it('fails to rename what is not there, into no folder or over a full folder, and changes nothing', async () => {
      const file = make('a', 'x');
      disk.makeDirectory(at('full'));
      make('full/b', 'y');
      disk.makeDirectory(at('folder'));
      const rename = (from: string, to: string) =>
        under.finish((done) => disk.rename(at(from), at(to), done));
      expect((await rename('missing', 'b'))?.code).toBe('ENOENT');
      expect((await rename('a', 'missing/a'))?.code).toBe('ENOENT');
      expect((await rename('a', 'full'))?.code).toBe('EOTHER');
      expect((await rename('folder', 'full'))?.code).toBe('EOTHER');
      expect((await rename('full', 'full/inside'))?.code).toBe('EOTHER');
      expect(file.path).toBe(at('a'));
      expect(disk.list(under.root)).toEqual(['a', 'folder', 'full']);
      expect(await rename('a', 'a')).toBe(null);
      expect(text(file)).toBe('x');
    });

    it('keeps a removed file readable through its open handle, and minds nothing that is not there', async () => {
      const file = make('a', 'content');
      expect(await under.finish((done) => disk.remove(at('a'), done))).toBe(null);
      expect(disk.list(under.root)).toEqual([]);
      make('a', 'another');
      expect(text(file)).toBe('content');
      disk.close(file);
      expect(await under.finish((done) => disk.remove(at('missing'), done))).toBe(null);
    });

    it('removes a folder with all in it', async () => {
      disk.makeDirectory(at('c/d/e'));
      make('c/d/file', 'x');
      expect(await under.finish((done) => disk.remove(at('c'), done))).toBe(null);
      expect(disk.list(under.root)).toEqual([]);
    });

    it('reads later into the target', async () => {
      const file = make('a', 'abcdef');
      const read = async (position: number, length: number) => {
        const target = Buffer.alloc(length);
        let count = -1;
        const error = await under.finish((done) =>
          disk.readLater(file, position, target, (failure, bytes) => {
            count = bytes;
            done(failure);
          }),
        );
        expect(error).toBe(null);
        return target.toString('latin1', 0, count);
      };
      expect(await read(1, 3)).toBe('bcd');
      expect(await read(4, 10)).toBe('ef');
      expect(await read(10, 10)).toBe('');
      expect(await read(0, 0)).toBe('');
    });

    it('never completes before the call returns', async () => {
      const file = make('a', 'x');
      const calls: ((done: DiskDone) => void)[] = [
        (done) => disk.sync(file, done),
        (done) => disk.syncDirectory(under.root, done),
        (done) => disk.rename(at('missing'), at('b'), done),
        (done) => disk.remove(at('missing'), done),
        (done) => disk.readLater(file, 0, Buffer.alloc(1), (error) => done(error)),
      ];
      for (const call of calls) {
        await under.finish((done) => {
          let returned = false;
          call((error) => {
            expect(returned).toBe(true);
            done(error);
          });
          returned = true;
        });
      }
    });

    it('refuses a handle after its end and one of another disk', () => {
      const file = make('a', 'x');
      disk.close(file);
      expect(() => disk.size(file)).toThrow('used after close');
      expect(() => disk.close(file)).toThrow(/close/);
      expect(() => disk.size({ path: 'somewhere' })).toThrow('not a handle of a');
    });
  });
}
