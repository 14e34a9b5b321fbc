// One accepted connection. Its handler is told where it is between two worlds: bytes arrive either straight in the
// handler's memory (the normal way) or in memory of ours, from where they are copied. The latter is the way of 'data'
// events, of the first bytes of a connection, when the handler is not there yet, and of the first bytes after a pause,
// when the buffer that was asked for before it may serve others by now.
import type { Socket } from 'node:net';
import { assert, present } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import { isBytes, type Piece } from '../base/piece.js';
import { FileSender } from './file-sender.js';
import { libcIfLoaded } from './libc.js';
import type { ConnectionHandler, Transport } from './network.js';
import { redirect, takeOver, writeNow } from './raw-socket.js';

export interface NodeTransportOptions {
  readonly clock: Clock;
  /** How bytes are read: straight into the handler's memory where this Node can do that, or through 'data' events. */
  readonly receive: 'direct' | 'data';
  /** How long a peer that sends no more gets answers to what it sent, before the connection ends. */
  readonly halfOpenMs: number;
  /** How long a connection that ended waits for its peer to end, so that the last bytes are not lost to a reset. */
  readonly lingerMs: number;
  /** The kernel's buffer of a socket, once slices of files are sent through it; -1: as the system has it, or as is best for near peers. */
  readonly sendBufferBytes: number;
}

/** Idle connections whose peer vanished are found by the kernel, after this time and its own retries. */
const KEEP_ALIVE_MS = 60_000;
/** Larger ones gain nothing by it. */
const WRITE_NOW_BYTES_MAX = 16 * 1024;
/** Where a file is sent in less time than it is read and written, with what it takes to find out how much can be sent. */
const SENT_FILE_BYTES_MIN = 128 * 1024;
const LANDING_BYTES = 64 * 1024;
let sharedLanding: Buffer | undefined;

/** Where bytes land that are copied at once: reads are synchronous, so one buffer does for all connections of a thread. */
function landing(): Buffer {
  sharedLanding ??= Buffer.allocUnsafeSlow(LANDING_BYTES);
  return sharedLanding;
}

/** `HOST:PORT`; an IPv4 address that came through an IPv6 socket as IPv4. */
export function formatAddress(host: string | undefined, port: number | undefined): string {
  if (host === undefined || port === undefined) return 'unknown:0'; // The peer was gone before it was asked.
  const plain = host.replace(/^::ffff:(?=\d+\.)/i, '');
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}

export class NodeTransport implements Transport {
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Whether bytes arrive straight in the handler's memory. */
  readonly direct: boolean;
  readonly #options: NodeTransportOptions;
  readonly #socket: Socket;
  readonly #isNear: boolean;
  #handler: ConnectionHandler | null = null;
  /** Once there was a slice of a file to be sent. */
  #sender: FileSender | null = null;
  /** The handler's buffer that the next read goes to; null: to the landing buffer. Also keeps the memory alive. */
  #target: Uint8Array | null = null;
  /** Bytes that arrived and that the handler did not take yet. Not empty only while paused. */
  #untaken: Buffer = Buffer.alloc(0);
  #paused = false;
  #delivering = false;
  #resumed = false;
  #ending = false;
  #gone = false;
  #timer: Timer | null = null;

  constructor(accepted: Socket, options: NodeTransportOptions) {
    this.#options = options;
    this.remoteAddress = formatAddress(accepted.remoteAddress, accepted.remotePort);
    this.localAddress = formatAddress(accepted.localAddress, accepted.localPort);
    const { remoteAddress } = accepted;
    this.#isNear = remoteAddress !== undefined && remoteAddress === accepted.localAddress;
    const raw =
      options.receive === 'direct'
        ? takeOver(accepted, {
            buffer: () => this.#nextBuffer(),
            received: (count) => this.#arrived(count),
          })
        : null;
    this.direct = raw !== null;
    this.#socket = raw ?? accepted;
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // What went wrong matters to nobody: the connection is gone, and 'close' follows.
    this.#socket.on('error', () => {});
    this.#socket.on('end', () => this.#peerEnded());
    this.#socket.on('finish', () => this.#linger());
  }

