// The HTTP door: a few pages for operators and their monitoring. It is bounded whatever clients do: in connections, in the time
// that a request and its answer may take, and in the answers that are under way.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../base/clock.js';
import { OdradekError } from '../../base/errors.js';
import type { Logger } from '../../base/log.js';
import type { Address } from '../../config/address.js';

export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** Makes a page for a request with this `Accept` header. */
export type PageSource = (accept: string) => Page | Promise<Page>;

export interface HttpDoorOptions {
  /** By path. */
  readonly pages: ReadonlyMap<string, PageSource>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** An answer that is not taken within this time ends its connection. */
  readonly answerMs?: number;
}

/** A request must arrive within this time, its headers too. */
const REQUEST_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 30_000;
/** Monitoring may ask again on the same connection. */
const KEEP_ALIVE_MS = 60_000;
const CONNECTIONS_MAX = 256;
/** Answers that are being made or taken by their readers. */
const ANSWERS_MAX = 32;

/** A page that is a JSON object. */
export const jsonPage = (status: number, body: object): Page => ({
  status,
  contentType: 'application/json',
  body: `${JSON.stringify(body)}\n`,
});

export class HttpDoor {
  readonly #server: Server;
  readonly #options: HttpDoorOptions;
  #answers = 0;

  /** Rejects with {@link OdradekError} ODR_START if the address cannot be had. */
  static start({ host, port }: Address, options: HttpDoorOptions): Promise<HttpDoor> {
    const door = new HttpDoor(options);
    return new Promise((resolve, reject) => {
      const server = door.#server;
      server.once('error', (error) => {
        reject(
          new OdradekError('ODR_START', `The HTTP door cannot listen on ${host}:${port}: ${error.message}`, {
            cause: error,
          }),
        );
      });
      server.listen(port, host, () => {
        // Accepting fails where the process has no descriptors left; Node closes that connection and goes on.
        server.on('error', () => {});
        resolve(door);
      });
    });
  }

  private constructor(options: HttpDoorOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        requestTimeout: REQUEST_TIMEOUT_MS,
        headersTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request, response) => this.#answer(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
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

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pages, clock, answerMs = ANSWER_TIMEOUT_MS } = this.#options;
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const page = pages.get(path);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      this.#send(request, response, jsonPage(405, { error: 'method not allowed' }));
    } else if (!page) {
      this.#send(request, response, jsonPage(404, { error: 'not found', paths: [...pages.keys()] }));
    } else if (this.#answers >= ANSWERS_MAX) {
      this.#send(request, response, jsonPage(503, { error: 'too many answers are being taken' }));
    } else {
      this.#answers++;
      const deadline = clock.after(answerMs, () => response.destroy());
      response.once('close', () => {
        this.#answers--;
        clock.cancel(deadline);
      });
      this.#make(page, request.headers.accept ?? '').then((made) => this.#send(request, response, made));
    }
  }

  async #make(page: PageSource, accept: string): Promise<Page> {
    try {
      return await page(accept);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger.error('a page of the HTTP door cannot be made', { reason });
      return jsonPage(500, { error: 'the page cannot be made; the log says why' });
    }
  }

  #send({ method }: IncomingMessage, response: ServerResponse, { status, contentType, body }: Page): void {
    if (response.destroyed) return;
    response.writeHead(status, {
      'content-type': contentType,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
    });
    response.end(method === 'HEAD' ? undefined : body);
  }
}
