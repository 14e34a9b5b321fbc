// The Kafka door: one connection of a Kafka client. Requests are handled side by side and answered strictly in their order
// (Kafka's protocol guide, "Network"). A request that cannot be understood closes the connection, as with Kafka; so does an
// API or a version that is not served, but for ApiVersions, which answers in version 0 (KIP-511).
import { OdradekError } from '../../base/errors.js';
import type { RequestHeader } from '../../protocol/kafka/headers.js';
import { decodeRequestHeader, encodeResponse } from '../../protocol/kafka/headers.js';
import { fetch } from '../../protocol/kafka/messages/01-fetch.js';
import { apiVersions } from '../../protocol/kafka/messages/18-api-versions.js';
import type { Connection, Door } from '../connection.js';
import type { Frame } from '../frame-receiver.js';
import type { Router } from '../router.js';
import { unsupportedApiVersions } from './18-api-versions.js';
import type { Served, Slot } from './context.js';
import type { FetchSessions } from './fetch-sessions.js';
import { SERVED, servedApi } from './served.js';

interface Place {
  pieces: readonly Uint8Array[] | null;
  release: (() => void) | undefined;
  isFetch: boolean;
  done: boolean;
  cancel: (() => void) | null;
  abandon: (() => void) | null;
}

export class KafkaDoor implements Door {
  readonly #connection: Connection;
  readonly #router: Router;
  readonly #sessions: FetchSessions;
  /** Unanswered requests, the oldest first. */
  readonly #places: Place[] = [];
  /** An answer to a Fetch holds memory until the answers before it are out: one at a time. */
  #fetching = false;
  #closed = false;

  /** `sessions` is one for all connections of a broker. */
  constructor(connection: Connection, router: Router, sessions: FetchSessions) {
    this.#connection = connection;
    this.#router = router;
    this.#sessions = sessions;
  }

  take(frame: Frame): boolean {
    try {
      const header = decodeRequestHeader(frame.bytes, frame.start, frame.end);
      const served = servedApi(header.apiKey);
      if (!served?.api.serves(header.apiVersion)) {
        this.#refuse(header);
        return true;
      }
      if (served.api.key === fetch.key && this.#fetching) return false;
      return this.#handle(served, header, frame);
    } catch (error) {
      if (!(error instanceof OdradekError) || error.code !== 'ODR_PROTOCOL') throw error;
      this.#connection.fail(error.message);
      return true;
    }
  }

  drain(): void {
    for (const { cancel } of this.#places) cancel?.();
  }

  closed(): void {
    this.#closed = true;
    for (const { abandon, release } of this.#places.splice(0)) {
      abandon?.();
      release?.();
    }
  }

  #handle(served: Served, header: RequestHeader, frame: Frame): boolean {
    const { apiVersion, correlationId, clientId, bodyStart } = header;
    return served.handle({
      router: this.#router,
      connection: this.#connection,
      sessions: this.#sessions,
      served: SERVED,
      frame,
      bodyStart,
      version: apiVersion,
      correlationId,
      clientId,
      begin: () => this.#begin(served.api.key === fetch.key),
    });
  }

  #refuse({ apiKey, apiVersion, correlationId }: RequestHeader): void {
    if (apiKey !== apiVersions.key) {
      this.#connection.fail(`API ${apiKey} version ${apiVersion} is not served`);
      return;
    }
    const slot = this.#begin(false);
    slot.fill(encodeResponse(apiVersions, 0, correlationId, unsupportedApiVersions));
  }

  #begin(isFetch: boolean): Slot {
    const place: Place = {
      pieces: null,
      release: undefined,
      isFetch,
      done: false,
      cancel: null,
      abandon: null,
    };
    this.#places.push(place);
    this.#connection.begin();
    if (isFetch) this.#fetching = true;
    const end = (pieces: readonly Uint8Array[] | null, release?: () => void) => {
      if (this.#closed || place.done) {
        release?.();
        return;
      }
      place.done = true;
      place.pieces = pieces;
      place.release = release;
      place.cancel = null;
      this.#sendInOrder();
    };
    return {
      fill: end,
      skip: () => end(null),
      onCancel: (cancel, abandon) => {
        if (place.done) return;
        place.cancel = cancel;
        place.abandon = abandon;
      },
    };
  }

  #sendInOrder(): void {
    for (let first = this.#places[0]; first?.done; first = this.#places[0]) {
      this.#places.shift();
      if (first.isFetch) this.#fetching = false;
      if (first.pieces) this.#connection.send(first.pieces, first.release);
      this.#connection.finish();
      this.#router.answered();
    }
  }
}
