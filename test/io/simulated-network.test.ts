import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { ConnectionHandler, Listener, Transport } from '../../src/io/network.js';
import {
  type SimulatedClient,
  SimulatedNetwork,
  type SimulatedNetworkOptions,
} from '../../src/io/simulated-network.js';

const firstSeed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const seeds = (count: number) =>
  process.env['SEED'] === undefined ? Array.from({ length: count }, (_, i) => firstSeed + i) : [firstSeed];

class Server implements ConnectionHandler {
  readonly transport: Transport;
  readonly sizes: number[] = [];
  closedCount = 0;
  readonly #chunks: Buffer[] = [];
  readonly #buffer: Buffer;
  onBytes: (bytes: Buffer) => boolean = () => true;

  constructor(transport: Transport, bufferBytes = 256) {
    this.transport = transport;
    this.#buffer = Buffer.alloc(bufferBytes);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  receiveBuffer(): Uint8Array {
    return this.#buffer;
  }

  received(count: number): boolean {
    this.sizes.push(count);
    const bytes = Buffer.from(this.#buffer.subarray(0, count));
    this.#chunks.push(bytes);
    return this.onBytes(bytes);
  }

  closed(): void {
    this.closedCount++;
  }
}

class World {
  readonly random: Random;
  readonly clock: SimulatedClock;
  readonly network: SimulatedNetwork;
  readonly servers: Server[] = [];

  constructor(seed: number, options: Partial<SimulatedNetworkOptions> = {}) {
    this.random = seededRandom(seed);
    this.clock = new SimulatedClock({ random: this.random });
    this.network = new SimulatedNetwork({ random: this.random, scheduler: this.clock, ...options });
  }

  listen(address = '127.0.0.1:0', prepare: (server: Server) => void = () => {}): Listener {
    let listener: Listener | Error | undefined;
    const accept = (transport: Transport) => {
      const server = new Server(transport);
      this.servers.push(server);
      prepare(server);
      return server;
    };
    this.network.listen(address, accept, (result) => {
      listener = result;
    });
    this.clock.runUntil(() => listener !== undefined);
    if (listener === undefined || listener instanceof Error) throw listener ?? new Error('no listener');
    return listener;
  }

