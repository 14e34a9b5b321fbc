// A connection of the native protocol that does what it is told: whole and half frames, many requests at a time, no retries. The
// client library would hide what these tests are about.
import { connect, type Socket } from 'node:net';
import {
  encodeFrame,
  FRAME_LENGTH_BYTES,
  RESPONSE_HEADER_BYTES_MAX,
  splitFrame,
} from '../../src/protocol/native/frame.js';
import type {
  AnsweredRequestBody,
  FetchPartition,
  ProducePartition,
  RequestBody,
  ResponseBody,
  ResponseHeader,
  ResponseTo,
} from '../../src/protocol/native/messages.js';
import { encodeRequestHeader } from '../../src/protocol/native/request-header.js';
import { decodeResponseHeader } from '../../src/protocol/native/response-header.js';

export interface Answer extends ResponseHeader {
  readonly payload: Buffer;
}

type Settle = (answer: Answer | null) => void;

/** How long a broker may take to accept a connection and to say hello, before that counts as a failure. */
const OPENED_WITHIN_MS = 60_000;

export interface NativeConnectionOptions {
  /** Default true. False: nothing is sent on its own. */
  readonly hello?: boolean;
  /** Gets answers that nobody waits for, as those of frames that were sent raw. */
  readonly onStray?: (answer: Answer) => void;
}

export class NativeConnection {
  readonly socket: Socket;
  readonly #waiting = new Map<number, Settle>();
  readonly #onStray: ((answer: Answer) => void) | undefined;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #nextCorrelationId = 1;
  #failure: unknown = null;
  /** Resolves when the connection is over; rejects with what an answer's handler threw. */
  readonly closed: Promise<void>;
  #isClosed = false;

