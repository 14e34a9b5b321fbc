import { afterEach, describe, expect, it } from 'vitest';
import type { Failure } from '../../src/base/errors.js';
import { toOffset } from '../../src/base/ids.js';
import { Client } from '../../src/client/client.js';
import type { ConsumerOptions } from '../../src/client/consumer-options.js';
import type { FetchPartitionResult } from '../../src/protocol/native/messages.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { ScriptedBroker, type ScriptedRequest, topicOf } from './scripted-broker.js';

type FetchRequest = ScriptedRequest<Extract<ScriptedRequest['body'], { type: 'fetch' }>>;
type ListRequest = ScriptedRequest<Extract<ScriptedRequest['body'], { type: 'listOffsets' }>>;

const clients: Client[] = [];

function clientOf(...brokers: { address: string }[]): Client {
  const client = new Client({ brokers: brokers.map(({ address }) => address), requestTimeoutMs: 20_000 });
  clients.push(client);
  return client;
}

const consumerOf = (broker: ScriptedBroker, options: Partial<ConsumerOptions> = {}) =>
  clientOf(broker).consumer({ topic: 'orders', partitions: [0], ...options });

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close({ timeoutMs: 0 })));
});

function batchAt(baseOffset: number, values: readonly string[]): Buffer {
  const builder = new BatchBuilder();
  for (const value of values)
    builder.add({ timestampMs: 1, key: null, value: Buffer.from(value), headers: [] });
  return builder.build({ baseOffset: toOffset(baseOffset) });
}

/** A log of single-message batches whose values are their offsets. */
function log(endOffset: number, startOffset = 0) {
  const resultOf = (partition: number, bytes: number, error: Failure | null): FetchPartitionResult => ({
    ...{ topic: 'orders', partition, error, recordsBytes: bytes },
    ...{ highWatermark: endOffset, lastStableOffset: endOffset, logStartOffset: startOffset },
  });
  return {
    /** Does not answer at the end. */
    fetch: ({ body, answer }: FetchRequest) => {
      const batches: Buffer[] = [];
      const partitions = body.partitions.map(({ partition, offset, maxBytes }) => {
        if (offset < startOffset || offset > endOffset) {
          return resultOf(partition, 0, { error: 'OFFSET_OUT_OF_RANGE' });
        }
        let bytes = 0;
        for (let at = offset; at < endOffset && bytes < maxBytes; at++) {
          const batch = batchAt(at, [String(at)]);
          batches.push(batch);
          bytes += batch.length;
        }
        return resultOf(partition, bytes, null);
      });
      if (partitions.some(({ recordsBytes, error }) => recordsBytes > 0 || error)) {
        answer({ type: 'fetch', partitions }, Buffer.concat(batches));
      }
    },
    listOffsets: ({ body, answer }: ListRequest) =>
      answer({
        type: 'listOffsets',
        partitions: body.partitions.map(({ topic, partition, position }) => ({
          ...{ topic, partition, error: null, timestampMs: -1 },
          offset: position === 'earliest' ? startOffset : position === 'latest' ? endOffset : -1,
        })),
      }),
  };
}

/** The values of the next messages; leaves the loop after `count`. */
async function take(consumer: AsyncIterable<{ value: Buffer | null }>, count: number): Promise<string[]> {
  const values: string[] = [];
  if (count === 0) return values;
  for await (const { value } of consumer) {
    values.push(String(value));
    if (values.length === count) break;
  }
  return values;
}

