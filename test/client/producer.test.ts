import { afterEach, describe, expect, it, vi } from 'vitest';
import { Client, type ClientOptions } from '../../src/client/client.js';
import { int64, json, text } from '../../src/client/format.js';
import type { MessageHeaders } from '../../src/client/message.js';
import type { ProducerOptions } from '../../src/client/producer-options.js';
import type { ProducePartitionResult } from '../../src/protocol/native/messages.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { ScriptedBroker, type ScriptedRequest, topicOf } from './scripted-broker.js';

type ProduceRequest = ScriptedRequest<Extract<ScriptedRequest['body'], { type: 'produce' }>>;

const clients: Client[] = [];

function clientOf(broker: ScriptedBroker, options: ClientOptions = {}): Client {
  const client = new Client({ brokers: [broker.address], ...options });
  clients.push(client);
  return client;
}

const producerOf = (broker: ScriptedBroker, options: ProducerOptions = {}) =>
  clientOf(broker).producer({ lingerMs: 0, ...options });

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close({ timeoutMs: 0 })));
});

const appended = (baseOffset: number): ProducePartitionResult => ({
  error: null,
  baseOffset,
  logAppendTimeMs: -1,
  logStartOffset: 0,
});

/** Acknowledges every batch, at offset 100. */
const acknowledge = ({ body, answer }: ProduceRequest) =>
  answer({ type: 'produce', partitions: body.partitions.map(() => appended(100)) });

/** `partition: values` of each batch of a request. */
function valuesOf({ body, payload }: ProduceRequest): string[] {
  const batches = [...new BatchReader(payload)];
  return batches.map((batch, index) => {
    const values = [...batch.records()].map(({ value }) => value?.toString());
    return `${body.partitions[index]?.partition}: ${values.join(' ')}`;
  });
}

/** Time passes only when an outcome is waited for: a millisecond between two looks, however busy the machine is. */
async function inSlowTime(run: () => Promise<unknown>): Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    let isOver = false;
    const over = run().finally(() => {
      isOver = true;
    });
    over.catch(() => {}); // It is told below.
    const look = () => {
      vi.advanceTimersByTime(1);
      return isOver;
    };
    await vi.waitUntil(look, { timeout: 20_000, interval: 5 });
    await over;
  } finally {
    vi.useRealTimers();
  }
}

