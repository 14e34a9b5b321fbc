// The Network port: accepted connections as the router sees them. The node implementation is node-network.ts, the twin
// that delays, splits and drops is simulated-network.ts.

import type { Piece } from '../base/piece.js';

/** The router's side of a connection: it lends the memory that bytes land in. */
export interface ConnectionHandler {
  /**
   * Memory for the next bytes; not empty, shared memory too. The transport asks at once after each delivery, not just
   * before the next one, and bytes may land there at any moment until then: the memory must stay where it is until the
   * next `received`, until `received` returned false, or until `end` or `close` was called. Several connections may lend
   * the same memory, for bytes land and are delivered in one step. While the transport is paused it lends nothing: it asks
   * again after `resume`.
   */
  receiveBuffer(): Uint8Array;
  /**
   * `count` bytes lie at the start of the last {@link receiveBuffer}. False pauses the transport until
   * {@link Transport.resume}, which may be called meanwhile.
   */
  received(count: number): boolean;
  /** The connection is gone; called exactly once, also after {@link Transport.close}. */
  closed(): void;
}

/**
 * A connection as the network gives it. After `closed` all methods do nothing but complete. If the peer sends no more, it
 * still gets the answers that are written soon after; then the connection ends by itself.
 */
export interface Transport {
  /** `HOST:PORT` of the peer. */
  readonly remoteAddress: string;
  /** `HOST:PORT` that the peer connected to. */
  readonly localAddress: string;
  /** Bytes given to `write` and not yet taken by the kernel. */
  readonly pendingBytes: number;
  /** Slices of files of so many bytes and more are better sent than read and written; infinite where they cannot be sent. */
  readonly sendsFilesFrom: number;
  /**
   * Sends the pieces in order, without copying. They belong to the transport until `done`, which is called exactly once:
   * when the kernel took all bytes, or when the connection is gone. It may be called before `write` returns.
   */
  write(pieces: readonly Piece[], done?: () => void): void;
  /** Goes on delivering, in a later turn. */
  resume(): void;
  /** Sends what is pending, then closes. What arrives meanwhile is dropped, and so is what is written. */
  end(): void;
  /** Closes at once; what is pending may be lost. */
  close(): void;
}

export interface Listener {
  /** The real address, `HOST:PORT`. */
  readonly address: string;
  /** Accepts no more; connections live on. */
  close(done: () => void): void;
}

export interface Network {
  /** Listens on `HOST:PORT` (port 0 picks one); calls `done` once with a listener or an error. */
  listen(
    address: string,
    accept: (transport: Transport) => ConnectionHandler,
    done: (result: Listener | Error) => void,
  ): void;
}
