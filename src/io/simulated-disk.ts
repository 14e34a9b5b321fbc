// The twin of NodeDisk: in memory, deterministic from a seed, and as unkind as the contract in disk.ts allows. It keeps
// what the page cache shows apart from what the platters hold, so that a simulation can kill the process
// (`crashProcess`: all that was written stays) or cut the power (`losePower`: what was not synced stays, goes or turns to
// garbage), also in the middle of a call (`crashIn`). Asynchronous calls take effect and complete at random virtual times,
// hence in any order.
import { assert } from '../base/assert.js';
import { type Random, seededRandom } from '../base/random.js';
import type { Scheduler } from '../base/simulated-clock.js';
import {
  type Disk,
  type DiskDone,
  DiskError,
  type DiskErrorCode,
  type DiskFile,
  type LentFile,
} from './disk.js';
import { SimulatedFile } from './simulated-file.js';
import { pathParts, SimulatedFolder, SimulatedNames, type SimulatedNode } from './simulated-names.js';

export type DiskOperation =
  | 'open'
  | 'size'
  | 'write'
  | 'read'
  | 'truncate'
  | 'readFile'
  | 'list'
  | 'makeDirectory'
  | 'sync'
  | 'syncDirectory'
  | 'rename'
  | 'remove'
  | 'readLater';

/** A fault to come. */
export interface DiskFault {
  readonly operation: DiskOperation;
  /** Which paths it strikes; all if absent. */
  readonly path?: RegExp;
  /** EIO if absent. */
  readonly code?: DiskErrorCode;
  /** How many calls it strikes; 1 if absent. */
  readonly times?: number;
}

export interface SimulatedDiskOptions {
  readonly random: Random;
  readonly scheduler: Scheduler;
  /** How many bytes fit; a write beyond fails with ENOSPC. 1 GiB if absent. */
  readonly capacityBytes?: number;
  /** An asynchronous call completes after up to so much virtual time; 10 if absent. */
  readonly delayMsMax?: number;
}

/** The machine stopped in the middle of a disk call: comes out of the call, and of all later ones until the restart. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';
}

class SimulatedHandle implements DiskFile {
  path: string;
  readonly mode: 'read' | 'write';
  readonly file: SimulatedFile;
  closed = false;

  constructor(path: string, mode: 'read' | 'write', file: SimulatedFile) {
    this.path = path;
    this.mode = mode;
    this.file = file;
  }
}

interface PendingFault {
  readonly fault: DiskFault;
  times: number;
}

/** An asynchronous call whose effect has not happened yet. */
interface PendingEffect {
  /** All of it, or as the machine dies some of it. */
  readonly apply: (dying: boolean) => void;
}

const CAPACITY_BYTES = 2 ** 30;
const DELAY_MS_MAX = 10;
/** What `readLater` leaves in its target until it is done: nobody may look at that. */
const NOT_YET = 0xa5;

const canonical = (path: string): string => (/^[\\/]/.test(path) ? '/' : '') + pathParts(path).join('/');
const isWithin = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

export class SimulatedDisk implements Disk {
  // A stream for each concern, so that one more draw here does not change everything there.
  readonly #delays: Random;
  readonly #chances: Random;
  readonly #losses: Random;
  readonly #scheduler: Scheduler;
  readonly #delayMsMax: number;
  readonly #names = new SimulatedNames();
  readonly #handles = new Set<SimulatedHandle>();
  readonly #effects = new Set<PendingEffect>();
  readonly #probabilities = new Map<
    DiskOperation,
    { readonly probability: number; readonly code: DiskErrorCode }
  >();
  #faults: PendingFault[] = [];
  #usedBytes = 0;
  /** Counts the processes: what an earlier one started never completes. */
  #process = 0;
  #operations = 0;
  #crashAt = Number.POSITIVE_INFINITY;
  #crashed = false;

  /** How many bytes fit; may change at any time. */
  capacityBytes: number;

  constructor(options: SimulatedDiskOptions) {
    this.#delays = seededRandom(options.random.uint32());
    this.#chances = seededRandom(options.random.uint32());
    this.#losses = seededRandom(options.random.uint32());
    this.#scheduler = options.scheduler;
    this.#delayMsMax = options.delayMsMax ?? DELAY_MS_MAX;
    this.capacityBytes = options.capacityBytes ?? CAPACITY_BYTES;
  }

