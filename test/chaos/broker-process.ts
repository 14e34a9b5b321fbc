// A broker in a process of its own, started as its users start it, from what `npm run build` wrote: so that it can be killed,
// measured and restarted.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const executable = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const ANY_PORT = '127.0.0.1:0';
/** Log lines that are kept; the oldest go first. */
const LINES_MAX = 10_000;

/** A line of the broker's log. */
export interface LogLine {
  readonly level: number | string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface BrokerProcessOptions {
  readonly dataDirectory: string;
  /** Data directories besides that one. */
  readonly moreDirectories?: readonly string[];
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** `HOST:PORT` of the native door. Default: a free port. */
  readonly native?: string;
  /** `HOST:PORT` of Kafka's door. Default: a free port. */
  readonly kafka?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** The most descriptors that the process may have (`ulimit -n`). */
  readonly descriptorsMax?: number;
  /** Called for each line of the log as it comes. */
  readonly onLine?: (line: LogLine, broker: BrokerProcess) => void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class BrokerProcess {
  readonly #child: ChildProcess;
  readonly #lines: LogLine[] = [];
  readonly #errors: string[] = [];
  readonly #startedMs = performance.now();
  /** Resolves when the process has ended and all its output was read. */
  readonly exited: Promise<Exit>;
  readonly #ready: Promise<LogLine | null>;
  #native = '';
  #kafka = '';
  #http = '';
  #readyMs = 0;

  /** Starts a broker on free ports, and does not wait for it. */
  static spawn(options: BrokerProcessOptions): BrokerProcess {
    return new BrokerProcess(options);
  }

  /** Starts a broker on free ports, and waits until it is ready. Throws, with its output, if it ends before. */
  static async start(options: BrokerProcessOptions): Promise<BrokerProcess> {
    const broker = new BrokerProcess(options);
    if (await broker.ready()) return broker;
    throw new Error(`the broker did not start: ${broker.output}`);
  }

  private constructor(options: BrokerProcessOptions) {
    const { dataDirectory, moreDirectories = [], settings = {}, environment = {}, onLine } = options;
    const { native = ANY_PORT, kafka = ANY_PORT } = options;
    const set = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    const doors = ['--native-listen', native, '--kafka-listen', kafka, '--http-listen', ANY_PORT];
    const directories = [dataDirectory, ...moreDirectories].flatMap((path) => ['--data-dir', path]);
    const args = ['broker', ...directories, '--log-format', 'json', ...doors, ...set];
    const limit = options.descriptorsMax;
    const limited = limit === undefined ? [] : ['/bin/sh', '-c', `ulimit -n ${limit} && exec "$@"`, 'sh'];
    const [command = '', ...rest] = [...limited, process.execPath, executable, ...args];
    this.#child = spawn(command, rest, {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error('the broker was started without pipes');
    stderr.on('data', (bytes: Buffer) => this.#errors.push(bytes.toString()));
    let announce: (line: LogLine | null) => void = () => {};
    this.#ready = new Promise((resolve) => {
      announce = resolve;
    });
    createInterface(stdout).on('line', (text) => {
      const line = parseLine(text);
      this.#lines.push(line);
      if (this.#lines.length > LINES_MAX) this.#lines.shift();
      if (line.msg === 'broker ready') {
        this.#readyMs = performance.now() - this.#startedMs;
        this.#native = String(line['native']);
        this.#kafka = String(line['kafka']);
        this.#http = String(line['http']);
        announce(line);
      }
      onLine?.(line, this);
    });
    this.exited = once(this.#child, 'close').then(([code, signal]) => {
      announce(null);
      return { code, signal };
    });
  }

  /** Whether it became ready; false if it ended before. */
  async ready(): Promise<boolean> {
    return (await this.#ready) !== null;
  }

  get native(): string {
    return this.#native;
  }

  get kafka(): string {
    return this.#kafka;
  }

  get http(): string {
    return this.#http;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the broker was not started');
    return pid;
  }

  /** From the start of the process to its line "broker ready". */
  get readyMs(): number {
    return Math.round(this.#readyMs);
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** What it wrote to its log, by its lines' texts. */
  lines(message: string): LogLine[] {
    return this.#lines.filter(({ msg }) => msg === message);
  }

  /** Everything that it wrote, for messages. */
  get output(): string {
    return [...this.#lines.map((line) => JSON.stringify(line)), ...this.#errors].join('\n');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the process as `kill -9` does. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  /** Stops the broker; throws, with its output, unless it ends with 0. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    const { code, signal } = await this.exited;
    if (code !== 0) throw new Error(`the broker ended with ${code ?? signal}: ${this.output}`);
  }

  /** What the kernel counts as the process's memory, in bytes: now, or the most so far. Linux only. */
  memoryBytes(which: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const kib = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
    if (kib === undefined) throw new Error(`/proc says nothing of ${which}`);
    return Number(kib) * 1024;
  }
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: 'none', msg: text };
  }
}
