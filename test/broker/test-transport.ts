import type { Piece } from '../../src/base/piece.js';
import type { ConnectionHandler, Transport } from '../../src/io/network.js';
import { bytesOf } from '../base/bytes-of.js';

interface Written {
  readonly bytes: Buffer;
  readonly done: (() => void) | undefined;
}

/** A connection whose peer is the test: it sends bytes, and reads what is written when it likes. */
export class TestTransport implements Transport {
  readonly remoteAddress = '127.0.0.1:50000';
  readonly localAddress = '127.0.0.1:9091';
  handler: ConnectionHandler | null = null;
  paused = false;
  ended = false;
  sendsFilesFrom = Number.POSITIVE_INFINITY;
  closed = false;
  /** What the peer has read. */
  readonly read: Buffer[] = [];
  /** Whether it reads everything at once. */
  reading = true;
  readonly #unread: Written[] = [];

  get pendingBytes(): number {
    return this.#unread.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  write(pieces: readonly Piece[], done?: () => void): void {
    if (this.closed || this.ended) {
      done?.();
      return;
    }
    this.#unread.push({ bytes: bytesOf(pieces), done });
    if (this.reading) this.readOn();
  }

  resume(): void {
    this.paused = false;
  }

  end(): void {
    this.ended = true;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const { done } of this.#unread.splice(0)) done?.();
    this.handler?.closed();
  }

  /** The peer reads up to so many of the writes that wait. */
  readOn(writes = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < writes; i++) {
      const written = this.#unread.shift();
      if (!written) return;
      this.read.push(written.bytes);
      written.done?.();
    }
  }

  /** The peer sends bytes; returns how many were taken before the handler paused. */
  send(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && !this.paused && !this.closed && this.handler) {
      const region = this.handler.receiveBuffer();
      const count = Math.min(region.length, bytes.length - at);
      region.set(bytes.subarray(at, at + count));
      at += count;
      if (!this.handler.received(count)) this.paused = true;
    }
    return at;
  }
}