describe('Producer', () => {
  it('sends what is sent in one turn in one batch per partition, and answers in order', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker);
    const results = await Promise.all([
      producer.send({ topic: 'orders', partition: 0, value: 'a', timestampMs: 5 }),
      producer.send({ topic: 'orders', partition: 1, value: 'b' }),
      producer.send({
        topic: 'orders',
        messages: [
          { partition: 1, value: 'c' },
          { partition: 0, value: 'd' },
        ],
      }),
    ]);
    const requests = await broker.received('produce');
    expect(requests.map(valuesOf)).toEqual([['0: a d', '1: b c']]);
    expect(results[0]).toEqual({ topic: 'orders', partition: 0, offset: 100, timestampMs: 5 });
    expect(results[1]).toMatchObject({ partition: 1, offset: 100 });
    expect(results[2].map(({ partition, offset }) => [partition, offset])).toEqual([
      [1, 101],
      [0, 101],
    ]);
  });

  it('writes keys, values and headers of every kind', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker);
    const pairs: MessageHeaders = [
      ['twice', 'a'],
      ['twice', null],
    ];
    await producer.sendBatch({
      topic: 'orders',
      messages: [
        {
          partition: 0,
          key: 'kéy',
          value: new Uint8Array([1, 2]),
          headers: { one: 'x', two: Buffer.from('y') },
        },
        { partition: 0, key: null, value: null, headers: pairs },
        { partition: 0, key: '', value: '' },
      ],
    });
    const [request] = await broker.received('produce');
    const [batch] = [...new BatchReader(request?.payload ?? Buffer.alloc(0))];
    const records = [...(batch?.records() ?? [])].map(({ key, value, headers }) => ({
      key: key?.toString() ?? null,
      value: value?.toString('hex') ?? null,
      headers: headers.map((header) => [header.key, header.value && Buffer.from(header.value).toString()]),
    }));
    expect(records).toEqual([
      {
        key: 'kéy',
        value: '0102',
        headers: [
          ['one', 'x'],
          ['two', 'y'],
        ],
      },
      {
        key: null,
        value: null,
        headers: [
          ['twice', 'a'],
          ['twice', null],
        ],
      },
      { key: '', value: '', headers: [] },
    ]);
  });

  it('takes the time of the broker where the topic wants that', async () => {
    await using broker = await ScriptedBroker.start({
      produce: ({ answer }) =>
        answer({ type: 'produce', partitions: [{ ...appended(7), logAppendTimeMs: 42 }] }),
    });
    const result = await producerOf(broker).send({
      topic: 'orders',
      partition: 0,
      value: 'a',
      timestampMs: 1,
    });
    expect(result).toMatchObject({ offset: 7, timestampMs: 42 });
  });

  it('keeps one batch of a partition under way, the others in order behind it', async () => {
    await using broker = await ScriptedBroker.start();
    const producer = producerOf(broker, { batchBytes: 200, requestsInFlightMax: 1 });
    const sends = ['a', 'b', 'c'].map((letter) =>
      producer.send({ topic: 'orders', partition: 0, value: letter.repeat(150) }),
    );
    for (let count = 1; count <= 3; count++) {
      const requests = await broker.received('produce', count);
      expect(requests.length).toBe(count);
      requests[count - 1]?.answer({ type: 'produce', partitions: [appended(count)] });
      expect(await sends[count - 1]).toMatchObject({ offset: count });
    }
  });

  it('sends a refused batch again before those that follow it', async () => {
    let refusals = 2;
    await using broker = await ScriptedBroker.start({
      produce: (request) => {
        if (refusals-- <= 0) return acknowledge(request);
        const error = { error: 'NOT_LEADER_OR_FOLLOWER' } as const;
        request.answer({ type: 'produce', partitions: [{ ...appended(-1), error }] });
      },
    });
    const producer = producerOf(broker, { batchBytes: 200, requestsInFlightMax: 1 });
    const sends = ['a', 'b', 'c'].map((letter) =>
      producer.send({ topic: 'orders', partition: 0, value: letter.repeat(150) }),
    );
    await Promise.all(sends);
    const requests = await broker.received('produce');
    expect(requests.map((request) => valuesOf(request)[0]?.slice(0, 4))).toEqual([
      '0: a',
      '0: a',
      '0: a',
      '0: b',
      '0: c',
    ]);
    const refreshed = broker.requests.filter(({ body }) => body.type === 'metadata');
    expect(refreshed.length).toBeGreaterThan(1);
  });

  it('sends again over a new connection when the first is lost', async () => {
    let losses = 1;
    await using broker = await ScriptedBroker.start({
      produce: (request) => {
        if (losses-- > 0) request.socket.destroy();
        else acknowledge(request);
      },
    });
    const producer = producerOf(broker);
    await expect(producer.send({ topic: 'orders', partition: 0, value: 'a' })).resolves.toMatchObject({
      offset: 100,
    });
    expect(broker.connections).toBe(2);
  });

  it('sends nothing twice with retries: 0', async () => {
    await using broker = await ScriptedBroker.start({ produce: ({ socket }) => void socket.destroy() });
    const producer = producerOf(broker, { retries: 0 });
    await expect(producer.send({ topic: 'orders', partition: 0, value: 'a' })).rejects.toMatchObject({
      code: 'ODR_CONNECTION',
      retriable: true,
    });
    expect((await broker.received('produce')).length).toBe(1);
  });

  it('fails messages of their partition alone when the broker refuses for good', async () => {
    await using broker = await ScriptedBroker.start({
      produce: ({ body, answer }) =>
        answer({
          type: 'produce',
          partitions: body.partitions.map(({ partition }) =>
            partition === 0
              ? { ...appended(-1), error: { error: 'MESSAGE_TOO_LARGE', detail: 'too long' } }
              : appended(3),
          ),
        }),
    });
    const producer = producerOf(broker);
    const bad = producer.send({ topic: 'orders', partition: 0, value: 'a' });
    const good = producer.send({ topic: 'orders', partition: 1, value: 'b' });
    await expect(bad).rejects.toMatchObject({
      errorName: 'MESSAGE_TOO_LARGE',
      message: expect.stringContaining('too long'),
    });
    await expect(good).resolves.toMatchObject({ offset: 3 });
    const both = producer.sendBatch({
      topic: 'orders',
      messages: [
        { partition: 0, value: 'a' },
        { partition: 1, value: 'b' },
      ],
    });
    await expect(both).rejects.toMatchObject({
      errorName: 'MESSAGE_TOO_LARGE',
      message: expect.stringContaining('1 of 2 messages'),
    });
  });

  it('gives up after deliveryTimeoutMs, and says what was wrong', async () => {
    await using broker = await ScriptedBroker.start({
      produce: ({ answer }) =>
        answer({
          type: 'produce',
          partitions: [{ ...appended(-1), error: { error: 'LEADER_NOT_AVAILABLE' } }],
        }),
    });
    await inSlowTime(async () => {
      const producer = producerOf(broker, { deliveryTimeoutMs: 300 });
      await expect(producer.send({ topic: 'orders', partition: 0, value: 'a' })).rejects.toMatchObject({
        code: 'ODR_TIMEOUT',
        message: expect.stringMatching(/Not delivered to orders-0 within 300 ms.*LEADER_NOT_AVAILABLE/),
      });
    });
  });

  it('does not send to a partition without a leader', async () => {
    await using broker = await ScriptedBroker.start({
      metadata: ({ body, answer }) =>
        answer({
          ...{ type: 'metadata', clusterId: 'c', controllerId: 1, brokers: [] },
          topics: body.topics.map((name) => topicOf(name, 1, -1)),
        }),
    });
    await inSlowTime(async () => {
      const producer = producerOf(broker, { deliveryTimeoutMs: 300 });
      await expect(producer.send({ topic: 'orders', value: 'a' })).rejects.toMatchObject({
        code: 'ODR_TIMEOUT',
        message: expect.stringContaining('LEADER_NOT_AVAILABLE'),
      });
    });
    expect(broker.requests.some(({ body }) => body.type === 'produce')).toBe(false);
  });

  it('waits for room, and keeps the order while it does', async () => {
    await using broker = await ScriptedBroker.start();
    const producer = producerOf(broker, { batchBytes: 1000, bufferBytesMax: 6000 });
    const sends = Array.from({ length: 5 }, (_, i) =>
      producer.send({ topic: 'orders', partition: 0, value: String(i).repeat(900) }),
    );
    const [first] = await broker.received('produce');
    expect(producer.bufferedBytes).toBeLessThanOrEqual(6000);
    let hasRoom = false;
    const room = producer.ready().then(() => {
      hasRoom = true;
    });
    first?.answer({ type: 'produce', partitions: [appended(0)] });
    for (let count = 2; count <= 5; count++) {
      const request = (await broker.received('produce', count))[count - 1];
      expect(hasRoom).toBe(count === 5);
      request?.answer({ type: 'produce', partitions: [appended(count - 1)] });
    }
    await room;
    expect((await Promise.all(sends)).map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4]);
    expect(producer.bufferedBytes).toBe(0);
  });

  it('has the messages of a call that waits for itself', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker);
    // The topic is not known yet: the call waits.
    const messages = [
      { partition: 0, value: 'a' },
      { partition: 0, value: 'b' },
    ];
    const sent = producer.sendBatch({ topic: 'orders', messages });
    messages.length = 0;
    messages.push({ partition: 0, value: 'another' });
    expect((await sent).map(({ offset }) => offset)).toEqual([100, 101]);
    const [request] = await broker.received('produce');
    expect(request && valuesOf(request)).toEqual(['0: a b']);
  });

  it('takes a message that is larger than its buffer when that is empty', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker, { bufferBytesMax: 100 });
    const sends = ['a', 'b'].map((letter) =>
      producer.send({ topic: 'orders', partition: 0, value: letter.repeat(1000) }),
    );
    await expect(Promise.all(sends)).resolves.toHaveLength(2);
  });

  it('flushes what lingers', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker, { lingerMs: 600_000 });
    const sent = producer.send({ topic: 'orders', partition: 0, value: 'a' });
    await producer.flush();
    await expect(sent).resolves.toMatchObject({ offset: 100 });
    // A second message finds the topic known.
    const second = producer.send({ topic: 'orders', partition: 0, value: 'b' });
    await producer.flush();
    await expect(second).resolves.toMatchObject({ offset: 100 });
  });

  it('has told those who wait for a message before those who wait for the flush', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker, { lingerMs: 60_000 });
    const told: string[] = [];
    // The first ones wait until the topic is known, the last ones find an open batch.
    for (const value of ['a', 'b']) producer.send({ topic: 'orders', value }).then(() => told.push(value));
    const refused = producer.send({ topic: 'orders', value: 'x', partition: 99 });
    refused.catch(() => told.push('refused'));
    await producer.flush();
    for (const value of ['c', 'd']) producer.send({ topic: 'orders', value }).then(() => told.push(value));
    producer
      .send({ topic: 'orders', messages: [{ value: 'e' }, { value: 'f' }] })
      .then(({ length }) => told.push(`${length} more`));
    await producer.flush();
    expect(told.sort()).toEqual(['2 more', 'a', 'b', 'c', 'd', 'refused']);
  });

  it('lingers no longer than it says', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker, { lingerMs: 1 });
    for (let i = 0; i < 3; i++) await producer.send({ topic: 'orders', partition: 0, value: 'a' });
    expect((await broker.received('produce')).length).toBe(3);
  });

  it('resolves without an answer with acks none', async () => {
    await using broker = await ScriptedBroker.start();
    const producer = producerOf(broker, { acks: 'none' });
    await expect(producer.send({ topic: 'orders', partition: 0, value: 'a' })).resolves.toMatchObject({
      offset: -1,
    });
    expect((await broker.received('produce')).map(valuesOf)).toEqual([['0: a']]);
  });

  it('compresses', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker, { compression: 'gzip' });
    await producer.send({ topic: 'orders', partition: 0, value: 'a'.repeat(10_000) });
    const [request] = await broker.received('produce');
    expect(request?.payload.length).toBeLessThan(1000);
    expect(request && valuesOf(request)).toEqual([`0: ${'a'.repeat(10_000)}`]);
  });

  it('says soon that a topic is missing', async () => {
    await using broker = await ScriptedBroker.start({
      metadata: ({ body, answer }) =>
        answer({
          ...{ type: 'metadata', clusterId: 'c', controllerId: 1, brokers: [] },
          topics: body.topics.map((name) => ({
            ...topicOf(name, 0),
            error: { error: 'UNKNOWN_TOPIC_OR_PARTITION' },
          })),
        }),
    });
    await expect(producerOf(broker).send({ topic: 'ordres', value: 'a' })).rejects.toMatchObject({
      errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
      message: expect.stringContaining("There is no topic 'ordres'"),
    });
    const asked = broker.requests.filter(({ body }) => body.type === 'metadata');
    expect(asked[0]?.body).toMatchObject({ topics: ['ordres'], autoCreate: true });
  });

  it.each<[string, unknown, string]>([
    ['a message', undefined, 'takes a message'],
    ['a message, not a value', 'a', 'takes a message'],
    ['a topic', { value: 'a' }, 'needs a topic'],
    ['messages that are objects', { topic: 'orders', messages: ['a'] }, 'must be an object'],
    ['messages that are there', { topic: 'orders', messages: [null] }, 'must be an object'],
    ['headers that are there', { topic: 'orders', value: 'a', headers: null }, 'Headers must be'],
    [
      'a value of bytes',
      { topic: 'orders', value: { a: 1 } },
      'not Object: serialize it, or give the producer a format',
    ],
    [
      'a value of bytes, also of an object without a prototype',
      { topic: 'orders', value: Object.create(null) },
      'not an object: serialize it',
    ],
    ['a key of bytes', { topic: 'orders', key: 7, value: 'a' }, 'not number'],
    ['headers of bytes', { topic: 'orders', value: 'a', headers: { h: 1 } }, 'A header must be'],
    ['a whole time', { topic: 'orders', value: 'a', timestampMs: 1.5 }, 'whole milliseconds'],
    ['a partition of the topic', { topic: 'orders', value: 'a', partition: 2 }, 'no partition 2; it has 2'],
    ['messages in an array', { topic: 'orders', messages: 'a' }, 'must be an array'],
  ])('asks for %s', async (_, message, problem) => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker);
    await expect(producer.send(message as never)).rejects.toMatchObject({
      code: 'ODR_USAGE',
      message: expect.stringContaining(problem),
    });
    // The producer goes on.
    await expect(producer.send({ topic: 'orders', partition: 0, value: 'a' })).resolves.toMatchObject({
      offset: 100,
    });
  });

  it('rejects a call for several messages without any', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const sent = producerOf(broker).sendBatch(undefined as never);
    await expect(sent).rejects.toMatchObject({ code: 'ODR_USAGE' });
  });

  it.each<[string, ProducerOptions]>([
    ['acks', { acks: 'some' as never }],
    ['compression', { compression: 'zip' as never }],
    ['lingerMs', { lingerMs: -1 }],
    ['batchBytes', { batchBytes: 2 ** 30 }],
    ['bufferBytesMax', { bufferBytesMax: 0.5 }],
    ['requestsInFlightMax', { requestsInFlightMax: 0 }],
  ])('refuses a wrong %s', async (name, options) => {
    const client = new Client();
    expect(() => client.producer(options)).toThrow(
      expect.objectContaining({ code: 'ODR_USAGE', message: expect.stringContaining(name) }),
    );
    await client.close();
  });
});