  /** Rejects if the broker cannot be reached, or does not answer. */
  static async open(address: string, options: NativeConnectionOptions = {}): Promise<NativeConnection> {
    const connection = new NativeConnection(address, options);
    const late = setTimeout(() => {
      connection.socket.destroy(new Error(`no connection to ${address} within ${OPENED_WITHIN_MS} ms`));
    }, OPENED_WITHIN_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        connection.socket.once('connect', resolve);
        connection.socket.once('error', reject);
      });
      if (options.hello ?? true) await connection.hello();
      return connection;
    } finally {
      clearTimeout(late);
    }
  }

  private constructor(address: string, { onStray }: NativeConnectionOptions) {
    const colon = address.lastIndexOf(':');
    this.#onStray = onStray;
    this.socket = connect({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      noDelay: true,
    });
    this.socket.on('data', (bytes: Buffer) => this.#guard(() => this.#receive(bytes)));
    this.closed = new Promise((resolve, reject) => {
      const end = () => {
        if (this.#isClosed) return;
        this.#isClosed = true;
        const waiting = [...this.#waiting.values()];
        this.#waiting.clear();
        for (const settle of waiting) this.#guard(() => settle(null));
        if (this.#failure) reject(this.#failure);
        else resolve();
      };
      this.socket.once('close', end);
      // Brokers are killed here: a reset is as good an end as any. A socket that was to be reset while it was ending emits
      // an error and nothing else.
      this.socket.on('error', () => {
        if (this.socket.destroyed) end();
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Requests without an answer. */
  get unanswered(): number {
    return this.#waiting.size;
  }

  async hello(): Promise<Answer> {
    const hello = {
      type: 'hello',
      versionMin: 1,
      versionMax: 1,
      clientSoftware: 'test',
      clientId: 'test',
    } as const;
    const answer = await this.request(hello);
    if (!answer || answer.error) throw new Error(`no hello: ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Sends a request; null if the connection ended before the answer came. */
  request(body: RequestBody, payload: readonly Uint8Array[] = [], timeoutMs = 0): Promise<Answer | null> {
    return new Promise((resolve) => this.ask(body, payload, resolve, timeoutMs));
  }

  /** {@link request} without a promise; returns the correlation id. */
  ask(body: RequestBody, payload: readonly Uint8Array[], settle: Settle, timeoutMs = 0): number {
    const correlationId = this.#nextCorrelationId++;
    if (this.#isClosed) {
      settle(null);
      return correlationId;
    }
    this.#waiting.set(correlationId, settle);
    this.tell({ correlationId, timeoutMs, body }, payload);
    return correlationId;
  }

  /** Sends a frame whose answer nobody waits for. */
  tell(header: Parameters<typeof encodeRequestHeader>[0], payload: readonly Uint8Array[] = []): void {
    this.raw(encodeFrame(encodeRequestHeader(header), payload));
  }

  /** Sends bytes as they are. */
  raw(pieces: readonly Uint8Array[]): void {
    this.socket.cork();
    for (const piece of pieces) this.socket.write(piece);
    this.socket.uncork();
  }

  /** {@link request} for an answer without an error; throws otherwise. */
  async must<Body extends AnsweredRequestBody>(
    body: Body,
    payload: readonly Uint8Array[] = [],
  ): Promise<{ readonly body: ResponseTo<Body['type']>; readonly payload: Buffer }> {
    const answer = await this.request(body, payload);
    if (!answer || answer.error || !isOf<Body['type']>(answer.body, body.type)) {
      throw new Error(`${body.type} failed: ${JSON.stringify(answer)}`);
    }
    return { body: answer.body, payload: answer.payload };
  }

  async produce(
    partitions: readonly (Omit<ProducePartition, 'recordsBytes'> & { readonly batch: Buffer })[],
  ) {
    const named = partitions.map(({ topic, partition, batch }) => ({
      topic,
      partition,
      recordsBytes: batch.length,
    }));
    const body = { type: 'produce', acks: 'all', partitions: named } as const;
    return (
      await this.must(
        body,
        partitions.map(({ batch }) => batch),
      )
    ).body.partitions;
  }

  /** One fetch of at most 4 MiB that does not wait. */
  fetch(partitions: readonly FetchPartition[]) {
    return this.must({ type: 'fetch', minBytes: 0, maxWaitMs: 0, maxBytes: 4 * 1024 * 1024, partitions });
  }

  /** Ends the connection at once. */
  async close(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  #guard(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#failure ??= error;
      this.socket.destroy();
    }
  }

  #receive(bytes: Buffer): void {
    this.#received.push(bytes);
    this.#receivedBytes += bytes.length;
    while (this.#receivedBytes >= FRAME_LENGTH_BYTES) {
      const frameBytes = FRAME_LENGTH_BYTES + this.#peekLength();
      if (this.#receivedBytes < frameBytes) return;
      const [first] = this.#received;
      const all = first && this.#received.length === 1 ? first : Buffer.concat(this.#received);
      this.#received = all.length > frameBytes ? [all.subarray(frameBytes)] : [];
      this.#receivedBytes -= frameBytes;
      this.#deliver(all.subarray(0, frameBytes));
    }
  }

  #peekLength(): number {
    const [first] = this.#received;
    if (first && first.length >= FRAME_LENGTH_BYTES) return first.readUInt32BE(0);
    this.#received = [Buffer.concat(this.#received)];
    return this.#received[0]?.readUInt32BE(0) ?? 0;
  }

  #deliver(frame: Buffer): void {
    const { header, payload } = splitFrame(frame, RESPONSE_HEADER_BYTES_MAX);
    const answer: Answer = { ...decodeResponseHeader(header), payload };
    const settle = this.#waiting.get(answer.correlationId);
    this.#waiting.delete(answer.correlationId);
    if (settle) settle(answer);
    else this.#onStray?.(answer);
  }
}

function isOf<Type extends ResponseBody['type']>(
  body: ResponseBody | null,
  type: Type,
): body is ResponseTo<Type> {
  return body?.type === type;
}
