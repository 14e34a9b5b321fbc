// Cuts the byte stream of a connection into frames. Small frames are delivered out of one scratch buffer; a frame
// that does not fit gets memory of its own, which the rest of it lands in without a copy.
import { FRAME_LENGTH_BYTES, readFrameBytes } from '../protocol/native/frame.js';

const SCRATCH_BYTES = 64 * 1024;

/** A complete frame, its length field included. `owned`: nobody else will write to this memory. */
export type FrameListener = (frame: Buffer, owned: boolean) => void;

export class FrameReader {
  readonly #frameBytesMax: number;
  readonly #deliver: FrameListener;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #scratchBytes = 0;
  #large: Buffer | null = null;
  #largeBytes = 0;

  /** `frameBytesMax` bounds what a frame's length field may say. */
  constructor(frameBytesMax: number, deliver: FrameListener) {
    this.#frameBytesMax = frameBytesMax;
    this.#deliver = deliver;
  }

  /** Where the next bytes have to be written; never empty. */
  get target(): Buffer {
    return this.#large ? this.#large.subarray(this.#largeBytes) : this.#scratch.subarray(this.#scratchBytes);
  }

  /**
   * So many bytes were written to the start of {@link target}. Frames that they complete are delivered before the
   * return.
   *
   * @throws OdradekError ODR_PROTOCOL if the stream is not one of frames; the reader is of no use after that
   */
  received(count: number): void {
    if (this.#large) {
      this.#largeBytes += count;
      if (this.#largeBytes < this.#large.length) return;
      const frame = this.#large;
      this.#large = null;
      this.#deliver(frame, true);
      return;
    }
    this.#scratchBytes += count;
    this.#cutScratch();
  }

  #cutScratch(): void {
    const scratch = this.#scratch;
    let start = 0;
    while (this.#scratchBytes - start >= FRAME_LENGTH_BYTES) {
      const frameBytes = readFrameBytes(scratch, start, this.#frameBytesMax);
      if (frameBytes > SCRATCH_BYTES) {
        this.#large = Buffer.allocUnsafeSlow(frameBytes);
        this.#largeBytes = scratch.copy(this.#large, 0, start, this.#scratchBytes);
        start = this.#scratchBytes;
        break;
      }
      if (frameBytes > this.#scratchBytes - start) break;
      this.#deliver(scratch.subarray(start, start + frameBytes), false);
      start += frameBytes;
    }
    if (start > 0) scratch.copyWithin(0, start, this.#scratchBytes);
    this.#scratchBytes -= start;
  }
}
