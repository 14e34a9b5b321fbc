// The subscriptions of one connection: Subscribe, ChangeSubscription, GrantCredit, Unsubscribe, and the pushes that come of
// them. Their number is bounded, and so is that of their streams, for each connection and over all of them.
import type { ErrorName, Failure } from '../../base/errors.js';
import { encodeFrame } from '../../protocol/native/frame.js';
import {
  type ChangeSubscriptionRequest,
  type GrantCreditRequest,
  REQUEST_PARTITIONS_MAX,
  type StreamStart,
  type SubscribeRequest,
  type UnsubscribeRequest,
} from '../../protocol/native/messages.js';
import { encodeResponseHeader } from '../../protocol/native/response-header.js';
import { Budget } from '../budget.js';
import type { Connection } from '../connection.js';
import type { Router } from '../router.js';
import type { StreamBegin, StreamPush, Subscription } from '../subscription.js';
import type { RequestContext } from './context.js';

const SUBSCRIPTIONS_MAX = 100;
const STREAMS_MAX = 10_000;

export class Subscriptions {
  readonly #router: Router;
  readonly #connection: Connection;
  readonly #byId = new Map<number, Subscription>();
  readonly #streams = new Budget(STREAMS_MAX);

  constructor(router: Router, connection: Connection) {
    this.#router = router;
    this.#connection = connection;
  }

  subscribe(context: RequestContext, request: SubscribeRequest): void {
    const { subscriptionId, creditBytes, pushBytesMax, streams } = request;
    if (this.#byId.has(subscriptionId)) {
      context.fail(failure('INVALID_REQUEST', `There is a subscription ${subscriptionId} already.`));
      return;
    }
    if (this.#byId.size >= SUBSCRIPTIONS_MAX) {
      context.fail(
        failure(
          'POLICY_VIOLATION',
          `A connection may have ${SUBSCRIPTIONS_MAX} subscriptions: more need another connection.`,
        ),
      );
      return;
    }
    const problem = startProblem(streams, () => false) ?? this.#reserve(streams.length);
    if (problem) {
      context.fail(problem);
      return;
    }
    const subscription = this.#router.subscribe({ creditBytes, pushBytesMax }, this.#connection, {
      push: (push) => this.#push(subscriptionId, push),
      ended: (count) => this.#release(count),
    });
    this.#byId.set(subscriptionId, subscription);
    this.#connection.engage();
    const answer = () => context.reply({ type: 'subscribe' });
    // What is being opened when the time of the request is over begins all the same, later.
    context.onCancel(answer, () => {});
    subscription.begin(this.#begins(streams), answer);
  }

  change(context: RequestContext, request: ChangeSubscriptionRequest): void {
    const { subscriptionId, endStreamIds, begin } = request;
    const subscription = this.#byId.get(subscriptionId);
    if (!subscription) {
      context.fail(failure('INVALID_REQUEST', `There is no subscription ${subscriptionId}.`));
      return;
    }
    const ends = new Set(endStreamIds);
    const problem =
      countProblem(endStreamIds.length) ??
      startProblem(begin, (streamId) => subscription.hasStream(streamId) && !ends.has(streamId)) ??
      this.#reserve(begin.length);
    if (problem) {
      context.fail(problem);
      return;
    }
    subscription.endStreams([...ends]);
    const answer = () => context.reply({ type: 'changeSubscription' });
    context.onCancel(answer, () => {});
    subscription.begin(this.#begins(begin), answer);
  }

  grantCredit({ subscriptionId, creditBytes }: GrantCreditRequest): void {
    this.#byId.get(subscriptionId)?.grant(creditBytes);
  }

  unsubscribe(context: RequestContext, { subscriptionId }: UnsubscribeRequest): void {
    this.#end(subscriptionId);
    context.reply({ type: 'unsubscribe' });
  }

  /** The connection is over, or about to be. */
  close(): void {
    for (const subscriptionId of [...this.#byId.keys()]) this.#end(subscriptionId);
  }

  #end(subscriptionId: number): void {
    const subscription = this.#byId.get(subscriptionId);
    if (!subscription) return;
    this.#byId.delete(subscriptionId);
    this.#router.unsubscribe(subscription);
    this.#connection.disengage();
  }

  #reserve(count: number): Failure | null {
    if (!this.#streams.take(count)) {
      return failure('POLICY_VIOLATION', `A connection may have ${STREAMS_MAX} streams.`);
    }
    if (this.#router.streams.take(count)) return null;
    this.#streams.give(count);
    return failure('THROTTLING_QUOTA_EXCEEDED', 'All connections together have too many streams.');
  }

  #release(count: number): void {
    this.#streams.give(count);
    this.#router.streams.give(count);
  }

  #begins(starts: readonly StreamStart[]): StreamBegin[] {
    return starts.map(({ streamId, topic, partition, offset, topicId }) => ({
      streamId,
      entry: this.#router.topics.partition(topic, partition),
      offset,
      topicId,
    }));
  }

  #push(subscriptionId: number, { records, release, error, ...push }: StreamPush): void {
    const header = encodeResponseHeader({
      correlationId: 0,
      error: null,
      body: { type: 'push', subscriptionId, ...push, error: error === 'NONE' ? null : { error } },
    });
    this.#connection.send(encodeFrame(header, records ? [records] : []), release);
  }
}

const failure = (error: ErrorName, detail: string): Failure => ({ error, detail });

function countProblem(count: number): Failure | null {
  return count <= REQUEST_PARTITIONS_MAX
    ? null
    : failure('INVALID_REQUEST', `A request may name ${REQUEST_PARTITIONS_MAX} streams.`);
}

function startProblem(
  starts: readonly StreamStart[],
  isInUse: (streamId: number) => boolean,
): Failure | null {
  const ids = new Set<number>();
  for (const { streamId } of starts) {
    if (ids.has(streamId) || isInUse(streamId)) {
      return failure('INVALID_REQUEST', `Stream ${streamId} is begun twice.`);
    }
    ids.add(streamId);
  }
  return countProblem(starts.length);
}
