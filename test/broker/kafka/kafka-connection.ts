// One connection that speaks Kafka's protocol, with nothing of a client's cleverness: requests leave as they are given, answers
// are checked to come in the order of their requests.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Api } from '../../../src/protocol/kafka/api.js';
import { decodeResponse, encodeRequest } from '../../../src/protocol/kafka/headers.js';
import type { DecodedFields, EncodableFields, Fields } from '../../../src/protocol/kafka/schema.js';

interface Expected {
  readonly correlationId: number;
  readonly answered: (frame: Buffer) => void;
  readonly failed: (error: Error) => void;
}

export class KafkaConnection {
  readonly socket: Socket;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #expected: Expected[] = [];
  #received: Buffer = Buffer.alloc(0);
  #nextCorrelationId = 1;
  #isClosed = false;
  /** The first thing that the broker did wrong, if it did. */
  #offence: Error | null = null;

  static async open(address: string): Promise<KafkaConnection> {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
    const socket = connect({ host, port: Number(address.slice(colon + 1)), noDelay: true });
    await once(socket, 'connect');
    return new KafkaConnection(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {}); // Resets are part of the tests; 'close' follows.
    socket.on('data', (bytes) => this.#take(bytes));
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        for (const { failed } of this.#expected.splice(0))
          failed(this.#offence ?? new Error('the broker closed the connection'));
        resolve();
      });
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Requests that were not answered yet. */
  get unanswered(): number {
    return this.#expected.length;
  }

  /** Sends a request and waits for its answer; rejects if the connection ends before. */
  async ask<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    request: EncodableFields<Request>,
  ): Promise<DecodedFields<Response>> {
    const correlationId = this.tell(api, version, request);
    const frame = await this.expect(correlationId);
    const { response, end } = decodeResponse(api, version, frame);
    if (end !== frame.length) throw new Error(`${frame.length - end} bytes follow the answer`);
    return response;
  }

  /** Sends a request to which no answer is expected; returns its correlation id. */
  tell<Request extends Fields>(
    api: Api<Request>,
    version: number,
    request: EncodableFields<Request>,
  ): number {
    const correlationId = this.#nextCorrelationId++;
    this.raw(encodeRequest(api, version, { correlationId, clientId: 'test' }, request));
    return correlationId;
  }

  /** Sends bytes as they are. */
  raw(pieces: readonly Uint8Array[]): void {
    this.socket.cork();
    for (const piece of pieces) this.socket.write(piece);
    this.socket.uncork();
  }

  /** The next frame for which nobody waits yet, without its length; it must have this correlation id. */
  expect(correlationId: number): Promise<Buffer> {
    if (this.#isClosed) return Promise.reject(this.#offence ?? new Error('the connection is closed'));
    return new Promise((answered, failed) => this.#expected.push({ correlationId, answered, failed }));
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readInt32BE(0);
      if (this.#received.length < end) return;
      const frame = this.#received.subarray(4, end);
      this.#received = this.#received.subarray(end);
      const expected = this.#expected.shift();
      const correlationId = frame.readInt32BE(0);
      if (expected?.correlationId !== correlationId) {
        this.#offence ??= new Error(
          `answer ${correlationId} came where ${expected?.correlationId ?? 'none'} was due`,
        );
        expected?.failed(this.#offence);
        this.socket.destroy();
        return;
      }
      expected.answered(frame);
    }
  }
}
