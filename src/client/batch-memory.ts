/** What is kept for later batches. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

/** Memory for batches that are about to be filled, used again when they were delivered: a busy producer makes no new. */
export class BatchMemory {
  readonly #bytes: number;
  readonly #free: Buffer[] = [];

  /** Pieces of so many bytes. */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** Nobody uses this piece any more. */
  give(memory: Buffer): void {
    if ((this.#free.length + 1) * this.#bytes <= KEPT_BYTES_MAX) this.#free.push(memory);
  }
}
