import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/log.js';
import { parseBrokerEndpoint } from '../../src/client/broker-endpoint.js';
import { ClientEvents } from '../../src/client/client-observer.js';
import { Connection } from '../../src/client/connection.js';
import type { ResponseBody } from '../../src/protocol/native/messages.js';
import { hello, ScriptedBroker } from './scripted-broker.js';

const pong: ResponseBody = { type: 'ping' };

function open(address: string, options: { connectTimeoutMs?: number; signal?: AbortSignal } = {}) {
  return Connection.open({
    endpoint: parseBrokerEndpoint(address),
    clientId: 'test',
    connectTimeoutMs: 20_000,
    requestTimeoutMs: 20_000,
    signal: new AbortController().signal,
    clock: systemClock,
    logger: silentLogger,
    events: new ClientEvents({}, silentLogger),
    ...options,
  });
}

/** A server that is no broker. */
async function rawServer(accept: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => socket.destroy());
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

describe('Connection.open', () => {
  it('says hello and learns the limits', async () => {
    await using broker = await ScriptedBroker.start();
    const connection = await open(broker.address);
    expect(connection).toMatchObject({ brokerId: 1, frameBytesMax: 2 ** 24, closed: false });
    expect(broker.requests[0]?.body).toMatchObject({
      type: 'hello',
      versionMin: 1,
      versionMax: 1,
      clientId: 'test',
    });
    connection.close();
    expect(connection.closed).toBe(true);
  });

  it('fails where nobody listens, and says what to look at', async () => {
    const server = await rawServer(() => {});
    await server[Symbol.asyncDispose]();
    await expect(open(server.address)).rejects.toMatchObject({
      code: 'ODR_CONNECTION',
      retriable: true,
      message: expect.stringMatching(/Cannot connect to 127\.0\.0\.1:\d+: .*ECONNREFUSED.*native listener/),
    });
  });

  it('fails at a server that speaks something else', async () => {
    await using server = await rawServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await expect(open(server.address)).rejects.toMatchObject({
      code: 'ODR_PROTOCOL',
      retriable: false,
      message: expect.stringContaining('does not speak the native protocol'),
    });
  });

  it('fails at a server that hangs up', async () => {
    await using server = await rawServer((socket) => socket.end());
    await expect(open(server.address)).rejects.toMatchObject({ code: 'ODR_CONNECTION', retriable: true });
  });

  it('gives up at a server that says nothing', async () => {
    await using server = await rawServer(() => {});
    await expect(open(server.address, { connectTimeoutMs: 20 })).rejects.toMatchObject({
      code: 'ODR_TIMEOUT',
      retriable: true,
      message: expect.stringContaining('within 20 ms'),
    });
  });

  it('is ended by its signal', async () => {
    const abort = new AbortController();
    await using server = await rawServer(() => abort.abort());
    await expect(open(server.address, { signal: abort.signal })).rejects.toMatchObject({
      code: 'ODR_CLOSED',
    });
  });

  it.each([
    ['chooses a version that is not spoken', { ...hello, version: 2 }],
    ['allows no requests', { ...hello, requestsMax: 0 }],
    ['allows no frames', { ...hello, frameBytesMax: 0 }],
    ['answers something else', pong],
  ])('fails if the broker %s', async (_, answer) => {
    await using broker = await ScriptedBroker.start({ hello: (request) => request.answer(answer) });
    await expect(open(broker.address)).rejects.toMatchObject({ code: 'ODR_PROTOCOL' });
  });

  it('fails with the error of a broker that refuses', async () => {
    await using broker = await ScriptedBroker.start({
      hello: ({ refuse }) => refuse({ error: 'UNSUPPORTED_VERSION' }),
    });
    await expect(open(broker.address)).rejects.toMatchObject({ errorName: 'UNSUPPORTED_VERSION' });
  });
});

