// The client's end of one connection: native frames out, answers in. Every request is answered or lost with the connection,
// and that is told once.

import type { SimulatedClient, SimulatedNetwork } from '../../src/io/simulated-network.js';
import {
  encodeFrame,
  RESPONSE_HEADER_BYTES_MAX,
  readFrameBytes,
  splitFrame,
} from '../../src/protocol/native/frame.js';
import type { Push, RequestBody, ResponseHeader } from '../../src/protocol/native/messages.js';
import { encodeRequestHeader } from '../../src/protocol/native/request-header.js';
import { decodeResponseHeader } from '../../src/protocol/native/response-header.js';
import { ADDRESS } from './simulated-broker.js';

export type Reply =
  | { readonly type: 'answer'; readonly header: ResponseHeader; readonly payload: Buffer }
  /** The connection is gone: what became of the request is not known. */
  | { readonly type: 'lost' };

export interface RequestOptions {
  readonly payload?: Uint8Array;
  readonly timeoutMs?: number;
}

const FRAME_BYTES_MAX = 2 ** 20;

export class WireClient {
  readonly #connection: SimulatedClient;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  readonly #closed: () => void;
  #received: Buffer = Buffer.alloc(0);
  #lastCorrelationId = 0;
  #isClosed = false;
  /** Called when bytes arrive. */
  onBytes: () => void = () => {};
  /** Called for what a subscription sends. */
  onPush: (push: Push, records: Buffer) => void = () => {
    throw new Error('a push without a subscription');
  };

  /** Connects and says hello. Either `ready` is called and later `closed`, or only `closed`. */
  constructor(network: SimulatedNetwork, name: string, ready: () => void, closed: () => void) {
    this.#closed = closed;
    this.#connection = network.connect(ADDRESS);
    this.#connection.onBytes = (bytes) => this.#arrived(bytes);
    this.#connection.onClosed = () => this.#gone();
    const hello = {
      type: 'hello',
      versionMin: 1,
      versionMax: 1,
      clientSoftware: 'simulation',
      clientId: name,
    } as const;
    this.request(hello, {}, (reply) => {
      if (reply.type === 'answer' && reply.header.error === null) ready();
    });
  }

  get unanswered(): number {
    return this.#waiting.size;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends a request; returns its correlation id. */
  request(body: RequestBody, options: RequestOptions, reply: (reply: Reply) => void): number {
    const correlationId = ++this.#lastCorrelationId;
    this.#waiting.set(correlationId, reply);
    this.#connection.write(...frame(correlationId, body, options));
    return correlationId;
  }

  /** Sends what has no answer. */
  tell(body: RequestBody, options: RequestOptions = {}): void {
    this.#connection.write(...frame(++this.#lastCorrelationId, body, options));
  }

  /** Sends the first part of a frame, and then nothing. */
  tellHalf(body: RequestBody, options: RequestOptions, part: number): void {
    const bytes = Buffer.concat(frame(++this.#lastCorrelationId, body, options));
    this.#connection.write(bytes.subarray(0, 1 + Math.floor((bytes.length - 1) * part)));
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  /** Breaks the connection. The broker hears of it at once, and may crash in what it does then. */
  close(): void {
    try {
      this.#connection.close();
    } finally {
      this.#gone();
    }
  }

  #gone(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const reply of this.#waiting.values()) reply({ type: 'lost' });
    this.#waiting.clear();
    this.#closed();
  }

  #arrived(bytes: Buffer): void {
    this.onBytes();
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 4 && !this.#isClosed) {
      const size = readFrameBytes(this.#received, 0, FRAME_BYTES_MAX);
      if (size > this.#received.length) return;
      const { header, payload } = splitFrame(this.#received.subarray(0, size), RESPONSE_HEADER_BYTES_MAX);
      this.#received = this.#received.subarray(size);
      this.#answered(decodeResponseHeader(header), payload);
    }
  }

  #answered(header: ResponseHeader, payload: Buffer): void {
    if (header.body?.type === 'push') {
      this.onPush(header.body, payload);
      return;
    }
    const reply = this.#waiting.get(header.correlationId);
    if (!reply)
      throw new Error(
        `an answer to request ${header.correlationId}, which nobody asked or which was answered before`,
      );
    this.#waiting.delete(header.correlationId);
    reply({ type: 'answer', header, payload });
  }
}

const frame = (
  correlationId: number,
  body: RequestBody,
  { payload, timeoutMs = 0 }: RequestOptions,
): Uint8Array[] =>
  encodeFrame(encodeRequestHeader({ correlationId, timeoutMs, body }), payload ? [payload] : []);
