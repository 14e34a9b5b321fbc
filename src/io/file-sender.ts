// Sends outputs that have slices of files in them through a socket, in their order, without copying the files' bytes where the system
// can do that. Each call takes as much as the socket has room for. When it has none, the next few bytes are read and written as a
// stream's, because the stream tells when the socket took them; then it goes on.
import type { Socket } from 'node:net';
import { type FileSlice, isBytes, type Piece } from '../base/piece.js';
import type { Libc } from './libc.js';
import { descriptorOf, writeNow } from './raw-socket.js';

/** After so much others have their turn. */
const TURN_BYTES = 1024 * 1024;
/** What is read where the socket has no room: only so that the stream waits for room. */
const WAIT_BYTES = 4 * 1024;
/** What is read at a time where the kernel cannot send it, or this thread may not wait for the disk. */
const COPY_BYTES = 64 * 1024;
/** A socket that takes nothing has no room. If it takes nothing again, after it had room, it may never take anything. */
const REFUSALS_MAX = 1;
/** Pieces of bytes up to this size are copied together, where an output has more than a few. */
const SMALL_BYTES = 4 * 1024;
const FEW_PIECES = 16;
/** With more, a near peer that reads slowly seems to read nothing for long; with less there are more wake-ups. */
const NEAR_BUFFER_BYTES = 512 * 1024;
const NOTHING = Buffer.alloc(0);

/** Copies small pieces that follow one another together: each would take a call of its own. */
function joined(pieces: readonly Piece[]): readonly Piece[] {
  if (pieces.length <= FEW_PIECES) return pieces;
  const whole: Piece[] = [];
  let small: Uint8Array[] = [];
  let smallBytes = 0;
  const join = (): void => {
    if (small.length > 0) whole.push(Buffer.concat(small, smallBytes));
    small = [];
    smallBytes = 0;
  };
  for (const piece of pieces) {
    const isSmall = isBytes(piece) && piece.length <= SMALL_BYTES;
    if (!isSmall || smallBytes + piece.length > COPY_BYTES) join();
    if (isSmall) {
      small.push(piece);
      smallBytes += piece.length;
    } else whole.push(piece);
  }
  join();
  return whole;
}

interface Output {
  readonly pieces: readonly Piece[];
  readonly done: (() => void) | undefined;
  /** How far it has come: the piece, and how much of that. */
  index: number;
  sent: number;
}

export interface SendingSocket {
  /** What the kernel may hold for the peer, half of it; -1: as much as it likes, if the peer is not near. */
  readonly sendBufferBytes: number;
  /** Whether the peer is on this machine: then there is no network to be spared, and pacing costs a timer for each packet. */
  readonly isNear: boolean;
}