describe('Connection', () => {
  it('says what may be wrong where something closes the connection at once', async () => {
    await using server = await rawServer((socket) => socket.end());
    await expect(open(server.address)).rejects.toMatchObject({
      ...{ code: 'ODR_CONNECTION', retriable: true },
      message: expect.stringContaining(
        "closed the connection without a hello. Is it a broker's native listener",
      ),
    });
  });

  it('tells answers apart that come in another order', async () => {
    await using broker = await ScriptedBroker.start();
    const connection = await open(broker.address);
    const topics = ['a', 'b', 'c'].map((name) => connection.request({ type: 'describeTopic', name }));
    for (const { body, answer } of (await broker.received('describeTopic', 3)).reverse()) {
      const topic = { name: body.name, error: null, topicId: '', internal: false, partitions: [] };
      answer({ type: 'describeTopic', topic, configs: [], partitions: [] });
    }
    const answers = await Promise.all(topics);
    expect(answers.map(({ body }) => body.topic.name)).toEqual(['a', 'b', 'c']);
    connection.close();
  });

  it('returns payloads that later answers do not overwrite', async () => {
    await using broker = await ScriptedBroker.start({
      fetch: ({ body, answer }) =>
        answer({ type: 'fetch', partitions: [] }, Buffer.alloc(body.maxBytes, body.minBytes)),
    });
    const connection = await open(broker.address);
    const sizes = [10, 100_000, 20, 70_000, 30];
    const answers = [];
    for (const [fill, maxBytes] of sizes.entries()) {
      answers.push(
        await connection.request({ type: 'fetch', minBytes: fill, maxWaitMs: 0, maxBytes, partitions: [] }),
      );
    }
    for (const [fill, { payload }] of answers.entries()) {
      expect(payload.equals(Buffer.alloc(sizes[fill] ?? 0, fill))).toBe(true);
    }
    connection.close();
  });

  it('rejects with the error of the broker', async () => {
    await using broker = await ScriptedBroker.start({
      ping: ({ refuse }) => refuse({ error: 'THROTTLING_QUOTA_EXCEEDED', detail: 'too much' }),
    });
    const connection = await open(broker.address);
    await expect(connection.request({ type: 'ping' })).rejects.toMatchObject({
      code: 'ODR_BROKER',
      errorName: 'THROTTLING_QUOTA_EXCEEDED',
      retriable: true,
      message: expect.stringContaining('too much'),
    });
    expect(connection.closed).toBe(false);
    connection.close();
  });

  it('tells its end to those who still listen', async () => {
    await using broker = await ScriptedBroker.start();
    const connection = await open(broker.address);
    const told: string[] = [];
    const stopListening = connection.onClose(() => told.push('one who left'));
    connection.onClose(() => told.push('one who stayed'));
    stopListening();
    connection.close();
    connection.onClose(() => told.push('one who is late'));
    expect(told).toEqual(['one who stayed', 'one who is late']);
  });

  it('fails all that wait when the connection is lost', async () => {
    await using broker = await ScriptedBroker.start();
    const connection = await open(broker.address);
    const reasons: string[] = [];
    connection.onClose(({ code }) => reasons.push(code));
    const requests = [connection.request({ type: 'ping' }), connection.request({ type: 'ping' })];
    await broker.received('ping', 2);
    for (const socket of broker.sockets) socket.destroy();
    const outcomes = await Promise.allSettled([...requests, connection.request({ type: 'ping' })]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'ODR_CONNECTION', retriable: true },
      });
    }
    expect(reasons).toEqual(['ODR_CONNECTION']);
    await expect(connection.request({ type: 'ping' })).rejects.toMatchObject({ code: 'ODR_CONNECTION' });
  });

  it('ends when an answer is late, and with it what else waits', async () => {
    await using broker = await ScriptedBroker.start();
    const connection = await open(broker.address);
    const patient = connection.request({ type: 'ping' });
    const hasty = connection.request({ type: 'ping' }, { timeoutMs: 20 });
    await expect(hasty).rejects.toMatchObject({ code: 'ODR_TIMEOUT', retriable: true });
    await expect(patient).rejects.toMatchObject({ code: 'ODR_CONNECTION', retriable: true });
    expect(connection.closed).toBe(true);
  });

  it('tells the broker to give up before it does so itself, but for fetches', async () => {
    await using broker = await ScriptedBroker.start({
      ping: ({ answer }) => answer(pong),
      fetch: ({ answer }) => answer({ type: 'fetch', partitions: [] }),
    });
    const connection = await open(broker.address);
    await connection.request({ type: 'ping' }, { timeoutMs: 20_000 });
    await connection.request({ type: 'fetch', minBytes: 1, maxWaitMs: 9000, maxBytes: 1, partitions: [] });
    expect(broker.requests.slice(1).map(({ timeoutMs }) => timeoutMs)).toEqual([15_000, 0]);
    connection.close();
  });

  it.each<[string, (socket: Socket) => void]>([
    ['garbage', (socket) => socket.write(Buffer.alloc(100, 0xff))],
    ['a frame whose header is cut off', (socket) => socket.write(Buffer.from('0000000400000009', 'hex'))],
    ['a header that is none', (socket) => socket.write(Buffer.from('0000000600000002ffff', 'hex'))],
    [
      'the answer to a request that it did not get',
      (socket) => socket.write(Buffer.from('0000000600000002087f', 'hex')),
    ],
  ])('ends at %s', async (_, misbehave) => {
    await using broker = await ScriptedBroker.start({ ping: ({ socket }) => misbehave(socket) });
    const connection = await open(broker.address);
    await expect(connection.request({ type: 'ping' })).rejects.toMatchObject({ code: 'ODR_PROTOCOL' });
    expect(connection.closed).toBe(true);
  });

  it('ends at an answer of another kind', async () => {
    await using broker = await ScriptedBroker.start({
      ping: ({ answer }) => answer({ type: 'deleteTopic' }),
    });
    const connection = await open(broker.address);
    await expect(connection.request({ type: 'ping' })).rejects.toMatchObject({ code: 'ODR_PROTOCOL' });
    expect(connection.closed).toBe(true);
  });

  it('has no more requests unanswered than the broker allows', async () => {
    await using broker = await ScriptedBroker.start({
      hello: ({ answer }) => answer({ ...hello, requestsMax: 2 }),
    });
    const connection = await open(broker.address);
    const requests = Array.from({ length: 5 }, () => connection.request({ type: 'ping' }));
    for (let answered = 0; answered < 5; answered++) {
      const pings = await broker.received('ping', Math.min(5, answered + 2));
      expect(pings.length).toBe(Math.min(5, answered + 2));
      pings[answered]?.answer(pong);
      await requests[answered];
    }
    connection.close();
  });

  it('gives up a request that waits for its turn without harm to the others', async () => {
    await using broker = await ScriptedBroker.start({
      hello: ({ answer }) => answer({ ...hello, requestsMax: 1 }),
    });
    const connection = await open(broker.address);
    const first = connection.request({ type: 'ping' });
    await expect(connection.request({ type: 'ping' }, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'ODR_TIMEOUT',
    });
    const [ping] = await broker.received('ping');
    ping?.answer(pong);
    await first;
    const third = connection.request({ type: 'ping' });
    (await broker.received('ping', 2))[1]?.answer(pong);
    await third;
    connection.close();
  });

  it('cancels a request at the broker', async () => {
    await using broker = await ScriptedBroker.start();
    const connection = await open(broker.address);
    const abort = new AbortController();
    const cancelled = connection.request({ type: 'ping' }, { signal: abort.signal });
    const [ping] = await broker.received('ping');
    abort.abort();
    await expect(cancelled).rejects.toMatchObject({ code: 'ODR_CLOSED' });
    const [cancel] = await broker.received('cancel');
    expect(cancel?.body.correlationId).toBe(ping?.correlationId);
    // The broker answers all the same; that harms nobody.
    ping?.refuse({ error: 'REQUEST_TIMED_OUT' });
    const next = connection.request({ type: 'ping' });
    (await broker.received('ping', 2))[1]?.answer(pong);
    await next;
    await expect(connection.request({ type: 'ping' }, { signal: abort.signal })).rejects.toMatchObject({
      code: 'ODR_CLOSED',
    });
    connection.close();
  });

  it('refuses a request that the broker would not take', async () => {
    await using broker = await ScriptedBroker.start({
      hello: ({ answer }) => answer({ ...hello, frameBytesMax: 1024 }),
    });
    const connection = await open(broker.address);
    const request = connection.request({ type: 'ping' }, { payload: [Buffer.alloc(1024)] });
    await expect(request).rejects.toMatchObject({
      code: 'ODR_USAGE',
      message: expect.stringContaining('1024'),
    });
    expect(connection.closed).toBe(false);
    connection.close();
  });

  it('sends what gets no answer', async () => {
    await using broker = await ScriptedBroker.start();
    const connection = await open(broker.address);
    await connection.sendUnanswered({ type: 'produce', acks: 'none', partitions: [] }, [
      Buffer.from('bytes'),
    ]);
    const [produce] = await broker.received('produce');
    expect(produce?.payload.toString()).toBe('bytes');
    connection.close();
    await expect(connection.sendUnanswered({ type: 'ping' }, [])).rejects.toMatchObject({
      code: 'ODR_CLOSED',
    });
  });
});
