// The locks on the data directories of a broker. Without the first it cannot start; any other that cannot be made or locked is left
// out, and what lies in it is offline.
import { OdradekError } from '../base/errors.js';
import { acquireDirectoryLock, areNested, type DirectoryLock, sameDirectory } from '../io/data-lock.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { AbsentDirectory } from './data-directories.js';

export class LockedDirectories {
  /** Those that are locked, in order. */
  readonly paths: readonly string[];
  readonly absent: readonly AbsentDirectory[];
  readonly #locks: readonly DirectoryLock[];

  constructor(paths: readonly string[], locks: readonly DirectoryLock[], absent: readonly AbsentDirectory[]) {
    this.paths = paths;
    this.absent = absent;
    this.#locks = locks;
  }

  async release(): Promise<void> {
    await Promise.all(this.#locks.map((lock) => lock.release()));
  }
}

/** Rejects with {@link OdradekError} ODR_START, or a DiskError, if the first cannot be used, and ODR_CONFIG if one is named twice
 * or lies within another. */
export async function lockDirectories(paths: readonly string[], disk: Disk): Promise<LockedDirectories> {
  const locked: string[] = [];
  const locks: DirectoryLock[] = [];
  const absent: AbsentDirectory[] = [];
  try {
    for (const path of paths) {
      try {
        disk.makeDirectory(path);
        await assertApart(path, locked);
        locks.push(await acquireDirectoryLock(path));
        locked.push(path);
      } catch (error) {
        if (!(error instanceof DiskError || isLockError(error)) || path === paths[0]) throw error;
        absent.push({ path, reason: error.message });
      }
    }
    return new LockedDirectories(locked, locks, absent);
  } catch (error) {
    await Promise.all(locks.map((lock) => lock.release()));
    throw error;
  }
}

const isLockError = (error: unknown): error is OdradekError =>
  error instanceof OdradekError && error.code === 'ODR_START';

async function assertApart(path: string, others: readonly string[]): Promise<void> {
  for (const other of others) {
    if (await sameDirectory(path, other))
      throw new OdradekError(
        'ODR_CONFIG',
        `The data directories ${other} and ${path} are the same: name it once.`,
      );
    // A name like orders-0 would be taken for a partition of the outer one, and could be deleted as that.
    if (await areNested(path, other))
      throw new OdradekError(
        'ODR_CONFIG',
        `The data directories ${other} and ${path} lie one within the other: choose another place for one of them.`,
      );
  }
}
