// One direction of a simulated connection: bytes leave the sender in random pieces, are some time under way, wait at a
// receiver that may be slow, and all of that is bounded by a window, as the buffers of two kernels are.
import { assert } from '../base/assert.js';
import { type FileSlice, isBytes, type Piece } from '../base/piece.js';
import type { Random } from '../base/random.js';
import type { Scheduler } from '../base/simulated-clock.js';

export interface PipeOptions {
  readonly random: Random;
  readonly scheduler: Scheduler;
  /** Bytes under way or waiting at the receiver at most. */
  readonly windowBytes: number;
  /** Bytes that travel together at most. */
  readonly pieceBytesMax: number;
  readonly delayMsMax: number;
  /** Takes bytes that arrived; returns how many, which are fewer than all only if it paused the pipe. */
  readonly take: (bytes: Buffer) => number;
  /** A slice of a file cannot be read. */
  readonly failed: () => void;
  /** The sender ended, and everything before was taken; once. */
  readonly ended: () => void;
}

interface Write {
  /** A slice of a file until its turn comes. */
  piece: Piece;
  sent: number;
  readonly done: (() => void) | undefined;
}

export class SimulatedPipe {
  readonly #options: PipeOptions;
  readonly #writes: Write[] = [];
  /** What is under way and what waits at the receiver, in order; null is the end. */
  readonly #travelling: (Buffer | null)[] = [];
  readonly #arrived: (Buffer | null)[] = [];
  #pendingBytes = 0;
  #windowUsedBytes = 0;
  #ending = false;
  #endSent = false;
  #broken = false;
  #paused = false;
  #delivering = false;
  #reading = false;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  /** Bytes given to `write` and not yet taken by the sender's kernel. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** The bytes are copied piece by piece as they leave: until `done` they must not change, and here that shows. */
  write(pieces: readonly Piece[], done?: () => void): void {
    const last = pieces.findLastIndex((piece) => piece.length > 0);
    if (this.#broken || this.#ending || last < 0) {
      done?.();
      return;
    }
    for (const [index, piece] of pieces.entries()) {
      if (piece.length === 0) continue;
      this.#pendingBytes += piece.length;
      this.#writes.push({ piece, sent: 0, done: index === last ? done : undefined });
    }
    this.#later(0, () => this.#send());
  }

  /** No more follows what was written. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#later(0, () => this.#send());
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#later(0, () => this.#deliver());
  }

  /** The connection is gone: what is under way is lost, writes complete, unless who wrote is gone too. */
  break(senderIsDead = false): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#arrived.length = 0;
    this.#pendingBytes = 0;
    for (const { done } of this.#writes.splice(0)) if (!senderIsDead) done?.();
  }

  /** As far as the window allows. */
  #send(): void {
    const { random, windowBytes, pieceBytesMax } = this.#options;
    for (let [write] = this.#writes; write !== undefined; [write] = this.#writes) {
      const { piece } = write;
      const room = Math.min(windowBytes - this.#windowUsedBytes, pieceBytesMax, piece.length - write.sent);
      if (room <= 0) return;
      if (!isBytes(piece)) {
        this.#read(write, piece);
        if (!isBytes(write.piece)) return;
        continue;
      }
      // Mostly as much as goes, as a kernel does; now and then any part of it.
      const count = random.below(3) === 0 ? 1 + random.below(room) : room;
      this.#travel(Buffer.from(piece.subarray(write.sent, write.sent + count)));
      write.sent += count;
      this.#pendingBytes -= count;
      this.#windowUsedBytes += count;
      if (write.sent < piece.length) continue;
      this.#writes.shift();
      write.done?.();
      if (this.#broken) return;
    }
    if (!this.#ending || this.#endSent) return;
    this.#endSent = true;
    this.#travel(null);
  }

  /** Puts the bytes in the place of the slice, at once or later. */
  #read(write: Write, slice: FileSlice): void {
    if (this.#reading) return;
    this.#reading = true;
    const bytes = Buffer.alloc(slice.length);
    let isAtOnce = true;
    slice.read(0, bytes, (error, count) => {
      this.#reading = false;
      if (this.#broken) return;
      if (error || count < bytes.length) {
        this.#options.failed();
        return;
      }
      write.piece = bytes;
      if (!isAtOnce) this.#send();
    });
    isAtOnce = false;
  }

  /** Delays differ, but what arrives is always the next in order. */
  #travel(piece: Buffer | null): void {
    const { random, delayMsMax } = this.#options;
    this.#travelling.push(piece);
    this.#later(random.below(1000 * delayMsMax + 1) / 1000, () => {
      this.#arrived.push(...this.#travelling.splice(0, 1));
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    for (let [piece] = this.#arrived; piece !== undefined && !this.#paused; [piece] = this.#arrived) {
      if (piece === null) {
        this.#arrived.shift();
        this.#options.ended();
        break;
      }
      const taken = this.#options.take(piece);
      if (this.#broken) return;
      assert(taken === piece.length || (this.#paused && taken < piece.length), 'who takes less has paused');
      this.#windowUsedBytes -= taken;
      if (taken === piece.length) this.#arrived.shift();
      else this.#arrived[0] = piece.subarray(taken);
    }
    this.#delivering = false;
    this.#send();
  }

  #later(delayMs: number, run: () => void): void {
    this.#options.scheduler.schedule(delayMs, () => {
      if (!this.#broken) run();
    });
  }
}
