// The native door: one connection of the native protocol (proto/odradek.proto). Each request is decoded, handled by the file
// of its kind, and answered once, in any order.
import { assertNever } from '../../base/assert.js';
import type { Timer } from '../../base/clock.js';
import { type Failure, OdradekError } from '../../base/errors.js';
import type { Piece } from '../../base/piece.js';
import { encodeFrame, REQUEST_HEADER_BYTES_MAX } from '../../protocol/native/frame.js';
import type {
  AnsweredRequestBody,
  ProduceRequest,
  RequestHeader,
  ResponseBody,
} from '../../protocol/native/messages.js';
import { decodeRequestHeader, readCorrelationId } from '../../protocol/native/request-header.js';
import { encodeResponseHeader } from '../../protocol/native/response-header.js';
import type { Connection, Door } from '../connection.js';
import type { Frame } from '../frame-receiver.js';
import type { Router } from '../router.js';
import type { RequestContext } from './context.js';
import { countErrors } from './count-errors.js';
import { handleFetch } from './fetch.js';
import { handleGroupRequest } from './groups.js';
import { handleHello } from './hello.js';
import { handleInitProducerId } from './init-producer-id.js';
import { handleListOffsets } from './list-offsets.js';
import { handleMetadata } from './metadata.js';
import { handleProduce, produceWithoutAnswer } from './produce.js';
import { Subscriptions } from './subscriptions.js';
import {
  handleAddPartitions,
  handleAlterTopic,
  handleDeleteRecords,
  handleDescribeConfigs,
} from './topic-changes.js';
import { handleCreateTopic, handleDeleteTopic, handleDescribeTopic } from './topics.js';

/** An unanswered request. */
interface Pending {
  readonly timer: Timer | null;
  cancel: (() => void) | null;
  abandon: (() => void) | null;
}

const HEADER_LENGTH_BYTES = 4;

export class NativeDoor implements Door {
  readonly #connection: Connection;
  readonly #router: Router;
  readonly #pending = new Map<number, Pending>();
  readonly #subscriptions: Subscriptions;
  #greeted = false;

  constructor(connection: Connection, router: Router) {
    this.#connection = connection;
    this.#router = router;
    this.#subscriptions = new Subscriptions(router, connection);
  }

  take(frame: Frame): boolean {
    let header: RequestHeader;
    const payloadStart = this.#headerEnd(frame);
    if (payloadStart === null) {
      this.#connection.fail('a frame is shorter than its header');
      return true;
    }
    const headerBytes = frame.bytes.subarray(frame.start + HEADER_LENGTH_BYTES, payloadStart);
    try {
      header = decodeRequestHeader(headerBytes);
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      this.#refuse(readCorrelationId(headerBytes), error.message);
      return true;
    }
    return this.#handle(header, { ...frame, start: payloadStart });
  }

  drain(): void {
    this.#subscriptions.close();
    for (const { cancel } of this.#pending.values()) cancel?.();
  }

  closed(): void {
    this.#subscriptions.close();
    for (const { abandon, timer } of this.#pending.values()) {
      if (timer) this.#router.options.clock.cancel(timer);
      abandon?.();
    }
    this.#pending.clear();
  }

  #headerEnd(frame: Frame): number | null {
    if (frame.end - frame.start < HEADER_LENGTH_BYTES) return null;
    const bytes = frame.bytes.readUInt32BE(frame.start);
    const end = frame.start + HEADER_LENGTH_BYTES + bytes;
    return bytes <= REQUEST_HEADER_BYTES_MAX && end <= frame.end ? end : null;
  }

