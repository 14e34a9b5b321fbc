import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OdradekError } from '../../base/errors.js';
import type { Address } from '../../config/address.js';

export interface HealthStates {
  /** The process works at all. */
  readonly live: () => boolean;
  /** Requests are served; else why not. */
  readonly ready: () => { readonly ready: boolean; readonly reason?: string };
}

/** A request must arrive within this time, its headers too. */
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 256;

/** The HTTP door: `/health/live` and `/health/ready`, 200 or 503, as JSON. */
export class HealthServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Rejects with {@link OdradekError} ODR_START if the address cannot be had. */
  static start({ host, port }: Address, states: HealthStates): Promise<HealthServer> {
    const server = createServer(
      { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => {
        const path = (request.url ?? '').split('?')[0];
        const answer = (status: number, body: object) => {
          response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
          response.end(request.method === 'HEAD' ? undefined : `${JSON.stringify(body)}\n`);
        };
        if (request.method !== 'GET' && request.method !== 'HEAD')
          answer(405, { error: 'method not allowed' });
        else if (path === '/health/live') answer(states.live() ? 200 : 503, { live: states.live() });
        else if (path === '/health/ready') answer(states.ready().ready ? 200 : 503, states.ready());
        else answer(404, { error: 'not found', paths: ['/health/live', '/health/ready'] });
      },
    );
    server.maxConnections = CONNECTIONS_MAX;
    return new Promise((resolve, reject) => {
      server.once('error', (error) => {
        reject(
          new OdradekError('ODR_START', `The HTTP door cannot listen on ${host}:${port}: ${error.message}`, {
            cause: error,
          }),
        );
      });
      server.listen(port, host, () => resolve(new HealthServer(server)));
    });
  }

  /** `HOST:PORT` */
  get address(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
