import { assert } from '../../../src/base/assert.js';
import { type Disk, DiskError, type DiskFile, type LentFile } from '../../../src/io/disk.js';

class ReaderFile implements DiskFile {
  readonly path: string;
  /** Also after its descriptor was closed: it tells whether the path still leads to the same file. */
  readonly inner: DiskFile;

  constructor(path: string, inner: DiskFile) {
    this.path = path;
    this.inner = inner;
  }
}

/**
 * The disk as a thread of readers has it, short of descriptors: handles that were not used for a while are closed and
 * opened again by their path, unless another file lies there by then. As NodeDisk does it for files that another thread owns.
 */
export class ReaderDisk implements Disk {
  readonly #disk: Disk;
  readonly #descriptorsMax: number;
  readonly #open = new Set<ReaderFile>();
  /** Those with a descriptor, the least recently used first. */
  readonly #recent = new Set<ReaderFile>();

  constructor(disk: Disk, descriptorsMax: number) {
    assert(descriptorsMax > 0, 'a reader needs a descriptor');
    this.#disk = disk;
    this.#descriptorsMax = descriptorsMax;
  }

  open(path: string, mode: 'read' | 'write'): DiskFile {
    assert(mode === 'read', 'a reader changes nothing');
    const file = new ReaderFile(path, this.#disk.open(path, 'read'));
    this.#open.add(file);
    this.#use(file);
    return file;
  }

  close(file: DiskFile): void {
    const own = this.#own(file);
    this.#open.delete(own);
    this.#recent.delete(own);
    this.#disk.close(own.inner);
  }

  isOpen(file: DiskFile): boolean {
    return file instanceof ReaderFile && this.#open.has(file);
  }

  isCurrent(file: DiskFile): boolean {
    return this.#disk.isCurrent(this.#own(file).inner);
  }

  size(file: DiskFile): number {
    return this.#disk.size(this.#attached(file));
  }

  read(file: DiskFile, position: number, target: Uint8Array): number {
    return this.#disk.read(this.#attached(file), position, target);
  }

  list(directory: string): string[] {
    return this.#disk.list(directory);
  }

  readFile(path: string): Buffer | null {
    return this.#disk.readFile(path);
  }

  lend(file: DiskFile): LentFile | null {
    return this.#disk.lend(this.#attached(file));
  }

  readLater(...[file, ...rest]: Parameters<Disk['readLater']>): void {
    this.#disk.readLater(this.#attached(file), ...rest);
  }

  write(): never {
    return refuse();
  }

  truncate(): never {
    return refuse();
  }

  makeDirectory(): never {
    return refuse();
  }

  sync(): never {
    return refuse();
  }

  syncDirectory(): never {
    return refuse();
  }

  rename(): never {
    return refuse();
  }

  remove(): never {
    return refuse();
  }

  #attached(file: DiskFile): DiskFile {
    const own = this.#own(file);
    if (!this.#recent.has(own) && !this.#disk.isCurrent(own.inner)) {
      throw new DiskError('ENOENT', file.path, 'cannot open again: another file lies there, or none');
    }
    this.#use(own);
    return own.inner;
  }

  #use(file: ReaderFile): void {
    this.#recent.delete(file);
    this.#recent.add(file);
    for (const oldest of this.#recent) {
      if (this.#recent.size <= this.#descriptorsMax) return;
      this.#recent.delete(oldest);
    }
  }

  #own(file: DiskFile): ReaderFile {
    assert(
      file instanceof ReaderFile && this.#open.has(file),
      `not an open handle of this disk: ${file.path}`,
    );
    return file;
  }
}

function refuse(): never {
  throw new DiskError('EROFS', '', 'a reader changes nothing');
}
