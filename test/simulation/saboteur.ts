// Makes the faults of a history: at random moments, of the kinds that its seed picked.
import type { Random } from '../../src/base/random.js';
import type { SimulatedClock } from '../../src/base/simulated-clock.js';
import type { SimulatedDisk } from '../../src/io/simulated-disk.js';
import type { Administrator } from './administrator.js';
import type { Client } from './client.js';
import type { DiskWeather } from './disk-weather.js';
import type { FaultCounts } from './faults.js';
import type { Machine } from './machine.js';
import type { ProducerClient } from './producer-client.js';
import { between, chance, pick } from './streams.js';

export interface SaboteurOptions {
  readonly random: Random;
  readonly clock: SimulatedClock;
  readonly disk: SimulatedDisk;
  readonly weather: DiskWeather;
  readonly machine: Machine;
  readonly faults: FaultCounts;
  readonly producers: readonly ProducerClient[];
  readonly clients: readonly Client[];
  readonly administrator: Administrator;
  readonly topicNames: readonly string[];
  /** Every kind of fault, and losses of power for sure; else a part of the kinds. */
  readonly everything: boolean;
}

type Mischief = () => void;

/** Each history has this part of the kinds, so that some are met without the others. */
const KINDS_PART = 0.6;
const PATIENCE_MS = 10_000;

export class Saboteur {
  readonly #options: SaboteurOptions;
  readonly #kinds: readonly Mischief[];
  readonly #pauseMsMax: number;
  /**
   * Whether the power fails in this history, or else syncs. After a sync that failed Linux takes the pages for written that it
   * could not write, so that the next sync succeeds and promises nothing: no log can keep its word after both.
   */
  readonly #powerFails: boolean;
  #stopped = false;

  constructor(options: SaboteurOptions) {
    this.#options = options;
    const { random } = options;
    const all: readonly Mischief[] = [
      () => this.#crash('process'),
      () => this.#crash(this.#powerFails ? 'power' : 'process'),
      () => this.#restart(),
      () => this.#killWorker(),
      () => this.#failDisk(),
      () => this.#fillDisk(),
      () => this.#slowDisk(),
      () => this.#stallReader(),
      () => this.#dropConnection(),
      () => this.#sendHalf(),
      () => this.#delayControl(),
      () => this.#jumpClock(),
      () => this.#recreateTopic(),
    ];
    this.#powerFails = chance(random, 0.6) || options.everything;
    const kinds = all.filter(() => chance(random, KINDS_PART) || options.everything);
    this.#kinds = kinds.length > 0 ? kinds : all;
    this.#pauseMsMax = pick(random, [100, 250, 500]);
    this.#next();
  }

  /** From now on nothing goes wrong. */
  stop(): void {
    this.#stopped = true;
    const { weather, disk, machine } = this.#options;
    weather.clear(disk);
    machine.linkDelayMsMax = NORMAL_LINK_MS_MAX;
  }

  /** Whether a loss of power may follow even the end of all other faults. */
  get powerFails(): boolean {
    return this.#powerFails;
  }

  #next(): void {
    const { clock, random, machine } = this.#options;
    // More and more seldom, so that every history comes to its end.
    const patience = 1 + clock.monotonicMs() / PATIENCE_MS;
    clock.after(between(random, 5, this.#pauseMsMax) * patience, () => {
      if (this.#stopped) return;
      // A broker that is still starting is mostly left alone, or it would never get anything done.
      if (machine.isServing || chance(random, 0.15)) pick(random, this.#kinds)();
      this.#next();
    });
  }

  #crash(kind: 'process' | 'power'): void {
    const { machine, random } = this.#options;
    if (chance(random, 0.4)) machine.crashInDiskCall(kind, between(random, 1, 40));
    else machine.crash(kind);
  }

  #restart(): void {
    this.#options.machine.restart({ losePower: this.#powerFails && chance(this.#options.random, 0.3) });
  }

  #killWorker(): void {
    const { machine, random, faults } = this.#options;
    if (chance(random, 0.5)) machine.broker?.killWorkerInDiskCall(between(random, 1, 20));
    else if (machine.broker?.killWorker()) faults.count('worker death');
  }

  #failDisk(): void {
    const { disk, weather, machine, random, clock } = this.#options;
    const sync = this.#powerFails ? 'write' : 'sync';
    const operation = pick(random, [
      'write',
      sync,
      'read',
      'readLater',
      'open',
      'truncate',
      'rename',
      'remove',
      'syncDirectory',
    ] as const);
    weather.failNext(disk, operation, between(random, 1, 3));
    // A log whose files are in doubt is offline until somebody looks after the broker, at the end of a history too.
    clock.after(2000, () => {
      if (weather.failed) machine.restart({ losePower: false });
    });
  }

  #fillDisk(): void {
    const { disk, weather, random } = this.#options;
    weather.fill(disk);
    this.#later(between(random, 20, 500), () => weather.clear(disk));
  }

  #slowDisk(): void {
    const { disk, weather, random } = this.#options;
    weather.slowDown();
    this.#later(between(random, 50, 1500), () => weather.clear(disk));
  }

  #stallReader(): void {
    const { clients, faults, random } = this.#options;
    pick(random, clients).stall(between(random, 20, chance(random, 0.2) ? 7000 : 800), () =>
      faults.count('stalled reader'),
    );
  }

  #dropConnection(): void {
    const { clients, faults, random } = this.#options;
    if (pick(random, clients).drop()) faults.count('connection drop');
  }

  #sendHalf(): void {
    const { producers, faults, random } = this.#options;
    if (pick(random, producers).sendHalf()) faults.count('half a frame');
  }

  #delayControl(): void {
    const { machine, random } = this.#options;
    machine.linkDelayMsMax = between(random, 50, 1500);
    machine.linkIsSlow = false;
    this.#later(between(random, 50, 1000), () => {
      machine.linkDelayMsMax = NORMAL_LINK_MS_MAX;
    });
  }

  #jumpClock(): void {
    const { machine, faults, random } = this.#options;
    const jumpMs = between(random, 100, 120_000);
    machine.jumpWall(chance(random, 0.5) ? jumpMs : -jumpMs);
    faults.count('wall clock jump');
  }

  #recreateTopic(): void {
    const { administrator, random, topicNames } = this.#options;
    administrator.recreate(pick(random, topicNames));
  }

  #later(delayMs: number, run: () => void): void {
    this.#options.clock.after(delayMs, () => {
      if (!this.#stopped) run();
    });
  }
}

export const NORMAL_LINK_MS_MAX = 3;
