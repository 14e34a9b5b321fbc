// The Kafka door: one connection of a Kafka client. Requests are handled side by side and answered strictly in their order
// (Kafka's protocol guide, "Network"). A request that cannot be understood closes the connection, as with Kafka; so does an
// API or a version that is not served, but for ApiVersions, which answers in version 0 (KIP-511).
import type { Piece } from '../../base/piece.js';
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

type Ended = (place: Place, pieces: readonly Piece[] | null, release?: () => void) => void;

/** An unanswered request, or an answer whose turn has not come. */
class Place implements Slot {
  pieces: readonly Piece[] | null = null;
  /** What it adds to the connection's pending bytes: those of the request, then those of the answer. */
  bytes: number;
  release: (() => void) | undefined = undefined;
  done = false;
  unwanted = false;
  cancel: (() => void) | null = null;
  abandon: (() => void) | null = null;
  readonly isFetch: boolean;
  readonly begunMs: number;
  readonly counters: RequestCounters;
  readonly #ended: Ended;

  constructor(
    { isFetch, bytes, begunMs }: { isFetch: boolean; bytes: number; begunMs: number },
    counters: RequestCounters,
    ended: Ended,
  ) {
    this.isFetch = isFetch;
    this.bytes = bytes;
    this.begunMs = begunMs;
    this.counters = counters;
    this.#ended = ended;
  }

  isUnwanted(): boolean {
    return this.unwanted;
  }

  fill(pieces: readonly Piece[], release?: () => void): void {
    this.#ended(this, pieces, release);
  }

  skip(): void {
    this.#ended(this, null);
  }

  onCancel(cancel: () => void, abandon: () => void): void {
    if (this.done) return;
    this.cancel = cancel;
    this.abandon = abandon;
  }
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
    const places = this.#places.splice(0);
    for (const place of places) place.unwanted = true;
    for (const { abandon, release } of places) {
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
    const begunMs = this.#connection.begin();
    const place = new Place({ isFetch, bytes, begunMs }, counters, this.#ended);
    place.unwanted = this.#closed;
    this.#places.push(place);
    this.#pendingBytes += bytes;
    counters.taken++;
    if (isFetch) this.#fetching = true;
    return place;
  }

  readonly #ended: Ended = (place, pieces, release) => {
    if (place.unwanted || place.done) {
      release?.();
      return;
    }
    place.done = true;
    place.counters.latency.record(this.#router.options.clock.monotonicMs() - place.begunMs);
    this.#pendingBytes -= place.bytes;
    place.bytes = 0;
    for (const piece of pieces ?? []) place.bytes += piece.length;
    this.#pendingBytes += place.bytes;
    place.pieces = pieces;
    place.release = release;
    place.cancel = null;
    this.#sendInOrder();
  };

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
