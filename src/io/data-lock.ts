// The lock on a data directory: two brokers in one directory would destroy each other's segments, and Node has no flock.
//
// On Linux the lock is an abstract socket named by the device and inode of the directory: taking it is atomic, the kernel
// frees it however the process ends, and another path to the same directory is the same name. It is one per network
// namespace, of which each container has its own, so that there is a lock file besides, everywhere:
//
//   .odradek-lock   one line of JSON: {"pid": 123, "started": "45678", "system": "…", "host": "…"}
//
// `system` names the set of processes that `pid` counts in: boot and process namespace on Linux, else the host. `started`
// tells a process from a later one with the same number: clock ticks since the boot from /proc/PID/stat, else empty. The
// owner touches the file now and then. It is stale if its process is gone; where that cannot be seen, from another
// container or another machine, if nobody touched it for a while.
import { readFileSync, readlinkSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join, sep } from 'node:path';
import { OdradekError } from '../base/errors.js';
import { systemRandom } from '../base/random.js';

export const LOCK_FILE = '.odradek-lock';

export interface DirectoryLock {
  /** Gives the directory free; nothing the second time. */
  release(): Promise<void>;
}

export interface DirectoryLockOptions {
  /** How often the owner touches the lock file. */
  readonly touchMs?: number;
  /** After how long without a touch a lock file, whose process cannot be looked up, is stale. */
  readonly staleMs?: number;
}

interface Owner {
  readonly pid: number;
  readonly started: string;
  readonly system: string;
  readonly host: string;
}

const TOUCH_MS = 2000;
const STALE_MS = 10_000;
/** How often the lock file may change hands while we look at it. */
const ATTEMPTS = 5;
const ON_LINUX = process.platform === 'linux';

const systemCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/**
 * Takes the directory for this process. Rejects with {@link OdradekError} `ODR_START` that names the directory and the
 * process that holds it; what a dead process left is taken over.
 */
