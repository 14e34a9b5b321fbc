import { OdradekError } from '../../base/errors.js';
import type { Piece } from '../../base/piece.js';
import type { Api } from '../../protocol/kafka/api.js';
import { encodeResponse } from '../../protocol/kafka/headers.js';
import type { DecodedFields, EncodableFields, Fields } from '../../protocol/kafka/schema.js';
import type { Connection } from '../connection.js';
import type { Frame } from '../frame-receiver.js';
import type { RequestCounters } from '../metrics/counters.js';
import type { Router } from '../router.js';
import { type CountErrors, errorCounter } from './count-errors.js';
import type { FetchSessions } from './fetch-sessions.js';

/** A request's place in the order of answers on its connection. */
export interface Slot {
  /** Whether the peer is gone, so that nobody waits for the answer. */
  isUnwanted(): boolean;
  /** The answer; `release` is called when its bytes are no longer needed. */
  fill(pieces: readonly Piece[], release?: () => void): void;
  /** There is no answer: Produce with acks 0. */
  skip(): void;
  /** What ends the request's wait, and what forgets it because the peer is gone. */
  onCancel(cancel: () => void, abandon: () => void): void;
}

/** What the handler of one request works with. */
export interface KafkaRequest<Request extends Fields, Response extends Fields> {
  readonly router: Router;
  readonly connection: Connection;
  readonly sessions: FetchSessions;
  /** All that the door serves. */
  readonly served: readonly Served[];
  readonly version: number;
  readonly clientId: string | null;
  readonly body: DecodedFields<Request>;
  /** Where the body's records lie. */
  readonly frame: Frame;
  /** Takes the request: from here on it must be answered. */
  begin(): KafkaAnswer<Response>;
}

export interface KafkaAnswer<Response extends Fields> {
  /** As {@link Slot.isUnwanted}. */
  isUnwanted(): boolean;
  /** Closes the connection if the answer cannot be said: it repeats names, and malformed ones grow when they are decoded. */
  reply(response: EncodableFields<Response>, release?: () => void): void;
  /** There is no answer. */
  skip(): void;
  onCancel(cancel: () => void, abandon: () => void): void;
}

/** One API as the door serves it. */
export interface Served {
  readonly api: Api;
  /** False: the request must wait. Throws OdradekError ODR_PROTOCOL if the bytes are no such request. */
  handle(request: RawRequest): boolean;
}

export interface RawRequest {
  readonly router: Router;
  readonly connection: Connection;
  readonly sessions: FetchSessions;
  /** All that the door serves. */
  readonly served: readonly Served[];
  readonly frame: Frame;
  readonly bodyStart: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly counters: RequestCounters;
  readonly begin: () => Slot;
}

/** The message of an error that says what is wrong with the bytes of a peer; any other is thrown again. */
export function protocolProblem(error: unknown): string {
  if (error instanceof OdradekError && error.code === 'ODR_PROTOCOL') return error.message;
  throw error;
}

/** What a handler answers with; the same for all APIs. */
class Answer<Response extends Fields> implements KafkaAnswer<Response> {
  readonly #api: Api<Fields, Response>;
  readonly #raw: RawRequest;
  readonly #countErrors: CountErrors;
  readonly #slot: Slot;

  constructor(api: Api<Fields, Response>, raw: RawRequest, countErrors: CountErrors) {
    this.#api = api;
    this.#raw = raw;
    this.#countErrors = countErrors;
    this.#slot = raw.begin();
  }

  isUnwanted(): boolean {
    return this.#slot.isUnwanted();
  }

  reply(response: EncodableFields<Response>, release?: () => void): void {
    if (this.#slot.isUnwanted()) {
      release?.();
      return;
    }
    const { version, correlationId, connection, counters } = this.#raw;
    let pieces: readonly Piece[];
    try {
      pieces = encodeResponse(this.#api, version, correlationId, response);
    } catch (error) {
      release?.();
      connection.fail(protocolProblem(error));
      return;
    }
    this.#countErrors(response, counters);
    this.#slot.fill(pieces, release);
  }

  skip(): void {
    this.#slot.skip();
  }

  onCancel(cancel: () => void, abandon: () => void): void {
    this.#slot.onCancel(cancel, abandon);
  }
}

/** Ties an API's tables to its handler. The handler returns false if the request must wait; then it has not begun it. */
export function serve<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  handle: (request: KafkaRequest<Request, Response>) => boolean,
): Served {
  // Made with the first answer, as the decoders are with the first request.
  let counter: CountErrors | null = null;
  const countErrors: CountErrors = (response, counters) => {
    counter ??= errorCounter(api.response.fields);
    counter(response, counters);
  };
  return {
    api,
    handle(raw) {
      const { frame, version } = raw;
      return handle({
        router: raw.router,
        connection: raw.connection,
        sessions: raw.sessions,
        served: raw.served,
        version,
        clientId: raw.clientId,
        body: api.request.decode(version, frame.bytes, raw.bodyStart, frame.end),
        frame,
        begin: () => new Answer(api, raw, countErrors),
      });
    },
  };
}

/** As {@link serve}, for requests that never wait to be taken. */
export function serveAtOnce<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  handle: (request: KafkaRequest<Request, Response>, answer: KafkaAnswer<Response>) => void,
): Served {
  return serve(api, (request) => {
    handle(request, request.begin());
    return true;
  });
}
