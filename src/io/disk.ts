// The Disk port: everything that the log asks of a file system. The node implementation is node-disk.ts, the twin that
// tears, loses and fails within the same contract is simulated-disk.ts.

/**
 * Why a disk call failed, in the words of errno. ENOSPC also stands for EDQUOT and EFBIG: there is no room for more. EMFILE also
 * stands for ENFILE: there was no descriptor for the file.
 */
export type DiskErrorCode = 'ENOENT' | 'EEXIST' | 'ENOSPC' | 'EIO' | 'EMFILE' | 'EACCES' | 'EROFS' | 'EOTHER';

export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: DiskErrorCode;
  readonly path: string;

  constructor(code: DiskErrorCode, path: string, message: string, cause?: unknown) {
    super(`${message}: ${path}`, { cause });
    this.code = code;
    this.path = path;
  }

  /** Whether the disk has no room: the same call works once there is some. */
  get isFull(): boolean {
    return this.code === 'ENOSPC';
  }

  /** Whether the process had no descriptors left. Of one file the call has done nothing then, and works once there are some. */
  get lacksDescriptors(): boolean {
    return this.code === 'EMFILE';
  }

  /** Whether it says nothing against the disk: there was no room, or the process had no descriptors left. */
  get passes(): boolean {
    return this.isFull || this.lacksDescriptors;
  }
}

/**
 * An open file, named by its path. How many descriptors stand behind such handles is bounded by the implementation, which
 * closes the least recently used and opens them again; an unlinked file stays readable only while its descriptor is open.
 * A handle for reading never comes to mean another file that was given the name: it fails with ENOENT then.
 */
export interface DiskFile {
  readonly path: string;
}

/**
 * A file as it was when it was lent: for one who sends parts of it, whatever becomes of its handle and its name meanwhile. Its borrower's
 * thread only.
 */
export interface LentFile {
  /** For system calls that take one; null where there are none. */
  readonly descriptor: number | null;
  /** As {@link Disk.read}; throws {@link DiskError}. */
  read(position: number, target: Uint8Array): number;
  /** As {@link Disk.readLater}. */
  readLater(
    position: number,
    target: Uint8Array,
    done: (error: DiskError | null, bytes: number) => void,
  ): void;
  /** Gives it back, once. */
  release(): void;
}

/** Called once, in a turn of its own (never before the call that took it returns). `null`: it worked. */
export type DiskDone = (error: DiskError | null) => void;

/**
 * Contract. Data written is visible to every reader at once and survives the death of the process. It survives a loss of
 * power only after `sync` of the file completed; names (new, renamed, removed files) after `syncDirectory` of the folder.
 * A write that throws may have written any prefix.
 *
 * `open` … `makeDirectory` block the calling thread and throw {@link DiskError}. The others complete by a call to `done`.
 */
export interface Disk {
  /** `read`: must exist. `write`: read and write, created empty if missing. */
  open(path: string, mode: 'read' | 'write'): DiskFile;
  close(file: DiskFile): void;
  /** In bytes. */
  size(file: DiskFile): number;
  /** Whether its path still leads to the file: it was not renamed, removed or replaced by another thread. */
  isCurrent(file: DiskFile): boolean;
  /** Writes the pieces one after the other from `position` on; all of them, or throws. */
  write(file: DiskFile, position: number, pieces: readonly Uint8Array[]): void;
  /** Fills `target` from `position`; returns the number of bytes read, less than asked only at the end of the file. */
  read(file: DiskFile, position: number, target: Uint8Array): number;
  /** Null if as many are lent as may be; throws {@link DiskError}. */
  lend(file: DiskFile): LentFile | null;
  /** Cuts the file, or extends it with zeroes. */
  truncate(file: DiskFile, size: number): void;
  /** The whole (small) file, or null if there is none. */
  readFile(path: string): Buffer | null;
  /** Names in the folder, sorted; empty if there is no such folder. */
  list(directory: string): string[];
  /** Creates the folder and its parents; nothing if it is there. */
  makeDirectory(path: string): void;

  /**
   * fdatasync. But for a lack of descriptors, after which it may be tried again, an error means that what was written may be lost
   * though it can still be read, and that a later sync need not say so. An error of an earlier write that came to light in between
   * is told here.
   */
  sync(file: DiskFile, done: DiskDone): void;
  syncDirectory(path: string, done: DiskDone): void;
  /** Renames a file or folder, replacing a file at `to`. Open handles under `from` follow. */
  rename(from: string, to: string, done: DiskDone): void;
  /** Removes a file, or a folder with all in it; no error if it is not there. */
  remove(path: string, done: DiskDone): void;
  /** `read` on a helper thread, for data that may not be in the page cache. `target` belongs to the disk until `done`. */
  readLater(
    file: DiskFile,
    position: number,
    target: Uint8Array,
    done: (error: DiskError | null, bytes: number) => void,
  ): void;
}