export class FileSender {
  readonly #socket: Socket;
  readonly #libc: Libc | null;
  readonly #outputs: Output[] = [];
  #pendingBytes = 0;
  #turnBytes = 0;
  /** It goes on already, or something calls back to do so. */
  #underWay = false;
  #ended = false;
  #idle: (() => void) | null = null;
  /** How often in a row the kernel took nothing of a file. */
  #refusals = 0;
  readonly #written = (error?: Error | null): void => {
    if (error) this.#fail();
    else this.#goOn();
  };

  /** Without `libc` all is copied. */
  constructor(socket: Socket, libc: Libc | null, { sendBufferBytes, isNear }: SendingSocket) {
    this.#socket = socket;
    this.#libc = libc;
    const fd = descriptorOf(socket);
    if (!libc || fd < 0) return;
    if (sendBufferBytes >= 0) libc.setSendBuffer(fd, sendBufferBytes);
    else if (isNear) libc.setSendBuffer(fd, NEAR_BUFFER_BYTES);
    if (isNear) libc.leaveBbr(fd);
  }

  /** Whether something has not been given to the socket yet: what is written meanwhile has to come here. */
  get busy(): boolean {
    return this.#outputs.length > 0;
  }

  /** Of all outputs, what neither the kernel nor the stream has. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** `done` is called once: when the kernel took all, or by {@link end}. */
  send(pieces: readonly Piece[], done: (() => void) | undefined): void {
    this.#outputs.push({ pieces: joined(pieces), done, index: 0, sent: 0 });
    for (const { length } of pieces) this.#pendingBytes += length;
    if (!this.#underWay) this.#goOn();
  }

  /** Calls back once when everything was given to the socket, or at the end. */
  whenIdle(idle: () => void): void {
    if (this.busy) this.#idle = idle;
    else idle();
  }

  /** The socket is gone. */
  end(): void {
    this.#ended = true;
    this.#pendingBytes = 0;
    for (const { done } of this.#outputs.splice(0)) done?.();
    this.#becomeIdle();
  }

  #goOn(): void {
    this.#underWay = true;
    for (let [output] = this.#outputs; output && !this.#ended; [output] = this.#outputs) {
      if (!this.#send(output)) return;
      this.#outputs.shift();
      output.done?.();
    }
    this.#underWay = false;
    this.#becomeIdle();
  }

  #becomeIdle(): void {
    const idle = this.#idle;
    this.#idle = null;
    idle?.();
  }

  /** False if it has to wait; then something calls {@link #goOn}. */
  #send(output: Output): boolean {
    if (this.#socket.destroyed) return false; // 'close' and `end` follow.
    // What the stream was given before goes first, for it is passed by from here on.
    if (this.#socket.writableLength > 0) {
      this.#socket.write(NOTHING, this.#written);
      return false;
    }
    for (let piece = output.pieces[output.index]; piece; piece = output.pieces[output.index]) {
      if (this.#turnBytes >= TURN_BYTES) {
        setImmediate(() => {
          this.#turnBytes = 0;
          this.#goOn();
        });
        return false;
      }
      if (output.sent < piece.length) {
        const goesOn = isBytes(piece) ? this.#sendBytes(output, piece) : this.#sendSlice(output, piece);
        if (!goesOn) return false;
      }
      if (output.sent < piece.length) continue;
      output.index++;
      output.sent = 0;
    }
    return true;
  }

  #sendBytes(output: Output, piece: Uint8Array): boolean {
    const rest = piece.subarray(output.sent);
    const following = output.pieces[output.index + 1];
    const fd = descriptorOf(this.#socket);
    const more = this.#libc && following && !isBytes(following) && fd >= 0;
    const taken = more ? Math.max(0, this.#libc.sendMore(fd, rest)) : writeNow(this.#socket, rest);
    this.#took(output, taken);
    return taken === rest.length || this.#write(output, rest.subarray(taken));
  }

  #sendSlice(output: Output, slice: FileSlice): boolean {
    const fd = descriptorOf(this.#socket);
    const { descriptor } = slice;
    if (!this.#libc || descriptor === null || fd < 0 || !slice.mayBlock)
      return this.#copy(output, slice, COPY_BYTES);
    const { sendFile } = this.#libc;
    const bytes = Math.min(slice.length - output.sent, TURN_BYTES - this.#turnBytes);
    const position = slice.position + output.sent;
    const taken = slice.sending(() => sendFile(fd, descriptor, position, bytes));
    this.#refusals = taken > 0 ? 0 : this.#refusals + 1;
    if (taken > 0) this.#took(output, taken);
    // No room, a signal, a file system or a kernel that cannot do it, a peer that is gone, a disk that fails, a file that is shorter
    // than it was: reading and writing some bytes finds out which.
    if (taken === bytes) return true;
    const waits = this.#refusals <= REFUSALS_MAX && slice.mayBlock;
    return this.#copy(output, slice, waits ? WAIT_BYTES : COPY_BYTES);
  }

  /** Reads some bytes and has the stream send them. */
  #copy(output: Output, slice: FileSlice, bytesMax: number): false {
    const chunk = Buffer.allocUnsafeSlow(Math.min(slice.length - output.sent, bytesMax));
    slice.read(output.sent, chunk, (error, count) => {
      if (this.#ended) return;
      if (error || count === 0) {
        slice.failed(error?.message ?? 'the file is shorter than it was', slice.position + output.sent);
        this.#fail();
      } else this.#write(output, chunk.subarray(0, count));
    });
    return false;
  }

  #write(output: Output, bytes: Uint8Array): false {
    this.#took(output, bytes.length);
    this.#socket.write(bytes, this.#written);
    return false;
  }

  #took(output: Output, bytes: number): void {
    output.sent += bytes;
    this.#pendingBytes -= bytes;
    this.#turnBytes += bytes;
  }

  /** The peer is gone, or the bytes that it was promised: the answer cannot be ended otherwise. */
  #fail(): void {
    this.#socket.destroy();
  }
}
