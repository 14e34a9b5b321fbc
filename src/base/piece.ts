// What an output is made of: bytes in memory, and bytes of a file that are read only when they are sent.

/** So many bytes of an open file, which stay readable and as they are until the output that has them is done. */
export interface FileSlice {
  readonly length: number;
  /** Where it begins in the file. */
  readonly position: number;
  /** The file's descriptor, for a system call that sends files; null where there is none, in simulations. */
  readonly descriptor: number | null;
  /** Whether it may be read on this thread now: there is no reason to believe that a disk would be waited for. */
  readonly mayBlock: boolean;
  /** Makes a system call on this thread that returns how many of its bytes it sent, and takes note of how long that took. */
  readonly sending: (call: () => number) => number;
  /** Reads from `at` bytes behind its start, where it may: `done` is called once, at once or later, with 0 bytes at the file's end. */
  readonly read: (at: number, target: Uint8Array, done: (error: Error | null, bytes: number) => void) => void;
  /** It cannot be read to its end, for this reason, from the position in the file on: what was promised with it is not sent. */
  readonly failed: (reason: string, position: number) => void;
}

export type Piece = Uint8Array | FileSlice;

export const isBytes = (piece: Piece): piece is Uint8Array => piece instanceof Uint8Array;
