// What all clients of a history have in common: they connect, do what they do, and connect again when the connection ends.
import type { Random } from '../../src/base/random.js';
import type { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { SimulatedNetwork } from '../../src/io/simulated-network.js';
import type { FaultCounts } from './faults.js';
import type { Model } from './model.js';
import { between } from './streams.js';
import type { Trace } from './trace.js';
import { WireClient } from './wire-client.js';

export interface ClientWorld {
  readonly clock: SimulatedClock;
  readonly network: SimulatedNetwork;
  readonly model: Model;
  readonly faults: FaultCounts;
  readonly trace: Trace;
  /** Topics that clients use, whether they are there or not. */
  readonly topicNames: readonly string[];
  /** Whether clients may connect now. */
  readonly isOpen: () => boolean;
}

export abstract class Client {
  protected readonly world: ClientWorld;
  protected readonly random: Random;
  readonly name: string;
  #wire: WireClient | null = null;
  #ready = false;
  #stopped = false;

  constructor(world: ClientWorld, name: string, random: Random) {
    this.world = world;
    this.name = name;
    this.random = random;
    this.#connectLater();
  }

  /** The connection, if it can be used. */
  protected get wire(): WireClient | null {
    return this.#ready ? this.#wire : null;
  }

  protected get stopped(): boolean {
    return this.#stopped;
  }

  get unanswered(): number {
    return this.#wire?.unanswered ?? 0;
  }

  /** Begins nothing new; what is under way goes on. */
  stop(): void {
    this.#stopped = true;
    this.#wire?.resume();
  }

  /** Leaves. */
  close(): void {
    this.#stopped = true;
    this.#wire?.close();
  }

  /** Breaks the connection, if there is one with something under way. */
  drop(): boolean {
    if (!this.wire || this.wire.unanswered === 0) return false;
    this.wire.close();
    return true;
  }

  /** Reads nothing for so long. `stalled` is called if that kept bytes waiting. */
  stall(forMs: number, stalled: () => void): boolean {
    const { wire } = this;
    if (!wire) return false;
    wire.pause();
    this.world.clock.after(forMs, () => {
      if (wire.isClosed) return;
      const resumedMs = this.world.clock.monotonicMs();
      wire.onBytes = () => {
        // What comes at this very moment had waited.
        if (this.world.clock.monotonicMs() - resumedMs < 0.001) stalled();
        wire.onBytes = () => {};
      };
      wire.resume();
    });
    return true;
  }

  /** A connection stands: begin. */
  protected abstract connected(wire: WireClient): void;

  /** Runs after a random time, if the connection is still the same and nothing has been stopped. */
  protected soon(lowMs: number, highMs: number, run: () => void): void {
    const wire = this.#wire;
    this.world.clock.after(between(this.random, lowMs * 1000, highMs * 1000) / 1000, () => {
      if (!this.#stopped && wire === this.#wire && this.#ready) run();
    });
  }

  #connectLater(): void {
    this.world.clock.after(between(this.random, 1, 40), () => {
      if (this.#stopped) return;
      if (this.world.isOpen()) this.#connect();
      else this.#connectLater();
    });
  }

  #connect(): void {
    const wire = new WireClient(
      this.world.network,
      this.name,
      () => {
        this.#ready = true;
        if (!this.#stopped) this.connected(wire);
      },
      () => {
        this.#ready = false;
        this.#connectLater();
      },
    );
    this.#wire = wire;
  }
}
