// Subscriptions: generated protobuf objects <-> plain objects.
import { decodeFailure, encodeFailure, index, int64, safe } from './fields.js';
import type { odradek } from './generated/odradek.js';
import type {
  ChangeSubscriptionRequest,
  ChangeSubscriptionResponse,
  GrantCreditRequest,
  Push,
  StreamStart,
  SubscribeRequest,
  SubscribeResponse,
  UnsubscribeRequest,
  UnsubscribeResponse,
} from './messages.js';

type SubscriptionRequest =
  | SubscribeRequest
  | ChangeSubscriptionRequest
  | UnsubscribeRequest
  | GrantCreditRequest;
type SubscriptionResponse = SubscribeResponse | ChangeSubscriptionResponse | UnsubscribeResponse | Push;

export function encodeSubscriptionRequest(body: SubscriptionRequest): odradek.RequestHeader.$Properties {
  switch (body.type) {
    case 'subscribe':
      return { subscribe: { ...body, streams: body.streams.map(encodeStream) } };
    case 'changeSubscription': {
      const { subscriptionId, endStreamIds, begin } = body;
      return {
        changeSubscription: {
          subscriptionId,
          endStreamIds: [...endStreamIds],
          begin: begin.map(encodeStream),
        },
      };
    }
    case 'unsubscribe':
      return { unsubscribe: body };
    case 'grantCredit':
      return { grantCredit: body };
  }
}

export function decodeSubscriptionRequest({
  subscribe,
  changeSubscription,
  unsubscribe,
  grantCredit,
}: odradek.RequestHeader.$Properties): SubscriptionRequest | null {
  if (grantCredit) {
    const { subscriptionId, creditBytes } = grantCredit;
    return { type: 'grantCredit', subscriptionId: subscriptionId ?? 0, creditBytes: creditBytes ?? 0 };
  }
  if (subscribe) {
    const { subscriptionId, creditBytes, pushBytesMax, streams } = subscribe;
    return {
      type: 'subscribe',
      subscriptionId: subscriptionId ?? 0,
      creditBytes: creditBytes ?? 0,
      pushBytesMax: pushBytesMax ?? 0,
      streams: (streams ?? []).map(decodeStream),
    };
  }
  if (changeSubscription) {
    const { subscriptionId, endStreamIds, begin } = changeSubscription;
    return {
      type: 'changeSubscription',
      subscriptionId: subscriptionId ?? 0,
      endStreamIds: endStreamIds ?? [],
      begin: (begin ?? []).map(decodeStream),
    };
  }
  if (unsubscribe) return { type: 'unsubscribe', subscriptionId: unsubscribe.subscriptionId ?? 0 };
  return null;
}

function encodeStream({
  streamId,
  topic,
  partition,
  offset,
  topicId,
}: StreamStart): odradek.StreamStart.$Properties {
  return { streamId, topic, partition, offset: safe(offset), topicId };
}

function decodeStream(stream: odradek.StreamStart.$Properties): StreamStart {
  return {
    streamId: stream.streamId ?? 0,
    topic: stream.topic ?? '',
    partition: index(stream.partition, 'partition'),
    offset: int64(stream.offset, 'offset'),
    topicId: stream.topicId ?? '',
  };
}

export function encodeSubscriptionResponse(body: SubscriptionResponse): odradek.ResponseHeader.$Properties {
  switch (body.type) {
    case 'subscribe':
      return { subscribe: {} };
    case 'changeSubscription':
      return { changeSubscription: {} };
    case 'unsubscribe':
      return { unsubscribe: {} };
    case 'push':
      return { push: encodePush(body) };
  }
}

function encodePush(push: Push): odradek.Push.$Properties {
  return {
    subscriptionId: push.subscriptionId,
    streamId: push.streamId,
    error: encodeFailure(push.error),
    highWatermark: safe(push.highWatermark),
    lastStableOffset: safe(push.lastStableOffset),
    logStartOffset: safe(push.logStartOffset),
  };
}

export function decodeSubscriptionResponse({
  subscribe,
  changeSubscription,
  unsubscribe,
  push,
}: odradek.ResponseHeader.$Properties): SubscriptionResponse | null {
  if (push) {
    return {
      type: 'push',
      subscriptionId: push.subscriptionId ?? 0,
      streamId: push.streamId ?? 0,
      error: decodeFailure(push.error),
      highWatermark: int64(push.highWatermark, 'high_watermark'),
      lastStableOffset: int64(push.lastStableOffset, 'last_stable_offset'),
      logStartOffset: int64(push.logStartOffset, 'log_start_offset'),
    };
  }
  if (subscribe) return { type: 'subscribe' };
  if (changeSubscription) return { type: 'changeSubscription' };
  if (unsubscribe) return { type: 'unsubscribe' };
  return null;
}
