import { type Random, seededRandom } from '../base/random.js';
import type { Scheduler } from '../base/simulated-clock.js';
import type { Disk } from './disk.js';
import type { JobFunctions } from './job-functions.js';
import { jobError, jobOutcome } from './job-outcome.js';
import type { JobInput, JobName, JobOutput, Jobs } from './jobs.js';
import { SimulatedCrash } from './simulated-disk.js';

export interface SimulatedJobsOptions {
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly disk: Disk;
  readonly functions: JobFunctions;
  /** A job is done after up to so much virtual time; 50 if absent. */
  readonly delayMsMax?: number;
  /** Jobs waiting at most; 64 if absent. */
  readonly jobsMax?: number;
}

const DELAY_MS_MAX = 50;
const JOBS_MAX = 64;

/**
 * The twin of NodeJobs: runs jobs later, on the same thread, in any order. Input and output are cloned as on their way
 * between threads. A machine that stops inside a job stops whoever runs the scheduler.
 */
export class SimulatedJobs implements Jobs {
  readonly #options: SimulatedJobsOptions;
  readonly #random: Random;
  #jobs = 0;
  #process = 0;

  constructor(options: SimulatedJobsOptions) {
    this.#options = options;
    this.#random = seededRandom(options.random.uint32());
  }

  run<Name extends JobName>(
    name: Name,
    input: JobInput<Name>,
    done: (error: Error | null, output: JobOutput<Name> | undefined) => void,
  ): void {
    const { scheduler, disk, functions } = this.#options;
    const process = this.#process;
    const delayMs = this.#random.below(1000 * (this.#options.delayMsMax ?? DELAY_MS_MAX) + 1) / 1000;
    if (this.#jobs >= (this.#options.jobsMax ?? JOBS_MAX)) {
      const error = new Error(`cannot run ${name}: ${this.#jobs} jobs wait already`);
      scheduler.schedule(0, () => {
        if (process === this.#process) done(error, undefined);
      });
      return;
    }
    this.#jobs++;
    const given = structuredClone(input);
    scheduler.schedule(delayMs, () => {
      if (process !== this.#process) return;
      this.#jobs--;
      let crash: SimulatedCrash | undefined;
      const outcome = jobOutcome(() => {
        try {
          return functions[name](disk, given);
        } catch (error) {
          if (error instanceof SimulatedCrash) crash = error;
          throw error;
        }
      });
      if (crash !== undefined) throw crash;
      if (outcome.type === 'succeeded') done(null, structuredClone(outcome.output) as JobOutput<Name>);
      else done(jobError(outcome), undefined);
    });
  }

  /** The process dies: what runs is never done. */
  crashProcess(): void {
    this.#process++;
    this.#jobs = 0;
  }
}