describe('Consumer', () => {
  it('reads from the start to the end that was there', async () => {
    await using broker = await ScriptedBroker.start(log(5));
    const consumer = consumerOf(broker, { until: 'end', partitions: [0, 1] });
    expect((await take(consumer, 100)).sort()).toEqual(['0', '0', '1', '1', '2', '2', '3', '3', '4', '4']);
    expect([consumer.position(0), consumer.position(1), consumer.position(2)]).toEqual([5, 5, null]);
    expect(consumer.highWatermark(0)).toBe(5);
  });

  it('ends at once where there is nothing to read', async () => {
    await using broker = await ScriptedBroker.start(log(5));
    expect(await take(consumerOf(broker, { until: 'end', from: 'latest' }), 100)).toEqual([]);
  });

  it.each<[string, ConsumerOptions['from'], string[]]>([
    ['the start', 'earliest', ['2', '3']],
    ['an offset', { offset: 7 }, ['7', '8']],
    ['the end where no message is young enough', { timestampMs: 9 }, []],
    ['a place of its own for each partition', new Map([[0, { offset: 4 }]]), ['4', '5']],
    ['the start of partitions that are not named', new Map([[1, { offset: 4 }]]), ['2', '3']],
  ])('begins at %s', async (_, from, values) => {
    await using broker = await ScriptedBroker.start(log(9, 2));
    const consumer = consumerOf(broker, { until: 'end', ...(from && { from }) });
    expect(await take(consumer, 2)).toEqual(values);
  });

  it('skips the messages of a batch that lie before the position', async () => {
    const batch = batchAt(0, ['a', 'b', 'c']);
    await using broker = await ScriptedBroker.start({
      ...log(3),
      fetch: ({ answer }) =>
        answer(
          {
            type: 'fetch',
            partitions: [
              {
                ...{ topic: 'orders', partition: 0, error: null, recordsBytes: batch.length },
                ...{ highWatermark: 3, lastStableOffset: 3, logStartOffset: 0 },
              },
            ],
          },
          batch,
        ),
    });
    const consumer = consumerOf(broker, { from: { offset: 1 }, until: 'end' });
    expect(await take(consumer, 100)).toEqual(['b', 'c']);
  });

  it('returns whole batches', async () => {
    await using broker = await ScriptedBroker.start(log(3));
    const consumer = consumerOf(broker, { until: 'end' });
    const batches: string[] = [];
    for await (const { topic, partition, messages, highWatermark } of consumer.batches()) {
      batches.push(`${topic}-${partition} ${messages.map(({ offset }) => offset)} of ${highWatermark}`);
    }
    expect(batches).toEqual(['orders-0 0 of 3', 'orders-0 1 of 3', 'orders-0 2 of 3']);
  });

  it('fetches no more ahead than it may', async () => {
    const batchBytes = batchAt(0, ['0']).length;
    await using broker = await ScriptedBroker.start(log(1000));
    const consumer = consumerOf(broker, { prefetchBytesMax: 20 * batchBytes, from: { offset: 0 } });
    const messages = consumer[Symbol.asyncIterator]();
    await messages.next();
    const fetches = await broker.received('fetch', 2);
    expect(fetches.map(({ body }) => body.maxBytes)).toEqual([10 * batchBytes, 10 * batchBytes]);
    // What is fetched is enough: it asks for more when half of it is read.
    for (let read = 1; read < 9; read++) await messages.next();
    expect((await broker.received('fetch')).length).toBe(2);
    for (let read = 9; read < 12; read++) await messages.next();
    const third = (await broker.received('fetch', 3))[2];
    expect(third?.body.partitions[0]?.offset).toBe(20);
    await consumer.close();
  });

  it('goes on over a new connection when the first is lost', async () => {
    let losses = 2;
    const { fetch, listOffsets } = log(3);
    await using broker = await ScriptedBroker.start({
      listOffsets,
      fetch: (request) => {
        if (losses-- > 0) request.socket.destroy();
        else fetch(request);
      },
    });
    expect(await take(consumerOf(broker, { until: 'end' }), 100)).toEqual(['0', '1', '2']);
    expect(broker.connections).toBe(3);
  });

  it('asks for the leader again when it is another one', async () => {
    let refusals = 1;
    const { fetch, listOffsets } = log(2);
    await using broker = await ScriptedBroker.start({
      listOffsets,
      fetch: (request) => {
        if (refusals-- <= 0) return fetch(request);
        const error = { error: 'NOT_LEADER_OR_FOLLOWER' } as const;
        const nothing = { recordsBytes: 0, highWatermark: 0, lastStableOffset: 0, logStartOffset: 0 };
        request.answer({ type: 'fetch', partitions: [{ topic: 'orders', partition: 0, error, ...nothing }] });
      },
    });
    expect(await take(consumerOf(broker, { until: 'end' }), 100)).toEqual(['0', '1']);
    expect((await broker.received('metadata')).length).toBeGreaterThan(1);
  });

  it('fails when its position is out of range', async () => {
    await using broker = await ScriptedBroker.start(log(9, 5));
    const consumer = consumerOf(broker, { from: { offset: 2 } });
    await expect(take(consumer, 1)).rejects.toMatchObject({
      code: 'ODR_BROKER',
      errorName: 'OFFSET_OUT_OF_RANGE',
      message: expect.stringContaining('Offset 2 of orders-0 is outside the range [5, 9)'),
    });
  });

  it.each<['earliest' | 'latest', string[], number]>([
    ['earliest', ['5', '6', '7', '8'], 9],
    ['latest', [], 9],
  ])('goes on at the %s when told to', async (onOutOfRange, values, position) => {
    await using broker = await ScriptedBroker.start(log(9, 5));
    const consumer = consumerOf(broker, { from: { offset: 2 }, onOutOfRange, until: 'end' });
    const messages = consumer[Symbol.asyncIterator]();
    const read: string[] = [];
    for (let next = await messages.next(); !next.done; next = await messages.next())
      read.push(String(next.value.value));
    expect(read).toEqual(values);
    expect(consumer.position(0)).toBe(position);
  });

  it('fails at a damaged batch after those before it, and can leave it out', async () => {
    const { fetch, listOffsets } = log(4);
    await using broker = await ScriptedBroker.start({
      listOffsets,
      fetch: (request) => {
        if (request.body.partitions[0]?.offset !== 0) return fetch(request);
        const batches = [batchAt(0, ['0']), batchAt(1, ['1']), batchAt(2, ['2'])];
        batches[1]?.fill(0xff, 61);
        const payload = Buffer.concat(batches);
        request.answer(
          {
            type: 'fetch',
            partitions: [
              {
                ...{ topic: 'orders', partition: 0, error: null, recordsBytes: payload.length },
                ...{ highWatermark: 4, lastStableOffset: 4, logStartOffset: 0 },
              },
            ],
          },
          payload,
        );
      },
    });
    const consumer = consumerOf(broker, { until: 'end' });
    const messages = consumer[Symbol.asyncIterator]();
    expect((await messages.next()).value).toMatchObject({ offset: 0 });
    const failure = { code: 'ODR_CORRUPT', message: expect.stringContaining('orders-0 at offset 1') };
    await expect(messages.next()).rejects.toMatchObject(failure);
    await expect(messages.next()).rejects.toMatchObject(failure);
    consumer.seek(0, 2);
    expect((await messages.next()).value).toMatchObject({ offset: 2 });
    expect((await messages.next()).value).toMatchObject({ offset: 3 });
    expect(await messages.next()).toEqual({ done: true, value: undefined });
  });

  it('fails when the topic was made anew', async () => {
    let fetches = 0;
    const { fetch, listOffsets } = log(2);
    await using broker = await ScriptedBroker.start({
      listOffsets,
      metadata: ({ body, answer, socket }) =>
        answer({
          ...{ type: 'metadata', clusterId: 'c', controllerId: 1 },
          brokers: [{ id: 1, host: '127.0.0.1', port: socket.localPort ?? 0 }],
          topics: body.topics.map((name) => ({
            ...topicOf(name),
            topicId: `${fetches === 0 ? 'A' : 'B'}AAAAAAAAAAAAAAAAAAAAA`,
          })),
        }),
      fetch: (request) => {
        if (fetches++ === 0) fetch(request);
        else request.socket.destroy();
      },
    });
    await expect(take(consumerOf(broker, { from: { offset: 0 } }), 100)).rejects.toMatchObject({
      message: expect.stringContaining('deleted and created anew'),
    });
  });

  it('says what is wrong with the topic or the partition', async () => {
    await using broker = await ScriptedBroker.start({
      ...log(1),
      metadata: ({ body, answer }) =>
        answer({
          ...{ type: 'metadata', clusterId: 'c', controllerId: 1, brokers: [] },
          topics: body.topics.map((name) =>
            name === 'orders'
              ? topicOf(name)
              : { ...topicOf(name, 0), error: { error: 'INVALID_TOPIC_EXCEPTION', detail: 'no good name' } },
          ),
        }),
    });
    await expect(take(consumerOf(broker, { topic: 'or ders' }), 1)).rejects.toMatchObject({
      errorName: 'INVALID_TOPIC_EXCEPTION',
      message: expect.stringContaining('no good name'),
    });
    await expect(take(consumerOf(broker, { partitions: [2] }), 1)).rejects.toMatchObject({
      code: 'ODR_USAGE',
      message: expect.stringContaining("Topic 'orders' has no partition 2; it has 2"),
    });
  });

  it.each<[string, Partial<ConsumerOptions>]>([
    ['topic', { topic: '' }],
    ['partitions', { partitions: [-1] }],
    ['from', { from: 'begin' as never }],
    ['from.offset', { from: { offset: -1 } }],
    ['from.timestampMs', { from: new Map([[0, { timestampMs: 0.5 }]]) }],
    ['until', { until: 'now' as never }],
    ['onOutOfRange', { onOutOfRange: 'ignore' as never }],
    ['maxBytesPerFetch', { maxBytesPerFetch: 0 }],
  ])('refuses a wrong %s', async (name, options) => {
    const client = new Client();
    expect(() => client.consumer({ topic: 'orders', ...options })).toThrow(
      expect.objectContaining({ code: 'ODR_USAGE', message: expect.stringContaining(name) }),
    );
    await client.close();
  });
});

