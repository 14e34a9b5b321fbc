// The file handles of one NodeDisk and the descriptors behind them. Handles are as many as the log has files; descriptors
// are bounded: the least recently used one is closed when the bound is passed and opened again when its handle is used.
// One for reading is only opened again if it is the same file still that has the name: another thread may have replaced it.
// A descriptor is not closed while an asynchronous operation uses it (its number could come to mean another file), nor
// once its file was removed (it could not be opened again).
//
// A file may have been written to and not synced when its descriptor is closed. If the system cannot write that to the disk, Linux
// tells the next sync, though its descriptor was opened later (errseq_t, since 4.17, as long as it remembers the file). Some file
// systems (NFS, FUSE) say it when the descriptor is closed, and then never again: so that is kept for the next sync, or for whoever
// closes the file without one.
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { dirname, sep } from 'node:path';
import { assert } from '../base/assert.js';
import { DiskError, type DiskFile } from './disk.js';

interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  /** A number that is free again may be given to another file. */
  readonly birthtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Where a file system does not know when a file was made, the time of its last change may be given instead: it tells nothing. */
const isSame = (known: FileIdentity, found: FileIdentity): boolean =>
  known.ino === found.ino &&
  known.dev === found.dev &&
  (known.birthtimeNs === found.birthtimeNs || found.birthtimeNs === found.ctimeNs);

export class OpenFile implements DiskFile {
  path: string;
  readonly mode: 'read' | 'write';
  descriptor: number | null = null;
  /** Asynchronous operations that have not ended. */
  operations = 0;
  /** Those of them that have not begun, and need no descriptor yet. */
  expected = 0;
  closed = false;
  /** No name leads to this file any more. */
  unlinked = false;
  /** Where the file will be once the rename under way is done. */
  movingTo: string | null = null;
  /** Tells a file that is read from all others. */
  identity: FileIdentity | null = null;
  /** What the system said when a descriptor was closed: what was written may be lost. */
  closeError: unknown = null;
  /** Someone heard of that. */
  isTold = false;

  constructor(path: string, mode: 'read' | 'write') {
    this.path = path;
    this.mode = mode;
  }
}

const systemCode = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** Whether `path` is `folder` or lies in it. Both normalized, without a separator at the end. */
function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

/** Handles by the folder of their path, so that what happens to one folder takes no time of the others. */
class FilesByFolder {
  readonly #folders = new Map<string, Set<OpenFile>>();
  /** How many of the folders lie below another one, at any depth. */
  readonly #below = new Map<string, number>();

  add(file: OpenFile): void {
    const folder = dirname(file.path);
    const files = this.#folders.get(folder);
    if (files) files.add(file);
    else {
      this.#folders.set(folder, new Set([file]));
      this.#count(folder, 1);
    }
  }

  delete(file: OpenFile): void {
    const folder = dirname(file.path);
    const files = this.#folders.get(folder);
    if (!files?.delete(file) || files.size > 0) return;
    this.#folders.delete(folder);
    this.#count(folder, -1);
  }

  move(file: OpenFile, path: string): void {
    const isKnown = this.#folders.get(dirname(file.path))?.has(file) ?? false;
    this.delete(file);
    file.path = path;
    if (isKnown) this.add(file);
  }

