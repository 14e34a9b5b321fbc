// A log against a list: random appends, rolls, flushes, retention, truncation, restarts, crashes, losses of power and disk
// errors. Whatever happens, the log holds a part of what was appended, unchanged and without holes; and at least what it had
// promised.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/base/clock.js';
import { type Offset, toOffset } from '../../src/base/ids.js';
import { type Random, seededRandom } from '../../src/base/random.js';
import type { Disk, DiskDone, DiskError } from '../../src/io/disk.js';
import type { Jobs } from '../../src/io/jobs.js';
import { NodeDisk } from '../../src/io/node-disk.js';
import { SimulatedCrash } from '../../src/io/simulated-disk.js';
import type { AppendBatch, Log } from '../../src/log/log.js';
import type { LogConfig } from '../../src/log/log-config.js';
import { LogReader } from '../../src/log/log-reader.js';
import { type LogRecovery, type OpenLogOptions, openLog } from '../../src/log/open-log.js';
import { wholeBatches } from '../../src/log/whole-batches.js';
import { jobFunctions } from '../../workers/job-functions.js';
import { batch, CONFIG, collectingLogger, epoch, LogMachine, publish } from './log-fixture.js';

/** What a log lives on. */
interface Machine {
  readonly options: (config: LogConfig) => Omit<OpenLogOptions, 'recovery' | 'logStartOffset'>;
  /** Starts an operation and lets the machine run until it is done. */
  readonly wait: <Result>(start: (done: (result: Result) => void) => void) => Promise<Result>;
  readonly crash: () => Promise<void>;
  /** Null: this machine cannot. */
  readonly losePower: (() => void) | null;
  readonly simulation: LogMachine | null;
  readonly warnings: () => number;
}

function simulatedMachine(seed: number): Machine {
  const machine = new LogMachine(seed);
  return {
    options: (config) => machine.options({ config }),
    wait: <Result>(start: (done: (result: Result) => void) => void) => {
      const results: Result[] = [];
      start((result) => results.push(result));
      machine.clock.runUntil(() => results.length > 0);
      const [result] = results;
      if (result === undefined) throw new Error('the operation did not end');
      return Promise.resolve(result);
    },
    crash: () => Promise.resolve(machine.crash()),
    losePower: () => machine.losePower(),
    simulation: machine,
    warnings: () => machine.logger.lines.filter(({ level }) => level !== 'info').length,
  };
}

/** What a process sees of the real world, until it is killed: nothing that it began afterwards happens. */
class MortalProcess {
  readonly disk: Disk;
  readonly clock: Clock;
  #alive = true;
  #underWay = 0;
  #whenQuiet: (() => void) | null = null;

