import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deferred } from '../src/client/deferred.js';
import { LineProcess } from './child-process.js';
import { WireConnection } from './load/wire-connection.js';

export interface BrokerProcessOptions {
  readonly dataDirectory: string;
  /** Where each thread leaves a CPU profile when it ends; null: none. */
  readonly profileDirectory: string | null;
  /** Broker settings, `name=value`. */
  readonly settings: readonly string[];
  /** Whether Kafka's door is open, too; default: not. */
  readonly opensKafkaDoor?: boolean;
}

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 30_000;
const LOG_LINES_KEPT = 20;

/** A broker in a process of its own, as `odradek broker` starts it. */
export class BrokerProcess {
  readonly dataDirectory: string;
  readonly #process: LineProcess;
  readonly #log: string[] = [];
  readonly #startedAtMs = performance.now();
  readonly #ready = deferred<ReadyAddresses>();
  #port = 0;
  #kafkaPort = 0;
  #readyMs = 0;
  #helloMs = 0;

  /** Resolves when it has answered its first Hello. */
  static async start(options: BrokerProcessOptions): Promise<BrokerProcess> {
    mkdirSync(options.dataDirectory, { recursive: true });
    const broker = new BrokerProcess(options);
    try {
      await broker.#start();
    } catch (error) {
      broker.#process.kill('SIGKILL');
      throw error;
    }
    return broker;
  }

  private constructor(options: BrokerProcessOptions) {
    const { dataDirectory, profileDirectory, settings, opensKafkaDoor = false } = options;
    this.dataDirectory = dataDirectory;
    const profile = profileDirectory === null ? [] : ['--cpu-prof', '--cpu-prof-dir', profileDirectory];
    const kafka = opensKafkaDoor ? '127.0.0.1:0' : 'off';
    const doors = ['--native-listen', '127.0.0.1:0', '--kafka-listen', kafka, '--http-listen', 'off'];
    const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));
    this.#process = new LineProcess(
      [
        ...profile,
        main,
        'broker',
        ...doors,
        ...['--data-dir', dataDirectory, '--log-format', 'json'],
        ...settings.flatMap((setting) => ['--set', setting]),
      ],
      (line) => this.#logged(line),
    );
    this.#process.ended.then(
      () => this.#ready.reject(new Error('The broker ended before it was ready.')),
      (error: unknown) => this.#ready.reject(error),
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  get port(): number {
    return this.#port;
  }

  /** Of Kafka's door; 0 if it is closed. */
  get kafkaPort(): number {
    return this.#kafkaPort;
  }

  /** From the spawn until now. */
  get ageMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  /** From the spawn to the line that says that the broker is ready. */
  get readyMs(): number {
    return this.#readyMs;
  }

  /** From the spawn to the first answer. */
  get helloMs(): number {
    return this.#helloMs;
  }

  /** The last of what it said, for a report of what went wrong. */
  get lastWords(): string {
    return [...this.#log, this.#process.stderr].filter((text) => text !== '').join('\n');
  }

  /** Stops it cleanly; throws if that does not work. */
  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_DEADLINE_MS);
    const { code, signal } = await this.#process.ended;
    clearTimeout(timer);
    if (code !== 0) throw new Error(`The broker ended with ${signal ?? code}.`);
  }

  async #start(): Promise<void> {
    const timer = setTimeout(() => {
      this.#ready.reject(new Error(`The broker was not ready within ${START_DEADLINE_MS / 1000} s.`));
    }, START_DEADLINE_MS);
    try {
      const { native, kafka } = await this.#ready.promise;
      this.#readyMs = this.ageMs;
      this.#port = portOf(native);
      this.#kafkaPort = kafka === null ? 0 : portOf(kafka);
      const connection = await WireConnection.open(this.#port);
      this.#helloMs = this.ageMs;
      connection.close();
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${this.lastWords}`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #logged(line: string): void {
    this.#log.push(line);
    if (this.#log.length > LOG_LINES_KEPT) this.#log.shift();
    const addresses = readyAddresses(line);
    if (addresses !== null) this.#ready.resolve(addresses);
  }
}

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(':') + 1));

export interface ReadyAddresses {
  readonly native: string;
  /** null if Kafka's door is closed. */
  readonly kafka: string | null;
}

/** The addresses of the doors, if this is the line of the broker's log that says that they are open. */
export function readyAddresses(line: string): ReadyAddresses | null {
  if (!line.includes('"broker ready"')) return null;
  try {
    const { msg, native, kafka } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (msg !== 'broker ready' || typeof native !== 'string') return null;
    return { native, kafka: typeof kafka === 'string' ? kafka : null };
  } catch {
    // Some other text that a library printed.
    return null;
  }
}