  /** The file of that path, and those in the folder of that path. */
  within(path: string): OpenFile[] {
    const found = [...(this.#folders.get(path) ?? [])];
    for (const file of this.#folders.get(dirname(path)) ?? []) if (file.path === path) found.push(file);
    if (!this.#below.has(path)) return found;
    for (const [folder, files] of this.#folders)
      if (folder !== path && isWithin(folder, path)) found.push(...files);
    return found;
  }

  #count(folder: string, change: 1 | -1): void {
    let child = folder;
    for (let parent = dirname(child); parent !== child; parent = dirname(child)) {
      const count = (this.#below.get(parent) ?? 0) + change;
      if (count === 0) this.#below.delete(parent);
      else this.#below.set(parent, count);
      child = parent;
    }
  }
}

export class OpenFiles {
  readonly #descriptorsMax: number;
  /** By folder. */
  readonly #files = new FilesByFolder();
  /** The files that have a descriptor, least recently used first. */
  readonly #recent = new Set<OpenFile>();
  #newest: OpenFile | null = null;

  constructor(descriptorsMax: number) {
    assert(
      Number.isSafeInteger(descriptorsMax) && descriptorsMax > 0,
      `not a limit of descriptors: ${descriptorsMax}`,
    );
    this.#descriptorsMax = descriptorsMax;
  }

  /** How many descriptors are open; above the limit only as far as files are busy or unlinked. */
  get descriptors(): number {
    return this.#recent.size;
  }

  /** Throws the system's error. */
  open(path: string, mode: 'read' | 'write'): OpenFile {
    const file = new OpenFile(path, mode);
    this.#attach(file, path, mode === 'write' ? constants.O_RDWR | constants.O_CREAT : constants.O_RDONLY);
    this.#files.add(file);
    return file;
  }

  /** The descriptor for a synchronous call, opened anew if it was closed meanwhile. Throws the system's error. */
  descriptor(file: OpenFile): number {
    assert(!file.closed, `used after close: ${file.path}`);
    return this.#use(file);
  }

  #use(file: OpenFile): number {
    const { descriptor } = file;
    if (descriptor === null) return this.#reopen(file);
    if (file !== this.#newest) {
      this.#recent.delete(file);
      this.#recent.add(file);
      this.#newest = file;
    }
    return descriptor;
  }

  /** The descriptor for an asynchronous operation, which keeps it until {@link release}. Throws the system's error. */
  hold(file: OpenFile): number {
    const descriptor = this.descriptor(file);
    file.operations++;
    return descriptor;
  }

  /** A further operation on a descriptor that is held. */
  holdAgain(file: OpenFile): void {
    assert(file.operations > file.expected && file.descriptor !== null, `not held: ${file.path}`);
    file.operations++;
  }

  /** Announces an asynchronous operation: the handle stays until {@link release}, the descriptor comes with {@link begin}. */
  expect(file: OpenFile): void {
    assert(!file.closed, `used after close: ${file.path}`);
    file.operations++;
    file.expected++;
  }

  /**
   * The descriptor for a sync that was announced. Throws the system's error, also one that came to light when an earlier descriptor of
   * the file was closed; {@link release} must follow all the same.
   */
  begin(file: OpenFile): number {
    assert(file.expected > 0, `no operation is expected: ${file.path}`);
    file.expected--;
    const descriptor = this.#use(file);
    if (file.closeError !== null) {
      file.isTold = true;
      throw file.closeError;
    }
    return descriptor;
  }

  release(file: OpenFile): void {
    assert(file.operations > 0, `no operation is under way: ${file.path}`);
    file.operations--;
    if (file.operations > 0) return;
    if (file.closed) this.#detach(file);
    else this.#trim();
  }

  /** Whether the path leads to the file. Throws the system's error. */
  isCurrent(file: OpenFile): boolean {
    if (file.unlinked) return false;
    const found = statSync(file.path, { bigint: true, throwIfNoEntry: false });
    const identity = file.identity ?? fstatSync(this.descriptor(file), { bigint: true });
    return found !== undefined && isSame(identity, found);
  }

  /**
   * Ends the handle; its descriptor is closed once no operation uses it. Throws the system's error, also one of an earlier descriptor
   * of the file of which no sync has told.
   */
  close(file: OpenFile): void {
    assert(!file.closed, `closed twice: ${file.path}`);
    file.closed = true;
    this.#files.delete(file);
    if (file.operations === 0) this.#detach(file);
    if (file.closeError !== null && !file.isTold) throw file.closeError;
  }

  /** Announces a rename. The answer must be called with its outcome. */
  rename(from: string, to: string): (succeeded: boolean) => void {
    const moved = this.#files.within(from);
    const replaced = from === to ? [] : this.#files.within(to);
    const target = (file: OpenFile) => to + file.path.slice(from.length);
    for (const file of moved) file.movingTo = target(file);
    const undo = this.#unlink(replaced);
    return (succeeded) => {
      if (!succeeded) undo();
      for (const file of moved) {
        if (succeeded && isWithin(file.path, from)) this.#files.move(file, target(file));
        file.movingTo = null;
      }
    };
  }

  /** Announces a removal. The answer must be called with its outcome. */
  remove(path: string): (succeeded: boolean) => void {
    const undo = this.#unlink(this.#files.within(path));
    return (succeeded) => {
      if (!succeeded) undo();
    };
  }

  #unlink(files: readonly OpenFile[]): () => void {
    const unlinked = files.filter((file) => !file.unlinked);
    for (const file of unlinked) file.unlinked = true;
    return () => {
      for (const file of unlinked) file.unlinked = false;
    };
  }

  #reopen(file: OpenFile): number {
    if (file.unlinked) {
      throw new DiskError(
        'ENOENT',
        file.path,
        'cannot open again: the file was removed and its descriptor closed',
      );
    }
    const flags = file.mode === 'write' ? constants.O_RDWR : constants.O_RDONLY;
    try {
      return this.#attach(file, file.path, flags);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || file.movingTo === null) throw error;
      return this.#attach(file, file.movingTo, flags);
    }
  }

  #attach(file: OpenFile, path: string, flags: number): number {
    const descriptor = this.#openDescriptor(path, flags);
    if (file.mode === 'read') this.#identify(file, descriptor);
    file.descriptor = descriptor;
    this.#recent.add(file);
    this.#newest = file;
    this.#trim();
    return descriptor;
  }

  #identify(file: OpenFile, descriptor: number): void {
    const { dev, ino, birthtimeNs, ctimeNs } = fstatSync(descriptor, { bigint: true });
    const found = { dev, ino, birthtimeNs, ctimeNs };
    file.identity ??= found;
    if (isSame(file.identity, found)) return;
    closeSync(descriptor);
    throw new DiskError('ENOENT', file.path, 'cannot open again: another file has its name');
  }

  /** A descriptor for reading that the caller closes at once. Throws the system's error. */
  openOnce(path: string): number {
    return this.#openDescriptor(path, constants.O_RDONLY);
  }

  #openDescriptor(path: string, flags: number): number {
    while (true) {
      try {
        return openSync(path, flags, 0o644);
      } catch (error) {
        // Others in this process may have used the descriptors up: give ours back before giving up.
        const code = systemCode(error);
        if ((code !== 'EMFILE' && code !== 'ENFILE') || !this.#closeOldest()) throw error;
      }
    }
  }

  #trim(): void {
    while (this.#recent.size > this.#descriptorsMax && this.#closeOldest());
  }

  #closeOldest(): boolean {
    for (const file of this.#recent) {
      const isBusy = file.operations > file.expected;
      // One that was closed is not known by its path any more, should that change.
      if (isBusy || file.closed || file.unlinked || file === this.#newest) continue;
      try {
        this.#detach(file);
      } catch (error) {
        // Not the fault of the call for which it is closed, which is about another file.
        if (systemCode(error) === 'EBADF') throw error;
        file.closeError ??= error;
      }
      return true;
    }
    return false;
  }

  #detach(file: OpenFile): void {
    if (file.descriptor === null) return;
    const { descriptor } = file;
    file.descriptor = null;
    this.#recent.delete(file);
    if (this.#newest === file) this.#newest = null;
    closeSync(descriptor);
  }
}
