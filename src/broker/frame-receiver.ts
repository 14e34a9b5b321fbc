// Cuts the bytes of one connection into frames (uint32 length, then that many bytes), whichever protocol they carry. Small
// and idle connections share one receive buffer. A connection in the middle of a large frame, or with large reads,
// reads into an extent of the write buffer, so that record batches land in shared memory once and never move.
//
// The region being filled holds `#parsed` ≤ `#filled`: what lies between them is not yet taken. It is one of
//   - the shared buffer: empty again after each delivery, its rest moves to a region of the connection's own;
//   - a private buffer: one small frame that arrived in part, or frames that had to wait;
//   - an extent: many frames, those taken staying in place until their records are written.
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import type { Extent, WriteBuffer } from '../partition/write-buffer.js';

/** A whole frame, without its length field. It may be used until `take` returns, or longer in an extent that is retained. */
export interface Frame {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** Where the bytes lie in the write buffer, or null if they are in private memory. */
  readonly extent: Extent | null;
}

export interface FrameReceiverOptions {
  readonly writeBuffer: WriteBuffer;
  /** One for all connections of a thread. */
  readonly sharedBuffer: Buffer;
  readonly frameBytesMax: number;
  readonly clock: Clock;
  /** Takes a frame, or returns false if it must wait until {@link FrameReceiver.retry}. */
  readonly take: (frame: Frame) => boolean;
  /** The bytes are no frames of ours. */
  readonly invalid: (reason: string) => void;
  /** Reading may go on after a pause. */
  readonly resume: () => void;
  readonly sizes?: ReceiveSizes;
}

/** Where small becomes large. Simulations have smaller ones, so that little traffic reaches them all. */
export interface ReceiveSizes {
  /** Partial frames up to this size wait in private memory. */
  readonly smallFrameBytes: number;
  /** Reads of at least this size make a connection a large one. */
  readonly largeReadBytes: number;
  /** One read into an extent is bounded, so that what must move when a frame does not fit is bounded too. */
  readonly extentReadBytes: number;
}

const LENGTH_BYTES = 4;
const SIZES: ReceiveSizes = {
  smallFrameBytes: 16 * 1024,
  largeReadBytes: 32 * 1024,
  extentReadBytes: 256 * 1024,
};

export class FrameReceiver {
  readonly #options: FrameReceiverOptions;
  readonly #sizes: ReceiveSizes;
  #buffer: Buffer;
  #extent: Extent | null = null;
  #filled = 0;
  #parsed = 0;
  /** A frame had to wait: nothing may arrive until `retry`. */
  #stalled = false;
  #closed = false;
  #partialSinceMs: number | null = null;
  #lastProgressMs = 0;
  readonly #onFree = (): boolean => this.#retryRoom();
  /** The extent that is waited for; 0 if none is. */
  #wantedBytes = 0;

  constructor(options: FrameReceiverOptions) {
    this.#options = options;
    this.#sizes = options.sizes ?? SIZES;
    this.#buffer = options.sharedBuffer;
  }

  /**
   * When the frame that is here in part began to arrive (monotonic), or null if there is none. Time that it was kept waiting
   * here does not count.
   */
  get partialSinceMs(): number | null {
    return this.#stalled || this.#wantedBytes > 0 ? null : this.#partialSinceMs;
  }

  get lastProgressMs(): number {
    return this.#lastProgressMs;
  }

  get holdsExtent(): boolean {
    return this.#extent !== null;
  }

