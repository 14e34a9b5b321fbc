// The Kafka door: one connection of a Kafka client. Requests are handled side by side and answered strictly in their order
// (Kafka's protocol guide, "Network"). A request that cannot be understood closes the connection, as with Kafka; so does an
// API or a version that is not served, but for ApiVersions, which answers in version 0 (KIP-511).
import type { RequestHeader } from '../../protocol/kafka/headers.js';
import { decodeRequestHeader, encodeResponse } from '../../protocol/kafka/headers.js';
import { produce } from '../../protocol/kafka/messages/00-produce.js';
import { fetch } from '../../protocol/kafka/messages/01-fetch.js';
import { apiVersions } from '../../protocol/kafka/messages/18-api-versions.js';
import type { Connection, Door } from '../connection.js';
import type { Frame } from '../frame-receiver.js';
import type { RequestCounters } from '../metrics/counters.js';
import type { Router } from '../router.js';
import { unsupportedApiVersions } from './18-api-versions.js';
import { protocolProblem, type Served, type Slot } from './context.js';
import type { FetchSessions } from './fetch-sessions.js';
import { PENDING_BYTES_MAX, REQUEST_BYTES_MAX } from './limits.js';
import { SERVED, servedApi } from './served.js';

/** An unanswered request, or an answer whose turn has not come. */
interface Place {
  pieces: readonly Uint8Array[] | null;
  /** What it adds to the connection's pending bytes: those of the request, then those of the answer. */
  bytes: number;
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
  #pendingBytes = 0;
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
      // The records of a Produce request lie in the write buffer, which has bounds of its own.
      const bytes = served.api.key === produce.key ? 0 : frame.end - frame.start;
      if (bytes > REQUEST_BYTES_MAX) {
        this.#connection.fail(`a ${served.api.name} request of ${bytes} bytes`);
        return true;
      }
      if (!this.#hasRoomFor(served, bytes)) {
        this.#hurry();
        return false;
      }
      if (!this.#handle(served, header, frame, bytes)) return false;
      // The connection takes no further frame before one is answered.
      if (this.#places.length > 1 && this.#places.length >= this.#router.options.config.requestsMax)
        this.#hurry();
      return true;
    } catch (error) {
      this.#connection.fail(protocolProblem(error));
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

  #hasRoomFor({ api }: Served, bytes: number): boolean {
    if (api.key === fetch.key && this.#fetching) return false;
    return this.#places.length === 0 || this.#pendingBytes + bytes <= PENDING_BYTES_MAX;
  }

  /** A frame has to wait, and with it the memory that it lies in: what others wait for ends its own wait. */
  #hurry(): void {
    this.#places[0]?.cancel?.();
  }

  #handle(served: Served, header: RequestHeader, frame: Frame, bytes: number): boolean {
    const { apiVersion, correlationId, clientId, bodyStart } = header;
    const counters = this.#connection.counters.api(served.api.name);
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
      counters,
      begin: () => this.#begin(served.api.key === fetch.key, bytes, counters),
    });
  }

  #refuse({ apiKey, apiVersion, correlationId }: RequestHeader): void {
    if (apiKey !== apiVersions.key) {
      this.#connection.fail(`API ${apiKey} version ${apiVersion} is not served`);
      return;
    }
    const slot = this.#begin(false, 0, this.#connection.counters.api(apiVersions.name));
    slot.fill(encodeResponse(apiVersions, 0, correlationId, unsupportedApiVersions));
  }

  #begin(isFetch: boolean, bytes: number, counters: RequestCounters): Slot {
    const place: Place = {
      pieces: null,
      bytes,
      release: undefined,
      isFetch,
      done: false,
      cancel: null,
      abandon: null,
    };
    this.#places.push(place);
    this.#pendingBytes += bytes;
    const begunMs = this.#connection.begin();
    counters.taken++;
    if (isFetch) this.#fetching = true;
    const end = (pieces: readonly Uint8Array[] | null, release?: () => void) => {
      if (this.#closed || place.done) {
        release?.();
        return;
      }
      place.done = true;
      counters.latency.record(this.#router.options.clock.monotonicMs() - begunMs);
      this.#pendingBytes -= place.bytes;
      place.bytes = (pieces ?? []).reduce((sum, piece) => sum + piece.length, 0);
      this.#pendingBytes += place.bytes;
      place.pieces = pieces;
      place.release = release;
      place.cancel = null;
      this.#sendInOrder();
    };
    return {
      isUnwanted: () => this.#closed,
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
      this.#pendingBytes -= first.bytes;
      if (first.isFetch) this.#fetching = false;
      if (first.pieces) this.#connection.send(first.pieces, first.release);
      this.#connection.finish();
      this.#router.answered();
    }
  }
}
