// The Jobs port on piscina. The pool starts with the first job and its threads end when there is nothing to do, so that a
// broker that needs no jobs pays nothing for them.
import type { Piscina } from 'piscina';
import { assert } from '../base/assert.js';
import { workerEntry } from '../base/worker-entry.js';
import { type JobOutcome, jobError } from './job-outcome.js';
import type { JobInput, JobName, JobOutput, Jobs } from './jobs.js';

export interface NodeJobsOptions {
  readonly threads?: number;
  /** Jobs waiting or running at most; one more gets an error. */
  readonly jobsMax?: number;
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

const THREADS = 1;
const JOBS_MAX = 1024;
const IDLE_MS = 5000;

type Done<Name extends JobName> = (error: Error | null, output: JobOutput<Name> | undefined) => void;

export class NodeJobs implements Jobs {
  readonly #threads: number;
  readonly #jobsMax: number;
  readonly #idleMs: number;
  readonly #entry: URL | undefined;
  #pool: Promise<Pool> | null = null;
  /** Why threads could not start the last time. */
  #failure: Error | null = null;
  #jobs = 0;
  #closed = false;

  constructor(options: NodeJobsOptions = {}) {
    this.#threads = options.threads ?? THREADS;
    this.#jobsMax = options.jobsMax ?? JOBS_MAX;
    this.#idleMs = options.idleMs ?? IDLE_MS;
    this.#entry = options.entry;
    assert(this.#threads > 0 && this.#jobsMax > 0, 'a pool has threads and takes jobs');
  }

  run<Name extends JobName>(name: Name, input: JobInput<Name>, done: Done<Name>): void {
    const refused = this.#closed
      ? 'the job threads were stopped'
      : this.#jobs >= this.#jobsMax
        ? `${this.#jobs} jobs wait already`
        : null;
    if (refused !== null) {
      setImmediate(done, new Error(`cannot run ${name}: ${refused}`), undefined);
      return;
    }
    this.#jobs++;
    void this.#outcome({ name, input }).then((outcome) => {
      this.#jobs--;
      // Not in a promise's turn: what `done` throws is a crash of its own, not a rejection.
      setImmediate(() => {
        // The worker runs the function that JobTable declares for the name.
        if (outcome.type === 'succeeded') done(null, outcome.output as JobOutput<Name>);
        else done(jobError(outcome), undefined);
      });
    });
  }

  /** Stops the threads; jobs that are not done get an error. */
  async close(): Promise<void> {
    this.#closed = true;
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
    const pool = new Piscina<JobRequest, JobOutcome>({
      filename: entry.href,
      minThreads: 0,
      maxThreads: this.#threads,
      maxQueue: this.#jobsMax,
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