describe('Consumer.close', () => {
  it('ends a loop that waits, and the fetch at the broker', async () => {
    await using broker = await ScriptedBroker.start(log(0));
    const consumer = consumerOf(broker);
    const values = take(consumer, 1);
    const [fetch] = await broker.received('fetch');
    await consumer.close();
    expect(await values).toEqual([]);
    const [cancel] = await broker.received('cancel');
    expect(cancel?.body.correlationId).toBe(fetch?.correlationId);
  });

  it('follows when a loop is left', async () => {
    await using broker = await ScriptedBroker.start(log(3));
    const consumer = consumerOf(broker);
    expect(await take(consumer, 1)).toEqual(['0']);
    expect(await take(consumer, 1)).toEqual([]);
  });

  it('follows when the client is closed, also while no broker can be reached', async () => {
    const broker = await ScriptedBroker.start();
    const client = clientOf(broker);
    await broker[Symbol.asyncDispose]();
    const values = take(client.consumer({ topic: 'orders' }), 1);
    await client.close();
    expect(await values).toEqual([]);
  });

  it('throws the reason of its signal', async () => {
    await using broker = await ScriptedBroker.start(log(0));
    const abort = new AbortController();
    const values = take(consumerOf(broker, { signal: abort.signal }), 1);
    const outcome = expect(values).rejects.toThrow('enough');
    await broker.received('fetch');
    abort.abort(new Error('enough'));
    await outcome;
    await expect(take(consumerOf(broker, { signal: abort.signal }), 1)).rejects.toThrow('enough');
  });
});