  constructor() {
    const node = new NodeDisk({ openFilesMax: 4 });
    const later =
      <Args extends unknown[]>(call: (...args: [...Args, DiskDone]) => void) =>
      (...args: [...Args, DiskDone]): void => {
        if (!this.#alive) return;
        const done = args.pop() as DiskDone;
        this.#underWay++;
        call.call(node, ...(args as unknown as Args), (error: DiskError | null) => {
          this.#underWay--;
          if (this.#alive) done(error);
          else if (this.#underWay === 0) this.#whenQuiet?.();
        });
      };
    this.disk = Object.assign(Object.create(node) as NodeDisk, {
      open: node.open.bind(node),
      close: node.close.bind(node),
      size: node.size.bind(node),
      isCurrent: node.isCurrent.bind(node),
      write: node.write.bind(node),
      read: node.read.bind(node),
      truncate: node.truncate.bind(node),
      readLater: node.readLater.bind(node),
      sync: later(node.sync),
      syncDirectory: later(node.syncDirectory),
      rename: later(node.rename),
      remove: later(node.remove),
    });
    this.clock = {
      ...systemClock,
      after: (delayMs, fire) => systemClock.after(delayMs, () => this.#alive && fire()),
    };
  }

  kill(): Promise<void> {
    this.#alive = false;
    return new Promise((resolve) => {
      if (this.#underWay === 0) resolve();
      else this.#whenQuiet = resolve;
    });
  }
}

function realMachine(folder: string, random: Random): Machine {
  let process = new MortalProcess();
  const logger = collectingLogger();
  const jobs: Jobs = {
    run: (name, input, done) => {
      setImmediate(() => done(null, jobFunctions[name](process.disk, input)));
    },
  };
  return {
    options: (config) => ({
      ...new LogMachine().options({ config }),
      directory: join(folder, 'orders-0'),
      disk: process.disk,
      clock: process.clock,
      random,
      jobs,
      logger,
    }),
    wait: (start) => new Promise((resolve) => start(resolve)),
    crash: async () => {
      await process.kill();
      process = new MortalProcess();
    },
    losePower: null,
    simulation: null,
    warnings: () => logger.lines.filter(({ level }) => level !== 'info').length,
  };
}

const CONFIG_OF_RUN = (random: Random): LogConfig => ({
  ...CONFIG,
  segmentBytes: 300 + random.below(3000),
  segmentMs: 500 + random.below(5000),
  segmentJitterMs: random.below(200),
  segmentIndexBytes: 60 + random.below(200),
  indexIntervalBytes: random.below(500),
  flushMessages: random.below(3) === 0 ? 1 + random.below(40) : Number.POSITIVE_INFINITY,
  flushMs: random.below(3) === 0 ? 1 + random.below(500) : Number.POSITIVE_INFINITY,
  fileDeleteDelayMs: random.below(300),
});

class Run {
  readonly #machine: Machine;
  readonly #random: Random;
  readonly #config: LogConfig;
  /** Everything ever appended that was not cut since, in order. */
  #appended: AppendBatch[] = [];
  /** What the supervisor would have written down. */
  #checkpoint = { recoveryPoint: toOffset(0), logStartOffset: toOffset(0) };
  #leaderEpoch = -1;
  #timestampMs = 1_000_000;
  #log: Log;
  #reader: LogReader;

  static async start(machine: Machine, random: Random): Promise<Run> {
    const config = CONFIG_OF_RUN(random);
    const log = await Run.#open(machine, config, { type: 'clean' }, toOffset(0));
    return new Run(machine, random, config, log);
  }

  static async #open(
    machine: Machine,
    config: LogConfig,
    recovery: LogRecovery,
    logStartOffset: Offset,
  ): Promise<Log> {
    const result = await machine.wait<Log | Error>((done) =>
      openLog({ ...machine.options(config), recovery, logStartOffset }, done),
    );
    if (result instanceof Error) throw result;
    return result;
  }

  private constructor(machine: Machine, random: Random, config: LogConfig, log: Log) {
    this.#machine = machine;
    this.#random = random;
    this.#config = config;
    this.#log = log;
    this.#reader = this.#newReader();
  }

  #newReader(): LogReader {
    const { directory, disk } = this.#machine.options(this.#config);
    return new LogReader({ directory, disk });
  }

  async step(): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < 50) this.#append();
    else if (dice < 55) this.#appendWithFault();
    else if (dice < 65) await this.#flush();
    else if (dice < 72) this.#retention();
    else if (dice < 75) this.#advanceLogStart();
    else if (dice < 79) await this.#truncate();
    else if (dice < 82) await this.#lead();
    else if (dice < 86) await this.#restart();
    else if (dice < 90) await this.#crash();
    else if (dice < 93) await this.#workerDies();
    else if (dice < 96) await this.#losePower();
    else await this.#crashInCall();
    if (this.#random.below(3) === 0) this.#writeCheckpoint();
    this.#check();
  }

  #nextBatches(): AppendBatch[] {
    let baseOffset: number = this.#log.logEndOffset;
    return Array.from({ length: 1 + this.#random.below(12) }, () => {
      const count = 1 + this.#random.below(4);
      this.#timestampMs += this.#random.below(60) - 10;
      const next = batch({
        baseOffset,
        count,
        timestampMs: this.#random.below(50) === 0 ? -1 : this.#timestampMs,
        leaderEpoch: Math.max(this.#leaderEpoch, 0),
        valueBytes: this.#random.below(this.#random.below(10) === 0 ? 400 : 30),
      });
      baseOffset += count;
      return next;
    });
  }

  #append(): void {
    const batches = this.#nextBatches();
    expect(this.#log.append(batches)).toEqual({ appended: batches.length, error: null });
    this.#appended.push(...batches);
  }

  #appendWithFault(): void {
    const { simulation } = this.#machine;
    if (!simulation) {
      this.#append();
      return;
    }
    const batches = this.#nextBatches();
    simulation.disk.failNext({ operation: 'write', path: /\.log$/, code: 'ENOSPC' });
    const { appended, error } = this.#log.append(batches);
    simulation.disk.stopFailing();
    expect(error?.code).toBe('ENOSPC');
    this.#appended.push(...batches.slice(0, appended));
  }

  async #flush(): Promise<void> {
    const end = this.#log.logEndOffset;
    expect(
      await this.#machine.wait<{ error: Error | null }>((done) =>
        this.#log.flush((error) => done({ error })),
      ),
    ).toEqual({
      error: null,
    });
    expect(this.#log.recoveryPoint).toBeGreaterThanOrEqual(end);
  }

  #retention(): void {
    this.#log.updateConfig({ ...this.#config, retentionMs: 2000, retentionBytes: 20_000 });
    const before = this.#log.logStartOffset;
    this.#log.applyRetention(this.#timestampMs + this.#random.below(500));
    expect(this.#log.logStartOffset).toBeGreaterThanOrEqual(before);
  }