export async function acquireDirectoryLock(
  directory: string,
  options: DirectoryLockOptions = {},
): Promise<DirectoryLock> {
  const { touchMs = TOUCH_MS, staleMs = STALE_MS } = options;
  let socket: Server | null = null;
  try {
    const path = join(directory, LOCK_FILE);
    if (ON_LINUX) socket = await bindSocket(directory);
    const text = await writeLockFile(directory, { touchMs, staleMs });
    if (text === null && socket === null) throw new Error('there is no room on the disk for the lock file');
    return new HeldLock({
      path,
      text,
      socket,
      touchMs,
      write: () => writeLockFile(directory, { touchMs, staleMs }),
    });
  } catch (error) {
    socket?.close();
    if (error instanceof OdradekError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OdradekError('ODR_START', `cannot lock the data directory ${directory}: ${reason}`, {
      cause: error,
    });
  }
}

class HeldLock implements DirectoryLock {
  readonly #path: string;
  /** Of the lock file; null: the disk had no room for it, and the socket alone holds the directory. */
  #text: string | null;
  readonly #socket: Server | null;
  readonly #write: () => Promise<string | null>;
  readonly #timer: NodeJS.Timeout;
  #touching: Promise<void> = Promise.resolve();
  #released = false;

  constructor(options: {
    path: string;
    text: string | null;
    socket: Server | null;
    touchMs: number;
    write: () => Promise<string | null>;
  }) {
    this.#path = options.path;
    this.#text = options.text;
    this.#socket = options.socket;
    this.#write = options.write;
    this.#timer = setInterval(() => {
      this.#touching = this.#touching.then(() => this.#touch());
    }, options.touchMs);
    this.#timer.unref();
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    clearInterval(this.#timer);
    await this.#touching;
    try {
      if (this.#text !== null && (await readText(this.#path)) === this.#text) await removeFile(this.#path);
    } catch {
      // On a disk that has failed the file stays, and is stale when this process is gone.
    }
    const socket = this.#socket;
    if (socket !== null) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  async #touch(): Promise<void> {
    if (this.#released) return;
    try {
      if (this.#text === null) this.#text = await this.#write();
      else await fs.utimes(this.#path, new Date(), new Date());
    } catch {
      // A directory that cannot be touched any more has troubles that others will tell of.
    }
  }
}

function heldBy(directory: string, owner: Owner | null): OdradekError {
  const where = owner === null || owner.host === hostname() ? '' : ` on ${owner.host}`;
  const who = owner === null ? 'another process' : `process ${owner.pid}${where}`;
  return new OdradekError(
    'ODR_START',
    `the data directory ${directory} is in use by ${who}: stop that broker, or choose another --data-dir`,
  );
}

/** Whether two paths lead to the same directory; both must be there. */
export async function sameDirectory(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map((path) => fs.stat(path, { bigint: true })));
  return one?.dev === other?.dev && one?.ino === other?.ino;
}

/** Whether one of two directories lies within the other; both must be there. */
export async function areNested(a: string, b: string): Promise<boolean> {
  const [one = '', other = ''] = await Promise.all([a, b].map((path) => fs.realpath(path)));
  const [outer, inner] = one.length < other.length ? [one, other] : [other, one];
  return inner !== outer && inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}

async function bindSocket(directory: string): Promise<Server> {
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
    throw heldBy(directory, parseOwner(await readText(join(directory, LOCK_FILE))));
  }
  server.on('error', () => {}); // Nobody is to be accepted, so that it matters to nobody when that fails.
  return server;
}

/** Writes the lock file unless someone holds it; returns its text, or null if the disk has no room for it. */
async function writeLockFile(
  directory: string,
  timing: Required<DirectoryLockOptions>,
): Promise<string | null> {
  const path = join(directory, LOCK_FILE);
  const text = `${JSON.stringify(describeThisProcess())}\n`;
  // The file appears with its content, or others could take one that is not yet written for a broken one.
  const draft = `${path}.${process.pid}-${systemRandom.uint32().toString(36)}`;
  try {
    const hasRoom = await writeDraft(draft, text);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (hasRoom && (await place(draft, path))) return text;
      const found = await readText(path);
      if (found === null && !hasRoom) return null;
      if (found === null) continue;
      const owner = parseOwner(found);
      if (owner !== null && !(await isStale(path, draft, owner, timing))) throw heldBy(directory, owner);
      if (!hasRoom) return null;
      await takeAway(path, `${draft}-stale`, found);
    }
    throw heldBy(directory, parseOwner(await readText(path)));
  } finally {
    await removeFile(draft);
  }
}

/** False if there is no room for the text; the file is there all the same. */
async function writeDraft(draft: string, text: string): Promise<boolean> {
  try {
    await fs.writeFile(draft, text, { flag: 'wx' });
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    return false;
  }
}

/** Gives the draft's content the name unless there is a file of that name. */
async function place(draft: string, path: string): Promise<boolean> {
  try {
    try {
      await fs.link(draft, path);
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      // A file system without links: there is no better way, then.
      await fs.copyFile(draft, path, fs.constants.COPYFILE_EXCL);
    }
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the stale file, but not one that somebody else put in its place since it was read. */
async function takeAway(path: string, aside: string, stale: string): Promise<void> {
  try {
    await fs.rename(path, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  try {
    if ((await readText(aside)) !== stale) await place(aside, path);
  } finally {
    await removeFile(aside);
  }
}

async function readText(path: string): Promise<string | null> {
  try {
    return await fs.readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Nothing if it is not there. Not `rm`, which loads much code that is for folders. */
async function removeFile(path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** Null if it is no lock file of ours. */
function parseOwner(text: string | null): Owner | null {
  let owner: unknown;
  try {
    owner = JSON.parse(text ?? 'null');
  } catch {
    return null; // Torn by a crash of the machine: whoever wrote it is gone.
  }
  if (typeof owner !== 'object' || owner === null) return null;
  const { pid, started, system, host } = { pid: 0, started: '', system: '', host: '', ...owner };
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  return { pid, started: String(started), system: String(system), host: String(host) };
}

function describeThisProcess(): Owner {
  const { pid } = process;
  return { pid, started: startOf(pid) ?? '', system: thisSystem(), host: hostname() };
}

async function isStale(
  path: string,
  draft: string,
  owner: Owner,
  timing: Required<DirectoryLockOptions>,
): Promise<boolean> {
  if (owner.system === thisSystem()) {
    if (ON_LINUX) return startOf(owner.pid) !== owner.started;
    if (!exists(owner.pid)) return true; // If it exists it may be another one with this number.
  }
  const touchedMs = await modifiedMs(path);
  if (touchedMs === null) return true;
  // Ages are told by the file system's clock, which made both files' times, and a young file is watched for a while.
  const ageMs = ((await modifiedMs(draft)) ?? 0) - touchedMs;
  for (let waitedMs = 0; ageMs + waitedMs < timing.staleMs; waitedMs += timing.touchMs) {
    await new Promise<void>((resolve) => setTimeout(resolve, timing.touchMs));
    const nowMs = await modifiedMs(path);
    if (nowMs !== touchedMs) return nowMs === null;
  }
  return true;
}

async function modifiedMs(path: string): Promise<number | null> {
  try {
    return (await fs.stat(path)).mtimeMs;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/** When the process started, in ticks since the boot; null if it is gone or this system does not tell. */
function startOf(pid: number): string | null {
  if (!ON_LINUX) return null;
  let stat: string;
  try {
    // At once: the kernel answers from memory.
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ESRCH') return null;
    throw error;
  }
  // Counted from behind the name, which may hold spaces and parentheses: what follows it is field 3, the state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const isDead = fields[0] === 'Z' || fields[0] === 'X';
  return isDead ? null : (fields[22 - 3] ?? null);
}

function thisSystem(): string {
  if (!ON_LINUX) return hostname();
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
}