  // Faults

  /** The next calls that match fail. */
  failNext(fault: DiskFault): void {
    this.#faults.push({ fault, times: fault.times ?? 1 });
  }

  /** Each call of the operation fails with this probability, in [0, 1]. */
  failSometimes(operation: DiskOperation, probability: number, code: DiskErrorCode = 'EIO'): void {
    assert(probability >= 0 && probability <= 1, `not a probability: ${probability}`);
    this.#probabilities.set(operation, { probability, code });
  }

  /** No more faults than those that happened. */
  stopFailing(): void {
    this.#faults = [];
    this.#probabilities.clear();
  }

  /** Calls of this disk so far, of the kinds in {@link DiskOperation}. */
  get operations(): number {
    return this.#operations;
  }

  /** The machine stops inside the `count`-th call from now on (1: the next one), after a part of what the call does. */
  crashIn(count: number): void {
    this.#crashAt = this.#operations + count;
  }

  /** Whether the machine stopped and waits for {@link crashProcess} or {@link losePower}. */
  get crashed(): boolean {
    return this.#crashed;
  }

  /** The process dies: what was written stays, handles and callbacks are gone, calls under way happened partly. */
  crashProcess(): void {
    for (const effect of this.#effects) if (this.#losses.below(2) === 0) effect.apply(true);
    this.#restart();
  }

  /** The power goes: what was not synced stays, goes or, in extents never synced, turns to garbage. */
  losePower(): void {
    this.crashProcess();
    for (const node of this.#names.losePower(this.#losses)) {
      if (node instanceof SimulatedFile) node.losePower(this.#losses);
    }
    this.#restart();
  }

  #restart(): void {
    this.#process++;
    this.#effects.clear();
    for (const handle of this.#handles) handle.closed = true;
    this.#handles.clear();
    this.#crashAt = Number.POSITIVE_INFINITY;
    this.#crashed = false;
    this.#usedBytes = 0;
    for (const path of this.files()) {
      const file = this.#file(path);
      file.handles = 0;
      this.#usedBytes += file.size;
    }
  }

  // Inspection

  /** How many bytes the files take. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** The paths of all files, absolute, sorted. */
  files(): string[] {
    return this.#names.files();
  }

  /** A copy of the file as its readers see it. */
  contents(path: string): Buffer {
    return Buffer.from(this.#file(path).cached());
  }

  /** What a loss of power leaves of the file at the least, as a copy; null if not even the name. */
  durableContents(path: string): Buffer | null {
    const node = this.#names.findDurable(path);
    return node instanceof SimulatedFile ? Buffer.from(node.durable()) : null;
  }

  /** Inverts one byte of the file for good, as a failing disk does. */
  corrupt(path: string, position: number): void {
    this.#file(path).corrupt(position);
  }

  // Disk

  open(path: string, mode: 'read' | 'write'): DiskFile {
    const dying = this.#enter('open', path);
    const node = this.#names.find(path);
    if (node instanceof SimulatedFolder) throw new DiskError('EOTHER', path, 'cannot open a folder (EISDIR)');
    const file = node ?? (mode === 'write' ? this.#create(path, dying) : undefined);
    if (dying) throw this.#die('open', path);
    if (file === undefined) throw new DiskError('ENOENT', path, 'cannot open: no such file');
    const handle = new SimulatedHandle(canonical(path), mode, file);
    file.handles++;
    this.#handles.add(handle);
    return handle;
  }

  close(file: DiskFile): void {
    if (this.#crashed) throw this.#die('close', file.path);
    const handle = this.#own(file);
    handle.closed = true;
    handle.file.handles--;
    this.#handles.delete(handle);
    this.#freeIfUnused(handle.file);
  }

  size(file: DiskFile): number {
    if (this.#enter('size', file.path)) throw this.#die('size', file.path);
    return this.#own(file).file.size;
  }

  isCurrent(file: DiskFile): boolean {
    if (this.#crashed) throw this.#die('look up', file.path);
    const handle = this.#own(file);
    return this.#names.find(handle.path) === handle.file;
  }

  write(file: DiskFile, position: number, pieces: readonly Uint8Array[]): void {
    const handle = this.#writable(file);
    const bytes = Buffer.concat(pieces);
    const partly = () => this.#putPart(handle.file, position, bytes);
    if (this.#enter('write', file.path, partly)) {
      partly();
      throw this.#die('write', file.path);
    }
    if (position + bytes.length > handle.file.size + this.#freeBytes) {
      partly();
      throw new DiskError('ENOSPC', file.path, 'cannot write (no space left on device)');
    }
    this.#put(handle.file, position, bytes);
    if (this.#chances.below(16) === 0) handle.file.writeBackSome(this.#chances);
  }

  read(file: DiskFile, position: number, target: Uint8Array): number {
    if (this.#enter('read', file.path)) throw this.#die('read', file.path);
    const bytes = this.#own(file).file.cached(position, position + target.length);
    target.set(bytes);
    return bytes.length;
  }

  lend(file: DiskFile): LentFile {
    const { path, file: lent } = this.#own(file);
    const handle = new SimulatedHandle(path, 'read', lent);
    lent.handles++;
    this.#handles.add(handle);
    return {
      descriptor: null,
      read: (position, target) => this.read(handle, position, target),
      readLater: (position, target, done) => this.readLater(handle, position, target, done),
      release: () => {
        // Where the process died meanwhile nobody is left to give anything back.
        if (!handle.closed) this.close(handle);
      },
    };
  }

  truncate(file: DiskFile, size: number): void {
    const handle = this.#writable(file);
    const dying = this.#enter('truncate', file.path);
    if (!dying && size - handle.file.size > this.#freeBytes) {
      throw new DiskError('ENOSPC', file.path, 'cannot truncate (no space left on device)');
    }
    if (!dying || (size - handle.file.size <= this.#freeBytes && this.#chances.below(2) === 0)) {
      this.#usedBytes += size - handle.file.size;
      handle.file.truncate(size);
    }
    if (dying) throw this.#die('truncate', file.path);
  }

  readFile(path: string): Buffer | null {
    if (this.#enter('readFile', path)) throw this.#die('readFile', path);
    const node = this.#names.find(path);
    if (node instanceof SimulatedFolder) throw new DiskError('EOTHER', path, 'cannot read a folder (EISDIR)');
    return node === undefined ? null : Buffer.from(node.cached());
  }

  list(directory: string): string[] {
    if (this.#enter('list', directory)) throw this.#die('list', directory);
    const node = this.#names.find(directory);
    if (node instanceof SimulatedFile)
      throw new DiskError('EOTHER', directory, 'cannot list a file (ENOTDIR)');
    return node === undefined ? [] : [...node.entries.keys()].sort();
  }

  makeDirectory(path: string): void {
    const dying = this.#enter('makeDirectory', path);
    let folder = this.#names.root;
    for (const name of pathParts(path)) {
      // The process may die between two of the folders.
      if (dying && this.#chances.below(2) === 0) break;
      const node = folder.entries.get(name) ?? new SimulatedFolder();
      if (node instanceof SimulatedFile)
        throw new DiskError('EEXIST', path, 'cannot make the folder: there is a file');
      if (!folder.entries.has(name)) this.#names.change([{ folder, name, node }]);
      folder = node;
    }
    if (dying) throw this.#die('makeDirectory', path);
  }

  sync(file: DiskFile, done: DiskDone): void {
    const handle = this.#own(file);
    const asked = handle.file.syncPoint();
    this.#later({
      operation: 'sync',
      path: file.path,
      effect: () => handle.file.sync(this.#chances.below(2) === 0 ? asked : handle.file.syncPoint()),
      failedEffect: ({ lacksDescriptors }) => {
        if (!lacksDescriptors) handle.file.failSync(this.#chances);
      },
      dyingEffect: () => handle.file.writeBackSome(this.#chances),
      done,
    });
  }

  syncDirectory(path: string, done: DiskDone): void {
    const asked = this.#names.syncPoint();
    this.#later({
      operation: 'syncDirectory',
      path,
      effect: () => {
        const node = this.#names.find(path);
        if (!(node instanceof SimulatedFolder))
          throw new DiskError('ENOENT', path, 'cannot sync: no such folder');
        this.#names.sync(node, this.#chances.below(2) === 0 ? asked : this.#names.syncPoint());
      },
      dyingEffect: () => this.#names.commitSome(this.#chances),
      done,
    });
  }

  rename(from: string, to: string, done: DiskDone): void {
    this.#later({ operation: 'rename', path: from, effect: () => this.#rename(from, to), done });
  }

  remove(path: string, done: DiskDone): void {
    this.#later({
      operation: 'remove',
      path,
      effect: () => this.#remove(path, false),
      failedEffect: () => this.#remove(path, true),
      dyingEffect: () => this.#remove(path, true),
      done,
    });
  }

  readLater(
    file: DiskFile,
    position: number,
    target: Uint8Array,
    done: (error: DiskError | null, bytes: number) => void,
  ): void {
    const handle = this.#own(file);
    let bytes = Buffer.alloc(0);
    target.fill(NOT_YET);
    this.#later({
      operation: 'readLater',
      path: file.path,
      effect: () => {
        bytes = Buffer.from(handle.file.cached(position, position + target.length));
      },
      dyingEffect: () => {},
      done: (error) => {
        target.set(bytes);
        done(error, bytes.length);
      },
    });
  }

  // Names and space

  #file(path: string): SimulatedFile {
    const node = this.#names.find(path);
    if (!(node instanceof SimulatedFile)) throw new DiskError('ENOENT', path, 'no such file');
    return node;
  }

  #create(path: string, dying: boolean): SimulatedFile | undefined {
    const place = this.#names.place(path);
    if (place === undefined || (dying && this.#chances.below(2) === 0)) return undefined;
    const file = new SimulatedFile();
    this.#names.change([{ ...place, node: file }]);
    return file;
  }

  #rename(from: string, to: string): void {
    const source = this.#names.place(from);
    const target = this.#names.place(to);
    const node = source?.folder.entries.get(source.name);
    if (source === undefined || target === undefined || node === undefined) {
      throw new DiskError('ENOENT', from, `cannot rename to ${to}: no such file or folder`);
    }
    const replaced = target.folder.entries.get(target.name);
    if (replaced === node) return;
    const fits =
      replaced === undefined || (replaced instanceof SimulatedFile && node instanceof SimulatedFile);
    const emptyFolder =
      replaced instanceof SimulatedFolder && node instanceof SimulatedFolder && replaced.entries.size === 0;
    if (!(fits || emptyFolder) || isWithin(canonical(to), canonical(from))) {
      throw new DiskError('EOTHER', from, `cannot rename to ${to}: what is there cannot be replaced`);
    }
    this.#names.change([
      { ...source, node: null },
      { ...target, node },
    ]);
    if (replaced !== undefined) this.#unlinked(replaced);
    for (const handle of this.#handles) {
      if (handle.file.linked && isWithin(handle.path, canonical(from))) {
        handle.path = canonical(to) + handle.path.slice(canonical(from).length);
      }
    }
  }

  /** Removes what is there, leaves first; only some of it if `partly`. */
  #remove(path: string, partly: boolean): void {
    const place = this.#names.place(path);
    const node = place?.folder.entries.get(place.name);
    if (place === undefined || node === undefined) return;
    if (node instanceof SimulatedFolder) {
      for (const name of [...node.entries.keys()]) this.#remove(`${path}/${name}`, partly);
      if (node.entries.size > 0) return;
    }
    if (partly && this.#chances.below(2) === 0) return;
    this.#names.change([{ ...place, node: null }]);
    this.#unlinked(node);
  }

  #unlinked(node: SimulatedNode): void {
    if (node instanceof SimulatedFolder) return;
    node.linked = false;
    this.#freeIfUnused(node);
  }

  #freeIfUnused(file: SimulatedFile): void {
    if (!file.linked && file.handles === 0) this.#usedBytes -= file.size;
  }

  get #freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#usedBytes);
  }

  /** A random part from the start, as far as there is room. */
  #putPart(file: SimulatedFile, position: number, bytes: Uint8Array): void {
    const room = file.size + this.#freeBytes - position;
    if (room > 0)
      this.#put(file, position, bytes.subarray(0, Math.min(room, this.#chances.below(bytes.length + 1))));
  }

  #put(file: SimulatedFile, position: number, bytes: Uint8Array): void {
    const before = file.size;
    file.write(position, bytes);
    this.#usedBytes += file.size - before;
  }

