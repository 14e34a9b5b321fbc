// Where the records of one answer lie. What is read of several partitions lies one behind the other in the same run of the read buffer
// as long as there is room, so that an answer with a little of each of many partitions takes no more memory than it has records.
import type { ReadBuffer, ReadRun } from './read-buffer.js';

/** A read is never smaller: it must hold a batch header to tell how large the first batch is. */
export const READ_BYTES_MIN = 64;

/** A run, and how much of it is in use. */
interface SharedRun {
  readonly run: ReadRun;
  usedBytes: number;
  /** Parts that were kept and not released. */
  parts: number;
}

/** The unused rest of a run, to be read into: then it is kept or released. There is one at a time. */
export interface AnswerPart extends ReadRun {
  /** The first so many of its bytes are in use from here on, until it is released. */
  readonly keep: (byteCount: number) => void;
}

const roomOf = ({ run, usedBytes }: SharedRun): number => run.bytes.length - usedBytes;

export class AnswerMemory {
  readonly #buffer: ReadBuffer;
  readonly #runs = new Set<SharedRun>();
  /** The run that has had the most room; null if that was given back. */
  #open: SharedRun | null = null;

  constructor(buffer: ReadBuffer) {
    this.#buffer = buffer;
  }

  /** Room for a read of `wantedBytes`, or less if there is little memory, but at least `neededBytes`; null if there is none now. */
  part(wantedBytes: number, neededBytes: number): AnswerPart | null {
    const open = this.#open;
    if (open && roomOf(open) >= Math.max(wantedBytes, neededBytes, READ_BYTES_MIN)) return this.#partOf(open);
    const run = this.#buffer.acquire(Math.max(1, wantedBytes), neededBytes);
    if (!run)
      return open && roomOf(open) >= Math.max(neededBytes, READ_BYTES_MIN) ? this.#partOf(open) : null;
    const shared = { run, usedBytes: 0, parts: 0 };
    this.#runs.add(shared);
    return this.#partOf(shared);
  }

  /** Gives all of it back, once nothing is read into it. */
  release(): void {
    this.#open = null;
    for (const { run } of this.#runs) run.release();
    this.#runs.clear();
  }

  #partOf(shared: SharedRun): AnswerPart {
    const { run, usedBytes } = shared;
    return {
      bytes: usedBytes === 0 ? run.bytes : run.bytes.subarray(usedBytes),
      keep: (byteCount) => {
        shared.usedBytes = usedBytes + byteCount;
        shared.parts++;
        if (!this.#open || roomOf(shared) > roomOf(this.#open)) this.#open = shared;
      },
      release: () => {
        if (shared.usedBytes > usedBytes) shared.parts--;
        if (shared.parts > 0) return;
        if (this.#open === shared) this.#open = null;
        this.#runs.delete(shared);
        run.release();
      },
    };
  }
}
