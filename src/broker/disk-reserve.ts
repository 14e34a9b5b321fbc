// Room that a data directory keeps for the worst day: a file without meaning, given up piece by piece when the broker must write
// a little on a full disk to get out of it, as to delete a topic or to note where a log begins. Nothing else may use it:
// records are refused as long as the disk is full. It is filled again when there is room.
//
//   .odradek-reserve   4 MiB of noise, which no file system compresses away
import { join } from 'node:path';
import { seededRandom } from '../base/random.js';
import { type Disk, DiskError, type DiskFile } from '../io/disk.js';

export const RESERVE_FILE = '.odradek-reserve';
export const RESERVE_BYTES = 4 * 1024 * 1024;
/** What is given up, and filled, at a time. */
const PIECE_BYTES = 128 * 1024;

let noise: Uint8Array | null = null;

export class DiskReserve {
  readonly #disk: Disk;
  readonly #path: string;

  constructor(disk: Disk, dataDirectory: string) {
    this.#disk = disk;
    this.#path = join(dataDirectory, RESERVE_FILE);
  }

  /** Gives a piece of it up; false if there is nothing left to give. */
  release(): boolean {
    return this.#use((file, bytes) => {
      if (bytes === 0) return false;
      this.#disk.truncate(file, Math.max(0, bytes - PIECE_BYTES));
      return true;
    });
  }

  /** Fills it as far as there is room; false if that is not enough. */
  fill(): boolean {
    return this.#use((file, bytes) => {
      noise ??= seededRandom(1).bytes(PIECE_BYTES);
      for (let at = bytes; at < RESERVE_BYTES; at += PIECE_BYTES)
        this.#disk.write(file, at, [noise.subarray(0, RESERVE_BYTES - at)]);
      return true;
    });
  }

  #use(run: (file: DiskFile, bytes: number) => boolean): boolean {
    let file: DiskFile | null = null;
    try {
      file = this.#disk.open(this.#path, 'write');
      return run(file, this.#disk.size(file));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return false; // A reserve that cannot be had is none; whoever needs it says what is wrong with the disk.
    } finally {
      if (file) this.#disk.close(file);
    }
  }
}
