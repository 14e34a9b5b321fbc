// The Disk port on node:fs. Calls of the hot path are synchronous, which is the cheapest way (the worker blocks, as
// designed); what may take long runs on Node's thread pool.
import * as fs from 'node:fs';
import { dirname, normalize, sep } from 'node:path';
import { AssertionError, assert } from '../base/assert.js';
import {
  type Disk,
  type DiskDone,
  DiskError,
  type DiskErrorCode,
  type DiskFile,
  type LentFile,
} from './disk.js';
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
/** What part of the open files may be lent at once: those cannot be closed for others. */
const LENT_SHARE = 1 / 4;
/**
 * Large writes get large folios from ext4, out of memory that a virtual machine may not have touched yet, which is dear. With
 * Linux 6.18 a GB in batches of 256 KiB cost .27–.32 CPU seconds in calls that end at multiples of 64 KiB of the file, .36–.43
 * in calls of 64 KiB from the batch's beginning, and anything from .26 to 1.4 in one call. A temporary file system takes all alike.
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

/**
 * The error of a write or a sync that has begun: what it should have written is in doubt, even if the system (a file system in user space)
 * gives a reason that means something else before.
 */
function toWriteError(error: unknown, path: string, action: string): DiskError {
  const failure = toDiskError(error, path, action);
  if (!failure.lacksDescriptors) return failure;
  return new DiskError('EOTHER', path, `cannot ${action} (it has begun)`, failure);
}

/** What the call throws, or null. */
function errorOf(call: () => void): unknown {
  try {
    call();
    return null;
  } catch (error) {
    return error;
  }
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
  if (file instanceof OpenFile) return file;
  throw new AssertionError(`not a handle of a NodeDisk: ${file.path}`);
}

/** What a system says of a folder that is to be removed as a file. */
const NOT_A_FILE = new Set(['EISDIR', 'EPERM']);

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
  readonly #lentMax: number;
  readonly #waitingSyncs: (() => void)[] = [];
  /** Folders that are being synced, and who waits for the next sync of them. */
  readonly #directorySyncs = new Map<string, DiskDone[]>();
  #syncing = 0;
  /** Files that are lent, and how many times. */
  readonly #lent = new Map<OpenFile, number>();
  #syncs = 0;
  #syncSeconds = 0;

  constructor(options: NodeDiskOptions = {}) {
    const openFilesMax = options.openFilesMax ?? OPEN_FILES_MAX;
    this.#files = new OpenFiles(openFilesMax);
    this.#lentMax = Math.ceil(openFilesMax * LENT_SHARE);
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
    const descriptor = this.#writable(file);
    try {
      const bytes = totalOf(pieces);
      if (bytes === 0) return;
      if (bytes <= this.#writePieceBytes && pieces.length <= VECTORS_MAX) {
        writeVectors(descriptor, position, pieces, bytes);
      } else {
        writeCut(descriptor, position, pieces, this.#writePieceBytes);
      }
    } catch (error) {
      throw toWriteError(error, file.path, 'write');
    }
  }

  #writable(file: DiskFile): number {
    try {
      return this.#files.descriptor(own(file));
    } catch (error) {
      throw toDiskError(error, file.path, 'write');
    }
  }

  read(file: DiskFile, position: number, target: Uint8Array): number {
    try {
      return readWhole(this.#files.descriptor(own(file)), position, target);
    } catch (error) {
      throw toDiskError(error, file.path, 'read');
    }
  }

  lend(file: DiskFile): LentFile | null {
    const held = own(file);
    const { path } = held;
    const loans = this.#lent.get(held) ?? 0;
    if (loans === 0 && this.#lent.size >= this.#lentMax) return null;
    const descriptor = attempt(path, 'lend', () => this.#files.hold(held));
    this.#lent.set(held, loans + 1);
    return {
      descriptor,
      read: (position, target) => attempt(path, 'read', () => readWhole(descriptor, position, target)),
      readLater: (position, target, done) => {
        this.#files.holdAgain(held);
        this.#readLater(held, descriptor, position, target, done);
      },
      release: () => {
        const left = (this.#lent.get(held) ?? 0) - 1;
        if (left > 0) this.#lent.set(held, left);
        else this.#lent.delete(held);
        this.#files.release(held);
      },
    };
  }

  truncate(file: DiskFile, size: number): void {
    attempt(file.path, 'truncate', () => fs.ftruncateSync(this.#files.descriptor(own(file)), size));
  }

  readFile(path: string): Buffer | null {
    return attempt(path, 'read', () => orIfMissing(() => fs.readFileSync(path), null));
  }

  list(directory: string): string[] {
    return attempt(directory, 'list', () => {
      // Asked before, because a folder that is to be made anew is not there, and an error takes ten times as long as an answer.
      if (fs.statSync(directory, { throwIfNoEntry: false }) === undefined) return [];
      return orIfMissing(() => fs.readdirSync(directory).sort(), []);
    });
  }

  makeDirectory(path: string): void {
    attempt(path, 'make the folder', () => makeFolder(path));
  }

  sync(file: DiskFile, done: DiskDone): void {
    const begunMs = performance.now();
    // Closed or renamed while it waits, it is synced all the same; but it has no claim to a descriptor yet, or as many files as there
    // are partitions could be open.
    this.#files.expect(own(file));
    this.#syncInTurn((ended) => {
      const finish = (error: DiskError | null): void => {
        this.#files.release(own(file));
        ended();
        done(error);
      };
      let descriptor: number;
      try {
        descriptor = this.#files.begin(own(file));
      } catch (error) {
        setImmediate(() => finish(toDiskError(error, file.path, 'sync')));
        return;
      }
      fs.fdatasync(descriptor, (error) => {
        this.#syncs++;
        this.#syncSeconds += (performance.now() - begunMs) / 1000;
        finish(error && toWriteError(error, file.path, 'sync'));
      });
    });
  }

  /** Syncs are few at a time; `begin` must call `ended`, in a later turn. */
  #syncInTurn(begin: (ended: () => void) => void): void {
    const run = (): void => {
      this.#syncing++;
      begin(() => {
        this.#syncing--;
        this.#waitingSyncs.shift()?.();
      });
    };
    if (this.#syncing < this.#syncsMax) run();
    else this.#waitingSyncs.push(run);
  }

  /** Whoever asks while a sync of the folder is under way shares the next one. */
  syncDirectory(path: string, done: DiskDone): void {
    const underWay = this.#directorySyncs.get(path);
    if (underWay) {
      underWay.push(done);
      return;
    }
    const waiting: DiskDone[] = [];
    this.#directorySyncs.set(path, waiting);
    this.#syncInTurn((ended) =>
      this.#syncDirectoryNow(path, (error) => {
        ended();
        this.#directorySyncs.delete(path);
        if (waiting.length > 0) {
          this.syncDirectory(path, (later) => {
            for (const each of waiting) each(later);
          });
        }
        done(error);
      }),
    );
  }

  #syncDirectoryNow(path: string, done: DiskDone): void {
    const finish = (error: unknown, toError = toWriteError): void => {
      const ignored = error !== null && CANNOT_SYNC_DIRECTORY.has(systemCode(error));
      done(error === null || ignored ? null : toError(error, path, 'sync the folder'));
    };
    let descriptor: number;
    try {
      // Opening and closing take less time than a way to the thread pool and back.
      descriptor = this.#files.openOnce(path);
    } catch (error) {
      setImmediate(finish, error, toDiskError);
      return;
    }
    fs.fsync(descriptor, (error) => {
      const closeError = errorOf(() => fs.closeSync(descriptor));
      finish(error ?? closeError);
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
    const finish = (error: Error | null) => {
      const failure = error === null || systemCode(error) === 'ENOENT' ? null : error;
      settle(failure === null);
      done(failure && toDiskError(failure, path, 'remove'));
    };
    // Nearly always it is a file, and `rm` loads much code for what folders may hold.
    fs.unlink(path, (error) => {
      if (NOT_A_FILE.has(systemCode(error))) fs.rm(path, { recursive: true, force: true }, finish);
      else finish(error);
    });
  }

  readLater(
    file: DiskFile,
    position: number,
    target: Uint8Array,
    done: (error: DiskError | null, bytes: number) => void,
  ): void {
    const held = own(file);
    let descriptor: number;
    try {
      descriptor = this.#files.hold(held);
    } catch (error) {
      const failure = toDiskError(error, file.path, 'read');
      setImmediate(() => done(failure, 0));
      return;
    }
    this.#readLater(held, descriptor, position, target, done);
  }

  /** The descriptor is held already, and is released. */
  #readLater(
    file: OpenFile,
    descriptor: number,
    position: number,
    target: Uint8Array,
    done: (error: DiskError | null, bytes: number) => void,
  ): void {
    let filled = 0;
    const fill = (): void =>
      fs.read(descriptor, target, filled, target.length - filled, position + filled, (error, count) => {
        filled += error ? 0 : count;
        if (!error && count > 0 && filled < target.length) {
          fill();
          return;
        }
        this.#files.release(file);
        done(error && toDiskError(error, file.path, 'read'), filled);
      });
    fill();
  }
}

