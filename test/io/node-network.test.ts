import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { ConnectionHandler, Listener, Transport } from '../../src/io/network.js';
import { NodeNetwork, type NodeNetworkOptions } from '../../src/io/node-network.js';
import { formatAddress, NodeTransport } from '../../src/io/node-transport.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

/** Byte `position` of every test stream: long without a period, so that a lost or doubled byte shows. */
const byteAt = (position: number) => (position * 31 + (position >>> 8) * 17 + (position >>> 16) * 7) & 0xff;
const stream = (length: number) => {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = byteAt(i);
  return bytes;
};

/** A promise with its resolver. */
function signal<T = void>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Collects what arrives in one buffer of its own. */
class Collector implements ConnectionHandler {
  readonly transport: Transport;
  readonly #chunks: Buffer[] = [];
  readonly #buffer: Uint8Array;
  readonly gone = signal();
  closedCount = 0;
  onBytes: (bytes: Buffer) => boolean = () => true;

  constructor(transport: Transport, buffer: Uint8Array = Buffer.alloc(4096)) {
    this.transport = transport;
    this.#buffer = buffer;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  receiveBuffer(): Uint8Array {
    return this.#buffer;
  }

  received(count: number): boolean {
    const bytes = Buffer.from(this.#buffer.slice(0, count));
    this.#chunks.push(bytes);
    return this.onBytes(bytes);
  }

  closed(): void {
    this.closedCount++;
    this.gone.resolve();
  }
}

/** Takes bytes into regions that change after each delivery and each pause, as the broker's extents do, and checks them. */
class MovingReceiver implements ConnectionHandler {
  readonly #transport: Transport;
  readonly #random: Random;
  readonly #expected: number;
  readonly all = signal();
  #memory: Uint8Array = new Uint8Array(0);
  #lent: Uint8Array | null = null;
  #received = 0;
  #paused = false;
  pauses = 0;
  problem: string | null = null;

  constructor(transport: Transport, random: Random, expected: number) {
    this.#transport = transport;
    this.#random = random;
    this.#expected = expected;
  }

