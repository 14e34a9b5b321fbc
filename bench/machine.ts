// What a result depends on besides the code: written beside each stored one.
import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { resolve } from 'node:path';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  /** Of the folder that holds the data. */
  readonly fileSystem: string;
}

export function describeMachine(folder: string): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGib: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: `${type()} ${release()}`,
    fileSystem: fileSystem(folder),
  };
}

function fileSystem(folder: string): string {
  if (process.platform !== 'linux') return `type 0x${statfsSync(folder).type.toString(16)}`;
  return fileSystemOf(readFileSync('/proc/self/mounts', 'utf8'), resolve(folder)) ?? 'unknown';
}

/** The type of the file system that holds an absolute path, from the text of /proc/mounts: device, mount point, type, … */
export function fileSystemOf(mounts: string, path: string): string | null {
  let found: string | null = null;
  let foundLength = 0;
  for (const line of mounts.split('\n')) {
    const [, escaped, name] = line.split(' ');
    if (escaped === undefined || name === undefined) continue;
    // Blanks and the like are written in octal.
    const point = escaped.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = point === '/' || path === point || path.startsWith(`${point}/`);
    // Of two file systems on one point, the later one is seen.
    if (holds && point.length >= foundLength) {
      found = name;
      foundLength = point.length;
    }
  }
  return found;
}

export interface Commit {
  readonly commit: string | null;
  /** Whether the sources differ from the commit. */
  readonly dirty: boolean;
}

export function currentCommit(folder: string): Commit {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const changes = git('status', '--porcelain', '--', '.', ':!bench/results');
    return { commit: git('rev-parse', '--short=12', 'HEAD'), dirty: changes !== '' };
  } catch {
    // No git, or no repository: an unpacked archive.
    return { commit: null, dirty: false };
  }
}
