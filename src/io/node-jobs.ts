// The Jobs port on piscina. The pool starts with the first job and its threads end when there is nothing to do, so that a
// broker that needs no jobs pays nothing for them.
//
// Jobs wait here, in two queues, and piscina gets one when it has a thread for it. Background jobs have one thread of their own, and
// begin only while no awaited job waits: after a crash thousands of logs have their old segments verified, and neither a log
// that a client waits for nor the recovery of the next one stands behind those.
import type { Piscina } from 'piscina';
import { assert } from '../base/assert.js';
import { workerEntry } from '../base/worker-entry.js';
import { type JobOutcome, jobError } from './job-outcome.js';
import type { JobInput, JobName, JobOutput, Jobs, JobUrgency } from './jobs.js';

export interface NodeJobsOptions {
  /** For awaited jobs; background jobs have one more. */
  readonly threads?: number;
  /** Awaited jobs waiting or running at most; one more gets an error. */
  readonly jobsMax?: number;
  /** The same for background jobs. */
  readonly backgroundJobsMax?: number;
  /** How long a thread without work lives on. */
  readonly idleMs?: number;
  /** The module that the threads run. */
  readonly entry?: URL;
}

/** What a thread is given. */
export interface JobRequest {
  readonly name: string;
  readonly input: unknown;
}

type Pool = Piscina<JobRequest, JobOutcome>;

/** A job and what is to be done with its outcome. */
interface Job {
  readonly request: JobRequest;
  readonly settle: (outcome: JobOutcome) => void;
}

/** The jobs of one urgency. */
interface Line {
  readonly threads: number;
  readonly jobsMax: number;
  readonly waiting: Job[];
  running: number;
}

const STOPPED = 'the job threads were stopped';
const THREADS = 1;
const BACKGROUND_THREADS = 1;
const JOBS_MAX = 1024;
/** One for each log that a worker may have. */
const BACKGROUND_JOBS_MAX = 16_384;
const IDLE_MS = 5000;
/** Of so many awaited jobs that begin one after the other the last lets a background job go first. */
const PASSED_OVER_MAX = 64;

const hasNext = ({ threads, waiting, running }: Line): boolean => running < threads && waiting.length > 0;

type Done<Name extends JobName> = (error: Error | null, output: JobOutput<Name> | undefined) => void;

export class NodeJobs implements Jobs {
  readonly #lines: Readonly<Record<JobUrgency, Line>>;
  readonly #idleMs: number;
  readonly #entry: URL | undefined;
  #pool: Promise<Pool> | null = null;
  /** Why threads could not start the last time. */
  #failure: Error | null = null;
  /** Awaited jobs that have begun since a background job last could. */
  #passedOver = 0;
  #closed = false;

  constructor(options: NodeJobsOptions = {}) {
    const { threads = THREADS, jobsMax = JOBS_MAX, backgroundJobsMax = BACKGROUND_JOBS_MAX } = options;
    assert(threads > 0 && jobsMax > 0 && backgroundJobsMax > 0, 'a pool has threads and takes jobs');
    this.#lines = {
      awaited: { threads, jobsMax, waiting: [], running: 0 },
      background: { threads: BACKGROUND_THREADS, jobsMax: backgroundJobsMax, waiting: [], running: 0 },
    };
    this.#idleMs = options.idleMs ?? IDLE_MS;
    this.#entry = options.entry;
  }

  run<Name extends JobName>(
    name: Name,
    input: JobInput<Name>,
    done: Done<Name>,
    urgency: JobUrgency = 'awaited',
  ): void {
    const line = this.#lines[urgency];
    const jobs = line.waiting.length + line.running;
    const refused = this.#closed ? STOPPED : jobs >= line.jobsMax ? `${jobs} jobs wait already` : null;
    if (refused !== null) {
      setImmediate(done, new Error(`cannot run ${name}: ${refused}`), undefined);
      return;
    }
    const settle = (outcome: JobOutcome): void => {
      // Not in a promise's turn: what `done` throws is a crash of its own, not a rejection.
      setImmediate(() => {
        // The worker runs the function that JobTable declares for the name.
        if (outcome.type === 'succeeded') done(null, outcome.output as JobOutput<Name>);
        else done(jobError(outcome), undefined);
      });
    };
    line.waiting.push({ request: { name, input }, settle });
    this.#begin();
  }

  /** Gives the threads that are free what is next. */
  #begin(): void {
    const { awaited, background } = this.#lines;
    for (;;) {
      const isDue = awaited.waiting.length === 0 || this.#passedOver >= PASSED_OVER_MAX;
      const line = isDue && hasNext(background) ? background : hasNext(awaited) ? awaited : null;
      const job = line?.waiting.shift();
      if (!line || !job) return;
      this.#passedOver = line === awaited && background.waiting.length > 0 ? this.#passedOver + 1 : 0;
      line.running++;
      void this.#outcome(job.request).then((outcome) => {
        line.running--;
        job.settle(outcome);
        this.#begin();
      });
    }
  }

  /** Stops the threads; jobs that are not done get an error. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { waiting } of Object.values(this.#lines)) {
      for (const { request, settle } of waiting.splice(0))
        settle({ type: 'failed', message: `cannot run ${request.name}: ${STOPPED}`, stack: undefined });
    }
    // A pool that could not start has nothing to stop; its jobs got their errors.
    const pool = await this.#pool?.catch(() => null);
    await pool?.destroy();
  }

  async #outcome(request: JobRequest): Promise<JobOutcome> {
    try {
      this.#pool ??= this.#start();
      return await (await this.#pool).run(request);
    } catch (error) {
      // The thread died, or could not start.
      const reason = this.#failure ?? (error instanceof Error ? error : new Error(String(error)));
      return { type: 'failed', message: `${request.name} failed: ${reason.message}`, stack: reason.stack };
    }
  }

  async #start(): Promise<Pool> {
    const entry = this.#entry ?? workerEntry('jobs');
    const { Piscina } = await import('piscina');
    this.#failure = null;
    const threads = this.#lines.awaited.threads + this.#lines.background.threads;
    const pool = new Piscina<JobRequest, JobOutcome>({
      filename: entry.href,
      minThreads: 0,
      maxThreads: threads,
      maxQueue: threads, // While a thread starts.
      idleTimeout: this.#idleMs,
      // A thread that blocks in Atomics.wait between jobs would hold back what its disk completes later.
      atomics: 'disabled',
    });
    // A thread that dies before it has a job, which then would wait for ever. The next job starts a new pool.
    pool.on('error', (error: Error) => {
      this.#failure = error;
      this.#pool = null;
      void pool.destroy();
    });
    return pool;
  }
}
