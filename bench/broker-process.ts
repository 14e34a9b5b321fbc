import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Deferred, deferred } from '../src/client/deferred.js';
import { LineProcess } from './child-process.js';
import { WireConnection } from './load/wire-connection.js';

export interface BrokerProcessOptions {
  readonly dataDirectory: string;
  /** Where each thread leaves a CPU profile when it ends; null: none. */
  readonly profileDirectory: string | null;
  /** Broker settings, `name=value`. */
  readonly settings: readonly string[];
  /** The folder of another build, with `dist` in it; default: the one that this file belongs to. */
  readonly buildFolder?: string;
  /** Options of Node itself; default: none. */
  readonly nodeOptions?: readonly string[];
  /** Whether Kafka's door is open, too; default: not. */
  readonly opensKafkaDoor?: boolean;
  /** Whether health and metrics can be asked for; default: not. */
  readonly opensHttpDoor?: boolean;
}

export type LogLine = Readonly<Record<string, unknown>>;

const START_DEADLINE_MS = 30_000;
/** Thousands of logs are flushed meanwhile, maybe on a busy disk. */
const STOP_DEADLINE_MS = 120_000;
const LOG_LINES_KEPT = 20;

/** From dist/bench, where this file is compiled to. */
const ownBuildFolder = fileURLToPath(new URL('../../', import.meta.url));

/** A broker in a process of its own, as `odradek broker` starts it. */
export class BrokerProcess {
  readonly dataDirectory: string;
  readonly #process: LineProcess;
  readonly #log: string[] = [];
  readonly #startedAtMs = performance.now();
  readonly #ready = deferred<ReadyAddresses>();
  readonly #recovered = deferred<number>();
  readonly #awaited = new Map<string, Deferred<LogLine>>();
  #port = 0;
  #kafkaPort = 0;
  #httpPort = 0;
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
    const {
      dataDirectory,
      profileDirectory,
      settings,
      nodeOptions = [],
      opensKafkaDoor = false,
      opensHttpDoor = false,
    } = options;
    this.dataDirectory = dataDirectory;
    const profile = profileDirectory === null ? [] : ['--cpu-prof', '--cpu-prof-dir', profileDirectory];
    const door = (opens: boolean) => (opens ? '127.0.0.1:0' : 'off');
    const doors = [
      ...['--native-listen', '127.0.0.1:0', '--kafka-listen', door(opensKafkaDoor)],
      ...['--http-listen', door(opensHttpDoor)],
    ];
    const main = join(options.buildFolder ?? ownBuildFolder, 'dist/src/cli/main.js');
    this.#process = new LineProcess(
      [
        ...nodeOptions,
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
      () => this.#ended(new Error('The broker ended.')),
      (error: unknown) => this.#ended(error),
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

  /** Of the door for health and metrics; 0 if it is closed. */
  get httpPort(): number {
    return this.#httpPort;
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

  /** From the spawn to the line that says that all logs are recovered, which comes only after a crash. */
  get recoveredMs(): Promise<number> {
    return this.#recovered.promise;
  }

  /** The last of what it said, for a report of what went wrong. */
  get lastWords(): string {
    return [...this.#log, this.#process.stderr].filter((text) => text !== '').join('\n');
  }

  /** Ends it as `kill -9` does. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#process.ended;
  }

  /** Has all its threads collect their garbage soon, if it was started with collect-garbage.cjs; else this ends it. */
  collectGarbage(): void {
    this.#process.kill('SIGUSR2');
  }

  /** The next line of its log with this message. Rejected if the broker ends before. */
  nextLine(message: string): Promise<LogLine> {
    const awaited = this.#awaited.get(message) ?? deferred<LogLine>();
    this.#awaited.set(message, awaited);
    return awaited.promise;
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
      const { native, kafka, http } = await this.#ready.promise;
      this.#readyMs = this.ageMs;
      this.#port = portOf(native);
      this.#kafkaPort = kafka === null ? 0 : portOf(kafka);
      this.#httpPort = http === null ? 0 : portOf(http);
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

  #ended(error: unknown): void {
    this.#ready.reject(error);
    for (const { reject } of this.#awaited.values()) reject(error);
  }

  #logged(line: string): void {
    this.#log.push(line);
    if (this.#log.length > LOG_LINES_KEPT) this.#log.shift();
    if (line.includes('"logs recovered"')) this.#recovered.resolve(this.ageMs);
    const addresses = readyAddresses(line);
    if (addresses !== null) this.#ready.resolve(addresses);
    for (const [message, awaited] of this.#awaited) {
      if (!line.includes(`"msg":"${message}"`)) continue;
      this.#awaited.delete(message);
      awaited.resolve(JSON.parse(line) as LogLine);
    }
  }
}

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(':') + 1));

export interface ReadyAddresses {
  readonly native: string;
  /** null if Kafka's door is closed. */
  readonly kafka: string | null;
  /** null if the door for health and metrics is closed. */
  readonly http: string | null;
}

/** The addresses of the doors, if this is the line of the broker's log that says that they are open. */
export function readyAddresses(line: string): ReadyAddresses | null {
  if (!line.includes('"broker ready"')) return null;
  try {
    const { msg, native, kafka, http } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (msg !== 'broker ready' || typeof native !== 'string') return null;
    const addressOf = (value: unknown) => (typeof value === 'string' ? value : null);
    return { native, kafka: addressOf(kafka), http: addressOf(http) };
  } catch {
    // Some other text that a library printed.
    return null;
  }
}
