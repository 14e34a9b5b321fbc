// One client connection, whichever protocol it speaks: frames in, answers out, and the bounds on both. A connection takes no
// further frame while it has too many requests unanswered or too many bytes that its peer does not read.
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { isBytes, type Piece } from '../base/piece.js';
import type { ConnectionHandler, Transport } from '../io/network.js';
import type { WriteBuffer } from '../partition/write-buffer.js';
import { type Frame, FrameReceiver, type ReceiveSizes } from './frame-receiver.js';
import { type CloseReason, type DelayReason, DoorCounters } from './metrics/counters.js';

/** A protocol front end: turns the frames of one connection into requests and results into answers. */
export interface Door {
  /** Takes a frame, or returns false if it must wait (the connection stops reading until {@link Connection.retry}). */
  take(frame: Frame): boolean;
  /** The broker is about to stop: requests that only wait are to be answered now. */
  drain(): void;
  /** The peer is gone: pending requests may be dropped. */
  closed(): void;
}

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly writeBuffer: WriteBuffer;
  readonly sharedBuffer: Buffer;
  readonly receiveSizes?: ReceiveSizes;
  readonly frameBytesMax: number;
  /** Unanswered requests at most. */
  readonly requestsMax: number;
  /** Whether others may wait for the memory that the bytes of an answer lie in. */
  readonly isScarce: (bytes: Uint8Array) => boolean;
  readonly clock: Clock;
  /** Runs a function at the end of the current turn, so that answers of one turn leave in one write. */
  readonly defer: (run: () => void) => void;
  readonly door: (connection: Connection) => Door;
  /** Called after a delivery of bytes: what its frames asked for can be passed on as one. */
  readonly delivered: () => void;
  readonly log: (reason: string) => void;
  /** Those of its door. */
  readonly counters?: DoorCounters;
  readonly gone: (connection: Connection) => void;
}

/** With more unread bytes than this a connection is not read, and starts no fetch. */
const OUTPUT_BYTES_MAX = 1024 * 1024;

/** Why a connection is closed from here, for the log, and as it is counted. */
export interface Overdue {
  readonly reason: string;
  readonly counted: CloseReason;
}

interface Output {
  readonly pieces: readonly Piece[];
  readonly done: (() => void) | undefined;
}

