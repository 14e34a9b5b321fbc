import { afterEach, describe, expect, it, vi } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { Client } from '../../src/client/client.js';
import type { ConsumerOptions } from '../../src/client/consumer-options.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { ScriptedBroker, topicOf } from './scripted-broker.js';
import { type BegunStream, batchAt, scriptedLog } from './scripted-log.js';

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

const NO_RECORDS = Buffer.alloc(0);
const log = (endOffset: number, startOffset = 0) => scriptedLog({ endOffset, startOffset });

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

  it('leaves others a turn while it has more to deliver', async () => {
    const batches = Array.from({ length: 20 }, (_, offset) => batchAt(offset, [String(offset)]));
    const begun = (stream: BegunStream) => {
      stream.push(Buffer.concat(batches));
      return true;
    };
    await using broker = await ScriptedBroker.start(scriptedLog({ endOffset: 20, begun }));
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      let turns = 0;
      const turnsAt: number[] = [];
      for await (const { offset } of consumerOf(broker, { until: 'end' })) {
        turnsAt[offset] = turns;
        if (offset < 10) setImmediate(() => turns++);
        // Ten messages take no time, the next ones 20 ms each.
        else vi.advanceTimersByTime(20);
      }
      expect(turnsAt).toHaveLength(20);
      expect(turnsAt[12]).toBe(0);
      expect(turnsAt[13]).toBe(10);
    } finally {
      vi.useRealTimers();
    }
  });

  it('skips the messages of a batch that lie before the position', async () => {
    const begun = (stream: BegunStream) => {
      stream.push(batchAt(0, ['a', 'b', 'c']));
      return true;
    };
    await using broker = await ScriptedBroker.start(scriptedLog({ endOffset: 3, begun }));
    const consumer = consumerOf(broker, { from: { offset: 1 }, until: 'end' });
    expect(await take(consumer, 100)).toEqual(['b', 'c']);
  });

  it('passes over what compaction took: offsets, and batches of which only the header is left', async () => {
    const emptied = (baseOffset: number, lastOffsetDelta: number) =>
      new BatchBuilder().build({ baseOffset: toOffset(baseOffset), lastOffsetDelta });
    const begun = (stream: BegunStream) => {
      stream.push(emptied(0, 4));
      stream.push(Buffer.concat([batchAt(9, ['a', 'b']), batchAt(20, ['c']), emptied(21, 3)]));
      stream.push(emptied(25, 4));
      return true;
    };
    await using broker = await ScriptedBroker.start(scriptedLog({ endOffset: 30, begun }));
    const consumer = consumerOf(broker, { from: { offset: 3 }, until: 'end' });
    const offsets: number[] = [];
    for await (const { offset } of consumer) offsets.push(offset);
    expect(offsets).toEqual([9, 10, 20]);
    expect(consumer.position(0)).toBe(30);
    const batches = clientOf(broker)
      .consumer({ topic: 'orders', partitions: [0], until: 'end' })
      .batches();
    expect((await batches.next()).value?.messages.length).toBe(2);
    expect((await batches.next()).value?.messages.length).toBe(1);
    expect((await batches.next()).done).toBe(true);
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

  it('grants no more than it may hold, and a part of it as it is read', async () => {
    const batchBytes = batchAt(0, ['0']).length;
    await using broker = await ScriptedBroker.start(log(1000));
    const prefetchBytesMax = 20 * batchBytes;
    const consumer = consumerOf(broker, { prefetchBytesMax, from: { offset: 0 } });
    const messages = consumer[Symbol.asyncIterator]();
    await messages.next();
    const [subscribe] = await broker.received('subscribe');
    expect(subscribe?.body.creditBytes).toBe(prefetchBytesMax);
    // A quarter is delivered with the sixth message: the fifth is behind it then.
    for (let read = 1; read < 5; read++) await messages.next();
    expect((await broker.received('grantCredit', 0)).length).toBe(0);
    await messages.next();
    const [grant] = await broker.received('grantCredit');
    expect(grant?.body.creditBytes).toBe(5 * batchBytes);
    for (let read = 6; read < 500; read++) expect((await messages.next()).value?.offset).toBe(read);
    const granted = (await broker.received('grantCredit', 0)).map(({ body }) => body.creditBytes);
    // The one that is with its reader is not delivered yet.
    const sizes = Array.from({ length: 499 }, (_, offset) => batchAt(offset, [String(offset)]).length);
    const sumOf = (some: readonly number[]) => some.reduce((sum, bytes) => sum + bytes, 0);
    expect(sumOf(granted)).toBeLessThanOrEqual(sumOf(sizes));
    await consumer.close();
  });

  it('takes a batch that is larger than what it may hold', async () => {
    await using broker = await ScriptedBroker.start(log(3));
    expect(await take(consumerOf(broker, { prefetchBytesMax: 1, until: 'end' }), 100)).toEqual([
      '0',
      '1',
      '2',
    ]);
  });

  it('goes on over a new connection when the first is lost', async () => {
    let losses = 2;
    const begun = ({ request }: BegunStream) => {
      if (losses-- <= 0) return false;
      request.socket.destroy();
      return true;
    };
    await using broker = await ScriptedBroker.start(scriptedLog({ endOffset: 3, begun }));
    expect(await take(consumerOf(broker, { until: 'end' }), 100)).toEqual(['0', '1', '2']);
    expect(broker.connections).toBe(3);
  });

  it('goes on behind what came before the connection was lost', async () => {
    let losses = 1;
    const begins: number[] = [];
    const begun = ({ start, push, request }: BegunStream) => {
      begins.push(start.offset);
      if (losses-- <= 0) return false;
      push(Buffer.concat([batchAt(0, ['0']), batchAt(1, ['1'])]));
      request.socket.end();
      return true;
    };
    await using broker = await ScriptedBroker.start(scriptedLog({ endOffset: 4, begun }));
    expect(await take(consumerOf(broker, { until: 'end' }), 100)).toEqual(['0', '1', '2', '3']);
    expect(begins).toEqual([0, 2]);
  });

  it('asks for the leader again when it is another one', async () => {
    let refusals = 1;
    const begun = ({ push }: BegunStream) => {
      if (refusals-- <= 0) return false;
      push(NO_RECORDS, { error: { error: 'NOT_LEADER_OR_FOLLOWER' } });
      return true;
    };
    await using broker = await ScriptedBroker.start(scriptedLog({ endOffset: 2, begun }));
    expect(await take(consumerOf(broker, { until: 'end' }), 100)).toEqual(['0', '1']);
    expect((await broker.received('metadata')).length).toBeGreaterThan(1);
  });

  it('asks a broker that is silent whether it is there', async () => {
    // Timers of ten seconds fire at once.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      await using broker = await ScriptedBroker.start({
        ...log(1),
        ping: ({ answer }) => answer({ type: 'ping' }),
      });
      const consumer = consumerOf(broker, { from: 'latest' });
      const next = consumer[Symbol.asyncIterator]().next();
      await broker.received('changeSubscription');
      await vi.waitUntil(
        async () => {
          vi.advanceTimersByTime(10_000);
          return (await broker.received('ping', 0)).length > 0;
        },
        { timeout: 20_000 },
      );
      await consumer.close();
      expect(await next).toEqual({ done: true, value: undefined });
    } finally {
      vi.useRealTimers();
    }
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
    const begun = ({ start, push }: BegunStream) => {
      if (start.offset !== 0) return false;
      const batches = [batchAt(0, ['0']), batchAt(1, ['1']), batchAt(2, ['2'])];
      batches[1]?.fill(0xff, 61);
      push(Buffer.concat(batches));
      return true;
    };
    await using broker = await ScriptedBroker.start(scriptedLog({ endOffset: 4, begun }));
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

  it('delivers nothing of a paused partition, and goes on where it was', async () => {
    await using broker = await ScriptedBroker.start(log(4));
    const consumer = consumerOf(broker, { partitions: [0, 1], until: 'end' });
    const messages = consumer[Symbol.asyncIterator]();
    const read: string[] = [];
    const next = async () => {
      const { value } = await messages.next();
      if (value) read.push(`${value.partition}:${value.offset}`);
      return value;
    };
    await next();
    const first = Number(read[0]?.split(':')[0]);
    consumer.pause([first]);
    expect(consumer.paused).toEqual([first]);
    expect(consumer.position(first)).toBe(1);
    for (let count = 0; count < 4; count++) expect((await next())?.partition).toBe(1 - first);
    consumer.resume();
    expect(consumer.paused).toEqual([]);
    while (await next());
    expect(read.filter((place) => place.startsWith(`${first}:`))).toEqual(
      [0, 1, 2, 3].map((at) => `${first}:${at}`),
    );
    expect(() => consumer.pause([7])).toThrow(expect.objectContaining({ code: 'ODR_USAGE' }));
  });

  it('drops what came before a seek', async () => {
    await using broker = await ScriptedBroker.start(log(9));
    const consumer = consumerOf(broker, { until: 'end' });
    const messages = consumer[Symbol.asyncIterator]();
    const offsets: unknown[] = [];
    for (const seek of [null, null, 7, null, 3, null]) {
      if (seek !== null) consumer.seek(0, seek);
      offsets.push((await messages.next()).value?.offset);
    }
    expect(offsets).toEqual([0, 1, 7, 8, 3, 4]);
    await consumer.close();
  });

  it('decodes keys and values, and can leave one out that does not have its format', async () => {
    await using broker = await ScriptedBroker.start(log(3));
    const value = {
      decode: (bytes: Buffer) => {
        if (String(bytes) === '1') throw new Error('no ones');
        return Number(String(bytes)) * 10;
      },
    };
    const consumer = clientOf(broker).consumer({ topic: 'orders', partitions: [0], until: 'end', value });
    const messages = consumer[Symbol.asyncIterator]();
    expect((await messages.next()).value).toMatchObject({ offset: 0, key: null, value: 0 });
    const failure = {
      code: 'ODR_FORMAT',
      message: expect.stringMatching(/orders-0 at offset 1 .*no ones.*seek\(\) to 2/),
    };
    await expect(messages.next()).rejects.toMatchObject(failure);
    expect(consumer.position(0)).toBe(1);
    consumer.seek(0, 2);
    expect((await messages.next()).value).toMatchObject({ offset: 2, value: 20 });
  });

  it('fails when the topic was made anew', async () => {
    let streams = 0;
    const begun = ({ request }: BegunStream) => {
      streams++;
      request.socket.destroy();
      return true;
    };
    await using broker = await ScriptedBroker.start({
      ...scriptedLog({ endOffset: 2, begun }),
      metadata: ({ body, answer, socket }) =>
        answer({
          ...{ type: 'metadata', clusterId: 'c', controllerId: 1 },
          brokers: [{ id: 1, host: '127.0.0.1', port: socket.localPort ?? 0 }],
          topics: body.topics.map((name) => ({
            ...topicOf(name),
            topicId: `${streams === 0 ? 'A' : 'B'}AAAAAAAAAAAAAAAAAAAAA`,
          })),
        }),
    });
    await expect(take(consumerOf(broker, { from: { offset: 0 } }), 100)).rejects.toMatchObject({
      message: expect.stringContaining('deleted and created anew'),
    });
  });

  it('fails when the topic has been gone for a while, though its stream never said so', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      let isGone = false;
      const begun = ({ request }: BegunStream) => {
        isGone = true;
        request.socket.destroy();
        return true;
      };
      await using broker = await ScriptedBroker.start({
        ...scriptedLog({ endOffset: 2, begun }),
        metadata: ({ body, answer, socket }) =>
          answer({
            ...{ type: 'metadata', clusterId: 'c', controllerId: 1 },
            brokers: [{ id: 1, host: '127.0.0.1', port: socket.localPort ?? 0 }],
            topics: body.topics.map((name) => ({
              ...topicOf(name, isGone ? 0 : 2),
              error: isGone ? { error: 'UNKNOWN_TOPIC_OR_PARTITION' } : null,
            })),
          }),
      });
      const next = consumerOf(broker, { from: { offset: 0 } })
        [Symbol.asyncIterator]()
        .next();
      const outcome = next.catch((error: unknown) => error);
      let isOver = false;
      void outcome.finally(() => {
        isOver = true;
      });
      await vi.waitUntil(
        () => {
          vi.advanceTimersByTime(1000);
          return isOver;
        },
        { timeout: 20_000 },
      );
      expect(await outcome).toMatchObject({
        errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
        message: "UNKNOWN_TOPIC_OR_PARTITION: There is no topic 'orders'.",
      });
    } finally {
      vi.useRealTimers();
    }
  });

  it('lets its subscription go where the loop comes to its end', async () => {
    await using broker = await ScriptedBroker.start(log(3));
    expect(await take(consumerOf(broker, { until: 'end' }), 100)).toEqual(['0', '1', '2']);
    await broker.received('unsubscribe');
  });

  it('goes on granting with a bound that is higher than what the broker counts', {
    timeout: 20_000,
  }, async () => {
    await using broker = await ScriptedBroker.start(log(0));
    const consumer = consumerOf(broker, { prefetchBytesMax: 2 ** 33 });
    const next = consumer[Symbol.asyncIterator]().next();
    const [request] = await broker.received('subscribe');
    expect(request?.body.creditBytes).toBe(2 ** 30);
    await broker.received('changeSubscription');
    // More than a quarter of that, for a stream that is over: it is delivered as soon as it comes.
    const records = Buffer.alloc(2 ** 26);
    const subscriptionId = request?.body.subscriptionId ?? 0;
    for (let i = 0; i < 5; i++) {
      request?.push(
        {
          ...{ type: 'push', subscriptionId, streamId: 99, error: null },
          ...{ highWatermark: 0, lastStableOffset: 0, logStartOffset: 0 },
        },
        records,
      );
    }
    const [grant] = await broker.received('grantCredit');
    expect(grant?.body.creditBytes).toBeGreaterThanOrEqual(2 ** 28);
    await consumer.close();
    expect(await next).toEqual({ done: true, value: undefined });
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
    ['maxBytesPerPush', { maxBytesPerPush: 0 }],
    ['prefetchBytesMax', { prefetchBytesMax: 0 }],
  ])('refuses a wrong %s', async (name, options) => {
    const client = new Client();
    expect(() => client.consumer({ topic: 'orders', ...options })).toThrow(
      expect.objectContaining({ code: 'ODR_USAGE', message: expect.stringContaining(name) }),
    );
    await client.close();
  });
});

