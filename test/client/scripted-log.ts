// What a scripted broker has to say of a log: single-message batches whose values are their offsets, sent to subscriptions
// within their credit.
import type { Socket } from 'node:net';
import { toOffset } from '../../src/base/ids.js';
import type { Push, RequestBody, StreamStart } from '../../src/protocol/native/messages.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import type { ScriptedRequest } from './scripted-broker.js';

type RequestOf<Type extends RequestBody['type']> = ScriptedRequest<Extract<RequestBody, { type: Type }>>;
type StreamRequest = RequestOf<'changeSubscription'> | RequestOf<'subscribe'>;

export interface BegunStream {
  readonly start: StreamStart;
  readonly request: StreamRequest;
  push(records: Buffer, fields?: Partial<Push>): void;
}

export interface ScriptedLogOptions {
  readonly endOffset: number;
  readonly startOffset?: number;
  /** Takes a stream that begins, and returns true, if it is to go another way than usual. */
  readonly begun?: (stream: BegunStream) => boolean;
}

interface Subscription {
  readonly id: number;
  readonly request: StreamRequest;
  creditBytes: number;
  readonly streams: Map<number, { readonly start: StreamStart; offset: number }>;
}

export function batchAt(baseOffset: number, values: readonly string[]): Buffer {
  const builder = new BatchBuilder();
  for (const value of values)
    builder.add({ timestampMs: 1, key: null, value: Buffer.from(value), headers: [] });
  return builder.build({ baseOffset: toOffset(baseOffset) });
}

/** Handlers for a ScriptedBroker. */
export function scriptedLog({ endOffset, startOffset = 0, begun = () => false }: ScriptedLogOptions) {
  const subscriptions = new Map<Socket, Map<number, Subscription>>();
  const of = (socket: Socket): Map<number, Subscription> => {
    const existing = subscriptions.get(socket) ?? new Map<number, Subscription>();
    subscriptions.set(socket, existing);
    return existing;
  };

  const push = ({ request, id }: Subscription, streamId: number, records: Buffer, fields: Partial<Push>) =>
    request.push(
      {
        ...{ type: 'push', subscriptionId: id, streamId, error: null, highWatermark: endOffset },
        ...{ lastStableOffset: endOffset, logStartOffset: startOffset, ...fields },
      },
      records,
    );

  const begin = (subscription: Subscription, starts: readonly StreamStart[], request: StreamRequest) => {
    for (const start of starts) {
      const { streamId, offset } = start;
      const stream: BegunStream = {
        start,
        request,
        push: (records, fields = {}) => push(subscription, streamId, records, fields),
      };
      if (begun(stream)) continue;
      if (offset < startOffset || offset > endOffset) {
        stream.push(Buffer.alloc(0), { error: { error: 'OFFSET_OUT_OF_RANGE' } });
        continue;
      }
      subscription.streams.set(streamId, { start, offset });
      if (offset === endOffset) stream.push(Buffer.alloc(0));
    }
    send(subscription);
  };

  /** One push for each batch, as far as there is credit. */
  const send = (subscription: Subscription) => {
    for (const [streamId, stream] of subscription.streams) {
      while (stream.offset < endOffset && subscription.creditBytes > 0) {
        const batch = batchAt(stream.offset, [String(stream.offset)]);
        stream.offset++;
        subscription.creditBytes -= batch.length;
        push(subscription, streamId, batch, {});
      }
    }
  };

  return {
    subscribe: (request: RequestOf<'subscribe'>) => {
      const { subscriptionId, creditBytes, streams } = request.body;
      const subscription = { id: subscriptionId, request, creditBytes, streams: new Map() };
      of(request.socket).set(subscriptionId, subscription);
      request.answer({ type: 'subscribe' });
      begin(subscription, streams, request);
    },
    changeSubscription: (request: RequestOf<'changeSubscription'>) => {
      const subscription = of(request.socket).get(request.body.subscriptionId);
      if (!subscription) return request.refuse({ error: 'INVALID_REQUEST' });
      for (const id of request.body.endStreamIds) subscription.streams.delete(id);
      request.answer({ type: 'changeSubscription' });
      begin(subscription, request.body.begin, request);
    },
    grantCredit: ({ body, socket }: RequestOf<'grantCredit'>) => {
      const subscription = of(socket).get(body.subscriptionId);
      if (!subscription) return;
      subscription.creditBytes += body.creditBytes;
      send(subscription);
    },
    unsubscribe: ({ body, socket, answer }: RequestOf<'unsubscribe'>) => {
      of(socket).delete(body.subscriptionId);
      answer({ type: 'unsubscribe' });
    },
    listOffsets: ({ body, answer }: RequestOf<'listOffsets'>) =>
      answer({
        type: 'listOffsets',
        partitions: body.partitions.map(({ topic, partition, position }) => ({
          ...{ topic, partition, error: null, timestampMs: -1 },
          offset: position === 'earliest' ? startOffset : position === 'latest' ? endOffset : -1,
        })),
      }),
  };
}
