// The other end of a client's connection for tests of what a real broker does not do on demand: it answers by a
// script, late, wrongly or not at all.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Failure } from '../../src/base/errors.js';
import { FrameReader } from '../../src/client/frame-reader.js';
import { encodeFrame, splitFrame } from '../../src/protocol/native/frame.js';
import {
  type HelloResponse,
  type Push,
  type RequestBody,
  type ResponseBody,
  SUBSCRIPTIONS_FEATURE,
} from '../../src/protocol/native/messages.js';
import { decodeRequestHeader } from '../../src/protocol/native/request-header.js';
import { encodeResponseHeader } from '../../src/protocol/native/response-header.js';

export interface ScriptedRequest<Body extends RequestBody = RequestBody> {
  readonly body: Body;
  readonly timeoutMs: number;
  readonly correlationId: number;
  readonly payload: Buffer;
  readonly socket: Socket;
  answer(body: ResponseBody, payload?: Buffer): void;
  refuse(failure: Failure): void;
  /** Sends what answers nothing. */
  push(body: Push, payload: Buffer): void;
}

type Type = RequestBody['type'];
type RequestOf<Name extends Type> = ScriptedRequest<Extract<RequestBody, { type: Name }>>;
type Handlers = { [Name in Type]?: (request: RequestOf<Name>) => void };

export class ScriptedBroker implements AsyncDisposable {
  readonly address: string;
  readonly requests: ScriptedRequest[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  readonly #server: Server;
  readonly #handlers: Handlers;
  #waiting: (() => void)[] = [];

  /** Answers hello, metadata (one topic, `orders`, of two partitions) and InitProducerId (id 7) unless the handlers do. */
  static async start(handlers: Handlers = {}): Promise<ScriptedBroker> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedBroker(server, handlers);
  }

  private constructor(server: Server, handlers: Handlers) {
    const { port } = server.address() as AddressInfo;
    this.address = `127.0.0.1:${port}`;
    this.#server = server;
    this.#handlers = {
      hello: (request) => request.answer(hello),
      metadata: (request) =>
        request.answer({
          type: 'metadata',
          clusterId: 'c',
          controllerId: 1,
          brokers: [{ id: 1, host: '127.0.0.1', port }],
          topics: request.body.topics.map((name) => topicOf(name)),
        }),
      initProducerId: ({ body, answer }) => {
        const producerEpoch = body.current ? body.current.producerEpoch + 1 : 0;
        answer({ type: 'initProducerId', producer: { producerId: 7, producerEpoch } });
      },
      ...handlers,
    };
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** Resolves when this many requests of the type have come. */
  async received<Name extends Type>(type: Name, count = 1): Promise<RequestOf<Name>[]> {
    for (;;) {
      const found = this.requests.filter((request): request is RequestOf<Name> => request.body.type === type);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: Socket): void {
    this.connections++;
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const reader = new FrameReader(2 ** 24, (frame) => this.#receive(socket, Buffer.from(frame)));
    socket.on('data', (bytes) => {
      for (let position = 0; position < bytes.length; ) {
        const count = bytes.copy(reader.target, 0, position);
        reader.received(count);
        position += count;
      }
    });
  }

  #receive(socket: Socket, frame: Buffer): void {
    const { header, payload } = splitFrame(frame, 2 ** 20);
    const { correlationId, timeoutMs, body } = decodeRequestHeader(header);
    if (!body) throw new Error('a request without a body');
    const sendTo = (id: number, error: Failure | null, answer: ResponseBody | null, bytes: Buffer) => {
      const header = encodeResponseHeader({ correlationId: id, error, body: answer });
      socket.write(Buffer.concat(encodeFrame(header, [bytes])));
    };
    const send = (error: Failure | null, answer: ResponseBody | null, bytes: Buffer = Buffer.alloc(0)) =>
      sendTo(correlationId, error, answer, bytes);
    const request = {
      ...{ timeoutMs, correlationId, payload, socket },
      answer: (answer: ResponseBody, bytes?: Buffer) => send(null, answer, bytes),
      refuse: (failure: Failure) => send(failure, null),
      push: (body: Push, bytes: Buffer) => sendTo(0, null, body, bytes),
    };
    this.requests.push({ ...request, body });
    this.#handle({ ...request, body });
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #handle(request: ScriptedRequest): void {
    const handler = this.#handlers[request.body.type] as ((request: ScriptedRequest) => void) | undefined;
    handler?.(request);
  }
}

export const hello: HelloResponse = {
  type: 'hello',
  version: 1,
  clusterId: 'c',
  brokerId: 1,
  brokerSoftware: 'scripted',
  features: [SUBSCRIPTIONS_FEATURE],
  frameBytesMax: 2 ** 24,
  requestsMax: 100,
};

export function topicOf(name: string, partitions = 2, leader = 1) {
  return {
    name,
    error: null,
    topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
    internal: false,
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      ...{ partition, leader, leaderEpoch: 0 },
      ...{ replicas: [1], inSyncReplicas: [1] },
    })),
  };
}