describe('Producer.close', () => {
  it('delivers what it has and takes nothing more', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker, { lingerMs: 600_000 });
    const sent = producer.send({ topic: 'orders', partition: 0, value: 'a' });
    await producer.close();
    await expect(sent).resolves.toMatchObject({ offset: 100 });
    await expect(producer.send({ topic: 'orders', value: 'b' })).rejects.toMatchObject({
      code: 'ODR_CLOSED',
    });
    await expect(producer.ready()).rejects.toMatchObject({ code: 'ODR_CLOSED' });
  });

  it('gives up after its own time', async () => {
    await using broker = await ScriptedBroker.start();
    const producer = producerOf(broker, { batchBytes: 1000, bufferBytesMax: 1500 });
    const sends = Array.from({ length: 3 }, () =>
      producer.send({ topic: 'orders', partition: 0, value: Buffer.alloc(900) }),
    );
    const outcomes = Promise.allSettled(sends);
    await broker.received('produce');
    await producer.close({ timeoutMs: 1 });
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ODR_CLOSED' } });
    }
    expect(producer.bufferedBytes).toBe(0);
  });

  it('ends with its client while no broker can be reached', async () => {
    const broker = await ScriptedBroker.start();
    const client = clientOf(broker);
    await broker[Symbol.asyncDispose]();
    const sent = client.producer().send({ topic: 'orders', value: 'a' });
    const outcome = Promise.allSettled([sent]);
    await client.close({ timeoutMs: 1 });
    expect(await outcome).toMatchObject([{ status: 'rejected', reason: { code: 'ODR_CLOSED' } }]);
  });
});