  /** Begins to deliver; once, in the turn that made it. `over` is called when the connection is gone. */
  start(handler: ConnectionHandler, over: () => void): void {
    assert(this.#handler === null, 'a connection has one handler');
    this.#handler = handler;
    this.#socket.on('close', () => {
      this.#stopTimer();
      this.#ending = true;
      this.#gone = true;
      this.#sender?.end();
      over();
      handler.closed();
    });
    if (!this.direct) {
      this.#socket.on('data', (bytes: Buffer) => {
        if (!this.#deliver(bytes)) this.#socket.pause();
      });
    }
    this.#socket.resume();
  }

  get pendingBytes(): number {
    return this.#gone ? 0 : this.#socket.writableLength + (this.#sender?.pendingBytes ?? 0);
  }

  get sendsFilesFrom(): number {
    return this.direct && libcIfLoaded() !== null ? SENT_FILE_BYTES_MIN : Number.POSITIVE_INFINITY;
  }

  write(pieces: readonly Piece[], done?: () => void): void {
    const [only] = pieces;
    if (pieces.length === 1 && only !== undefined && isBytes(only) && this.#takesNow(only)) {
      const taken = writeNow(this.#socket, only);
      if (taken === only.length) done?.();
      else this.#write([only.subarray(taken)], done);
    } else this.#write(pieces, done);
  }

  /** Whether the bytes, an answer without records, may go straight to the kernel. */
  #takesNow({ length }: Uint8Array): boolean {
    const isSmall = length > 0 && length <= WRITE_NOW_BYTES_MAX;
    const isClear = this.#socket.writableLength === 0 && !this.#sender?.busy;
    return isSmall && isClear && this.direct && !this.#ending && !this.#socket.destroyed;
  }

  #write(pieces: readonly Piece[], done?: () => void): void {
    const last = pieces.findLastIndex((piece) => piece.length > 0);
    if (this.#ending || this.#socket.destroyed || last < 0) {
      done?.();
      return;
    }
    if (this.#sender?.busy || !pieces.every(isBytes)) {
      const { sendBufferBytes } = this.#options;
      this.#sender ??= new FileSender(this.#socket, libcIfLoaded(), {
        sendBufferBytes,
        isNear: this.#isNear,
      });
      this.#sender.send(pieces, done);
      return;
    }
    if (last > 0) this.#socket.cork();
    for (const [index, piece] of pieces.entries()) {
      // The callback comes on destruction too, and that of the last piece after those of the others.
      if (index === last && done) this.#socket.write(piece, () => done());
      else if (piece.length > 0) this.#socket.write(piece);
    }
    if (last > 0) this.#socket.uncork();
  }

  resume(): void {
    if (this.#delivering) this.#resumed = true;
    if (!this.#paused || this.#delivering) return;
    this.#paused = false;
    process.nextTick(() => this.#continue());
  }

  end(): void {
    if (this.#ending || this.#socket.destroyed) return;
    this.#ending = true;
    // From here on bytes are read only to be dropped: closing with bytes unread would reset the connection.
    this.#untaken = Buffer.alloc(0);
    if (this.direct) redirect(this.#socket, landing());
    if (this.#sender) this.#sender.whenIdle(() => this.#socket.end());
    else this.#socket.end();
    this.#socket.resume();
  }

  close(): void {
    this.#ending = true;
    this.#socket.destroy();
  }

  /** The buffer for the next read; called by Node after each delivery, and before the handler is there. */
  #nextBuffer(): Uint8Array {
    const handler = this.#handler;
    this.#target = handler === null || this.#paused || this.#ending ? null : handler.receiveBuffer();
    assert(this.#target === null || this.#target.length > 0, 'a receive buffer may not be empty');
    return this.#target ?? landing();
  }

  #arrived(count: number): boolean {
    if (this.#ending) return true;
    if (this.#target !== null) return this.#received(count);
    const more = this.#deliver(landing().subarray(0, count));
    this.#untaken = Buffer.from(this.#untaken); // The landing buffer serves the next connection now.
    return more;
  }

  /** Copies the bytes to where the handler wants them. False: it wants no more, the rest is kept. */
  #deliver(bytes: Buffer): boolean {
    let taken = 0;
    while (taken < bytes.length && !this.#ending) {
      if (this.#paused) {
        this.#untaken = bytes.subarray(taken);
        return false;
      }
      const target = present(this.#handler, 'a handler').receiveBuffer();
      assert(target.length > 0, 'a receive buffer may not be empty');
      const count = Math.min(target.length, bytes.length - taken);
      target.set(bytes.subarray(taken, taken + count));
      taken += count;
      this.#received(count);
    }
    return this.#ending || !this.#paused;
  }

  /** Tells the handler; whether to go on. It may call any method of ours meanwhile. */
  #received(count: number): boolean {
    this.#delivering = true;
    this.#resumed = false;
    const more = present(this.#handler, 'a handler').received(count);
    this.#delivering = false;
    this.#paused = !more && !this.#resumed;
    return this.#ending || !this.#paused;
  }

  #continue(): void {
    if (this.#paused || this.#ending || this.#socket.destroyed) return;
    const untaken = this.#untaken;
    this.#untaken = Buffer.alloc(0);
    if (!this.#deliver(untaken)) return;
    if (this.#socket.readableEnded) this.#peerEnded();
    else this.#socket.resume();
  }

  #peerEnded(): void {
    if (this.#ending) this.close();
    // While the handler is paused it has not seen all that came before; this is called again then.
    else if (!this.#paused)
      this.#timer = this.#options.clock.after(this.#options.halfOpenMs, () => this.end());
  }

  /** All was sent. */
  #linger(): void {
    this.#stopTimer();
    if (this.#socket.readableEnded) this.close();
    else this.#timer = this.#options.clock.after(this.#options.lingerMs, () => this.close());
  }

  #stopTimer(): void {
    if (this.#timer !== null) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
  }
}
