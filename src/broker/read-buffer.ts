// The memory that fetch answers are read into: one buffer cut into chunks, handed out as contiguous runs. A run is free
// again when the kernel took its bytes, so that a consumer that reads nothing keeps what it was given. The fuller
// the buffer, the smaller the answers: a thousand stalled consumers hold a chunk or two each, and others are served.
import { assert } from '../base/assert.js';

const CHUNK_BYTES = 64 * 1024;
/** A run takes at most this part of what is free, unless a single batch needs more. */
const FAIR_SHARE = 8;
/** Waiters that may try again when a run is released; one that fails waits again at the end. */
const WOKEN_AT_ONCE = 4;

/** A run of chunks, to be released exactly once. */
export interface ReadRun {
  readonly bytes: Buffer;
  readonly release: () => void;
}

export class ReadBuffer {
  readonly #memory: Buffer;
  /** 1 where a chunk is in use. */
  readonly #used: Uint8Array;
  #freeChunks: number;
  readonly #waiting: (() => void)[] = [];
  /** How many of those who wait may try again. */
  #wakes = 0;
  #waking = false;
  readonly #chunkBytes: number;
  /** Reads into it on this thread and on others, what was sent from files instead, and waits for room; for metrics. */
  readonly counts = { hotReads: 0, coldReads: 0, slices: 0, waits: 0 };

  constructor(byteCount: number, chunkBytes = CHUNK_BYTES) {
    const chunks = Math.floor(byteCount / chunkBytes);
    assert(chunks > 0, 'the read buffer holds a chunk at least');
    this.#chunkBytes = chunkBytes;
    // Never zero-filled: pages that no answer used cost nothing.
    this.#memory = Buffer.allocUnsafeSlow(chunks * this.#chunkBytes);
    this.#used = new Uint8Array(chunks);
    this.#freeChunks = chunks;
  }

  get bytes(): number {
    return this.#memory.length;
  }

  get freeBytes(): number {
    return this.#freeChunks * this.#chunkBytes;
  }

  /** Whether the bytes are of a run. */
  owns(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#memory.buffer;
  }

  /** Whether someone waits for memory. */
  get contended(): boolean {
    return this.#waiting.length > 0;
  }

  /** A run for up to `wantedBytes`, at least `neededBytes`; null if there is none now. */
  acquire(wantedBytes: number, neededBytes = 0): ReadRun | null {
    const share = Math.max(1, Math.floor(this.#freeChunks / FAIR_SHARE));
    const wanted = Math.min(Math.ceil(wantedBytes / this.#chunkBytes), share);
    const needed = Math.max(1, Math.ceil(neededBytes / this.#chunkBytes));
    return this.#run(Math.max(wanted, needed)) ?? (needed < wanted ? this.#run(needed) : null);
  }

  /** Calls `retry` once when memory has become free, in order of asking. */
  whenFree(retry: () => void): void {
    this.counts.waits++;
    this.#waiting.push(retry);
  }

  /** First fit: low chunks are used again and again and stay in the processor's cache. */
  #run(chunks: number): ReadRun | null {
    if (chunks > this.#freeChunks) return null;
    for (let length = 0, at = 0; at < this.#used.length; at++) {
      length = this.#used[at] === 0 ? length + 1 : 0;
      if (length === chunks) return this.#take(at - chunks + 1, chunks);
    }
    return null;
  }

  #take(first: number, chunks: number): ReadRun {
    this.#used.fill(1, first, first + chunks);
    this.#freeChunks -= chunks;
    let released = false;
    return {
      bytes: this.#memory.subarray(first * this.#chunkBytes, (first + chunks) * this.#chunkBytes),
      release: () => {
        assert(!released, 'a run is released once');
        released = true;
        this.#used.fill(0, first, first + chunks);
        this.#freeChunks += chunks;
        this.#wake();
      },
    };
  }

  /** Who is woken may release a run in turn: then others follow when it returns, instead of one inside the other. */
  #wake(): void {
    this.#wakes = Math.min(this.#wakes + WOKEN_AT_ONCE, this.#waiting.length);
    if (this.#waking) return;
    this.#waking = true;
    while (this.#wakes > 0) {
      this.#wakes--;
      this.#waiting.shift()?.();
    }
    this.#waking = false;
  }
}