  // Calls

  #own(file: DiskFile): SimulatedHandle {
    assert(file instanceof SimulatedHandle, `not a handle of a SimulatedDisk: ${file.path}`);
    assert(!file.closed, `used after close: ${file.path}`);
    return file;
  }

  #writable(file: DiskFile): SimulatedHandle {
    if (this.#crashed) throw this.#die('write', file.path);
    const handle = this.#own(file);
    if (handle.mode === 'read')
      throw new DiskError('EOTHER', file.path, 'cannot write: opened for reading (EBADF)');
    return handle;
  }

  /** Counts the call and throws the fault that strikes it, after `spoil`. True: the machine dies in this very call. */
  #enter(operation: DiskOperation, path: string, spoil: () => void = () => {}): boolean {
    if (this.#crashed) throw this.#die(operation, path);
    this.#operations++;
    if (this.#operations >= this.#crashAt) return true;
    const failure = this.#failure(operation, path);
    if (failure === null) return false;
    if (!failure.lacksDescriptors) spoil();
    throw failure;
  }

  #failure(operation: DiskOperation, path: string): DiskError | null {
    const pending = this.#faults.find(
      ({ fault }) => fault.operation === operation && (fault.path?.test(path) ?? true),
    );
    if (pending !== undefined) {
      pending.times--;
      if (pending.times === 0) this.#faults.splice(this.#faults.indexOf(pending), 1);
    }
    const { probability, code: sometimes } = this.#probabilities.get(operation) ?? {
      probability: 0,
      code: 'EIO',
    };
    const struck = probability > 0 && this.#chances.uint32() < probability * 2 ** 32;
    if (pending === undefined && !struck) return null;
    const code = pending ? (pending.fault.code ?? 'EIO') : sometimes;
    return new DiskError(code, path, `cannot ${operation} (simulated ${code})`);
  }

  #die(operation: string, path: string): SimulatedCrash {
    this.#crashed = true;
    return new SimulatedCrash(`the machine stopped in ${operation} of ${path}`);
  }

  /** Runs the effect after some time and `done` after some more, unless the process died. */
  #later(call: {
    operation: DiskOperation;
    path: string;
    effect: () => void;
    /** What a call that fails does all the same; nothing if absent. */
    failedEffect?: (failure: DiskError) => void;
    /** What a call may do that the machine dies in; the whole effect if absent. */
    dyingEffect?: () => void;
    done: DiskDone;
  }): void {
    if (this.#crashed) throw this.#die(call.operation, call.path);
    this.#operations++;
    const process = this.#process;
    const failure = this.#failure(call.operation, call.path);
    let outcome: DiskError | null = null;
    const attempt = (run: () => void): void => {
      try {
        run();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        outcome = error;
      }
    };
    const effect: PendingEffect = {
      apply: (dying) => {
        if (dying) attempt(call.dyingEffect ?? call.effect);
        else if (failure === null) attempt(call.effect);
        else {
          call.failedEffect?.(failure);
          outcome = failure;
        }
      },
    };
    this.#effects.add(effect);
    if (this.#operations >= this.#crashAt) throw this.#die(call.operation, call.path);
    const delayMs = this.#delays.below(this.#delayMsMax * 1000 + 1) / 1000;
    const effectMs = (delayMs * this.#delays.below(1001)) / 1000;
    const alive = () => process === this.#process && !this.#crashed;
    this.#scheduler.schedule(effectMs, () => {
      if (!alive()) return;
      this.#effects.delete(effect);
      effect.apply(false);
    });
    // The same moment at the earliest; a scheduler that shuffles ties must not complete what has not happened.
    this.#scheduler.schedule(delayMs + 0.001, () => {
      if (alive()) call.done(outcome);
    });
  }
}