/** As much as there is. */
function readWhole(descriptor: number, position: number, target: Uint8Array): number {
  let filled = 0;
  while (filled < target.length) {
    const count = fs.readSync(descriptor, target, filled, target.length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

function orIfMissing<T>(call: () => T, otherwise: T): T {
  try {
    return call();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return otherwise;
    throw error;
  }
}

function totalOf(pieces: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}

/** Writes bytes [start, end), in as many calls as the system needs. */
function writeWhole(
  descriptor: number,
  position: number,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): void {
  let at = start;
  while (at < end) {
    const count = fs.writeSync(descriptor, bytes, at, end - at, position + at - start);
    assert(count > 0, 'the system wrote nothing and said nothing');
    at += count;
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

/**
 * Writes the pieces in calls that end where the file's position is a multiple of `callBytes`, so that no page and no folio is
 * touched by two of them. What fills a call by itself is written from where it lies, without a view of its own.
 */
function writeCut(
  descriptor: number,
  position: number,
  pieces: readonly Uint8Array[],
  callBytes: number,
): void {
  let vectors: Uint8Array[] = [];
  let pending = 0;
  let at = position;
  for (const piece of pieces) {
    for (let start = 0; start < piece.length; ) {
      const room = callBytes - ((at + pending) % callBytes);
      const end = Math.min(piece.length, start + room);
      if (pending === 0 && end === start + room) {
        writeWhole(descriptor, at, piece, start, end);
        at += room;
      } else {
        vectors.push(end - start === piece.length ? piece : piece.subarray(start, end));
        pending += end - start;
        if (end - start === room || vectors.length === VECTORS_MAX) {
          writeVectors(descriptor, at, vectors, pending);
          at += pending;
          vectors = [];
          pending = 0;
        }
      }
      start = end;
    }
  }
  if (pending > 0) writeVectors(descriptor, at, vectors, pending);
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
