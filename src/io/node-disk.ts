// The Disk port on node:fs. Calls of the hot path are synchronous, which is the cheapest way (the worker blocks, as
// designed); what may take long runs on Node's thread pool.
import * as fs from 'node:fs';
import { dirname, normalize, sep } from 'node:path';
import { assert } from '../base/assert.js';
import { type Disk, type DiskDone, DiskError, type DiskErrorCode, type DiskFile } from './disk.js';
import { OpenFile, OpenFiles } from './open-files.js';

export interface NodeDiskOptions {
  /** How many descriptors may be open at once; more handles than that share them. */
  readonly openFilesMax?: number;
  /** The size of one write call, in bytes; longer writes are cut into several. */
  readonly writePieceBytes?: number;
  /** How many files may be synced at once; more wait for their turn, so that they do not fill Node's thread pool. */
  readonly syncsMax?: number;
}

const OPEN_FILES_MAX = 512;
const SYNCS_MAX = 3;
/**
 * Large writes get large folios from ext4, out of memory that a virtual machine may not have touched yet, which is dear.
 * On Linux 6.18 a GB written to a new file cost .24–.27 CPU seconds in calls of 64 KiB, .38–.72 in 16 KiB, and anything
 * from .23 to 2.1 in 1 MiB.
 */
const WRITE_PIECE_BYTES = 64 * 1024;
/** Linux's IOV_MAX, how many buffers one writev takes; no platform of Node has a smaller one. */
const VECTORS_MAX = 1024;

const CODES: Readonly<Record<string, DiskErrorCode>> = {
  ENOENT: 'ENOENT',
  EEXIST: 'EEXIST',
  ENOSPC: 'ENOSPC',
  EDQUOT: 'ENOSPC',
  EFBIG: 'ENOSPC',
  EIO: 'EIO',
  EMFILE: 'EMFILE',
  ENFILE: 'EMFILE',
  EACCES: 'EACCES',
  EPERM: 'EACCES',
  EROFS: 'EROFS',
};

const systemCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** The error as a {@link DiskError} if it is the system's; a bug of ours passes as it is. */
function toDiskError(error: unknown, path: string, action: string): DiskError {
  if (error instanceof DiskError) return error;
  const code = systemCode(error);
  if (!(error instanceof Error) || !('errno' in error || code.startsWith('ERR_FS_'))) throw error;
  return new DiskError(CODES[code] ?? 'EOTHER', path, `cannot ${action} (${error.message})`, error);
}

function attempt<T>(path: string, action: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toDiskError(error, path, action);
  }
}

/** The path as handles are compared by: normalized, without a separator at the end. */
function canonical(path: string): string {
  const normal = normalize(path);
  return normal.length > 1 && normal.endsWith(sep) ? normal.slice(0, -1) : normal;
}

function own(file: DiskFile): OpenFile {
  assert(file instanceof OpenFile, `not a handle of a NodeDisk: ${file.path}`);
  return file;
}

/** The system answers a sync of a folder so where folders cannot be synced (some network file systems, Windows). */
const CANNOT_SYNC_DIRECTORY = new Set([
  'EPERM',
  'EINVAL',
  ...(process.platform === 'win32' ? ['EISDIR', 'EACCES'] : []),
]);

export class NodeDisk implements Disk {
  readonly #files: OpenFiles;
  readonly #writePieceBytes: number;
  readonly #syncsMax: number;
  readonly #waitingSyncs: (() => void)[] = [];
  #syncing = 0;
  #syncs = 0;
  #syncSeconds = 0;

