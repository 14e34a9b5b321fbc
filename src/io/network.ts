// The Network port: accepted connections as the router sees them. The node implementation is node-network.ts, the twin
// that delays, splits and drops is simulated-network.ts.

/** The router's side of a connection: it lends the memory that bytes land in. */
export interface ConnectionHandler {
  /** Memory for the next bytes; not empty. The transport asks before each delivery and forgets the answer after it. */
  receiveBuffer(): Uint8Array;
  /**
   * `count` bytes lie at the start of the last {@link receiveBuffer}. False pauses the transport until
   * {@link Transport.resume}.
   */
  received(count: number): boolean;
  /** The connection is gone; called exactly once, also after {@link Transport.close}. */
  closed(): void;
}

/** A connection as the network gives it. After `closed` all methods do nothing but complete. */
export interface Transport {
  /** `HOST:PORT` of the peer. */
  readonly remoteAddress: string;
  /** `HOST:PORT` that the peer connected to. */
  readonly localAddress: string;
  /** Bytes given to `write` and not yet taken by the kernel. */
  readonly pendingBytes: number;
  /**
   * Sends the pieces in order, without copying. They belong to the transport until `done`, which is called exactly once:
   * when the kernel took all bytes, or when the connection is gone. It may be called before `write` returns.
   */
  write(pieces: readonly Uint8Array[], done?: () => void): void;
  resume(): void;
  /** Sends what is pending, then closes. */
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
  listen(address: string, accept: (transport: Transport) => ConnectionHandler, done: (result: Listener | Error) => void): void;
}