describe('Consumer.close', () => {
  it('ends a loop that waits, and the subscription at the broker', async () => {
    await using broker = await ScriptedBroker.start(log(0));
    const consumer = consumerOf(broker);
    const values = take(consumer, 1);
    const [subscribe] = await broker.received('subscribe');
    await consumer.close();
    expect(await values).toEqual([]);
    const [unsubscribe] = await broker.received('unsubscribe');
    expect(unsubscribe?.body.subscriptionId).toBe(subscribe?.body.subscriptionId);
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
    await broker.received('subscribe');
    abort.abort(new Error('enough'));
    await outcome;
    await expect(take(consumerOf(broker, { signal: abort.signal }), 1)).rejects.toThrow('enough');
  });
});

describe('Consumer.readable', () => {
  it('ends behind the last message', async () => {
    await using broker = await ScriptedBroker.start(log(40));
    const read: string[] = [];
    for await (const { value } of consumerOf(broker, { until: 'end' }).readable()) read.push(String(value));
    expect(read).toEqual(Array.from({ length: 40 }, (_, at) => String(at)));
  });

  it('takes no more than fits, and goes on as it is read', async () => {
    await using broker = await ScriptedBroker.start(log(40));
    const consumer = consumerOf(broker, { from: { offset: 0 } });
    const stream = consumer.readable({ highWaterMark: 5 });
    stream.on('readable', () => {});
    await vi.waitUntil(() => stream.readableLength === 5, { timeout: 20_000 });
    expect(consumer.position(0)).toBe(5);
    const read: number[] = [];
    while (read.length < 12) {
      const message = stream.read();
      if (message) read.push(message.offset);
      else await new Promise((resolve) => stream.once('readable', resolve));
    }
    expect(read).toEqual(Array.from({ length: 12 }, (_, at) => at));
    await vi.waitUntil(() => stream.readableLength >= 4, { timeout: 20_000 });
    expect(consumer.position(0)).toBeLessThanOrEqual(17);
    stream.destroy();
    await broker.received('unsubscribe');
  });

  it('fails with what ends the consumer, and closes it', async () => {
    await using broker = await ScriptedBroker.start(log(9, 5));
    const stream = consumerOf(broker, { from: { offset: 2 } }).readable();
    const failure = await new Promise((resolve) => stream.once('error', resolve).resume());
    expect(failure).toMatchObject({ errorName: 'OFFSET_OUT_OF_RANGE' });
    await broker.received('unsubscribe');
  });
});
