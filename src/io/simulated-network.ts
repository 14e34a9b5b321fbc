// The twin of NodeNetwork: connections between clients of a simulation and the code under test, without sockets. Bytes are
// split and delayed at random, buffers are small, so that slow readers and pauses happen, and connections break with the
// loss of what is under way. Deterministic from a seed.
import { assert } from '../base/assert.js';
import { OdradekError } from '../base/errors.js';
import type { Piece } from '../base/piece.js';
import { type Random, seededRandom } from '../base/random.js';
import type { Scheduler } from '../base/simulated-clock.js';
import type { ConnectionHandler, Listener, Network, Transport } from './network.js';
import { SimulatedPipe } from './simulated-pipe.js';

export interface SimulatedNetworkOptions {
  readonly random: Random;
  readonly scheduler: Scheduler;
  /** Bytes of one direction that the network holds at most; 4096 if absent. */
  readonly windowBytes?: number;
  /** Bytes that travel together at most; 1024 if absent. */
  readonly pieceBytesMax?: number;
  /** How long a piece, or a connection's beginning, is under way at most; 5 if absent. */
  readonly delayMsMax?: number;
  /** Slices of files are sent if they have so many bytes; 512 if absent. */
  readonly sendsFilesFrom?: number;
  /** How long a client that sends no more gets answers; 100 if absent, as in NodeNetwork. */
  readonly halfOpenMs?: number;
}

/** A client's side of a connection. Its callbacks may be set at any time; what comes before is dropped. */
export interface SimulatedClient {
  onConnected: () => void;
  onBytes: (bytes: Buffer) => void;
  /** The other side is gone or never was there; once, and not after {@link SimulatedClient.close}. */
  onClosed: () => void;
  readonly isOpen: boolean;
  /** Bytes written that have not left yet. May be called before the connection stands. */
  readonly pendingBytes: number;
  write(...pieces: readonly Uint8Array[]): void;
  /** Reads nothing until `resume`, so that the other side's writes get stuck. */
  pause(): void;
  resume(): void;
  /** Sends no more, but reads on. */
  end(): void;
  /** Breaks the connection at once: what is under way may be lost. */
  close(): void;
}

type Accept = (transport: Transport) => ConnectionHandler;

const nothing = () => {};
const numeric = (address: string) => address.replace(/^localhost:/, '127.0.0.1:');
const FIRST_PORT = 40_000;

/** Both directions of a connection. */
class Link {
  readonly client: Client;
  readonly server: ServerTransport;
  readonly toServer: SimulatedPipe;
  readonly toClient: SimulatedPipe;
  readonly #scheduler: Scheduler;
  readonly #gone: (link: Link) => void;
  #broken = false;

  constructor(
    network: { options: Required<SimulatedNetworkOptions>; random: Random; gone: (link: Link) => void },
    from: string,
    to: string,
  ) {
    const { options, random } = network;
    const { windowBytes, pieceBytesMax, delayMsMax, scheduler } = options;
    const shared = { random, scheduler, windowBytes, pieceBytesMax, delayMsMax };
    this.#scheduler = scheduler;
    this.#gone = network.gone;
    this.client = new Client(this);
    this.server = new ServerTransport(this, from, to, options.sendsFilesFrom);
    this.toServer = new SimulatedPipe({
      ...shared,
      take: (bytes) => this.server.take(bytes),
      failed: () => this.break(),
      ended: () => {
        // As NodeNetwork does: what the client sent before it ended is answered, within some time.
        if (!this.server.ended) this.later(options.halfOpenMs, () => this.server.end());
      },
    });
    this.toClient = new SimulatedPipe({
      ...shared,
      take: (bytes) => {
        this.client.onBytes(bytes);
        return bytes.length;
      },
      failed: () => this.break(),
      ended: () => this.break(),
    });
  }

  get broken(): boolean {
    return this.#broken;
  }

  later(delayMs: number, run: () => void): void {
    this.#scheduler.schedule(delayMs, () => {
      if (!this.#broken) run();
    });
  }

  /** Ends both directions; both sides learn of it in turns of their own. */
  break(): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#gone(this);
    this.toServer.break();
    this.toClient.break(this.server.isDead);
    this.#scheduler.schedule(0, () => this.server.gone());
    this.#scheduler.schedule(0, () => this.client.gone());
  }
}

class Client implements SimulatedClient {
  onConnected: () => void = nothing;
  onBytes: (bytes: Buffer) => void = nothing;
  onClosed: () => void = nothing;
  readonly #link: Link;
  #closed = false;

  constructor(link: Link) {
    this.#link = link;
  }

  get isOpen(): boolean {
    return !this.#link.broken;
  }

  get pendingBytes(): number {
    return this.#link.toServer.pendingBytes;
  }

  write(...pieces: readonly Uint8Array[]): void {
    this.#link.toServer.write(pieces);
  }

  pause(): void {
    this.#link.toClient.pause();
  }

  resume(): void {
    this.#link.toClient.resume();
  }

  end(): void {
    this.#link.toServer.end();
  }