  receiveBuffer(): Uint8Array {
    if (this.#paused) this.problem ??= 'asked for memory while paused';
    const memory = new Uint8Array(new SharedArrayBuffer(1 + this.#random.below(100_000)));
    this.#memory = memory;
    this.#lent = memory;
    return memory;
  }

  received(count: number): boolean {
    if (this.#paused) this.problem ??= 'delivered while paused';
    if (this.#lent === null || count > this.#lent.length) this.problem ??= 'more bytes than room';
    for (let i = 0; i < count; i++) {
      if (this.#memory[i] !== byteAt(this.#received + i)) {
        this.problem ??= `wrong byte at ${this.#received + i}`;
        break;
      }
    }
    this.#received += count;
    this.#lent = null;
    if (this.#received >= this.#expected) this.all.resolve();
    const fate = this.#random.below(8);
    if (fate > 1) return true;
    this.pauses++;
    // Sometimes it may go on before the delivery is even over.
    if (fate === 0 && this.#random.below(4) === 0) this.#transport.resume();
    else {
      this.#paused = true;
      setImmediate(() => {
        this.#paused = false;
        this.#transport.resume();
      });
    }
    return false;
  }

  closed(): void {
    this.all.resolve();
  }
}

const listeners: Listener[] = [];
const clients: Socket[] = [];

function listen(
  network: NodeNetwork,
  address: string,
  accept: (transport: Transport) => ConnectionHandler,
): Promise<Listener> {
  return new Promise((resolve, reject) => {
    network.listen(address, accept, (result) => {
      if (result instanceof Error) return reject(result);
      listeners.push(result);
      resolve(result);
    });
  });
}

async function dial(address: string, options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
  const at = address.lastIndexOf(':');
  const socket = connect({
    host: address.slice(0, at).replace(/[[\]]/g, ''),
    port: Number(address.slice(at + 1)),
    ...options,
  });
  socket.on('error', () => {});
  clients.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => chunks.push(bytes));
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  return Buffer.concat(chunks);
}

/** A listener and its first connection, from both sides. */
async function pair(options: NodeNetworkOptions, make = (transport: Transport) => new Collector(transport)) {
  const accepted = signal<Collector>();
  const network = new NodeNetwork(options);
  const listener = await listen(network, '127.0.0.1:0', (transport) => {
    const handler = make(transport);
    accepted.resolve(handler);
    return handler;
  });
  const client = await dial(listener.address, { allowHalfOpen: true });
  return { network, listener, client, server: await accepted.promise };
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(
    listeners.splice(0).map((listener) => new Promise<void>((resolve) => listener.close(resolve))),
  );
});

describe.each(['direct', 'data'] as const)('NodeNetwork reading %s', (receive) => {
  it('uses the way of reading it was told to', async () => {
    const accepted = signal<Transport>();
    const listener = await listen(new NodeNetwork({ receive }), '127.0.0.1:0', (transport) => {
      accepted.resolve(transport);
      return new Collector(transport);
    });
    await dial(listener.address);
    const transport = await accepted.promise;
    expect(transport).toBeInstanceOf(NodeTransport);
    expect(transport instanceof NodeTransport && transport.direct).toBe(receive === 'direct');
  });

  it('delivers every byte in order through pauses, into memory that changes, shared memory too', async () => {
    const length = 16 * 1024 * 1024;
    const random = seededRandom(seed);
    const receiver = signal<MovingReceiver>();
    const listener = await listen(new NodeNetwork({ receive }), '127.0.0.1:0', (transport) => {
      const handler = new MovingReceiver(transport, random, length);
      receiver.resolve(handler);
      return handler;
    });
    const client = await dial(listener.address);
    const bytes = stream(length);
    for (let sent = 0; sent < length; ) {
      const end = Math.min(length, sent + 1 + random.below(500_000));
      if (!client.write(bytes.subarray(sent, end))) await once(client, 'drain');
      sent = end;
    }
    const handler = await receiver.promise;
    await handler.all.promise;
    expect(handler.problem, `SEED=${seed}`).toBe(null);
    expect(handler.pauses).toBeGreaterThan(10);
  });

  it('lets connections share one buffer', async () => {
    const shared = Buffer.alloc(1000);
    const servers: Collector[] = [];
    const listener = await listen(new NodeNetwork({ receive }), '127.0.0.1:0', (transport) => {
      const handler = new Collector(transport, shared);
      servers.push(handler);
      return handler;
    });
    const senders = await Promise.all(Array.from({ length: 10 }, () => dial(listener.address)));
    for (const [i, sender] of senders.entries()) sender.end(Buffer.alloc(100_000, i));
    await Promise.all(senders.map((sender) => readAll(sender)));
    await Promise.all(servers.map((server) => server.gone.promise));
    const received = servers.map((server) => server.bytes).sort((a, b) => Buffer.compare(a, b));
    for (const [i, bytes] of received.entries()) expect(bytes.equals(Buffer.alloc(100_000, i))).toBe(true);
  });

  it('keeps what a paused connection did not take while another one receives', async () => {
    const servers: Collector[] = [];
    const paused = signal();
    const listener = await listen(new NodeNetwork({ receive }), '127.0.0.1:0', (transport) => {
      const handler = new Collector(transport, Buffer.alloc(10));
      if (servers.length === 0) {
        handler.onBytes = () => {
          paused.resolve();
          return false;
        };
      }
      servers.push(handler);
      return handler;
    });
    const first = await dial(listener.address);
    first.end(Buffer.alloc(1000, 'a'));
    await paused.promise;
    const second = await dial(listener.address);
    second.end(Buffer.alloc(1000, 'b'));
    await readAll(second);
    const [slow] = servers;
    if (slow === undefined) throw new Error('not accepted');
    expect(slow.bytes.length).toBe(10);
    slow.onBytes = () => true;
    slow.transport.resume();
    await slow.gone.promise;
    expect(servers.map((server) => server.bytes.toString())).toEqual(['a'.repeat(1000), 'b'.repeat(1000)]);
  });

  it('writes pieces in order and calls done once each, thousands of tiny ones too', async () => {
    const { client, server } = await pair({ receive });
    const expected: Buffer[] = [];
    const done: number[] = [];
    const random = seededRandom(seed);
    for (let i = 0; i < 3000; i++) {
      const pieces = Array.from({ length: random.below(5) }, () =>
        Buffer.from(random.bytes(random.below(20))),
      );
      expected.push(...pieces);
      server.transport.write(pieces, () => done.push(i));
    }
    server.transport.end();
    expect((await readAll(client)).equals(Buffer.concat(expected)), `SEED=${seed}`).toBe(true);
    client.end();
    await server.gone.promise;
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  });

  it('counts pending bytes while the peer does not read, and completes all writes when it is destroyed', async () => {
    const { client, server } = await pair({ receive });
    client.pause();
    let done = 0;
    const piece = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 32; i++) server.transport.write([piece, piece], () => done++);
    expect(server.transport.pendingBytes).toBeGreaterThan(32 * 1024 * 1024);
    server.transport.close();
    server.transport.close();
    await server.gone.promise;
    // The last callbacks follow the handle's end.
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(32);
    expect(server.closedCount).toBe(1);
    expect(server.transport.pendingBytes).toBe(0);
    server.transport.write([piece], () => done++);
    expect(done).toBe(33);
    server.transport.resume();
    server.transport.end();
    server.transport.close();
  });

  it('loses nothing of small answers when the peer reads none of them for a while', async () => {
    const { client, server } = await pair({ receive });
    client.pause();
    const expected: Buffer[] = [];
    let done = 0;
    const writeMore = (count: number) => {
      for (let i = 0; i < count; i++) {
        const piece = Buffer.alloc(16_000, expected.length % 251);
        expected.push(piece);
        server.transport.write([piece], () => done++);
      }
    };
    // Until the kernel takes no more, and on.
    while (server.transport.pendingBytes === 0) {
      writeMore(16);
      await new Promise((resolve) => setImmediate(resolve));
    }
    writeMore(100);
    expect(done).toBeLessThan(expected.length);
    server.transport.end();
    const read = readAll(client);
    client.resume();
    expect((await read).equals(Buffer.concat(expected))).toBe(true);
    client.end();
    await server.gone.promise;
    expect(done).toBe(expected.length);
  });

  it('completes all writes when the peer vanishes', async () => {
    const { client, server } = await pair({ receive });
    client.pause();
    let done = 0;
    for (let i = 0; i < 32; i++) server.transport.write([Buffer.alloc(1024 * 1024)], () => done++);
    client.resetAndDestroy();
    await server.gone.promise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(32);
    expect(server.closedCount).toBe(1);
  });

  it('sends everything before it ends, while the peer still sends', async () => {
    const { client, server } = await pair({ receive });
    const bytes = stream(8 * 1024 * 1024);
    server.transport.write([bytes]);
    server.transport.end();
    server.transport.write([Buffer.from('too late')]);
    const all = readAll(client);
    client.write(Buffer.alloc(4 * 1024 * 1024));
    expect((await all).equals(bytes)).toBe(true);
    client.end();
    await server.gone.promise;
    expect(server.bytes.length).toBe(0);
  });

  it('lands nothing in lent memory after the end', async () => {
    const lent = Buffer.alloc(1000);
    const { client, server } = await pair({ receive }, (transport) => new Collector(transport, lent));
    const first = signal();
    server.onBytes = () => {
      first.resolve();
      return true;
    };
    client.write('x');
    await first.promise;
    lent.fill(0);
    server.transport.end();
    client.end(Buffer.alloc(100_000, 1));
    await readAll(client);
    await server.gone.promise;
    expect(lent.equals(Buffer.alloc(1000))).toBe(true);
    expect(server.bytes.toString()).toBe('x');
  });

  it('ends a paused connection', async () => {
    const { client, server } = await pair({ receive });
    server.onBytes = () => {
      server.transport.end();
      return false;
    };
    client.end(Buffer.alloc(10_000_000));
    expect((await readAll(client)).length).toBe(0);
    await server.gone.promise;
    expect(server.closedCount).toBe(1);
  });

  it('answers a request whose sender sends no more, and then ends', async () => {
    const clock = new SimulatedClock();
    const { client, server } = await pair({ receive, clock, halfOpenMs: 50 });
    server.onBytes = () => {
      setImmediate(() => setImmediate(() => server.transport.write([Buffer.from('answer')])));
      return true;
    };
    client.end('request');
    const [answer] = await once(client, 'data');
    expect(answer.toString()).toBe('answer');
    // Time passes only now, once the server knows that no more will come.
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(49);
    server.transport.write([Buffer.from('another')]);
    clock.advance(1);
    expect((await readAll(client)).toString()).toBe('another');
    await server.gone.promise;
    expect(server.bytes.toString()).toBe('request');
  });

  it('closes an ended connection whose peer does not end', async () => {
    const clock = new SimulatedClock();
    const { client, server } = await pair({ receive, clock, lingerMs: 10 });
    server.transport.end();
    await readAll(client);
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(10);
    await server.gone.promise;
    expect(server.closedCount).toBe(1);
  });

  it('can be closed and written to while it is accepted', async () => {
    const gone = signal();
    const network = new NodeNetwork({ receive });
    const listener = await listen(network, '127.0.0.1:0', (transport) => {
      const handler = new Collector(transport);
      transport.write([Buffer.from('go away')]);
      transport.close();
      void handler.gone.promise.then(gone.resolve);
      return handler;
    });
    await dial(listener.address);
    await gone.promise;
    expect(network.connections).toBe(0);
  });

  it('knows both addresses', async () => {
    const { client, server, listener } = await pair({ receive });
    expect(server.transport.localAddress).toBe(listener.address);
    expect(server.transport.remoteAddress).toBe(`127.0.0.1:${client.localPort}`);
  });

  it('serves a thousand connections', async () => {
    const network = new NodeNetwork({ receive });
    const gone: Promise<void>[] = [];
    const listener = await listen(network, '127.0.0.1:0', (transport) => {
      const handler = new Collector(transport);
      gone.push(handler.gone.promise);
      handler.onBytes = (bytes) => {
        transport.write([bytes]);
        return true;
      };
      return handler;
    });
    const sockets = await Promise.all(Array.from({ length: 1000 }, () => dial(listener.address)));
    const answers = sockets.map(async (socket, i) => {
      socket.write(`${i}`);
      const [bytes] = await once(socket, 'data');
      return Number(bytes.toString());
    });
    expect(await Promise.all(answers)).toEqual(sockets.map((_, i) => i));
    expect(network.connections).toBe(1000);
    for (const socket of sockets) socket.end();
    await Promise.all(gone);
    expect(network.connections).toBe(0);
  });

  it('closes connections beyond the limit, and takes new ones when others went', async () => {
    const refused: string[] = [];
    const network = new NodeNetwork({
      receive,
      connectionsMax: 2,
      refused: (client) => refused.push(client),
    });
    const servers: Collector[] = [];
    const listener = await listen(network, '127.0.0.1:0', (transport) => {
      const handler = new Collector(transport);
      servers.push(handler);
      transport.write([Buffer.from('welcome')]);
      return handler;
    });
    for (let i = 0; i < 2; i++) await once(await dial(listener.address), 'data');
    const third = await dial(listener.address);
    expect((await readAll(third)).length).toBe(0);
    expect([servers.length, network.connections]).toEqual([2, 2]);
    expect(refused).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
    servers[0]?.transport.close();
    await servers[0]?.gone.promise;
    const [greeting] = await once(await dial(listener.address), 'data');
    expect(greeting.toString()).toBe('welcome');
  });

  it('stops listening while connections live on', async () => {
    const { client, server, listener } = await pair({ receive });
    await new Promise<void>((resolve) => listener.close(resolve));
    await new Promise<void>((resolve) => listener.close(resolve));
    await expect(dial(listener.address)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    server.transport.write([Buffer.from('still here')]);
    const [bytes] = await once(client, 'data');
    expect(bytes.toString()).toBe('still here');
  });
});

describe('NodeNetwork', () => {
  const accept = (transport: Transport) => new Collector(transport);
  const failure = (address: string) => {
    const result = signal<Listener | Error>();
    new NodeNetwork().listen(address, accept, result.resolve);
    return result.promise;
  };

  it('takes the way of reading from the environment', async () => {
    const before = process.env['ODRADEK_RECEIVE'];
    process.env['ODRADEK_RECEIVE'] = 'data';
    try {
      const { server } = await pair({});
      expect(server.transport instanceof NodeTransport && server.transport.direct).toBe(false);
    } finally {
      if (before === undefined) delete process.env['ODRADEK_RECEIVE'];
      else process.env['ODRADEK_RECEIVE'] = before;
    }
  });

  it('listens on IPv6', async () => {
    const listener = await listen(new NodeNetwork(), '[::1]:0', accept);
    expect(listener.address).toMatch(/^\[::1\]:\d+$/);
    await dial(listener.address);
  });

  it('listens on both loopbacks for localhost, on one port', async () => {
    const listener = await listen(new NodeNetwork(), 'localhost:0', accept);
    expect(listener.address).toMatch(/^127\.0\.0\.1:\d+$/);
    const port = listener.address.split(':')[1];
    await dial(listener.address);
    await dial(`[::1]:${port}`);
    await new Promise<void>((resolve) => listener.close(resolve));
    await expect(dial(`[::1]:${port}`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('gives both loopbacks up if one of the ports is taken', async () => {
    const other = createServer().listen(0, '::1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(String(await failure(`localhost:${port}`))).toContain('the port is in use');
    await expect(dial(`127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    other.close();
  });

  it('says why it cannot listen', async () => {
    const taken = await listen(new NodeNetwork(), '127.0.0.1:0', accept);
    expect(await failure(taken.address)).toMatchObject({
      code: 'ODR_START',
      message: expect.stringContaining(`cannot listen on ${taken.address}: the port is in use`),
    });
    expect(String(await failure('203.0.113.1:0'))).toContain('this machine has no such address');
    for (const bad of ['', '9092', ':9092', '::1:9092', 'localhost:99999', 'localhost:']) {
      expect(String(await failure(bad))).toContain('write HOST:PORT');
    }
  });

  it('writes addresses as people read them', () => {
    expect(formatAddress('127.0.0.1', 1)).toBe('127.0.0.1:1');
    expect(formatAddress('::1', 2)).toBe('[::1]:2');
    expect(formatAddress('::ffff:10.0.0.1', 3)).toBe('10.0.0.1:3');
    expect(formatAddress(undefined, undefined)).toBe('unknown:0');
  });
});