  /** Answers what cannot be parsed, if it can be said whom, and closes. */
  #refuse(correlationId: number | null, detail: string): void {
    if (correlationId !== null) this.#send(correlationId, null, { error: 'INVALID_REQUEST', detail });
    this.#connection.fail(detail);
  }

  /** False: the request must wait. */
  #handle(header: RequestHeader, payload: Frame): boolean {
    const { correlationId, body } = header;
    const router = this.#router;
    if (body === null) {
      this.#send(correlationId, null, {
        error: 'INVALID_REQUEST',
        detail: 'The request has no body that is known here.',
      });
      return true;
    }
    if (body.type === 'cancel') {
      this.#pending.get(body.correlationId)?.cancel?.();
      return true;
    }
    if (body.type === 'grantCredit') {
      this.#subscriptions.grantCredit(body);
      return true;
    }
    if (this.#greeted === (body.type === 'hello')) {
      this.#refuse(correlationId, 'Hello comes first on a connection, and once.');
      return true;
    }
    if (this.#pending.has(correlationId)) {
      this.#refuse(correlationId, `Correlation id ${correlationId} is in use by an unanswered request.`);
      return true;
    }
    if (body.type === 'produce') {
      if (body.acks === 'none') {
        const taken = produceWithoutAnswer(router, this.#connection, body, payload);
        if (taken) this.#connection.counters.api(body.type).taken++;
        return taken;
      }
      return handleProduce(router, this.#connection, body, payload, () => this.#context(header));
    }
    this.#dispatch(this.#context(header), body);
    return true;
  }

  #dispatch(context: RequestContext, body: Exclude<AnsweredRequestBody, ProduceRequest>): void {
    switch (body.type) {
      case 'hello':
        this.#greeted = handleHello(context, body);
        if (!this.#greeted) this.#connection.fail('no common version of the protocol');
        return;
      case 'ping':
        context.reply({ type: 'ping' });
        return;
      case 'metadata':
        handleMetadata(context, body);
        return;
      case 'createTopic':
        handleCreateTopic(context, body);
        return;
      case 'describeTopic':
        handleDescribeTopic(context, body);
        return;
      case 'deleteTopic':
        handleDeleteTopic(context, body);
        return;
      case 'alterTopic':
        handleAlterTopic(context, body);
        return;
      case 'addPartitions':
        handleAddPartitions(context, body);
        return;
      case 'deleteRecords':
        handleDeleteRecords(context, body);
        return;
      case 'describeConfigs':
        handleDescribeConfigs(context, body);
        return;
      case 'fetch':
        handleFetch(context, body);
        return;
      case 'listOffsets':
        handleListOffsets(context, body);
        return;
      case 'initProducerId':
        handleInitProducerId(context, body);
        return;
      case 'listGroups':
      case 'describeGroup':
      case 'fetchGroupOffsets':
      case 'commitGroupOffsets':
      case 'deleteGroup':
      case 'deleteGroupOffsets':
        handleGroupRequest(context, body);
        return;
      case 'subscribe':
        this.#subscriptions.subscribe(context, body);
        return;
      case 'changeSubscription':
        this.#subscriptions.change(context, body);
        return;
      case 'unsubscribe':
        this.#subscriptions.unsubscribe(context, body);
        return;
      default:
        assertNever(body);
    }
  }

  #context({ correlationId, timeoutMs, body: request }: RequestHeader): RequestContext {
    const { clock } = this.#router.options;
    const counters = this.#connection.counters.api(request?.type ?? 'unknown');
    counters.taken++;
    const expire = () => {
      if (this.#pending.get(correlationId) !== pending) return;
      // A wait ends with what there is; anything else is given up.
      if (pending.cancel) pending.cancel();
      else answer(null, { error: 'REQUEST_TIMED_OUT' });
    };
    const pending: Pending = {
      timer: timeoutMs > 0 ? clock.after(timeoutMs, expire) : null,
      cancel: null,
      abandon: null,
    };
    this.#pending.set(correlationId, pending);
    const begunMs = this.#connection.begin();
    const answer = (
      body: ResponseBody | null,
      failure: Failure | null,
      records?: readonly Piece[],
      release?: () => void,
    ) => {
      if (this.#pending.get(correlationId) !== pending) {
        release?.();
        return;
      }
      this.#pending.delete(correlationId);
      if (pending.timer) clock.cancel(pending.timer);
      counters.latency.record(this.#connection.finish() - begunMs);
      countErrors(counters, body, failure);
      this.#send(correlationId, body, failure, records, release);
      this.#router.answered();
    };
    return {
      router: this.#router,
      connection: this.#connection,
      reply: (body, records, release) => answer(body, null, records, release),
      fail: (failure) => answer(null, failure),
      onCancel: (cancel, abandon) => {
        pending.cancel = cancel;
        pending.abandon = abandon ?? null;
      },
    };
  }

  #send(
    correlationId: number,
    body: ResponseBody | null,
    error: Failure | null,
    records?: readonly Piece[],
    release?: () => void,
  ): void {
    this.#connection.send(
      encodeFrame(encodeResponseHeader({ correlationId, error, body }), records),
      release,
    );
  }
}