  close(): void {
    this.#closed = true;
    this.#link.break();
  }

  gone(): void {
    if (!this.#closed) this.onClosed();
    this.#closed = true;
  }
}

class ServerTransport implements Transport {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly sendsFilesFrom: number;
  isDead = false;
  readonly #link: Link;
  #handler: ConnectionHandler | null = null;
  #delivering = false;
  #resumed = false;
  #ended = false;

  constructor(link: Link, remoteAddress: string, localAddress: string, sendsFilesFrom: number) {
    this.#link = link;
    this.sendsFilesFrom = sendsFilesFrom;
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
  }

  /** Whether it was asked to send no more. */
  get ended(): boolean {
    return this.#ended;
  }

  get pendingBytes(): number {
    return this.#link.toClient.pendingBytes;
  }

  start(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  write(pieces: readonly Piece[], done?: () => void): void {
    this.#link.toClient.write(pieces, done);
  }

  resume(): void {
    if (this.#delivering) this.#resumed = true;
    else this.#link.toServer.resume();
  }

  end(): void {
    this.#ended = true;
    this.#link.toClient.end();
    this.#link.toServer.resume(); // What comes from now on is dropped.
  }

  close(): void {
    this.#ended = true;
    this.#link.break();
  }

  take(bytes: Buffer): number {
    let taken = 0;
    while (taken < bytes.length && !this.#ended) {
      const handler = this.#handler;
      assert(handler !== null, 'bytes arrive after the connection');
      const target = handler.receiveBuffer();
      assert(target.length > 0, 'a receive buffer may not be empty');
      const count = Math.min(target.length, bytes.length - taken);
      target.set(bytes.subarray(taken, taken + count));
      taken += count;
      this.#delivering = true;
      this.#resumed = false;
      const more = handler.received(count);
      this.#delivering = false;
      if (!more && !this.#resumed && !this.#ended) {
        this.#link.toServer.pause();
        return taken;
      }
    }
    return bytes.length;
  }

  gone(): void {
    this.#ended = true;
    this.#handler?.closed();
  }

  /** The process of the handler died: it hears of nothing any more. */
  die(): void {
    this.#handler = null;
    this.isDead = true;
  }
}

export class SimulatedNetwork implements Network {
  readonly #options: Required<SimulatedNetworkOptions>;
  readonly #random: Random;
  readonly #listeners = new Map<string, Accept>();
  readonly #links = new Set<Link>();
  #nextPort = FIRST_PORT;

  constructor(options: SimulatedNetworkOptions) {
    const sizes = { windowBytes: 4096, pieceBytesMax: 1024, sendsFilesFrom: 512 };
    this.#options = { ...sizes, delayMsMax: 5, halfOpenMs: 100, ...options };
    this.#random = seededRandom(options.random.uint32());
  }

  /** How many connections stand. */
  get connections(): number {
    return this.#links.size;
  }

  listen(address: string, accept: Accept, done: (result: Listener | Error) => void): void {
    const named = numeric(address);
    const real = named.endsWith(':0') ? named.replace(/0$/, `${this.#nextPort++}`) : named;
    const free = !this.#listeners.has(real);
    if (free) this.#listeners.set(real, accept);
    this.#options.scheduler.schedule(0, () => {
      if (!free) done(new OdradekError('ODR_START', `cannot listen on ${address}: the port is in use`));
      else done({ address: real, close: (closed) => this.#unlisten(real, accept, closed) });
    });
  }

  /** A connection to a listener's address; if there is none it closes after a while. Bytes may be written at once. */
  connect(to: string): SimulatedClient {
    const address = numeric(to);
    const gone = (link: Link) => this.#links.delete(link);
    const from = `127.0.0.1:${this.#nextPort++}`;
    const link = new Link({ options: this.#options, random: this.#random, gone }, from, address);
    this.#links.add(link);
    // Nothing arrives before the connection itself.
    link.toServer.pause();
    link.later(this.#delayMs(), () => {
      const accept = this.#listeners.get(address);
      if (accept === undefined) {
        link.break();
        return;
      }
      link.server.start(accept(link.server));
      link.toServer.resume();
      link.later(this.#delayMs(), () => link.client.onConnected());
    });
    return link.client;
  }

  /** Breaks one connection at random, as a lost cable does; false if there is none. */
  breakOne(): boolean {
    const links = [...this.#links];
    if (links.length === 0) return false;
    links[this.#random.below(links.length)]?.break();
    return true;
  }

  /** The process behind the listeners dies: all listeners and connections are gone, and it learns of none of that. */
  crashProcess(): void {
    this.#listeners.clear();
    for (const link of [...this.#links]) {
      link.server.die();
      link.break();
    }
  }

  #unlisten(address: string, accept: Accept, closed: () => void): void {
    if (this.#listeners.get(address) === accept) this.#listeners.delete(address);
    this.#options.scheduler.schedule(0, closed);
  }

  #delayMs(): number {
    return this.#random.below(1000 * this.#options.delayMsMax + 1) / 1000;
  }
}
