// Stands between a Kafka client and a broker, at an address that stays while brokers come and go behind it, and can hold back
// what the broker answers: what is appended meanwhile is in doubt for the client. A broker behind it needs `--advertise`.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

const PRODUCE = 0;
/** The length, then a request's API key and version, or a response's correlation id. */
const PREFIX_BYTES = 8;

/** Tells the frames of a stream of Kafka's protocol: `uint32 length`, then so many bytes. */
class Frames {
  readonly #onFrame: (frame: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `onFrame` gets each frame from its length on. */
  constructor(onFrame: (frame: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= PREFIX_BYTES) {
      const end = 4 + this.#rest.readUInt32BE(0);
      if (this.#rest.length < end) return;
      this.#onFrame(this.#rest.subarray(0, end));
      this.#rest = this.#rest.subarray(end);
    }
  }
}

export class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: { readonly host: string; readonly port: number } | null = null;
  #isHolding = false;
  #produceAnswersHeld = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a free port of 127.0.0.1; closes each connection at once until it has a target. */
  static async start(): Promise<Relay> {
    const server = createServer({ noDelay: true });
    const relay = new Relay(server);
    server.on('connection', (client) => relay.#accept(client));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  /** HOST:PORT, for clients and for the broker to advertise. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the relay does not listen');
    return `127.0.0.1:${address.port}`;
  }

  /** Answers to Produce requests that came from the broker since {@link hold}, and did not go on. */
  get produceAnswersHeld(): number {
    return this.#produceAnswersHeld;
  }

  /** From now on connections go to this HOST:PORT, and answers go on. */
  forwardTo(address: string): void {
    const at = address.lastIndexOf(':');
    this.#target = { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
    this.#isHolding = false;
    this.#produceAnswersHeld = 0;
  }

  /** From now on no answer reaches a client, while its requests reach the broker: until the next {@link forwardTo}. */
  hold(): void {
    this.#isHolding = true;
  }

  /** Closes all connections, and new ones at once, until the next {@link forwardTo}. */
  cut(): void {
    this.#target = null;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #accept(client: Socket): void {
    if (this.#target === null) {
      client.destroy();
      return;
    }
    const broker = connect({ ...this.#target, noDelay: true });
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {}); // 'close' follows.
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    const produceRequests = new Set<number>();
    const requests = new Frames((frame) => {
      if (frame.readInt16BE(4) === PRODUCE) produceRequests.add(frame.readInt32BE(8));
    });
    const answers = new Frames((frame) => {
      if (!produceRequests.delete(frame.readInt32BE(4))) return;
      if (this.#isHolding) this.#produceAnswersHeld++;
    });
    client.on('data', (bytes) => {
      requests.push(bytes);
      pass(bytes, client, broker);
    });
    broker.on('data', (bytes) => {
      answers.push(bytes);
      if (!this.#isHolding) pass(bytes, broker, client);
    });
  }
}

function pass(bytes: Buffer, from: Socket, to: Socket): void {
  if (to.write(bytes)) return;
  from.pause();
  to.once('drain', () => from.resume());
}
