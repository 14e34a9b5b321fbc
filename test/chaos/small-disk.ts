// File systems of a few MiB, mounted for a test: one in memory, and ext4 in a file, which gives blocks out late and takes its time.
// Mounting is for root; where it is not permitted there are none.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type FileSystem = 'tmpfs' | 'ext4';

const MIB = 1024 * 1024;
const IMAGE = 'image';
/** EXT4_IOC_SHUTDOWN, as linux/ext4.h has it, with the default of flushing before. */
const SHUTDOWN =
  'open(F, "<", $ARGV[0]) or die; my $flags = pack("L", 0); ioctl(F, 0x8004587d, $flags) or die';

const run = (command: string, ...args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

export class SmallDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #folder: string;
  readonly #fillers: string[] = [];

  /** Null if this file system cannot be mounted here. */
  static mount(kind: FileSystem, mebibytes: number): SmallDisk | null {
    const folder = mkdtempSync(join(tmpdir(), `odradek-${kind}-`));
    const path = join(folder, 'disk');
    mkdirSync(path);
    if (mounted(kind, folder, path, mebibytes)) return new SmallDisk(folder, path);
    rmSync(folder, { recursive: true });
    return null;
  }

  private constructor(folder: string, path: string) {
    this.#folder = folder;
    this.path = path;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Fills it up, but for about so many bytes. */
  fill(leftBytes = 0): void {
    const filler = join(this.path, `filler-${this.#fillers.length}`);
    this.#fillers.push(filler);
    const file = openSync(filler, 'w');
    const piece = Buffer.alloc(MIB, 1);
    let bytes = 0;
    try {
      for (;;) bytes += writeSync(file, piece);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      ftruncateSync(file, Math.max(0, bytes - leftBytes));
    } finally {
      closeSync(file);
    }
  }

  /** Takes away what {@link fill} put there. */
  clear(): void {
    for (const filler of this.#fillers.splice(0)) rmSync(filler);
  }

  /** Has the disk fail every write, and most reads: only of ext4. What was written before is kept. */
  fail(): boolean {
    return run('perl', '-e', SHUTDOWN, this.path);
  }

  /** Mounts it again after it has failed. Only of ext4. */
  repair(): boolean {
    return run('umount', this.path) && run('mount', '-o', 'loop', join(this.#folder, IMAGE), this.path);
  }

  unmount(): void {
    run('umount', '--lazy', this.path);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function mounted(kind: FileSystem, folder: string, path: string, mebibytes: number): boolean {
  if (process.platform !== 'linux') return false;
  if (kind === 'tmpfs') return run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path);
  const image = join(folder, IMAGE);
  closeSync(openSync(image, 'w'));
  truncateSync(image, mebibytes * MIB);
  return run('mkfs.ext4', '-q', '-m', '0', image) && run('mount', '-o', 'loop', image, path);
}

/** The file systems that can be mounted here. */
export const FILE_SYSTEMS: readonly FileSystem[] = (['tmpfs', 'ext4'] as const).filter((kind) => {
  const disk = SmallDisk.mount(kind, 16);
  disk?.unmount();
  return disk !== null;
});
