/** Puts a few bytes together that come in pieces. */
export class Collector {
  #held = Buffer.allocUnsafe(256);
  #count = 0;
  /** How many bytes of the piece the last {@link collect} used. */
  used = 0;

  /**
   * The next `wanted` bytes: those that are held and the beginning of `piece` from `at` on, without a copy where possible. Null if
   * they are not all there: then the rest of the piece is held, and the next call must want as many.
   */
  collect(piece: Buffer, at: number, wanted: number): Buffer | null {
    const missing = wanted - this.#count;
    const available = piece.length - at;
    if (this.#count === 0 && available >= wanted) {
      this.used = wanted;
      return piece.subarray(at, at + wanted);
    }
    if (wanted > this.#held.length) {
      const larger = Buffer.allocUnsafe(wanted);
      this.#held.copy(larger, 0, 0, this.#count);
      this.#held = larger;
    }
    this.used = Math.min(missing, available);
    piece.copy(this.#held, this.#count, at, at + this.used);
    this.#count += this.used;
    if (this.#count < wanted) return null;
    this.#count = 0;
    return this.#held.subarray(0, wanted);
  }
}
