// The Network port on node:net.
import { createServer, type Server, type Socket } from 'node:net';
import { assert } from '../base/assert.js';
import { type Clock, systemClock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import type { ConnectionHandler, Listener, Network, Transport } from './network.js';
import { formatAddress, NodeTransport, type NodeTransportOptions } from './node-transport.js';

export interface NodeNetworkOptions {
  readonly clock?: Clock;
  /** More connections than this, over all listeners, are closed as they come. */
  readonly connectionsMax?: number;
  /** Called for each of them, with `HOST:PORT` of the peer. */
  readonly refused?: (remoteAddress: string) => void;
  /**
   * `data` forces the slower way of reading that rests on documented parts of Node only; so does `ODRADEK_RECEIVE=data` in
   * the environment.
   */
  readonly receive?: 'direct' | 'data';
  /** How long a peer that sends no more gets answers to what it sent, before the connection ends. */
  readonly halfOpenMs?: number;
  /** As {@link NodeTransportOptions.sendBufferBytes}. */
  readonly sendBufferBytes?: number;
  /** How long an ended connection waits for its peer to end. */
  readonly lingerMs?: number;
}

const CONNECTIONS_MAX = 10_000;
const HALF_OPEN_MS = 100;
const LINGER_MS = 1000;
const SEND_BUFFER_BYTES = -1;
/** All clients of a broker come back at once after its restart. */
const BACKLOG = 1024;
/** How often a port that is free on one loopback is tried on the other, before giving up. */
const LOOPBACK_ATTEMPTS = 8;

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'the port is in use: another broker, or another program, listens there; stop it or choose another port',
  EADDRNOTAVAIL:
    'this machine has no such address; use 127.0.0.1 for this machine only or 0.0.0.0 for all its addresses',
  EACCES: 'this user may not listen on that port; choose one from 1024 on',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
};

type Accept = (transport: Transport) => ConnectionHandler;

const systemCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

function splitAddress(address: string): { host: string; port: number } | null {
  const match = /^(?:\[([^[\]]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65535 ? null : { host, port };
}

export class NodeNetwork implements Network {
  readonly #transportOptions: NodeTransportOptions;
  readonly #connectionsMax: number;
  readonly #refused: (remoteAddress: string) => void;
  #connections = 0;

  constructor(options: NodeNetworkOptions = {}) {
    const forced = process.env['ODRADEK_RECEIVE'] === 'data' ? 'data' : 'direct';
    this.#transportOptions = {
      clock: options.clock ?? systemClock,
      receive: options.receive ?? forced,
      halfOpenMs: options.halfOpenMs ?? HALF_OPEN_MS,
      lingerMs: options.lingerMs ?? LINGER_MS,
      sendBufferBytes: options.sendBufferBytes ?? SEND_BUFFER_BYTES,
    };
    this.#connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
    this.#refused = options.refused ?? (() => {});
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections;
  }

  /** `localhost` stands for both loopbacks, 127.0.0.1 and ::1 as far as there is one, on the same port. */
  listen(address: string, accept: Accept, done: (result: Listener | Error) => void): void {
    this.#open(address, accept).then(done, (error: unknown) => {
      done(error instanceof Error ? error : new Error(String(error)));
    });
  }

  async #open(address: string, accept: Accept): Promise<Listener> {
    const parsed = splitAddress(address);
    if (parsed === null) {
      throw new OdradekError('ODR_START', `cannot listen on ${address}: write HOST:PORT, IPv6 as [::1]:9092`);
    }
    const { host, port } = parsed;
    try {
      const servers =
        host === 'localhost'
          ? await this.#bindLoopbacks(port, accept)
          : [await this.#bind(host, port, accept)];
      return asListener(servers);
    } catch (error) {
      const code = systemCode(error);
      const reason = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
      throw new OdradekError('ODR_START', `cannot listen on ${address}: ${reason}`, { cause: error });
    }
  }

  async #bindLoopbacks(port: number, accept: Accept): Promise<Server[]> {
    for (let attempt = 1; ; attempt++) {
      const four = await this.#bind('127.0.0.1', port, accept);
      try {
        return [four, await this.#bind('::1', portOf(four), accept)];
      } catch (error) {
        const code = systemCode(error);
        if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return [four]; // No IPv6 here.
        four.close();
        // A port that the system picked for one loopback may be taken on the other: it picks another one.
        if (code !== 'EADDRINUSE' || port !== 0 || attempt === LOOPBACK_ATTEMPTS) throw error;
      }
    }
  }

  #bind(host: string, port: number, accept: Accept): Promise<Server> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
      this.#accept(socket, accept),
    );
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', reject);
        // Accepting fails where the process has no descriptors left; Node closes that connection and goes on.
        server.on('error', () => {});
        resolve(server);
      });
    });
  }

  #accept(socket: Socket, accept: Accept): void {
    if (this.#connections >= this.#connectionsMax) {
      this.#refused(formatAddress(socket.remoteAddress, socket.remotePort));
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    this.#connections++;
    const transport = new NodeTransport(socket, this.#transportOptions);
    transport.start(accept(transport), () => {
      this.#connections--;
    });
  }
}

function portOf(server: Server): number {
  const address = server.address();
  assert(address !== null && typeof address === 'object', 'a listening server has an address');
  return address.port;
}

function asListener(servers: readonly Server[]): Listener {
  const [first] = servers;
  const address = first?.address();
  assert(
    address !== undefined && address !== null && typeof address === 'object',
    'a listening server has an address',
  );
  return {
    address: formatAddress(address.address, address.port),
    close(done) {
      // The port is free at once. Node's own callback may wait for the connections, which live on.
      for (const server of servers) server.close();
      setImmediate(done);
    },
  };
}
