// The machine that the broker runs on: starts it, starts it again when it died, loses power, stops it in good order.
import { assert } from '../../src/base/assert.js';
import type { SimulatedClock } from '../../src/base/simulated-clock.js';
import { SimulatedCrash, type SimulatedDisk } from '../../src/io/simulated-disk.js';
import type { DiskWeather } from './disk-weather.js';
import type { FaultCounts } from './faults.js';
import { type BrokerWorld, SimulatedBroker } from './simulated-broker.js';
import { between, type Streams } from './streams.js';
import { ThreadDeath } from './thread.js';

export interface MachineOptions {
  readonly world: Omit<BrokerWorld, 'linkDelay'>;
  readonly streams: Streams;
  readonly faults: FaultCounts;
  readonly linkDelayMsMax: number;
  /** Whether clients may connect. */
  readonly isOpen: () => boolean;
  /** The logs may have lost their ends; nobody may connect before a survey. */
  readonly powerLost: () => void;
  /** Everything was flushed and closed. */
  readonly stoppedCleanly: () => void;
}

type Stop = 'process' | 'power';

const SERVING_MS = 250;

export class Machine {
  readonly #options: MachineOptions;
  readonly #clock: SimulatedClock;
  readonly #disk: SimulatedDisk;
  readonly #weather: DiskWeather;
  #broker: SimulatedBroker | null = null;
  #ready = false;
  #readyMs = 0;
  #processes = 0;
  /** What a crash inside a disk call will be. */
  #crashKind: Stop = 'process';
  linkDelayMsMax: number;
  /** Set once a control message took long, after {@link linkDelayMsMax} was raised. */
  linkIsSlow = true;
  /** Whether the wall clock was ever set back. */
  wallWentBack = false;
  wallMaxMs: number;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.#clock = options.world.clock;
    this.#disk = options.world.disk;
    this.#weather = options.world.weather;
    this.linkDelayMsMax = options.linkDelayMsMax;
    this.wallMaxMs = this.#clock.wallMs();
    this.#start();
  }

  /** null while it does not run. */
  get broker(): SimulatedBroker | null {
    return this.#broker;
  }

  /** Whether its doors are open. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Whether its doors are open and nobody has asked it to stop. */
  get isRunning(): boolean {
    return this.#ready && this.#broker?.stopping === false;
  }

  /** Whether it has had time to open partitions and to answer clients. */
  get isServing(): boolean {
    return this.#ready && this.#options.isOpen() && this.#clock.monotonicMs() > this.#readyMs + SERVING_MS;
  }

  jumpWall(deltaMs: number): void {
    this.noteWall();
    if (deltaMs < 0) this.wallWentBack = true;
    this.#clock.jumpWall(deltaMs);
    this.noteWall();
  }

  noteWall(): number {
    this.wallMaxMs = Math.max(this.wallMaxMs, this.#clock.wallMs());
    return this.wallMaxMs;
  }

  crash(kind: Stop): void {
    if (!this.#broker) return;
    this.#options.faults.count(kind === 'power' ? 'power loss' : 'process crash');
    this.#die(kind);
  }

  /** It will crash inside one of its next disk calls. */
  crashInDiskCall(kind: Stop, count: number): void {
    if (!this.#broker) return;
    this.#crashKind = kind;
    this.#disk.crashIn(count);
  }

  /** Stops it in good order and starts it again; with the power gone in between. False if it is not running. */
  restart({ losePower, done = () => {} }: { losePower: boolean; done?: (clean: boolean) => void }): boolean {
    const broker = this.#broker;
    if (!broker || !this.#ready || broker.stopping) return false;
    this.#options.world.trace.add(() => 'the broker is asked to stop');
    broker.stop((clean) => {
      assert(broker === this.#broker, 'a dead broker says nothing');
      this.#options.faults.count('clean restart');
      if (clean) this.#options.stoppedCleanly();
      this.#die(losePower ? 'power' : 'process');
      done(clean);
    });
    return true;
  }

  /** Runs the next event of the simulation. False if there is none. */
  runNext(): boolean {
    try {
      return this.#clock.runNext();
    } catch (error) {
      if (error instanceof SimulatedCrash) {
        this.#options.faults.count(
          this.#crashKind === 'power' ? 'power loss inside a disk call' : 'process crash inside a disk call',
        );
        this.#die(this.#crashKind);
      } else if (error instanceof ThreadDeath) {
        this.#options.faults.count('worker death inside a disk call');
        this.#broker?.threadDied(error.thread);
      } else throw error;
      return true;
    }
  }

  #start(): void {
    const { world, streams, faults } = this.#options;
    const process = ++this.#processes;
    const linkRandom = streams(`links of process ${process}`);
    this.#weather.processStarts();
    world.trace.add(() => `process ${process} starts`);
    this.#broker = new SimulatedBroker({
      world: {
        ...world,
        linkDelay: () => {
          if (this.linkDelayMsMax > this.#options.linkDelayMsMax && !this.linkIsSlow) {
            this.linkIsSlow = true;
            faults.count('slow control messages');
          }
          return linkRandom.below(1000 * this.linkDelayMsMax + 1) / 1000;
        },
      },
      streams: (concern) => streams(`process ${process}, ${concern}`),
      ready: () => {
        world.trace.add(() => `process ${process} is ready`);
        this.#ready = true;
        this.#readyMs = this.#clock.monotonicMs();
      },
      died: (reason) => {
        world.trace.add(() => `process ${process} ends: ${reason}`);
        const broker = this.#broker;
        this.#clock.after(0, () => {
          if (broker === this.#broker) this.#die('process');
        });
      },
    });
  }

  #die(kind: Stop): void {
    const { world, streams, powerLost } = this.#options;
    world.trace.add(() => (kind === 'power' ? 'the power is gone' : 'the process is gone'));
    this.#broker?.end();
    this.#broker = null;
    this.#ready = false;
    if (kind === 'power') {
      this.#disk.losePower();
      this.#weather.clear(this.#disk);
      powerLost();
    } else this.#disk.crashProcess();
    this.#clock.after(between(streams(`pause after process ${this.#processes}`), 1, 50), () => this.#start());
  }
}
