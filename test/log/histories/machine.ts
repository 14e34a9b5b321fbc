// The machine that the log of a history lives on: one disk, one clock, one process after the other. It can stop inside any disk
// call, of the log's as of its jobs, and can let any of them fail.
import type { Clock } from '../../../src/base/clock.js';
import { toPartitionIndex } from '../../../src/base/ids.js';
import type { Logger } from '../../../src/base/log.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import type { Disk } from '../../../src/io/disk.js';
import type { JobFunctions } from '../../../src/io/job-functions.js';
import { SimulatedCrash, SimulatedDisk } from '../../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../../src/io/simulated-jobs.js';
import type { LogOptions } from '../../../src/log/log.js';
import type { OpenLogOptions } from '../../../src/log/open-log.js';
import { jobFunctions } from '../../../workers/job-functions.js';
import { mortalClock } from '../../base/mortal-clock.js';
import type { Streams } from '../../simulation/streams.js';
import { DIRECTORY, TOPIC_ID } from '../log-fixture.js';
import { StrikingDisk } from './striking-disk.js';

/** Parts that are broken on purpose, to see that it is noticed. */
export interface Sabotage {
  readonly disk?: (disk: Disk, clock: SimulatedClock) => Disk;
  readonly jobs?: (functions: JobFunctions) => JobFunctions;
  readonly open?: (options: OpenLogOptions) => OpenLogOptions;
  /** What the file system does not survive: the files as the next process finds them. */
  readonly powerLoss?: (disk: SimulatedDisk) => void;
}

/** Longer than anything takes that is under way, but for timers of the log. */
const PATIENCE_MS = 600_000;

export class Machine {
  readonly clock = new SimulatedClock();
  readonly disk: SimulatedDisk;
  /** The disk as the process meets it. */
  readonly striking: StrikingDisk;
  readonly #jobs: SimulatedJobs;
  readonly #streams: Streams;
  readonly #logger: Logger;
  readonly #sabotage: Sabotage;
  #process = 0;

  constructor(streams: Streams, logger: Logger, sabotage: Sabotage) {
    this.#streams = streams;
    this.#logger = logger;
    this.#sabotage = sabotage;
    this.disk = new SimulatedDisk({ random: streams('disk'), scheduler: this.clock });
    const disk = sabotage.disk?.(this.disk, this.clock) ?? this.disk;
    this.striking = new StrikingDisk(disk, this.disk);
    this.#jobs = new SimulatedJobs({
      random: streams('jobs'),
      scheduler: this.clock,
      disk: this.striking,
      functions: sabotage.jobs?.(jobFunctions) ?? jobFunctions,
    });
    this.disk.makeDirectory('/data');
    this.disk.syncDirectory('/', () => {});
    this.clock.advance(100);
  }

  /** What every process gives its log. */
  logOptions(): Omit<LogOptions, 'config'> {
    return {
      directory: DIRECTORY,
      topic: 'orders',
      partition: toPartitionIndex(0),
      topicId: TOPIC_ID,
      disk: this.striking,
      clock: this.#processClock(),
      random: this.#streams(`process ${this.#process}`),
      jobs: this.#jobs,
      logger: this.#logger,
    };
  }

  openOptions(options: OpenLogOptions): OpenLogOptions {
    return this.#sabotage.open?.(options) ?? options;
  }

  #processClock(): Clock {
    const process = this.#process;
    return mortalClock(this.clock, () => process === this.#process);
  }

  /** Runs until it has ended. False: the machine stopped meanwhile. */
  survives(run: () => void, hasEnded: () => boolean): boolean {
    try {
      run();
      if (!this.clock.runUntil(hasEnded, PATIENCE_MS)) throw new Error('an operation does not end');
      return true;
    } catch (error) {
      if (error instanceof SimulatedCrash) return false;
      throw error;
    }
  }

  /** No fault that was armed strikes any more. */
  disarm(): void {
    this.disk.crashIn(Number.POSITIVE_INFINITY);
    this.striking.disarm();
  }

  crashProcess(): void {
    this.disk.crashProcess();
    this.#restart();
  }

  losePower(): void {
    this.disk.losePower();
    this.#sabotage.powerLoss?.(this.disk);
    this.#restart();
  }

  #restart(): void {
    this.striking.disarm();
    this.#jobs.crashProcess();
    this.#process++;
  }

  /** What a process left half done: files that are none of the log's, and not just waiting to be removed. */
  leftovers(): readonly string[] {
    return this.disk.files().filter((path) => /\.(tmp|cleaned|swap)$/.test(path));
  }

  /** Names and sizes of all files, and what the small ones hold. */
  describeFiles(): string[] {
    return this.disk.files().map((path) => {
      const bytes = this.disk.contents(path);
      const shown = bytes.length <= 240 && !path.endsWith('.log') ? `: ${bytes.toString('hex')}` : '';
      return `${path} has ${bytes.length} bytes${shown}`;
    });
  }
}
