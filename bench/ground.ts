// What a turn stands on: the broker, the folder for the data, the processes that make load, and who used the CPU meanwhile.
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { BrokerProcess, type BrokerProcessOptions } from './broker-process.js';
import { JobProcess } from './child-process.js';
import type {
  CrowdJob,
  LoadJob,
  LoadResult,
  PumpJob,
  PumpResult,
  ReceiveJob,
  SendJob,
  WholeProcess,
} from './job.js';
import { createTopic } from './load/create-topic.js';
import { WireConnection } from './load/wire-connection.js';
import { type CpuSeconds, MIB } from './metrics.js';
import type { BenchOptions } from './options.js';
import type { ProcReader } from './processor-time.js';

const JOB_DEADLINE_MS = 300_000;
/** What a broker still does for a load after its last answer counts, too. */
const SETTLE_MS = 500;
const DELETE_DEADLINE_MS = 10_000;
const DELETE_LOOK_MS = 20;

const WARM_PIECE_BYTES = 64 * 1024;
/** What a turn may touch besides its data. */
const WARM_EXTRA_BYTES = 64 * MIB;

type BrokerJob = Exclude<LoadJob, CrowdJob | SendJob | ReceiveJob>;

/** A load and what it took. */
export interface Run<Result> {
  readonly result: Result;
  /** CPU of the broker; null where it cannot be read. */
  readonly cpu: CpuSeconds | null;
  readonly others: number | null;
}

/** A pump with a load generator at its other end, and what each of them counted. */
export interface PumpRun {
  readonly pump: PumpResult;
  readonly load: LoadResult;
  readonly others: number | null;
}

export interface GroundOptions {
  readonly options: BenchOptions;
  readonly proc: ProcReader | null;
  /** Where to make a folder of its own. */
  readonly folder: string;
  readonly suite: string;
  /** The folder of the build whose broker is started; null: this one's. */
  readonly buildFolder?: string | null;
}

export class Ground {
  readonly options: BenchOptions;
  /** Null where there is no /proc. */
  readonly proc: ProcReader | null;
  readonly #folder: string;
  readonly #suite: string;
  readonly #buildFolder: string | null;
  #broker: BrokerProcess | null = null;
  /** By how many partitions they have. */
  readonly #lastingTopics = new Map<number, string>();
  #names = 0;

