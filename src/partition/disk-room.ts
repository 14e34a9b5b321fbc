// What a thread knows of the room on the disk of one data directory. The first write that finds none ends all attempts: others
// are refused at once instead of being torn and cut back one by one. From then on the disk is tried with a file of its own,
// once a second, and when it takes that, writing goes on by itself. Statistics of the file system would not do: quotas and
// thin volumes refuse what those promise.
import { join } from 'node:path';
import type { Clock, Timer } from '../base/clock.js';
import { type Disk, DiskError, type DiskFile } from '../io/disk.js';

export interface DiskRoomOptions {
  /** The data directory. */
  readonly directory: string;
  /** Parts the files of those who try at the same time. */
  readonly owner: string;
  readonly disk: Disk;
  readonly clock: Clock;
  /** A write found no room, and none was known to be missing before. */
  readonly ended: (error: DiskError) => void;
  /** There is room again. */
  readonly returned?: () => void;
}

/** The files that a disk is tried with; a process that is killed may leave one. */
export const TRIAL_FILE_PREFIX = '.odradek-trial-';

const TRIAL_MS = 1000;
/** So much must fit, or the next few batches would find no room again. */
const TRIAL_BYTES = 1024 * 1024;

let trialBytes: Buffer | null = null;

export class DiskRoom {
  readonly #options: DiskRoomOptions;
  #shortage: DiskError | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: DiskRoomOptions) {
    this.#options = options;
  }

  /** Why nothing is to be written now; null while there is room. */
  get shortage(): DiskError | null {
    return this.#shortage;
  }

  /** A write failed with this error, for want of room. */
  ranOut(error: DiskError): void {
    if (this.#shortage || this.#closed) return;
    this.#shortage = error;
    this.#options.ended(error);
    this.#tryLater();
  }

  /** Leaves no timer. */
  close(): void {
    this.#closed = true;
    if (this.#timer) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
  }

  #tryLater(): void {
    this.#timer = this.#options.clock.after(TRIAL_MS, () => {
      this.#timer = null;
      if (!this.#takes()) {
        this.#tryLater();
        return;
      }
      this.#shortage = null;
      this.#options.returned?.();
    });
  }

  /** Whether the disk has room. One that fails in another way is left to those who write to it. */
  #takes(): boolean {
    const { disk, directory, owner } = this.#options;
    const path = join(directory, TRIAL_FILE_PREFIX + owner);
    trialBytes ??= Buffer.alloc(TRIAL_BYTES, 0x6f);
    let file: DiskFile | null = null;
    try {
      file = disk.open(path, 'write');
      disk.write(file, 0, [trialBytes]);
      return true;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return !error.passes;
    } finally {
      if (file) this.#discard(file);
    }
  }

  /** What the trial took is given back at once; the name goes when the disk comes to it. */
  #discard(file: DiskFile): void {
    const { disk } = this.#options;
    try {
      disk.truncate(file, 0);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
    disk.close(file);
    disk.remove(file.path, () => {});
  }
}