export class Connection implements ConnectionHandler {
  readonly counters: DoorCounters;
  readonly #options: ConnectionOptions;
  readonly #transport: Transport;
  readonly #receiver: FrameReceiver;
  readonly #door: Door;
  #unanswered = 0;
  /** What keeps the connection from counting as idle though its peer sends nothing. */
  #engagements = 0;
  readonly #outputs: Output[] = [];
  #flushing = false;
  #closed = false;
  /** If it ends now, then because of this. */
  #closeReason: CloseReason = 'peer';
  #stalled = false;
  #draining = false;
  #queuedBytes = 0;
  /** Outputs that hold memory for which others may wait. */
  #scarceOutputs = 0;
  /** Reads for answers with records, one at a time. */
  readonly #reads: ((over: () => void) => void)[] = [];
  #reading = false;
  #lastActivityMs: number;
  #outputSeen = { pendingBytes: 0, sinceMs: 0 };
  readonly #flushNow = (): void => this.#flush();
  readonly #onFree = (): boolean => {
    this.retry();
    return !this.#stalled;
  };

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.counters = options.counters ?? new DoorCounters();
    this.counters.opened++;
    this.counters.open++;
    this.#transport = options.transport;
    this.#lastActivityMs = options.clock.monotonicMs();
    this.#receiver = new FrameReceiver({
      writeBuffer: options.writeBuffer,
      sharedBuffer: options.sharedBuffer,
      frameBytesMax: options.frameBytesMax,
      clock: options.clock,
      take: (frame) => this.#take(frame),
      invalid: (reason) => this.fail(reason),
      resume: () => this.#transport.resume(),
      ...(options.receiveSizes && { sizes: options.receiveSizes }),
    });
    this.#door = options.door(this);
  }

  get remoteAddress(): string {
    return this.#transport.remoteAddress;
  }

  get localAddress(): string {
    return this.#transport.localAddress;
  }

  /** The largest frame that this connection may send. */
  get frameBytesMax(): number {
    return this.#options.frameBytesMax;
  }

  /** Whether the peer reads what it gets. */
  get writable(): boolean {
    return this.#transport.pendingBytes + this.#queuedBytes < OUTPUT_BYTES_MAX;
  }

  /** As {@link Transport.sendsFilesFrom}. */
  get sendsFilesFrom(): number {
    return this.#transport.sendsFilesFrom;
  }

  get unanswered(): number {
    return this.#unanswered;
  }

  receiveBuffer(): Uint8Array {
    return this.#receiver.receiveBuffer();
  }

  received(count: number): boolean {
    this.#lastActivityMs = this.#options.clock.monotonicMs();
    this.counters.receivedBytes += count;
    const more = this.#receiver.received(count);
    this.#options.delivered();
    return more;
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.counters.open--;
    this.counters.closed[this.#closeReason]++;
    this.#options.writeBuffer.forget(this.#onFree);
    this.#receiver.close();
    for (const { done } of this.#outputs.splice(0)) done?.();
    this.#door.closed();
    for (const read of this.#reads.splice(0)) read(() => {});
    this.#options.gone(this);
  }

  /** A request was taken; {@link finish} must follow. Returns the time (monotonic). */
  begin(): number {
    this.#unanswered++;
    return this.#options.clock.monotonicMs();
  }

  /** A request is over; its answer may follow. Returns the time (monotonic). */
  finish(): number {
    assert(this.#unanswered > 0, 'a request that is over was begun');
    this.#unanswered--;
    this.#lastActivityMs = this.#options.clock.monotonicMs();
    this.#retryLater();
    return this.#lastActivityMs;
  }

  /** The peer waits for what comes without being asked for; {@link disengage} must follow. */
  engage(): void {
    this.#engagements++;
  }

  disengage(): void {
    assert(this.#engagements > 0, 'who lets go was engaged');
    this.#engagements--;
    this.#lastActivityMs = this.#options.clock.monotonicMs();
  }

  /** Sends the pieces of a frame. `done` is called once, when they are no longer needed. */
  send(pieces: readonly Piece[], done?: () => void): void {
    if (this.#closed) {
      done?.();
      return;
    }
    this.#outputs.push({ pieces, done: done && this.#isScarce(pieces) ? this.#holding(done) : done });
    for (const piece of pieces) this.#queuedBytes += piece.length;
    this.#flushLater();
  }

  #isScarce(pieces: readonly Piece[]): boolean {
    return pieces.some((piece) => isBytes(piece) && this.#options.isScarce(piece));
  }

  #holding(done: () => void): () => void {
    this.#scarceOutputs++;
    return () => {
      this.#scarceOutputs--;
      done();
    };
  }

  /** The frame that had to wait may be tried again. */
  retry(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    this.#receiver.retry();
    if (!this.#stalled) this.#options.writeBuffer.forget(this.#onFree);
    this.#options.delivered();
  }

  /** Has {@link retry} called when the write buffer may have room for so many bytes. */
  retryWhenFree(byteCount: number): void {
    this.delayed('write-buffer');
    this.#options.writeBuffer.whenFree(byteCount, this.#onFree);
  }

  /** Whether a frame waits for {@link retry}. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /**
   * Runs reads of records one after the other, and only while the peer reads its answers; `over` ends a read's turn. After
   * the connection's end they run at once.
   */
  readInTurn(read: (over: () => void) => void): void {
    if (this.#closed) read(() => {});
    else {
      this.#reads.push(read);
      this.#nextRead();
    }
  }

  /** Takes no more frames and ends all waits; what was taken is answered. */
  drain(): void {
    this.#draining = true;
    this.#door.drain();
  }

  #nextRead(): void {
    while (!this.#reading && this.writable) {
      const read = this.#reads.shift();
      if (!read) return;
      this.#reading = true;
      read(() => {
        this.#reading = false;
        if (this.#reads.length > 0) this.#options.defer(() => this.#nextRead());
      });
    }
  }

  /** Ends the connection because of what its peer sent. */
  fail(reason: string): void {
    if (this.#closed) return;
    this.#closeReason = 'invalid';
    this.#options.log(reason);
    // What was answered before leaves first: it may say what was wrong.
    this.#flush();
    this.#transport.end();
    this.closed();
  }

  /** Ends the connection when its answers are out, because the broker stops. */
  end(): void {
    this.#closeReason = 'stop';
    this.#flush();
    this.#transport.end();
  }

  close(reason: CloseReason = 'stop'): void {
    this.#closeReason = reason;
    this.#transport.close();
  }

  /** A frame has to wait, for this reason. */
  delayed(reason: DelayReason): void {
    this.counters.delayed[reason]++;
  }

  /** Why this connection should be closed now, or null. Called every second or so. */
  overdue(bounds: {
    frameTimeoutMs: number;
    idleTimeoutMs: number;
    /**
     * How long a peer may leave answers unread while they hold memory, and how long it may hold memory for frames without reading
     * answers or going on with a frame: short while others wait for such memory. Answers that are sent from files hold none.
     */
    stallTimeoutMs: number;
    receiveStallTimeoutMs: number;
  }): Overdue | null {
    const nowMs = this.#options.clock.monotonicMs();
    const partialSinceMs = this.#receiver.partialSinceMs;
    if (partialSinceMs !== null) {
      if (nowMs - partialSinceMs > bounds.frameTimeoutMs) {
        return { reason: 'a frame did not arrive whole in time', counted: 'frame-timeout' };
      }
      if (
        this.#receiver.holdsExtent &&
        nowMs - this.#receiver.lastProgressMs > bounds.receiveStallTimeoutMs
      ) {
        return { reason: 'a frame stopped arriving while others wait for memory', counted: 'stalled' };
      }
    }
    const { pendingBytes } = this.#transport;
    if (pendingBytes === 0 || pendingBytes !== this.#outputSeen.pendingBytes) {
      this.#outputSeen = { pendingBytes, sinceMs: nowMs };
    } else {
      const unreadMs = nowMs - this.#outputSeen.sinceMs;
      const holdsInput = this.#receiver.holdsExtent && unreadMs > bounds.receiveStallTimeoutMs;
      const holdsOutput = this.#scarceOutputs > 0 && unreadMs > bounds.stallTimeoutMs;
      if (holdsInput || holdsOutput)
        return { reason: 'answers were left unread while others wait for memory', counted: 'stalled' };
      // They may hold files that were deleted.
      if (unreadMs > bounds.idleTimeoutMs) return { reason: 'answers were left unread', counted: 'stalled' };
    }
    const idle = this.#unanswered === 0 && this.#engagements === 0 && pendingBytes === 0;
    if (idle && nowMs - this.#lastActivityMs > bounds.idleTimeoutMs)
      return { reason: 'idle', counted: 'idle' };
    return null;
  }

  #take(frame: Frame): boolean {
    const hasRoom = this.#unanswered < this.#options.requestsMax;
    const { writable } = this;
    if (!this.#draining && hasRoom && writable && this.#door.take(frame)) return true;
    if (!hasRoom) this.delayed('requests');
    else if (!writable) this.delayed('answers');
    this.#stalled = true;
    return false;
  }

  #flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#options.defer(this.#flushNow);
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#closed) return;
    const outputs = this.#outputs.splice(0);
    this.counters.sentBytes += this.#queuedBytes;
    this.#queuedBytes = 0;
    if (outputs.length > 0) {
      const pieces =
        outputs.length === 1 && outputs[0] ? outputs[0].pieces : outputs.flatMap(({ pieces }) => pieces);
      this.#transport.write(pieces, () => {
        for (const { done } of outputs) done?.();
        this.#taken();
      });
    }
    this.#retryLater();
  }

  /** The kernel took some output. */
  #taken(): void {
    if (!this.#stalled || this.#closed) {
      this.#nextRead();
      return;
    }
    // The frame that waits comes first: a subscription always has more to send.
    this.#options.defer(() => {
      this.retry();
      this.#nextRead();
    });
  }

  #retryLater(): void {
    if (this.#stalled && !this.#closed) this.#options.defer(() => this.retry());
  }
}
