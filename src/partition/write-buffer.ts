// The memory that records live in between their arrival and the moment they lie in a segment file: one SharedArrayBuffer
// cut into extents. The router's sockets read into an extent, the descriptor in a worker's ring points into it, and the
// extent is free again when the last of its users lets go. Its size is fixed at start: no free extent means that sockets
// are not read. Frames that do not fit in an extent get a run of bytes in a separate region of the same memory.
//
//   | extent 0 | extent 1 | … | extent n-1 | region for large frames |
import { assert } from '../base/assert.js';

export interface WriteBufferOptions {
  readonly extentBytes: number;
  readonly extents: number;
  /** Size of the region for frames larger than an extent; the largest frame must fit. */
  readonly largeBytes: number;
}

/** A piece of the write buffer with a count of its users: the connection that fills it and descriptors in flight. */
export class Extent {
  readonly start: number;
  readonly bytes: Buffer;
  readonly large: boolean;
  readonly #released: (extent: Extent) => void;
  #users = 0;

  constructor(start: number, bytes: Buffer, large: boolean, released: (extent: Extent) => void) {
    this.start = start;
    this.bytes = bytes;
    this.large = large;
    this.#released = released;
  }

  get users(): number {
    return this.#users;
  }

  retain(): void {
    this.#users++;
  }

  release(): void {
    assert(this.#users > 0, 'an extent is released as often as it was retained');
    this.#users--;
    this.#released(this);
  }
}

/** Records copied into shared memory, by {@link WriteBuffer.stage}. The caller owns one use of the extent. */
export interface Staged {
  readonly extent: Extent;
  /** Position in the whole memory. */
  readonly start: number;
}

/** Tries again; false if there is still no room for it: then it goes on waiting, and keeps its place. */
export type Waiter = () => boolean;

/** One wait; asking again while waiting makes a new one in the old place. */
interface Wait {
  readonly byteCount: number;
}

/** The pool of extents. It lives on the router's thread; workers only see the memory. */
export class WriteBuffer {
  readonly memory: SharedArrayBuffer;
  readonly bytes: Buffer;
  readonly extentBytes: number;
  /** The longest frame that can be taken at all. */
  readonly frameBytesMax: number;
  /** How many extents there are. */
  readonly extents: number;
  readonly #largeStart: number;
  /** Last in, first out: the extent used last is the one in the processor's cache. */
  readonly #free: Extent[] = [];
  readonly #largeInUse: Extent[] = [];
  readonly #waiting = new Map<Waiter, Wait>();
  readonly #waitingForLarge = new Map<Waiter, Wait>();
  #waking = false;
  #wakeAgain = false;
  #staging: Extent | null = null;
  #stagedBytes = 0;

