// The lock on a data directory: two brokers in one directory would destroy each other's segments, and Node has no flock.
//
// On Linux the lock is an abstract socket named by the device and inode of the directory: taking it is atomic, the kernel
// frees it however the process ends, and another path to the same directory is the same name. It is one per network
// namespace, which containers have each their own of, so that there is a lock file besides, everywhere:
//
//   .odradek-lock   one line of JSON: {"pid": 123, "started": "45678", "boot": "…", "host": "…"}
//
// `started` tells a process from a later one with the same number: its start in clock ticks since the boot `boot` (Linux,
// /proc/PID/stat), else empty. A file is stale if it comes from another boot or its process is gone.
import * as fs from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OdradekError } from '../base/errors.js';
import { systemRandom } from '../base/random.js';

export const LOCK_FILE = '.odradek-lock';

export interface DirectoryLock {
  /** Gives the directory free; nothing the second time. */
  release(): Promise<void>;
}

interface Owner {
  readonly pid: number;
  readonly started: string;
  readonly boot: string;
  readonly host: string;
}

/** How often a stale lock file is taken away before someone else must be taking it too. */
const ATTEMPTS = 5;

const systemCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/**
 * Takes the directory for this process. Rejects with {@link OdradekError} `ODR_START` that names the directory and the
 * process that holds it; what a dead process left is taken over.
 */
export async function acquireDirectoryLock(directory: string): Promise<DirectoryLock> {
  const path = await identified(directory, () => fs.realpath(directory));
  const socket = process.platform === 'linux' ? await bindSocket(path) : null;
  try {
    const text = await writeLockFile(path);
    return asLock(join(path, LOCK_FILE), text, socket);
  } catch (error) {
    socket?.close();
    throw error;
  }
}

async function identified<T>(directory: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof OdradekError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OdradekError('ODR_START', `cannot lock the data directory ${directory}: ${reason}`, {
      cause: error,
    });
  }
}

function heldBy(directory: string, owner: Owner | null): OdradekError {
  const who =
    owner === null
      ? 'another process'
      : `process ${owner.pid}${owner.host === hostname() ? '' : ` on ${owner.host}`}`;
  return new OdradekError(
    'ODR_START',
    `the data directory ${directory} is in use by ${who}: stop that broker, or choose another --data-dir`,
  );
}

function bindSocket(directory: string): Promise<Server> {
  return identified(directory, async () => {
    const { dev, ino } = await fs.stat(directory, { bigint: true });
    const server = createServer((socket) => socket.destroy());
    server.unref();
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(`\0odradek-${dev}-${ino}`, resolve);
      });
    } catch (error) {
      if (systemCode(error) !== 'EADDRINUSE') throw error;
      throw heldBy(directory, await readOwner(join(directory, LOCK_FILE)));
    }
    server.on('error', () => {}); // A lock accepts nobody; that it failed to matters to nobody.
    return server;
  });
}

/** Writes the lock file unless a living process holds it; returns its text. */
function writeLockFile(directory: string): Promise<string> {
  const path = join(directory, LOCK_FILE);
  return identified(directory, async () => {
    const text = `${JSON.stringify(await describeThisProcess())}\n`;
    // The file appears with its content, or a second process could take a file that is not yet written for a stale one.
    const draft = `${path}.${process.pid}.${systemRandom.uint32().toString(36)}`;
    await fs.writeFile(draft, text, { flag: 'wx' });
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (await linked(draft, path)) return text;
        const owner = await readOwner(path);
        if (owner !== null && (await isAlive(owner))) throw heldBy(directory, owner);
        await fs.rm(path, { force: true });
      }
      throw heldBy(directory, await readOwner(path));
    } finally {
      await fs.rm(draft, { force: true });
    }
  });
}

/** Gives the draft its name unless there is a file of that name. */
async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await fs.link(draft, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    if (systemCode(error) !== 'EPERM' && systemCode(error) !== 'ENOTSUP') throw error;
  }
  // A file system without links: less atomic, and then there is no better way.
  try {
    await fs.copyFile(draft, path, fs.constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function asLock(path: string, text: string, socket: Server | null): DirectoryLock {
  let released = false;
  return {
    async release() {
      if (released) return;
      released = true;
      const now = await fs.readFile(path, 'utf8').catch(() => '');
      if (now === text) await fs.rm(path, { force: true });
      if (socket !== null) await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

async function readOwner(path: string): Promise<Owner | null> {
  try {
    const owner: unknown = JSON.parse(await fs.readFile(path, 'utf8'));
    if (typeof owner !== 'object' || owner === null) return null;
    const { pid, started, boot, host } = { pid: 0, started: '', boot: '', host: '', ...owner };
    if (!Number.isSafeInteger(pid) || pid <= 0) return null;
    return { pid, started: String(started), boot: String(boot), host: String(host) };
  } catch (error) {
    // Not there, or not ours to understand.
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}

async function describeThisProcess(): Promise<Owner> {
  const { pid } = process;
  return { pid, started: (await startOf(pid)) ?? '', boot: await bootId(), host: hostname() };
}

async function isAlive(owner: Owner): Promise<boolean> {
  // The directory may be on a disk that several machines see: nobody here can tell whether a process over there lives.
  if (owner.host !== hostname()) return true;
  if (owner.boot !== (await bootId())) return false;
  const started = await startOf(owner.pid);
  if (started !== null) return started === owner.started;
  if (process.platform === 'linux') return false;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/** When the process started, in ticks since the boot; null if it is gone or this system does not tell. */
async function startOf(pid: number): Promise<string | null> {
  if (process.platform !== 'linux') return null;
  try {
    const stat = await fs.readFile(`/proc/${pid}/stat`, 'latin1');
    // Fields are counted from behind the name, which may hold spaces and parentheses: field 3 is the first one there.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const isZombie = fields[0] === 'Z' || fields[0] === 'X';
    return isZombie ? null : (fields[22 - 3] ?? null);
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH') return null;
    throw error;
  }
}

async function bootId(): Promise<string> {
  if (process.platform !== 'linux') return '';
  return (await fs.readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '')).trim();
}