  pair(prepare: (server: Server) => void = () => {}): {
    client: SimulatedClient;
    received: Buffer[];
    server: Server;
  } {
    const client = this.network.connect(this.listen('127.0.0.1:0', prepare).address);
    const received: Buffer[] = [];
    client.onBytes = (bytes) => received.push(bytes);
    this.clock.runUntil(() => this.servers.length > 0);
    const [server] = this.servers;
    if (server === undefined) throw new Error('not accepted');
    return { client, received, server };
  }
}

describe('SimulatedNetwork', () => {
  it('brings all bytes in order both ways, split anywhere, through pauses', () => {
    for (const seed of seeds(50)) {
      const world = new World(seed);
      const { clock, random } = world;
      const sent = Buffer.from(random.bytes(20_000));
      const { client, received, server } = world.pair((server) => {
        server.onBytes = (bytes) => {
          server.transport.write([bytes.subarray(0, 3), bytes.subarray(3)]);
          const fate = random.below(6);
          if (fate > 1) return true;
          if (fate === 0) server.transport.resume();
          else clock.after(random.below(20), () => server.transport.resume());
          return false;
        };
      });
      for (let start = 0; start < sent.length; ) {
        const end = Math.min(sent.length, start + random.below(3000));
        client.write(sent.subarray(start, end));
        start = end;
        if (random.below(2) === 0) clock.advance(random.below(10));
      }
      clock.advance(10_000);
      expect(server.bytes.equals(sent), `SEED=${seed}`).toBe(true);
      expect(Buffer.concat(received).equals(sent), `SEED=${seed}`).toBe(true);
      expect(new Set(server.sizes).size).toBeGreaterThan(10);
    }
  });

  it('does the same for the same seed', () => {
    const run = (seed: number) => {
      const world = new World(seed);
      const { client, server } = world.pair();
      client.write(Buffer.alloc(3000));
      world.clock.advance(1000);
      return server.sizes.join();
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
  });

  it('holds no more than the window when the client does not read', () => {
    const world = new World(firstSeed, { windowBytes: 1000 });
    const { client, received, server } = world.pair();
    client.pause();
    const done: number[] = [];
    for (let i = 0; i < 5; i++) server.transport.write([Buffer.alloc(700)], () => done.push(i));
    world.clock.advance(1000);
    expect(server.transport.pendingBytes).toBe(5 * 700 - 1000);
    expect(done).toEqual([0]);
    client.resume();
    world.clock.advance(1000);
    expect(server.transport.pendingBytes).toBe(0);
    expect(done).toEqual([0, 1, 2, 3, 4]);
    expect(Buffer.concat(received).length).toBe(3500);
  });

  it('holds no more than the window when the server is paused', () => {
    const world = new World(firstSeed, { windowBytes: 1000 });
    const { client, server } = world.pair((server) => {
      server.onBytes = () => false;
    });
    client.write(Buffer.alloc(5000));
    world.clock.advance(1000);
    expect(server.bytes.length).toBeLessThanOrEqual(256);
    expect(client.pendingBytes).toBe(5000 - 1000 - server.bytes.length);
  });

  it('shows when bytes change before they are taken', () => {
    const world = new World(firstSeed, { windowBytes: 100 });
    const { client, received, server } = world.pair();
    client.pause();
    const bytes = Buffer.alloc(1000, 'a');
    server.transport.write([bytes]);
    world.clock.advance(100);
    bytes.fill('b');
    client.resume();
    world.clock.advance(1000);
    expect(Buffer.concat(received).toString()).toBe('a'.repeat(100) + 'b'.repeat(900));
  });

  it('breaks a connection with the loss of what is under way; both learn of it once, and writes complete', () => {
    const lost = new Set<boolean>();
    for (const seed of seeds(50)) {
      const world = new World(seed);
      const { client, received, server } = world.pair();
      let closed = 0;
      let done = 0;
      client.onClosed = () => closed++;
      for (let i = 0; i < 10; i++) server.transport.write([Buffer.alloc(1000)], () => done++);
      world.clock.advance(world.random.below(30));
      expect(world.network.breakOne()).toBe(true);
      world.clock.advance(1000);
      expect([closed, server.closedCount, done, client.isOpen], `SEED=${seed}`).toEqual([1, 1, 10, false]);
      expect(world.network.connections).toBe(0);
      lost.add(Buffer.concat(received).length < 10_000);
      server.transport.write([Buffer.alloc(10)], () => done++);
      expect(done).toBe(11);
      expect(server.transport.pendingBytes).toBe(0);
    }
    expect(lost).toContain(true);
    expect(new World(1).network.breakOne()).toBe(false);
  });

  it('sends all before it ends, and drops what still comes', () => {
    const world = new World(firstSeed, { windowBytes: 500 });
    const { client, received, server } = world.pair();
    let closed = false;
    client.onClosed = () => {
      expect(Buffer.concat(received).length).toBe(5000);
      closed = true;
    };
    server.transport.write([Buffer.alloc(5000)]);
    server.transport.end();
    server.transport.write([Buffer.from('too late')]);
    client.write(Buffer.alloc(5000));
    client.end();
    world.clock.advance(5000);
    expect([closed, server.closedCount, server.bytes.length]).toEqual([true, 1, 0]);
  });

  it('answers a client that sends no more, and then ends', () => {
    const world = new World(firstSeed);
    const { client, received, server } = world.pair((server) => {
      server.onBytes = () => {
        world.clock.after(50, () => server.transport.write([Buffer.from('answer')]));
        return true;
      };
    });
    client.write(Buffer.from('?'));
    client.end();
    world.clock.advance(1000);
    expect(Buffer.concat(received).toString()).toBe('answer');
    expect([server.closedCount, client.isOpen]).toEqual([1, false]);
  });

  it('does not tell a client of what it closed itself', () => {
    const world = new World(firstSeed);
    const { client, server } = world.pair();
    let closed = false;
    client.onClosed = () => {
      closed = true;
    };
    client.close();
    client.write(Buffer.from('x'));
    world.clock.advance(100);
    expect([closed, server.closedCount, client.pendingBytes]).toEqual([false, 1, 0]);
  });

  it('closes connections to where nobody listens, also not any more', () => {
    const world = new World(firstSeed);
    const listener = world.listen();
    const { network, clock } = world;
    const closed: string[] = [];
    const dial = (address: string) => {
      network.connect(address).onClosed = () => closed.push(address);
      clock.advance(100);
    };
    dial('127.0.0.1:1');
    dial(listener.address);
    expect(closed).toEqual(['127.0.0.1:1']);
    let stopped = false;
    listener.close(() => {
      stopped = true;
    });
    clock.advance(100);
    dial(listener.address);
    expect(stopped).toBe(true);
    expect(closed).toEqual(['127.0.0.1:1', listener.address]);
    expect(world.servers.map((server) => server.closedCount)).toEqual([0]);
  });

  it('knows addresses, and refuses one that is taken', () => {
    const world = new World(firstSeed);
    const listener = world.listen('localhost:0');
    expect(listener.address).toMatch(/^127\.0\.0\.1:4\d{4}$/);
    const connected: string[] = [];
    world.network.connect(listener.address.replace('127.0.0.1', 'localhost')).onConnected = () =>
      connected.push('yes');
    world.clock.advance(100);
    expect(connected).toEqual(['yes']);
    expect(world.servers[0]?.transport.localAddress).toBe(listener.address);
    expect(world.servers[0]?.transport.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(() => world.listen(listener.address)).toThrow('the port is in use');
  });

  it('tells a process that died of nothing, and its clients that it is gone', () => {
    const world = new World(firstSeed);
    const { client, server } = world.pair();
    let closed = 0;
    let done = 0;
    client.onClosed = () => closed++;
    client.pause();
    server.transport.write([Buffer.alloc(100_000)], () => done++);
    world.clock.advance(50);
    world.network.crashProcess();
    world.clock.advance(1000);
    expect([closed, done, server.closedCount, world.network.connections]).toEqual([1, 0, 0, 0]);
    world.listen('127.0.0.1:9092');
  });
});
