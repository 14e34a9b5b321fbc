import type { Disk, DiskDone, DiskErrorCode, DiskFile, LentFile } from '../../../src/io/disk.js';
import type { DiskOperation, SimulatedDisk } from '../../../src/io/simulated-disk.js';

/** The call that a disk let fail. */
export interface Strike {
  readonly operation: DiskOperation;
  readonly path: string;
  readonly code: DiskErrorCode;
}

export interface StrikeOptions {
  readonly times?: number;
  readonly only?: DiskOperation;
}

/** A disk that lets the call fail that is counted out before, whatever it is, in the way in which the simulated disk fails. */
export class StrikingDisk implements Disk {
  readonly #disk: Disk;
  readonly #simulated: SimulatedDisk;
  #calls = 0;
  #strikeAt = Number.POSITIVE_INFINITY;
  #code: DiskErrorCode = 'EIO';
  #times = 1;
  #only: DiskOperation | null = null;
  #strike: Strike | null = null;

  constructor(disk: Disk, simulated: SimulatedDisk) {
    this.#disk = disk;
    this.#simulated = simulated;
  }

  /**
   * The `count`-th call from now on fails (1: the next one), of one operation only if it is given; and with `times` the next ones of the
   * same operation and path.
   */
  strikeIn(count: number, code: DiskErrorCode, { times = 1, only }: StrikeOptions = {}): void {
    this.#strikeAt = this.#calls + count;
    this.#code = code;
    this.#times = times;
    this.#only = only ?? null;
    this.#strike = null;
  }

  disarm(): void {
    this.#only = null;
    this.#strikeAt = Number.POSITIVE_INFINITY;
    this.#strike = null;
    this.#simulated.stopFailing();
  }

  /** The call that failed since the last {@link strikeIn}, if one did, until {@link disarm}. */
  get strike(): Strike | null {
    return this.#strike;
  }

  #meet(operation: DiskOperation, path: string): void {
    // Left out: after a sync of an index that failed the log goes on, and what a loss of power leaves of the index is not known.
    if (operation === 'sync' && /index$/.test(path)) return;
    if (this.#only !== null && operation !== this.#only) return;
    this.#calls++;
    if (this.#calls !== this.#strikeAt) return;
    const code = this.#code;
    this.#strike = { operation, path, code };
    const samePath = new RegExp(`^${path.replaceAll('.', '\\.')}$`);
    this.#simulated.failNext({ operation, path: samePath, code, times: this.#times });
  }

  open(path: string, mode: 'read' | 'write'): DiskFile {
    this.#meet('open', path);
    return this.#disk.open(path, mode);
  }

  close(file: DiskFile): void {
    this.#disk.close(file);
  }

  lend(file: DiskFile): LentFile | null {
    return this.#disk.lend(file);
  }

  size(file: DiskFile): number {
    this.#meet('size', file.path);
    return this.#disk.size(file);
  }

  isCurrent(file: DiskFile): boolean {
    return this.#disk.isCurrent(file);
  }

  write(file: DiskFile, position: number, pieces: readonly Uint8Array[]): void {
    this.#meet('write', file.path);
    this.#disk.write(file, position, pieces);
  }

  read(file: DiskFile, position: number, target: Uint8Array): number {
    this.#meet('read', file.path);
    return this.#disk.read(file, position, target);
  }

  truncate(file: DiskFile, size: number): void {
    this.#meet('truncate', file.path);
    this.#disk.truncate(file, size);
  }

  readFile(path: string): Buffer | null {
    this.#meet('readFile', path);
    return this.#disk.readFile(path);
  }

  list(directory: string): string[] {
    this.#meet('list', directory);
    return this.#disk.list(directory);
  }

  makeDirectory(path: string): void {
    this.#meet('makeDirectory', path);
    this.#disk.makeDirectory(path);
  }

  sync(file: DiskFile, done: DiskDone): void {
    this.#meet('sync', file.path);
    this.#disk.sync(file, done);
  }

  syncDirectory(path: string, done: DiskDone): void {
    this.#meet('syncDirectory', path);
    this.#disk.syncDirectory(path, done);
  }

  rename(from: string, to: string, done: DiskDone): void {
    this.#meet('rename', from);
    this.#disk.rename(from, to, done);
  }

  remove(path: string, done: DiskDone): void {
    this.#meet('remove', path);
    this.#disk.remove(path, done);
  }

  readLater(...call: Parameters<Disk['readLater']>): void {
    this.#meet('readLater', call[0].path);
    this.#disk.readLater(...call);
  }
}