  constructor({ extentBytes, extents, largeBytes }: WriteBufferOptions) {
    assert(extents >= 2, 'staging and receiving need an extent each');
    this.extentBytes = extentBytes;
    this.extents = extents;
    this.#largeStart = extentBytes * extents;
    this.memory = new SharedArrayBuffer(this.#largeStart + largeBytes);
    this.bytes = Buffer.from(this.memory);
    this.frameBytesMax = Math.max(extentBytes, largeBytes);
    for (let i = extents - 1; i >= 0; i--) this.#free.push(this.#extent(i * extentBytes, extentBytes, false));
  }

  /** Extents that nobody uses. */
  get freeExtents(): number {
    return this.#free.length;
  }

  /**
   * Whether half of the extents for receiving can be had. Who holds one that is not needed just now does so while this is true
   * only; so half of them are never held without need.
   */
  get ample(): boolean {
    const available = this.#free.length - (this.#staging === null ? 1 : 0);
    return available * 2 >= this.extents - 1;
  }

  /** Whether someone waits for room. */
  get contended(): boolean {
    return this.#waiting.size > 0 || this.#waitingForLarge.size > 0;
  }

  /** A place for `byteCount` bytes with one use, the caller's; null if there is none now. */
  acquire(byteCount: number): Extent | null {
    // The last free extent is kept for staging, so that small requests go on while large frames hold all others.
    if (byteCount > this.extentBytes) return this.#acquireLarge(byteCount);
    return this.#free.length > 1 || this.#staging !== null ? this.#take() : null;
  }

  /** Copies records that arrived in private memory; null if there is no room now. */
  stage(records: Uint8Array): Staged | null {
    const needed = records.length;
    if (needed > this.extentBytes) {
      const extent = this.#acquireLarge(needed);
      if (!extent) return null;
      extent.bytes.set(records);
      return { extent, start: extent.start };
    }
    let extent = this.#staging;
    if (extent && extent.users === 1) this.#stagedBytes = 0; // Only our own use: all that was staged has been written.
    if (!extent || this.#stagedBytes + needed > this.extentBytes) {
      const next = this.#take();
      if (!next) return null;
      this.#staging = next;
      this.#stagedBytes = 0;
      extent?.release();
      extent = next;
    }
    extent.bytes.set(records, this.#stagedBytes);
    const start = extent.start + this.#stagedBytes;
    this.#stagedBytes += needed;
    extent.retain();
    return { extent, start };
  }

  /** Calls `retry`, in order of asking, whenever room for `byteCount` bytes may have become free, until it returns true. */
  whenFree(byteCount: number, retry: Waiter): void {
    (byteCount > this.extentBytes ? this.#waitingForLarge : this.#waiting).set(retry, { byteCount });
  }

  forget(retry: Waiter): void {
    this.#waiting.delete(retry);
    // Who waited behind a large frame may have room now.
    if (this.#waitingForLarge.delete(retry)) this.#wake();
  }

  #take(): Extent | null {
    const extent = this.#free.pop() ?? null;
    extent?.retain();
    return extent;
  }

  #acquireLarge(byteCount: number): Extent | null {
    // In order of asking: else small ones of the large could keep the largest waiting for ever.
    if (this.#waitingForLarge.size > 0 && !this.#waking) return null;
    // First fit between the few frames in use, which are kept in order.
    let start = this.#largeStart;
    let place = 0;
    for (const used of this.#largeInUse) {
      if (used.start - start >= byteCount) break;
      start = used.start + used.bytes.length;
      place++;
    }
    if (start + byteCount > this.memory.byteLength) return null;
    const extent = this.#extent(start, byteCount, true);
    extent.retain();
    this.#largeInUse.splice(place, 0, extent);
    return extent;
  }

  #extent(start: number, byteCount: number, large: boolean): Extent {
    return new Extent(start, this.bytes.subarray(start, start + byteCount), large, (extent) =>
      this.#released(extent),
    );
  }

  #released(extent: Extent): void {
    if (extent.users === 0) {
      this.#reclaim(extent);
      this.#wake();
    } else if (extent.users === 1 && extent === this.#staging) this.#wake(); // All that was staged has been written.
  }

  #reclaim(extent: Extent): void {
    if (extent.large) {
      const place = this.#largeInUse.indexOf(extent);
      assert(place >= 0, 'a large extent is in use until it is released');
      this.#largeInUse.splice(place, 1);
    } else {
      assert(extent !== this.#staging, 'the extent for staging has a use of its own');
      this.#free.push(extent);
    }
  }

  /** Who is woken may release extents in turn: then all are looked at once more, instead of one inside the other. */
  #wake(): void {
    this.#wakeAgain = true;
    if (this.#waking) return;
    this.#waking = true;
    while (this.#wakeAgain) {
      this.#wakeAgain = false;
      for (const [retry, wait] of [...this.#waiting]) {
        if (this.#mayFit(wait.byteCount)) this.#retry(this.#waiting, retry, wait);
      }
      for (const [retry, wait] of [...this.#waitingForLarge]) {
        if (!this.#retry(this.#waitingForLarge, retry, wait)) break;
      }
    }
    this.#waking = false;
  }

  #mayFit(byteCount: number): boolean {
    if (this.#free.length > 0) return true;
    return (
      this.#staging !== null &&
      (this.#staging.users === 1 || this.#stagedBytes + byteCount <= this.extentBytes)
    );
  }

  /** False if it waits on. */
  #retry(waiting: Map<Waiter, Wait>, retry: Waiter, wait: Wait): boolean {
    if (waiting.get(retry) !== wait) return true; // Forgotten, or served meanwhile and waiting for something new.
    if (!retry()) return false;
    if (waiting.get(retry) === wait) waiting.delete(retry);
    return true;
  }
}
