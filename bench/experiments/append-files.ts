// The ways of appending drains to a file that direct-io.ts compares.
//
// A direct write takes whole blocks from memory that lies as the file does: block by block, each at the start of a block. What a
// broker appends ends anywhere and arrives anywhere, so its bytes are copied to a staging area first; the block in which the
// last append ended lies at its head, and is written again with what follows it. In between the file ends in zeros.
import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { SharedArena } from './shared-arena.js';

export const BLOCK_BYTES = 4096;

/** How drains get into a file. Pieces are the single write calls of a drain. */
export type Way =
  | { readonly type: 'whole' }
  /** Cut into pieces from the drain's beginning. */
  | { readonly type: 'cut'; readonly pieceBytes: number }
  /** Cut where the file's offset is a multiple of the piece. */
  | { readonly type: 'cut-aligned'; readonly pieceBytes: number }
  /** Copied to the staging area by a typed array's `set`, or by WebAssembly. */
  | { readonly type: 'direct'; readonly copies: 'set' | 'wasm' };

/** A file that grows at its end. */
export interface AppendFile {
  append(drain: Uint8Array): void;
  /** Leaves exactly what was appended. */
  close(): void;
}

/** Memory with all drains in it, and behind `at` the staging area: as long as the longest drain and two blocks. */
export interface Staging {
  readonly arena: SharedArena;
  /** At the beginning of a block. */
  readonly at: number;
}

const roundUp = (bytes: number, unit: number): number => Math.ceil(bytes / unit) * unit;

/** A new file. Only direct ones use the staging area. */
export function createAppendFile(path: string, way: Way, staging: Staging): AppendFile {
  switch (way.type) {
    case 'whole':
      return new BufferedFile(path, (_, bytes) => bytes);
    case 'cut':
      return new BufferedFile(path, () => way.pieceBytes);
    case 'cut-aligned':
      return new BufferedFile(path, (position) => way.pieceBytes - (position % way.pieceBytes));
    case 'direct':
      return new DirectFile(path, way.copies, staging);
  }
}

class BufferedFile implements AppendFile {
  readonly #descriptor: number;
  readonly #pieceBytes: (position: number, bytesLeft: number) => number;
  #position = 0;

  constructor(path: string, pieceBytes: (position: number, bytesLeft: number) => number) {
    this.#descriptor = openSync(path, 'wx');
    this.#pieceBytes = pieceBytes;
  }

  append(drain: Uint8Array): void {
    for (let at = 0; at < drain.length; ) {
      const left = drain.length - at;
      const length = Math.min(left, this.#pieceBytes(this.#position, left));
      const count = writeSync(this.#descriptor, drain, at, length, this.#position);
      at += count;
      this.#position += count;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

class DirectFile implements AppendFile {
  readonly #descriptor: number;
  readonly #copies: 'set' | 'wasm';
  readonly #arena: SharedArena;
  readonly #staging: Uint8Array;
  /** Where the staging area lies in the file: at a block's start. */
  #position = 0;
  /** Bytes of the last block that are appended and written already. */
  #partialBytes = 0;

  constructor(path: string, copies: 'set' | 'wasm', { arena, at }: Staging) {
    const { O_CREAT, O_EXCL, O_WRONLY, O_DIRECT } = constants;
    if (O_DIRECT === undefined) throw new Error('Only Linux has direct I/O by a flag of open.');
    this.#descriptor = openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_DIRECT, 0o644);
    this.#copies = copies;
    this.#arena = arena;
    this.#staging = arena.bytes.subarray(at);
  }

  append(drain: Uint8Array): void {
    const staging = this.#staging;
    const end = this.#partialBytes + drain.length;
    const blocksEnd = roundUp(end, BLOCK_BYTES);
    this.#copy(drain);
    staging.fill(0, end, blocksEnd);
    for (let at = 0; at < blocksEnd; ) {
      const count = writeSync(this.#descriptor, staging, at, blocksEnd - at, this.#position + at);
      if (count % BLOCK_BYTES !== 0) throw new Error(`A direct write ended within a block: ${count} bytes.`);
      at += count;
    }
    this.#partialBytes = end % BLOCK_BYTES;
    const partialAt = end - this.#partialBytes;
    if (this.#partialBytes > 0) staging.copyWithin(0, partialAt, end);
    this.#position += partialAt;
  }

  close(): void {
    ftruncateSync(this.#descriptor, this.#position + this.#partialBytes);
    closeSync(this.#descriptor);
  }

  /** To where the last append ended. */
  #copy(drain: Uint8Array): void {
    if (drain.buffer !== this.#staging.buffer) throw new Error('The drain is not in the arena.');
    if (this.#copies === 'set') this.#staging.set(drain, this.#partialBytes);
    else this.#arena.copy(this.#staging.byteOffset + this.#partialBytes, drain.byteOffset, drain.length);
  }
}