describe('Producer, with formats', () => {
  it('encodes keys and values, and leaves null alone', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = clientOf(broker).producer({
      lingerMs: 0,
      key: int64(),
      value: json<{ amount: number }>(),
    });
    const messages = [{ key: 7n, value: { amount: 12 } }, { key: 8n, value: null }, { value: { amount: 1 } }];
    await producer.sendBatch({ topic: 'orders', messages: messages.map((m) => ({ ...m, partition: 0 })) });
    const [request] = await broker.received('produce');
    const [batch] = [...new BatchReader(request?.payload ?? Buffer.alloc(0))];
    const records = [...(batch?.records() ?? [])].map(({ key, value }) => [
      key?.toString('hex'),
      value?.toString(),
    ]);
    expect(records).toEqual([
      ['0000000000000007', '{"amount":12}'],
      ['0000000000000008', undefined],
      [undefined, '{"amount":1}'],
    ]);
  });

  it('fails only the message that a format does not take', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = clientOf(broker).producer({ lingerMs: 0, value: text() });
    // @ts-expect-error: a number is no text, which the compiler says, and plain JavaScript does not.
    const wrong = producer.send({ topic: 'orders', value: 7 });
    const right = producer.send({ topic: 'orders', value: 'a' });
    await expect(wrong).rejects.toMatchObject({ code: 'ODR_FORMAT', cause: expect.any(TypeError) });
    await expect(right).resolves.toMatchObject({ offset: 100 });
  });
});

