// One TCP connection to a broker: frames out, frames in, and who waits for which answer. It fails as a whole: a lost
// connection, an answer that makes no sense or a missed deadline ends it, and with it every request that is waiting.
// Whoever sent those decides whether to try again.
import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.js';
import { brokerError, OdradekError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import {
  encodeFrameHead,
  FRAME_LENGTH_BYTES,
  RESPONSE_HEADER_BYTES_MAX,
  splitFrame,
} from '../protocol/native/frame.js';
import {
  type AnsweredRequestBody,
  type GrantCreditRequest,
  type HelloResponse,
  PROTOCOL_VERSION,
  type Push,
  type RequestBody,
  type ResponseBody,
  type ResponseTo,
} from '../protocol/native/messages.js';
import { encodeRequestHeader } from '../protocol/native/request-header.js';
import { decodeResponseHeader } from '../protocol/native/response-header.js';
import { type BrokerEndpoint, formatBrokerEndpoint } from './broker-endpoint.js';
import type { ClientEvents } from './client-observer.js';
import { FrameReader } from './frame-reader.js';
import { onAbort } from './on-abort.js';

/** Bound on an answer: what one fetch may ask for at most, one batch more, and room for the header. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
/** Requests that wait because the broker's limit of unanswered ones is reached. */
const WAITING_REQUESTS_MAX = 10_000;
const CLIENT_SOFTWARE = 'odradek-client';
const NO_BYTES = Buffer.alloc(0);

export interface ConnectionOptions {
  readonly endpoint: BrokerEndpoint;
  readonly clientId: string;
  /** For the connection to be made and the broker to say hello. */
  readonly connectTimeoutMs: number;
  /** For an answer, unless the request says otherwise. */
  readonly requestTimeoutMs: number;
  /** Closes the connection, also while it is being made. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: ClientEvents;
}

export interface RequestOptions {
  /** What follows the header. It must not change until the answer is there. */
  readonly payload?: readonly Uint8Array[];
  readonly timeoutMs?: number;
  /** Gives the request up: it rejects, and the broker is told. */
  readonly signal?: AbortSignal;
}

export interface Answer<Body extends ResponseBody> {
  readonly body: Body;
  /** Memory that belongs to the receiver. */
  readonly payload: Buffer;
}

/** What a subscription sends; the records are memory that belongs to the listener. */
export type PushListener = (push: Push, records: Buffer) => void;

type Settle = (
  error: OdradekError | null,
  body: ResponseBody | null,
  payload: Buffer,
  responseBytes?: number,
) => void;

/** A request that has no answer yet. Only the first call of `settle` counts. */
interface Pending {
  readonly correlationId: number;
  readonly pieces: readonly Uint8Array[];
  readonly timer: Timer;
  readonly settle: Settle;
  sent: boolean;
}

export class Connection {
  readonly address: string;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #waiting: Pending[] = [];
  readonly #subscriptions = new Map<number, PushListener>();
  #lastSubscriptionId = 0;
  /** Sent and not answered. */
  #unanswered = 0;
  #hello: HelloResponse | null = null;
  #holders = 0;
  #lastCorrelationId = 0;
  #corked = false;
  #closeReason: OdradekError | null = null;
  readonly #onAbort = () => this.close();
  readonly #closeListeners = new Set<(reason: OdradekError) => void>();

  /**
   * Connects and says hello.
   *
   * @throws OdradekError ODR_CONNECTION, ODR_TIMEOUT (both retriable), ODR_PROTOCOL if something else listens there,
   *   ODR_BROKER if the broker refuses
   */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options);
    try {
      await connection.#sayHello();
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    this.address = formatBrokerEndpoint(options.endpoint);
    const reader = new FrameReader(ANSWER_BYTES_MAX, (frame, owned) => this.#receive(frame, owned));
    this.#socket = connect({
      ...options.endpoint,
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: () => reader.target,
        callback: (count) => {
          this.#guard(() => reader.received(count));
          return true;
        },
      },
    });
    options.signal.addEventListener('abort', this.#onAbort);
    if (options.signal.aborted) this.close();
    this.#socket.on('error', (cause) =>
      this.#fail(connectionError(this.address, this.#hello !== null, cause)),
    );
    this.#socket.on('close', () => this.#fail(connectionError(this.address, this.#hello !== null)));
  }

  /** Which broker this is. */
  get brokerId(): number {
    return this.#hello?.brokerId ?? -1;
  }

  /** Bytes that a request may have, header and payload. */
  get frameBytesMax(): number {
    return this.#hello?.frameBytesMax ?? 0;
  }

  /** Optional abilities of the broker, by name. */
  get features(): readonly string[] {
    return this.#hello?.features ?? [];
  }

  get closed(): boolean {
    return this.#closeReason !== null;
  }

  /**
   * Called once, in the turn in which the connection ends, for whatever reason; at once if it has ended. The returned function
   * takes that back: a connection lives longer than most who listen.
   */
  onClose(listener: (reason: OdradekError) => void): () => void {
    if (this.#closeReason === null) this.#closeListeners.add(listener);
    else listener(this.#closeReason);
    return () => this.#closeListeners.delete(listener);
  }

  /**
   * Keeps the process alive until the returned function is called, as a request without an answer does: for those who wait for
   * what the broker sends by itself.
   */
  hold(): () => void {
    this.#holders++;
    this.#socket.ref();
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holders--;
      this.#rest();
    };
  }

  /** Ends the connection at once; waiting requests fail with the reason. Does nothing if it has ended. */
  close(reason = new OdradekError('ODR_CLOSED', `The connection to ${this.address} was closed.`)): void {
    this.#fail(reason);
  }

  /**
   * Sends a request and waits for its answer.
   *
   * @throws OdradekError ODR_BROKER if the broker refused it; ODR_TIMEOUT or ODR_CONNECTION (retriable): it may have
   *   taken effect all the same; ODR_CLOSED after {@link close} or an abort; ODR_PROTOCOL; ODR_USAGE if it is too large
   */
  request<Body extends AnsweredRequestBody>(
    body: Body,
    options: RequestOptions = {},
  ): Promise<Answer<ResponseTo<Body['type']>>> {
    return new Promise((resolve, reject) => {
      this.#start(body, options, (error, response, payload) => {
        if (error) {
          reject(error);
        } else if (isResponseTo<Body['type']>(response, body.type)) {
          resolve({ body: response, payload });
        } else {
          const mismatch = this.#protocolError(`answered a ${body.type} request with something else`);
          this.#fail(mismatch);
          reject(mismatch);
        }
      });
    });
  }

  /** Sends a request that gets no answer; resolves when the system took its bytes. Throws as {@link request}. */
  async sendUnanswered(body: RequestBody, payload: readonly Uint8Array[]): Promise<void> {
    if (this.#closeReason) throw this.#closeReason;
    const head = this.#encode(0, 0, body, payload);
    const cause = await new Promise<Error | null>((resolve) => {
      this.#write([head, ...payload], (error) => resolve(error ?? null));
    });
    if (cause) throw this.#closeReason ?? connectionError(this.address, true, cause);
  }

  /** Sends a request that has no answer. Does nothing if the connection has ended. */
  tell(body: GrantCreditRequest): void {
    if (this.#closeReason !== null) return;
    const frame = this.#encode(0, 0, body, []);
    // At once, unless others are about to leave anyway: a loop over messages that are there keeps the turn from ending, and
    // what this grants should be on its way meanwhile.
    if (this.#corked) this.#write([frame]);
    else this.#socket.write(frame);
  }

  /** A number for a new subscription, and who gets what it sends. Until it is removed, the process is kept alive. */
  addSubscription(listener: PushListener): number {
    this.#lastSubscriptionId = (this.#lastSubscriptionId % 0xffffffff) + 1;
    this.#subscriptions.set(this.#lastSubscriptionId, listener);
    this.#holders++;
    this.#socket.ref();
    return this.#lastSubscriptionId;
  }

  /** What comes of it from here on is dropped. */
  removeSubscription(subscriptionId: number): void {
    if (!this.#subscriptions.delete(subscriptionId)) return;
    this.#holders--;
    this.#rest();
  }

  async #sayHello(): Promise<void> {
    const { clientId, connectTimeoutMs } = this.#options;
    const { body } = await this.request(
      {
        type: 'hello',
        versionMin: PROTOCOL_VERSION,
        versionMax: PROTOCOL_VERSION,
        clientSoftware: CLIENT_SOFTWARE,
        clientId,
      },
      { timeoutMs: connectTimeoutMs },
    );
    if (body.version !== PROTOCOL_VERSION) throw this.#protocolError(`chose version ${body.version}`);
    if (body.requestsMax === 0 || body.frameBytesMax < 1024) throw this.#protocolError('allows no requests');
    this.#hello = body;
    this.#options.logger.debug('connected to broker', { broker: body.brokerId, address: this.address });
  }

  /** Throws what {@link request} throws before anything was sent; the rest goes to `settle`. */
  #start(body: AnsweredRequestBody, options: RequestOptions, settle: Settle): void {
    const { payload = [], timeoutMs = this.#options.requestTimeoutMs, signal } = options;
    if (this.#closeReason) throw this.#closeReason;
    if (signal?.aborted) throw cancelled(body);
    if (this.#waiting.length >= WAITING_REQUESTS_MAX) {
      const message = `More than ${WAITING_REQUESTS_MAX} requests wait for ${this.address}.`;
      throw new OdradekError('ODR_CONNECTION', message, { retriable: true });
    }
    // Unique as long as fewer than 2^32 requests are unanswered; 0 is for those without an answer.
    this.#lastCorrelationId = (this.#lastCorrelationId % 0xffffffff) + 1;
    const correlationId = this.#lastCorrelationId;
    // The broker gives up a little earlier, so that its answer, which may say why, arrives in time. A fetch has its
    // own limit.
    const brokerTimeoutMs = body.type === 'fetch' ? 0 : Math.ceil(timeoutMs * 0.75);
    const head = this.#encode(correlationId, brokerTimeoutMs, body, payload);
    const requestBytes = FRAME_LENGTH_BYTES + head.readUInt32BE(0);

    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    let settled = false;
    const cancel = () => this.#cancel(pending, body);
    const pending: Pending = {
      correlationId,
      pieces: [head, ...payload],
      sent: false,
      timer: clock.after(timeoutMs, () => this.#miss(pending, body, timeoutMs)),
      settle: (error, response, bytes, responseBytes = 0) => {
        if (settled) return;
        settled = true;
        stopListening?.();
        const durationMs = clock.monotonicMs() - startMs;
        this.#options.events.request({
          ...{ type: body.type, broker: this.brokerId },
          ...{ durationMs, requestBytes, responseBytes, error },
        });
        settle(error, response, bytes);
      },
    };
    const stopListening = signal && onAbort(signal, cancel);
    // A connection keeps the process alive while an answer is awaited, and no longer.
    if (this.#pending.size === 0) this.#socket.ref();
    this.#pending.set(correlationId, pending);
    if (this.#mayTransmit()) this.#transmit(pending);
    else this.#waiting.push(pending);
  }

  /** The hello is sent before the limit is known. */
  #mayTransmit(): boolean {
    return this.#unanswered < (this.#hello?.requestsMax ?? 1);
  }

  #transmit(pending: Pending): void {
    pending.sent = true;
    this.#unanswered++;
    this.#write(pending.pieces);
  }

  #encode(
    correlationId: number,
    timeoutMs: number,
    body: RequestBody,
    payload: readonly Uint8Array[],
  ): Buffer {
    let payloadBytes = 0;
    for (const piece of payload) payloadBytes += piece.length;
    const head = encodeFrameHead(encodeRequestHeader({ correlationId, timeoutMs, body }), payloadBytes);
    const frameBytes = head.length + payloadBytes - FRAME_LENGTH_BYTES;
    const limit = this.#hello?.frameBytesMax ?? frameBytes;
    if (frameBytes <= limit) return head;
    const message = `A ${body.type} request has ${frameBytes} bytes; ${this.address} takes ${limit}.`;
    throw new OdradekError('ODR_USAGE', message);
  }

  /** Everything written in one turn leaves in one system call. */
  #write(pieces: readonly Uint8Array[], done?: (error?: Error | null) => void): void {
    const socket = this.#socket;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    const last = pieces.length - 1;
    for (const [index, piece] of pieces.entries()) {
      if (index === last && done) socket.write(piece, done);
      else socket.write(piece);
    }
  }

  #receive(frame: Buffer, owned: boolean): void {
    const { header, payload } = splitFrame(frame, RESPONSE_HEADER_BYTES_MAX);
    const { correlationId, error, body } = decodeResponseHeader(header);
    if (body?.type === 'push') {
      this.#options.events.pushed(frame.length);
      const listener = this.#subscriptions.get(body.subscriptionId);
      listener?.(body, owned || payload.length === 0 ? payload : Buffer.from(payload));
      return;
    }
    const pending = this.#pending.get(correlationId);
    if (!pending?.sent)
      throw this.#protocolError(`answered a request that it did not get (${correlationId})`);
    this.#pending.delete(correlationId);
    this.#options.clock.cancel(pending.timer);
    this.#unanswered--;
    if (error) pending.settle(brokerError(error.error, error.detail), null, NO_BYTES, frame.length);
    else {
      const bytes = owned || payload.length === 0 ? payload : Buffer.from(payload);
      pending.settle(null, body, bytes, frame.length);
    }
    this.#transmitWaiting();
    this.#rest();
  }

  #rest(): void {
    if (this.#pending.size === 0 && this.#holders === 0) this.#socket.unref();
  }

  #transmitWaiting(): void {
    while (this.#mayTransmit()) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#transmit(next);
    }
  }

  #miss(pending: Pending, { type }: AnsweredRequestBody, timeoutMs: number): void {
    const connected = this.#hello
      ? `did not answer a ${type} request`
      : 'could not be reached or did not say hello';
    const message = `${this.address} ${connected} within ${timeoutMs} ms.`;
    const error = new OdradekError('ODR_TIMEOUT', message, { retriable: true });
    pending.settle(error, null, NO_BYTES);
    // A broker that leaves a request unanswered may leave all of them; another connection finds that out soonest.
    if (pending.sent) this.#fail(error);
    else this.#forget(pending);
  }

  #cancel(pending: Pending, body: AnsweredRequestBody): void {
    pending.settle(cancelled(body), null, NO_BYTES);
    // The broker answers a cancelled request too, so that it stays pending.
    if (pending.sent) this.#write([this.#cancelFrame(pending.correlationId)]);
    else this.#forget(pending);
  }

  #cancelFrame(correlationId: number): Buffer {
    const header = encodeRequestHeader({
      correlationId: 0,
      timeoutMs: 0,
      body: { type: 'cancel', correlationId },
    });
    return encodeFrameHead(header, 0);
  }

  #forget(pending: Pending): void {
    this.#options.clock.cancel(pending.timer);
    this.#pending.delete(pending.correlationId);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== pending);
    this.#rest();
  }

  #guard(receive: () => void): void {
    if (this.#closeReason) return;
    try {
      receive();
    } catch (cause) {
      const known = cause instanceof OdradekError && this.#hello !== null;
      this.#fail(known ? cause : this.#protocolError('does not speak the native protocol', cause));
    }
  }

  #fail(reason: OdradekError): void {
    if (this.#closeReason) return;
    this.#closeReason = reason;
    this.#socket.destroy();
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    const lost = reason.code === 'ODR_TIMEOUT' ? connectionError(this.address, true, reason) : reason;
    for (const pending of this.#pending.values()) {
      this.#options.clock.cancel(pending.timer);
      pending.settle(lost, null, NO_BYTES);
    }
    this.#pending.clear();
    this.#waiting = [];
    this.#subscriptions.clear();
    const listeners = [...this.#closeListeners];
    this.#closeListeners.clear();
    for (const listener of listeners) listener(reason);
  }

  #protocolError(what: string, cause?: unknown): OdradekError {
    return new OdradekError('ODR_PROTOCOL', `${this.address} ${what}.`, { cause });
  }
}

function isResponseTo<Type extends ResponseBody['type']>(
  body: ResponseBody | null,
  type: Type,
): body is ResponseTo<Type> {
  return body?.type === type;
}

function cancelled({ type }: AnsweredRequestBody): OdradekError {
  return new OdradekError('ODR_CLOSED', `The ${type} request was given up.`);
}

function connectionError(address: string, wasOpen: boolean, cause?: Error): OdradekError {
  const reason = cause ? `: ${reasonOf(cause)}` : '';
  let message = `Cannot connect to ${address}${reason}. Is a broker's native listener there?`;
  if (wasOpen) message = `The connection to ${address} was lost${reason}.`;
  else if (!cause)
    message = `${address} closed the connection without a hello. Is it a broker's native listener, and not Kafka's?`;
  return new OdradekError('ODR_CONNECTION', message, { retriable: true, cause });
}

/** Node reports a host with several addresses as an AggregateError without a message. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((inner) => reasonOf(inner)).join('; ');
  return error.message.replace(/\.$/, '');
}