  #advanceLogStart(): void {
    const { logStartOffset, logEndOffset } = this.#log;
    const range = Math.ceil((logEndOffset - logStartOffset) / 4) + 1;
    this.#log.advanceLogStartOffset(
      toOffset(Math.min(logEndOffset, logStartOffset + this.#random.below(range))),
    );
    if (this.#random.below(2) === 0) this.#log.deleteBelowLogStart();
    // DeleteRecords is answered when the checkpoint is written.
    this.#writeCheckpoint();
  }

  async #truncate(): Promise<void> {
    const { logStartOffset, logEndOffset } = this.#log;
    const offset = toOffset(Math.max(logStartOffset, logEndOffset - this.#random.below(30)));
    const { error } = await this.#machine.wait<{ error: Error | null }>((done) =>
      this.#log.truncateTo(offset, (failure) => done({ error: failure })),
    );
    expect(error).toBeNull();
    this.#appended = this.#appended.filter(({ lastOffset }) => lastOffset < offset);
    this.#leaderEpoch = Math.max(this.#leaderEpoch, this.#log.latestLeaderEpoch);
    this.#writeCheckpoint();
    this.#reader.forget();
    await this.#lead();
  }

  /** A leader's epoch is above all that were saved before. */
  async #lead(): Promise<void> {
    this.#leaderEpoch = Math.max(this.#leaderEpoch, this.#log.latestLeaderEpoch) + 1;
    const { error } = await this.#machine.wait<{ error: Error | null }>((done) =>
      this.#log.assignLeaderEpoch(epoch(this.#leaderEpoch), (failure) => done({ error: failure })),
    );
    expect(error).toBeNull();
  }

  #writeCheckpoint(): void {
    const { recoveryPoint, logStartOffset } = this.#log;
    this.#checkpoint = { recoveryPoint, logStartOffset };
  }

  async #restart(): Promise<void> {
    const { error } = await this.#machine.wait<{ error: Error | null }>((done) =>
      this.#log.close((failure) => done({ error: failure })),
    );
    expect(error).toBeNull();
    this.#writeCheckpoint();
    const end = this.#log.logEndOffset;
    if (this.#machine.losePower && this.#random.below(2) === 0) this.#machine.losePower();
    const warnings = this.#machine.warnings();
    await this.#reopen({ type: 'clean' });
    expect(this.#log.logEndOffset).toBe(end);
    expect(this.#machine.warnings()).toBe(warnings);
  }

  async #crash(): Promise<void> {
    const end = this.#log.logEndOffset;
    await this.#machine.crash();
    await this.#recover();
    expect(this.#log.logEndOffset, 'what was written survives the process').toBe(end);
  }

  async #workerDies(): Promise<void> {
    const end = this.#log.logEndOffset;
    const published = this.#random.below(2) === 0 ? publish(this.#log) : null;
    if (!published) return;
    const segmentBaseOffset = published.segmentBaseOffset;
    await this.#machine.crash();
    await this.#reopen({
      type: 'worker-died',
      segmentBaseOffset,
      bytes: published.segmentBytes,
      recoveryPoint: this.#checkpoint.recoveryPoint,
    });
    expect(this.#log.logEndOffset).toBe(end);
  }

  async #losePower(): Promise<void> {
    if (!this.#machine.losePower) return;
    const promised = this.#log.recoveryPoint;
    this.#machine.losePower();
    await this.#recover();
    this.#expectAtLeast(promised);
  }

  /** The machine stops inside some disk call of what follows. */
  async #crashInCall(): Promise<void> {
    const { simulation } = this.#machine;
    if (!simulation) return;
    const promised = this.#log.recoveryPoint;
    const withPower = this.#random.below(2) === 0;
    const before = this.#log.logEndOffset;
    const batches = this.#nextBatches();
    simulation.disk.crashIn(1 + this.#random.below(12));
    const pending: AppendBatch[] = [];
    try {
      for (const each of batches) {
        pending.push(each);
        this.#log.append([each]);
        simulation.clock.advance(this.#random.below(20));
      }
      this.#log.flush(() => {});
      simulation.clock.advance(100);
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
    }
    this.#appended.push(...pending);
    if (withPower) simulation.crash();
    else simulation.losePower();
    await this.#recover();
    this.#expectAtLeast(withPower ? before : promised);
  }

  #expectAtLeast(promised: Offset): void {
    const { logEndOffset } = this.#log;
    expect(logEndOffset, 'what was promised').toBeGreaterThanOrEqual(promised);
    this.#appended = this.#appended.filter(({ lastOffset }) => lastOffset < logEndOffset);
  }

  async #recover(): Promise<void> {
    await this.#reopen({ type: 'from', recoveryPoint: this.#checkpoint.recoveryPoint });
  }

  async #reopen(recovery: LogRecovery): Promise<void> {
    const { simulation } = this.#machine;
    for (;;) {
      try {
        // A recovery may be cut short by the next crash.
        if (simulation && recovery.type === 'from' && this.#random.below(6) === 0) {
          simulation.disk.crashIn(1 + this.#random.below(60));
        }
        this.#log = await Run.#open(this.#machine, this.#config, recovery, this.#checkpoint.logStartOffset);
        simulation?.clock.advance(50);
        simulation?.disk.crashIn(Number.POSITIVE_INFINITY);
        break;
      } catch (error) {
        if (!(error instanceof SimulatedCrash)) throw error;
        await this.#machine.crash();
      }
    }
    this.#writeCheckpoint();
    this.#reader = this.#newReader();
    expect(this.#log.latestLeaderEpoch, 'an epoch is not used twice').toBeGreaterThanOrEqual(
      this.#leaderEpoch,
    );
    await this.#lead();
  }

  #check(): void {
    const { logStartOffset, logEndOffset, recoveryPoint } = this.#log;
    expect(recoveryPoint).toBeLessThanOrEqual(logEndOffset);
    const expected = this.#appended.filter(({ lastOffset }) => lastOffset >= logStartOffset);
    expect((expected.at(-1)?.lastOffset ?? logEndOffset - 1) + 1).toBe(logEndOffset);
    const headers: string[] = [];
    expect(
      this.#log.forEachHeader(logStartOffset, (header) => headers.push(header.toString('hex'))),
    ).toBeNull();
    expect(headers).toEqual(expected.map(({ bytes }) => bytes.subarray(0, 61).toString('hex')));
    this.#read(expected);
  }

  /** Reads through another thread's eyes, from a random offset on. */
  #read(expected: readonly AppendBatch[]): void {
    const published = publish(this.#log);
    const { disk } = this.#machine.options(this.#config);
    const { logStartOffset, logEndOffset } = published;
    let offset = toOffset(logStartOffset + this.#random.below(logEndOffset - logStartOffset + 1));
    for (let i = 0; i < 3 && offset < logEndOffset; i++) {
      const located = this.#reader.locate(offset, published);
      if (located.type !== 'found') throw new Error(`offset ${offset}: ${JSON.stringify(located)}`);
      const buffer = Buffer.alloc(Math.min(2000, located.endPosition - located.position));
      const read = disk.read(located.file, located.position, buffer);
      const { bytes, nextOffset } = wholeBatches(buffer, read, logEndOffset);
      const from = expected.findIndex(({ lastOffset }) => lastOffset >= offset);
      const until = expected.findLastIndex(({ lastOffset }) => lastOffset < nextOffset) + 1;
      expect(buffer.subarray(0, bytes)).toEqual(
        Buffer.concat(expected.slice(from, until).map((each) => each.bytes)),
      );
      this.#reader.remember(nextOffset, located, located.position + bytes);
      offset = nextOffset;
    }
    const timestampMs = this.#timestampMs - this.#random.below(3000);
    const located = this.#reader.locateTimestamp(timestampMs, published);
    const first = expected.find(({ maxTimestampMs }) => maxTimestampMs >= timestampMs);
    expect(located.type).toBe(first ? 'found' : 'end');
    if (located.type !== 'found' || !first) return;
    const buffer = Buffer.alloc(first.bytes.length);
    disk.read(located.file, located.position, buffer);
    expect(buffer).toEqual(first.bytes);
  }

  async end(): Promise<void> {
    this.#reader.close();
    await this.#machine.wait<{ error: Error | null }>((done) => this.#log.close((error) => done({ error })));
  }
}

async function run(seed: number, steps: number, machine: (random: Random) => Machine): Promise<void> {
  const random = seededRandom(seed);
  let step = 0;
  try {
    const model = await Run.start(machine(random), random);
    for (; step < steps; step++) await model.step();
    await model.end();
  } catch (error) {
    throw new Error(`SEED=${seed} fails in step ${step}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

// SEED=… repeats one run, RUNS=… makes more of them.
const given = process.env['SEED'];
const runs = (count: number): number => Number(process.env['RUNS'] ?? count);
const seeds = (count: number): number[] => {
  const first = Math.floor(Math.random() * 2 ** 31);
  return given === undefined ? Array.from({ length: count }, (_, i) => first + i) : [Number(given)];
};

describe('Log against a list', () => {
  it('holds what was appended, on a simulated disk', async () => {
    for (const seed of seeds(runs(10))) await run(seed, 60, () => simulatedMachine(seed));
  });

  it('holds what was appended, on the real file system', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'odradek-log-'));
    try {
      for (const seed of seeds(1))
        await run(seed, 60, (random) => realMachine(join(folder, String(seed)), random));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