describe('Producer, with signals', () => {
  const reason = new Error('enough');

  it('starts nothing for a signal that is aborted', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const producer = producerOf(broker);
    const signal = AbortSignal.abort(reason);
    await expect(producer.send({ topic: 'orders', value: 'a' }, { signal })).rejects.toBe(reason);
    await expect(
      producer.sendBatch({ topic: 'orders', messages: [{ value: 'a' }] }, { signal }),
    ).rejects.toBe(reason);
    await expect(producer.ready({ signal })).rejects.toBe(reason);
    await expect(producer.flush({ signal })).rejects.toBe(reason);
    await expect(clientOf(broker).connect({ signal })).rejects.toBe(reason);
    await producer.flush();
    expect(broker.requests.filter(({ body }) => body.type === 'produce')).toEqual([]);
  });

  it('gives results and errors as without a signal', async () => {
    await using broker = await ScriptedBroker.start({ produce: acknowledge });
    const { signal } = new AbortController();
    const producer = producerOf(broker);
    await expect(producer.send({ topic: 'orders', value: 'a' }, { signal })).resolves.toMatchObject({
      offset: 100,
    });
    const malformed = producer.send({ topic: 'orders', value: 'a', partition: 9 }, { signal });
    await expect(malformed).rejects.toThrow(/^Topic 'orders' has no partition 9/);
  });

  it('stops waiting, and withdraws what had no room yet', async () => {
    await using broker = await ScriptedBroker.start();
    const producer = producerOf(broker, { bufferBytesMax: 4200 });
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const first = producer.send({ topic: 'orders', partition: 0, value: 'first' });
    const [request] = await broker.received('produce');
    const second = producer.send({ topic: 'orders', partition: 0, value: 'second' }, options);
    const third = producer.send({ topic: 'orders', partition: 0, value: 'third' });
    const waits = [second, producer.ready(options), producer.flush(options)];
    controller.abort(reason);
    for (const wait of waits) await expect(wait).rejects.toBe(reason);
    if (request) acknowledge(request);
    await first;
    const next = (await broker.received('produce', 2))[1];
    expect(next && valuesOf(next)).toEqual(['0: third']);
    if (next) acknowledge(next);
    await third;
    await producer.flush();
    expect(producer.bufferedBytes).toBe(0);
  });

  it('closes without delivering the rest when its signal is aborted', async () => {
    await using broker = await ScriptedBroker.start();
    const producer = producerOf(broker);
    const controller = new AbortController();
    const outcome = Promise.allSettled([producer.send({ topic: 'orders', value: 'a' })]);
    await broker.received('produce');
    const closed = producer.close({ signal: controller.signal });
    controller.abort(reason);
    await closed;
    expect(await outcome).toMatchObject([{ status: 'rejected', reason: { code: 'ODR_CLOSED' } }]);
  });
});