  /** Where the next bytes go. While reading is paused nothing arrives, and the answer does not matter. */
  receiveBuffer(): Buffer {
    if (this.#filled === this.#buffer.length) return this.#options.sharedBuffer;
    const end = this.#extent
      ? Math.min(this.#buffer.length, this.#filled + this.#sizes.extentReadBytes)
      : this.#buffer.length;
    return this.#buffer.subarray(this.#filled, end);
  }

  /** `count` bytes arrived. False: read no more until `resume` is called. */
  received(count: number): boolean {
    if (this.#closed) return false;
    assert(!this.#stalled && this.#filled + count <= this.#buffer.length, 'bytes arrive where there is room');
    this.#filled += count;
    this.#lastProgressMs = this.#options.clock.monotonicMs();
    if (!this.#takeFrames()) return false;
    return this.#makeRoom(count);
  }

  /** The frame that had to wait may be tried again. */
  retry(): void {
    if (this.#closed || !this.#stalled) return;
    this.#stalled = false;
    this.#partialSinceMs = null;
    this.#lastProgressMs = this.#options.clock.monotonicMs();
    if (this.#takeFrames() && this.#makeRoom(0)) this.#options.resume();
  }

  close(): void {
    this.#closed = true;
    this.#options.writeBuffer.forget(this.#onFree);
    this.#useShared();
  }

  /** Takes all whole frames; false if one has to wait or is invalid. */
  #takeFrames(): boolean {
    const before = this.#parsed;
    while (this.#filled - this.#parsed >= LENGTH_BYTES) {
      const length = this.#buffer.readUInt32BE(this.#parsed);
      if (length > this.#options.frameBytesMax) {
        this.#options.invalid(`a frame of ${length} bytes is larger than ${this.#options.frameBytesMax}`);
        return false;
      }
      const start = this.#parsed + LENGTH_BYTES;
      const end = start + length;
      if (end > this.#filled) break;
      if (!this.#options.take({ bytes: this.#buffer, start, end, extent: this.#extent })) {
        if (this.#closed) return false;
        this.#stall();
        return false;
      }
      if (this.#closed) return false;
      this.#parsed = end;
    }
    if (this.#parsed !== before || this.#partialSinceMs === null) this.#partialSinceMs = this.#lastProgressMs;
    return true;
  }

  /** Keeps what is not taken out of the shared buffer, which other connections are about to use, and frees an extent if it can. */
  #stall(): void {
    this.#stalled = true;
    const rest = this.#filled - this.#parsed;
    if (
      this.#buffer === this.#options.sharedBuffer ||
      (this.#extent && rest <= this.#sizes.smallFrameBytes)
    ) {
      this.#moveTo(Buffer.allocUnsafeSlow(rest), null);
    }
  }

  /** Finds the region for the next read; false if there is none now, then `resume` follows. */
  #makeRoom(lastRead: number): boolean {
    const rest = this.#filled - this.#parsed;
    // An extent without a frame that needs it is held in the hope of more: by few, for who hopes has no deadline.
    const large =
      lastRead >= this.#sizes.largeReadBytes ||
      (this.#extent !== null && this.#filled === this.#buffer.length);
    const hopeful = large && this.#options.writeBuffer.ample;
    if (rest === 0) {
      this.#partialSinceMs = null;
      if (this.#extent === null || !hopeful) {
        this.#useShared();
        return true;
      }
      if (!this.#extent.large) {
        if (this.#extent.users === 1) this.#filled = this.#parsed = 0; // All that was taken from it is written.
        if (this.#buffer.length - this.#filled >= this.#sizes.largeReadBytes) return true;
      }
      if (!this.#moveToExtent(this.#sizes.largeReadBytes) || !this.#options.writeBuffer.ample)
        this.#useShared();
      return true;
    }
    const needed =
      rest >= LENGTH_BYTES ? LENGTH_BYTES + this.#buffer.readUInt32BE(this.#parsed) : LENGTH_BYTES;
    const isPrivate = this.#extent === null && this.#buffer !== this.#options.sharedBuffer;
    if (
      (this.#extent || isPrivate) &&
      this.#parsed + needed <= this.#buffer.length &&
      this.#filled < this.#buffer.length
    ) {
      return true;
    }
    if (needed > this.#sizes.smallFrameBytes || hopeful) return this.#useExtent(needed, rest);
    // Exactly one frame, so that what follows it goes to the shared buffer again.
    this.#moveTo(Buffer.allocUnsafeSlow(Math.max(needed, LENGTH_BYTES)), null);
    return true;
  }

  /** Moves the rest to an extent with room for `needed` bytes, or keeps it in private memory until there is one. */
  #useExtent(needed: number, rest: number): boolean {
    if (this.#moveToExtent(needed)) return true;
    // Holding an extent while waiting for another could leave everyone waiting.
    this.#moveTo(Buffer.allocUnsafeSlow(rest), null);
    // What it held itself may be what it needs.
    if (this.#moveToExtent(needed)) return true;
    this.#wantedBytes = needed;
    this.#options.writeBuffer.whenFree(needed, this.#onFree);
    return false;
  }

  #moveToExtent(needed: number): boolean {
    const extent = this.#options.writeBuffer.acquire(needed);
    if (extent) this.#moveTo(extent.bytes, extent);
    return extent !== null;
  }

  #retryRoom(): boolean {
    if (!this.#moveToExtent(this.#wantedBytes)) return false;
    this.#wantedBytes = 0;
    this.#lastProgressMs = this.#options.clock.monotonicMs();
    this.#partialSinceMs = this.#lastProgressMs;
    this.#options.resume();
    return true;
  }

  #useShared(): void {
    this.#extent?.release();
    this.#extent = null;
    this.#buffer = this.#options.sharedBuffer;
    this.#filled = this.#parsed = 0;
  }

  #moveTo(buffer: Buffer, extent: Extent | null): void {
    const rest = this.#filled - this.#parsed;
    assert(rest <= buffer.length, 'what is left fits into the new region');
    this.#buffer.copy(buffer, 0, this.#parsed, this.#filled);
    this.#extent?.release();
    this.#extent = extent;
    this.#buffer = buffer;
    this.#filled = rest;
    this.#parsed = 0;
  }
}