  constructor({ options, proc, folder, suite, buildFolder = null }: GroundOptions) {
    this.options = options;
    this.proc = proc;
    this.#folder = join(folder, suite);
    this.#suite = suite;
    this.#buildFolder = buildFolder;
    mkdirSync(this.#folder, { recursive: true });
  }

  get broker(): BrokerProcess {
    if (!this.#broker) throw new Error('This suite has no broker that stays.');
    return this.#broker;
  }

  /** What the broker that stays said last, for a report of what went wrong. */
  get lastWords(): string {
    return this.#broker?.lastWords ?? '';
  }

  /** Starts the broker that serves all rounds. */
  async open(options: Partial<BrokerProcessOptions> = {}): Promise<void> {
    this.#broker = await this.startBroker(options);
  }

  /** Stops it, and removes all data. */
  async close(): Promise<void> {
    try {
      await this.#broker?.stop();
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  /** A further broker, with a data directory of its own unless one is given; the caller stops it. */
  startBroker(further: Partial<BrokerProcessOptions> = {}): Promise<BrokerProcess> {
    const { profileDirectory, brokerSettings } = this.options;
    return BrokerProcess.start({
      dataDirectory: this.path('data'),
      profileDirectory: profileDirectory === null ? null : join(profileDirectory, this.#suite),
      ...(this.#buildFolder === null ? {} : { buildFolder: this.#buildFolder }),
      ...further,
      settings: [...(further.settings ?? []), ...brokerSettings],
    });
  }

  /** Has `work` done with a broker of its own, which {@link broker} is meanwhile; then stops it. */
  async withBroker<Value>(
    options: Partial<BrokerProcessOptions>,
    work: (broker: BrokerProcess) => Promise<Value>,
  ): Promise<Value> {
    const broker = await this.startBroker(options);
    this.#broker = broker;
    const value = await work(broker);
    this.#broker = null;
    await broker.stop();
    return value;
  }

  /** A new name in the folder for data. */
  path(name: string): string {
    return join(this.#folder, this.#newName(name));
  }

  /**
   * Leaves so many bytes of page cache that were used and given back. On a virtual machine, memory that nobody has touched for a
   * while costs several times as much as that to write to; whoever comes first would pay for it.
   */
  warmPages(bytes: number): void {
    const path = this.path('warm');
    const piece = Buffer.alloc(WARM_PIECE_BYTES, 1);
    const file = openSync(path, 'w');
    try {
      for (let left = bytes + WARM_EXTRA_BYTES; left > 0; left -= piece.length) writeSync(file, piece);
    } finally {
      closeSync(file);
      rmSync(path);
    }
  }

  /** A topic with so many partitions that stays until the ground is closed: the same each time. */
  async lastingTopic(partitions: number): Promise<string> {
    const name = this.#lastingTopics.get(partitions) ?? this.#newName('lasting');
    if (!this.#lastingTopics.has(partitions)) {
      await createTopic(this.broker.port, name, partitions);
      this.#lastingTopics.set(partitions, name);
    }
    return name;
  }

  /** Has `work` done beside connections with which nothing happens (see {@link CrowdJob}). Fails if one of them ends too early. */
  async beside<Value>(job: CrowdJob, work: () => Promise<Value>): Promise<Value> {
    const process = new JobProcess<LoadResult & WholeProcess>('load', job, JOB_DEADLINE_MS);
    try {
      await process.ready;
      const value = await work();
      await process.finish();
      return value;
    } finally {
      process.kill();
    }
  }

  /** Creates a topic, has `work` done with it, and removes its data, so that the page cache is free again. */
  async withTopic<Value>(
    partitions: number,
    work: (topic: string) => Promise<Value>,
    configs: Readonly<Record<string, string>> = {},
  ): Promise<Value> {
    const name = this.#newName('topic');
    const connection = await WireConnection.open(this.broker.port);
    try {
      await connection.ask({
        type: 'createTopic',
        name,
        partitions,
        replicationFactor: 1,
        configs: Object.entries({ 'file.delete.delay.ms': '0', ...configs }).map(([name, value]) => ({
          name,
          value,
        })),
        validateOnly: false,
      });
      const value = await work(name);
      await connection.ask({ type: 'deleteTopic', name });
      await this.#deleted(name);
      return value;
    } finally {
      connection.close();
    }
  }

  /** Runs a load generator against the broker. */
  load(job: BrokerJob): Promise<Run<LoadResult>> {
    return this.watch(
      () => new JobProcess<LoadResult & WholeProcess>('load', job, JOB_DEADLINE_MS).result,
      ({ processSeconds }) => processSeconds,
    );
  }

  /** Does something with the broker; `ours` says what CPU it took besides the broker's and this process's. */
  async watch<Result>(
    work: () => Promise<Result>,
    ours: (result: Result) => number = () => 0,
  ): Promise<Run<Result>> {
    const { pid } = this.broker;
    const before = this.proc?.cpu(pid);
    const { result, others } = await this.#watched(async (others) => {
      const result = await work();
      await wait(SETTLE_MS);
      const after = this.proc?.cpu(pid);
      const cpu =
        before && after ? { user: after.user - before.user, system: after.system - before.system } : null;
      others.ours(ours(result) + (cpu ? cpu.user + cpu.system : 0));
      return { result, cpu };
    });
    return { ...result, others };
  }

  /** Runs a pump, and a load generator at its other end, which `job` makes from the pump's port. */
  async pump(pump: PumpJob, job: (port: number) => LoadJob): Promise<PumpRun> {
    const { result, others } = await this.#watched(async (others) => {
      const pumpProcess = new JobProcess<PumpResult & WholeProcess>('pump', pump, JOB_DEADLINE_MS);
      try {
        const load = job(await pumpProcess.port);
        const loadResult = await new JobProcess<LoadResult & WholeProcess>('load', load, JOB_DEADLINE_MS)
          .result;
        const pumpResult = await pumpProcess.finish();
        others.ours(loadResult.processSeconds + pumpResult.processSeconds);
        return { pump: pumpResult, load: loadResult };
      } finally {
        pumpProcess.kill();
      }
    });
    return { ...result, others };
  }

  /** The same for a pump that connects to the load generator. */
  async pumpFrom(job: SendJob, pump: (port: number) => PumpJob): Promise<PumpRun> {
    const { result, others } = await this.#watched(async (others) => {
      const loadProcess = new JobProcess<LoadResult & WholeProcess>('load', job, JOB_DEADLINE_MS);
      try {
        const pumpJob = pump(await loadProcess.port);
        const pumpResult = await new JobProcess<PumpResult & WholeProcess>('pump', pumpJob, JOB_DEADLINE_MS)
          .result;
        const loadResult = await loadProcess.result;
        others.ours(loadResult.processSeconds + pumpResult.processSeconds);
        return { pump: pumpResult, load: loadResult };
      } finally {
        loadProcess.kill();
      }
    });
    return { ...result, others };
  }

  /** Does `work`, which says what of the CPU was ours; `others` is the share of the machine that somebody else took. */
  async #watched<Value>(
    work: (others: { ours(seconds: number): void }) => Promise<Value>,
  ): Promise<{ result: Value; others: number | null }> {
    const before = this.proc?.machine();
    const ownAtStart = process.cpuUsage();
    let oursSeconds = 0;
    const result = await work({
      ours: (seconds) => {
        oursSeconds += seconds;
      },
    });
    const after = this.proc?.machine();
    if (!before || !after || after.total === before.total) return { result, others: null };
    const own = process.cpuUsage(ownAtStart);
    const others = after.busy - before.busy - oursSeconds - (own.user + own.system) / 1e6;
    return { result, others: Math.max(0, others) / (after.total - before.total) };
  }

  /** Waits until nothing of the topic is left on the disk. */
  async #deleted(topic: string): Promise<void> {
    const deadlineMs = performance.now() + DELETE_DEADLINE_MS;
    const isLeft = () => readdirSync(this.broker.dataDirectory).some((name) => name.startsWith(`${topic}-`));
    while (isLeft()) {
      if (performance.now() > deadlineMs) {
        throw new Error(`The data of a deleted topic are still there after ${DELETE_DEADLINE_MS / 1000} s.`);
      }
      await wait(DELETE_LOOK_MS);
    }
  }

  #newName(name: string): string {
    return `${name}-${++this.#names}`;
  }
}
