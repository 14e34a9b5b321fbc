// The disk faults of a history: which are armed, and which took effect.
import type { Random } from '../../src/base/random.js';
import type { DiskError } from '../../src/io/disk.js';
import { type DiskOperation, SimulatedCrash, type SimulatedDisk } from '../../src/io/simulated-disk.js';
import type { FaultCounts, FaultKind } from './faults.js';
import { between, chance } from './streams.js';

const SLOW_MS_MAX = 400;

const KIND: Partial<Record<DiskOperation, FaultKind>> = {
  write: 'disk write error',
  sync: 'disk sync error',
  syncDirectory: 'disk sync error',
  read: 'disk read error',
  readLater: 'disk read error',
};

/** The disk as the threads of the broker meet it. */
export class DiskWeather {
  readonly #random: Random;
  readonly #faults: FaultCounts;
  /** Errors that are armed, by their word in the message of the error. */
  readonly #armed = new Set<DiskOperation>();
  #slow: 'no' | 'armed' | 'counted' = 'no';
  #full: 'no' | 'armed' | 'counted' = 'no';
  /** Whether the disk has failed this process: then logs may be offline. */
  failed = false;
  /** Whether the disk has failed any process. */
  everFailed = false;

  constructor(random: Random, faults: FaultCounts) {
    this.#random = random;
    this.#faults = faults;
  }

  /** The next call of this kind to a path of data fails. */
  failNext(disk: SimulatedDisk, operation: DiskOperation, times: number): void {
    this.#armed.add(operation);
    disk.failNext({ operation, times });
  }

  /** Another process meets the disk. */
  processStarts(): void {
    this.failed = false;
  }

  slowDown(): void {
    this.#slow = 'armed';
  }

  fill(disk: SimulatedDisk): void {
    this.#full = 'armed';
    disk.capacityBytes = 0;
  }

  clear(disk: SimulatedDisk): void {
    disk.stopFailing();
    disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    this.#armed.clear();
    this.#slow = 'no';
    this.#full = 'no';
  }

  /** A call failed. */
  struck(error: DiskError): void {
    if (error.code === 'ENOSPC' && this.#full === 'armed') {
      this.#full = 'counted';
      this.#faults.count('disk full');
    }
    for (const operation of this.#armed) {
      if (!error.message.startsWith(`cannot ${operation} (simulated`)) continue;
      this.#armed.delete(operation);
      this.#faults.count(KIND[operation] ?? 'other disk error');
    }
    if (error.code === 'ENOENT') return;
    this.failed = true;
    this.everFailed = true;
  }

  /** How much later than the disk says a call completes. */
  delayMs(): number {
    if (this.#slow === 'no') return 0;
    if (this.#slow === 'armed') this.#faults.count('slow disk');
    this.#slow = 'counted';
    return this.#random.below(SLOW_MS_MAX);
  }

  /** A thread dies inside a call: all, some or nothing of it happens. */
  diesIn(all: () => void, some: (part: number) => void): void {
    const fate = between(this.#random, 0, 2);
    try {
      if (fate === 0) all();
      else if (fate === 1 && chance(this.#random, 0.9)) some(this.#random.uint32() / 2 ** 32);
    } catch (error) {
      if (error instanceof SimulatedCrash) throw error; // The whole machine stopped in this very call.
      // Else the call failed, and nobody is left to hear of it.
    }
  }
}