  constructor(options: NodeDiskOptions = {}) {
    this.#files = new OpenFiles(options.openFilesMax ?? OPEN_FILES_MAX);
    this.#writePieceBytes = options.writePieceBytes ?? WRITE_PIECE_BYTES;
    this.#syncsMax = options.syncsMax ?? SYNCS_MAX;
    assert(this.#writePieceBytes > 0, `not a size of a write: ${this.#writePieceBytes}`);
    assert(this.#syncsMax > 0, `not a number of syncs: ${this.#syncsMax}`);
  }

  /** How many descriptors this disk holds open. */
  get openDescriptors(): number {
    return this.#files.descriptors;
  }

  /** How many files were synced, and what they took together from call to completion. */
  get syncs(): { readonly count: number; readonly seconds: number } {
    return { count: this.#syncs, seconds: this.#syncSeconds };
  }

  open(path: string, mode: 'read' | 'write'): DiskFile {
    return attempt(path, `open for ${mode === 'read' ? 'reading' : 'writing'}`, () =>
      this.#files.open(canonical(path), mode),
    );
  }

  close(file: DiskFile): void {
    attempt(file.path, 'close', () => this.#files.close(own(file)));
  }

  size(file: DiskFile): number {
    return attempt(file.path, 'measure', () => fs.fstatSync(this.#files.descriptor(own(file))).size);
  }

  isCurrent(file: DiskFile): boolean {
    return attempt(file.path, 'look up', () => this.#files.isCurrent(own(file)));
  }

  write(file: DiskFile, position: number, pieces: readonly Uint8Array[]): void {
    try {
      const descriptor = this.#files.descriptor(own(file));
      const [only] = pieces;
      if (pieces.length === 1 && only && only.length <= this.#writePieceBytes) {
        writeWhole(descriptor, position, only);
      } else {
        writeCut(descriptor, position, pieces, this.#writePieceBytes);
      }
    } catch (error) {
      throw toDiskError(error, file.path, 'write');
    }
  }

  read(file: DiskFile, position: number, target: Uint8Array): number {
    try {
      const descriptor = this.#files.descriptor(own(file));
      let filled = 0;
      while (filled < target.length) {
        const count = fs.readSync(descriptor, target, filled, target.length - filled, position + filled);
        if (count === 0) break;
        filled += count;
      }
      return filled;
    } catch (error) {
      throw toDiskError(error, file.path, 'read');
    }
  }

  truncate(file: DiskFile, size: number): void {
    attempt(file.path, 'truncate', () => fs.ftruncateSync(this.#files.descriptor(own(file)), size));
  }

  readFile(path: string): Buffer | null {
    return attempt(path, 'read', () => orIfMissing(() => fs.readFileSync(path), null));
  }

  list(directory: string): string[] {
    return attempt(directory, 'list', () => orIfMissing(() => fs.readdirSync(directory).sort(), []));
  }

  makeDirectory(path: string): void {
    attempt(path, 'make the folder', () => makeFolder(path));
  }

  sync(file: DiskFile, done: DiskDone): void {
    const begunMs = performance.now();
    let descriptor: number;
    try {
      // Now, so that the file is synced whatever becomes of its name meanwhile.
      descriptor = this.#files.hold(own(file));
    } catch (error) {
      const failure = toDiskError(error, file.path, 'sync');
      setImmediate(() => done(failure));
      return;
    }
    const begin = (): void => {
      this.#syncing++;
      fs.fdatasync(descriptor, (error) => {
        this.#syncing--;
        this.#syncs++;
        this.#syncSeconds += (performance.now() - begunMs) / 1000;
        this.#files.release(own(file));
        this.#waitingSyncs.shift()?.();
        done(error && toDiskError(error, file.path, 'sync'));
      });
    };
    if (this.#syncing < this.#syncsMax) begin();
    else this.#waitingSyncs.push(begin);
  }

  syncDirectory(path: string, done: DiskDone): void {
    const finish = (error: Error | null) => {
      const ignored = error !== null && CANNOT_SYNC_DIRECTORY.has(systemCode(error));
      done(error === null || ignored ? null : toDiskError(error, path, 'sync the folder'));
    };
    fs.open(path, 'r', (openError, descriptor) => {
      if (openError) return finish(openError);
      fs.fsync(descriptor, (syncError) => {
        fs.close(descriptor, (closeError) => finish(syncError ?? closeError ?? null));
      });
    });
  }

  rename(from: string, to: string, done: DiskDone): void {
    const settle = this.#files.rename(canonical(from), canonical(to));
    fs.rename(from, to, (error) => {
      settle(error === null);
      done(error && toDiskError(error, from, `rename to ${to}`));
    });
  }

  remove(path: string, done: DiskDone): void {
    const settle = this.#files.remove(canonical(path));
    fs.rm(path, { recursive: true, force: true }, (error) => {
      settle(error === null);
      done(error && toDiskError(error, path, 'remove'));
    });
  }

  readLater(
    file: DiskFile,
    position: number,
    target: Uint8Array,
    done: (error: DiskError | null, bytes: number) => void,
  ): void {
    let filled = 0;
    const fill = (descriptor: number, finish: (error: Error | null) => void): void => {
      fs.read(descriptor, target, filled, target.length - filled, position + filled, (error, count) => {
        filled += error ? 0 : count;
        if (error || count === 0 || filled === target.length) finish(error);
        else fill(descriptor, finish);
      });
    };
    this.#withDescriptor(own(file), 'read', fill, (error) => done(error, filled));
  }

  #withDescriptor(
    file: OpenFile,
    action: string,
    operation: (descriptor: number, finish: (error: Error | null) => void) => void,
    done: DiskDone,
  ): void {
    let descriptor: number;
    try {
      descriptor = this.#files.hold(file);
    } catch (error) {
      const failure = toDiskError(error, file.path, action);
      setImmediate(() => done(failure));
      return;
    }
    operation(descriptor, (error) => {
      this.#files.release(file);
      done(error && toDiskError(error, file.path, action));
    });
  }
}

function orIfMissing<T>(call: () => T, otherwise: T): T {
  try {
    return call();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return otherwise;
    throw error;
  }
}

/** Writes all of the bytes, in as many calls as the system needs. */
function writeWhole(descriptor: number, position: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) {
    const count = fs.writeSync(descriptor, bytes, written, bytes.length - written, position + written);
    assert(count > 0, 'the system wrote nothing and said nothing');
    written += count;
  }
}

/** Not mkdir's own `recursive`: in Node 20 that never returns where a parent cannot be made, as below /proc. */
function makeFolder(path: string): void {
  if (fs.existsSync(path) && fs.statSync(path).isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent);
  try {
    fs.mkdirSync(path);
  } catch (error) {
    // Another thread may have been faster.
    if (systemCode(error) !== 'EEXIST' || !fs.statSync(path).isDirectory()) throw error;
  }
}

/** Writes the pieces in calls of up to `callBytes` each. */
function writeCut(
  descriptor: number,
  position: number,
  pieces: readonly Uint8Array[],
  callBytes: number,
): void {
  let vectors: Uint8Array[] = [];
  let pending = 0;
  let at = position;
  const flush = (): void => {
    writeVectors(descriptor, at, vectors, pending);
    at += pending;
    vectors = [];
    pending = 0;
  };
  for (const piece of pieces) {
    for (let start = 0; start < piece.length; ) {
      const end = Math.min(piece.length, start + callBytes - pending);
      vectors.push(start === 0 && end === piece.length ? piece : piece.subarray(start, end));
      pending += end - start;
      start = end;
      if (pending === callBytes || vectors.length === VECTORS_MAX) flush();
    }
  }
  if (pending > 0) flush();
}

function writeVectors(
  descriptor: number,
  position: number,
  vectors: readonly Uint8Array[],
  bytes: number,
): void {
  const [first] = vectors;
  if (vectors.length === 1 && first) {
    writeWhole(descriptor, position, first);
    return;
  }
  let written = fs.writevSync(descriptor, vectors, position);
  if (written === bytes) return;
  // The system took a part only (a full disk, a signal): the rest goes piece by piece, which brings its error to light.
  let at = position;
  for (const vector of vectors) {
    const taken = Math.min(written, vector.length);
    written -= taken;
    if (taken < vector.length) writeWhole(descriptor, at + taken, vector.subarray(taken));
    at += vector.length;
  }
}
