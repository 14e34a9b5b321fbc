// Processes that the bench starts. None outlives it: whatever ends the bench kills them.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { deferred } from '../src/client/deferred.js';

const STDERR_CHARACTERS_KEPT = 4000;
const KILLED_WAIT_MS = 50;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  // Handlers that come after this one remove files that a child might still be writing.
  if (running.size > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, KILLED_WAIT_MS);
});

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A Node process that prints lines. */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly ended: Promise<Ended>;
  #stderr = '';

  constructor(commandLine: readonly string[], onLine: (line: string) => void) {
    const child = spawn(process.execPath, commandLine, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    running.add(child);
    createInterface({ input: child.stdout }).on('line', onLine);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARACTERS_KEPT);
    });
    // A process that is gone does not want what its stdin still holds.
    child.stdin.on('error', () => {});
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
    });
    this.ended.catch(() => running.delete(child));
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('The process could not be started.');
    return pid;
  }

  /** The last of what it wrote to stderr. */
  get stderr(): string {
    return this.#stderr.trim();
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

/** A process of ours that does one job; see job.ts. */
export class JobProcess<Result> {
  readonly #process: LineProcess;
  readonly #what: string;
  readonly #timer: NodeJS.Timeout;
  readonly port: Promise<number>;
  /** It has made what is needed, and waits until it may end. */
  readonly ready: Promise<void>;
  readonly result: Promise<Result>;

  constructor(entry: 'load' | 'pump', job: { readonly type: string }, deadlineMs: number) {
    this.#what = `${entry} ${job.type}`;
    const file = fileURLToPath(new URL(`./${entry}/main.js`, import.meta.url));
    const port = deferred<number>();
    const ready = deferred<void>();
    const result = deferred<Result>();
    this.port = port.promise;
    this.ready = ready.promise;
    this.result = result.promise;
    // Whoever needs only one of them must not be ended by the other.
    this.port.catch(() => {});
    this.ready.catch(() => {});
    this.result.catch(() => {});
    this.#process = new LineProcess([file, JSON.stringify(job)], (line) => {
      // The process on the other end is this program, too.
      const message = JSON.parse(line) as {
        readonly port?: number;
        readonly ready?: true;
        readonly result?: Result;
      };
      if (message.port !== undefined) port.resolve(message.port);
      if (message.ready) ready.resolve();
      if (message.result !== undefined) result.resolve(message.result);
    });
    let late = false;
    this.#timer = setTimeout(() => {
      late = true;
      this.#process.kill('SIGKILL');
    }, deadlineMs);
    const fail = (reason: string) => {
      const error = new Error(`${this.#what}: ${reason}`);
      port.reject(error);
      ready.reject(error);
      result.reject(error);
    };
    this.#process.ended.then(
      ({ code, signal }) => {
        clearTimeout(this.#timer);
        if (late) fail(`not done within ${deadlineMs / 1000} s`);
        else fail(this.#process.stderr || `ended with ${signal ?? code}, without a result`);
      },
      (error: unknown) => fail(String(error)),
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Lets a process that waits for it go; returns its result. */
  finish(): Promise<Result> {
    this.#process.endInput();
    return this.result;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}
