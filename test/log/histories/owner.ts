// What owns the log of a history, as a partition's actor and its broker do: it starts operations, writes checkpoints, lets
// the machine die in the midst of what it does, opens the log again, and then demands of it what was promised.
//
// A crash (of the process, or a loss of power) MATTERED if it came while an operation was under way, one that the owner was
// waiting for or a compaction in the background; or if it left something half done: records that no flush had covered, or files
// that were being written (`.tmp`, `.cleaned`, `.swap`).
import { toLeaderEpoch, toOffset } from '../../../src/base/ids.js';
import type { Random } from '../../../src/base/random.js';
import { SimulatedCrash } from '../../../src/io/simulated-disk.js';
import type { Log } from '../../../src/log/log.js';
import type { LogConfig } from '../../../src/log/log-config.js';
import type { Published } from '../../../src/log/log-reader.js';
import { type LogRecovery, openLog } from '../../../src/log/open-log.js';
import { between, chance, pick, type Streams } from '../../simulation/streams.js';
import type { Trace } from '../../simulation/trace.js';
import { publish } from '../log-fixture.js';
import { must } from './difference.js';
import { type Comparison, compareWhole, Eyes, headersOf } from './eyes.js';
import type { Machine } from './machine.js';
import { Model, type Pass } from './model.js';
import { ReaderDisk } from './reader-disk.js';
import { checkLeaderEpochs, checkProducers } from './state-checks.js';
import type { Totals } from './totals.js';

export interface Operation<Result> {
  readonly name: string;
  readonly start: (done: (result: Result) => void) => void;
  /** Called when it has ended, at once. */
  readonly ended: (result: Result) => void;
  /** The machine stopped before it had ended. */
  readonly stopped?: () => void;
  /** The log is closed by it. */
  readonly closes?: boolean;
}

type Fate = { readonly type: 'none' | 'error' } | { readonly type: 'stop'; readonly power: boolean };

/** What is demanded of the log that is opened after a crash. */
interface Demand {
  /** It does not end before. */
  readonly floor: number;
  /** It does not end before, even if the power goes now. */
  readonly promised: number;
  /** The power has gone. */
  readonly power: boolean;
}

export interface OwnerOptions {
  readonly machine: Machine;
  readonly streams: Streams;
  readonly config: LogConfig;
  readonly totals: Totals;
  readonly trace: Trace;
  readonly warnings: () => number;
}

const STOP_CHANCE = 0.05;
const ERROR_CHANCE = 0.05;
const STOP_IN_OPENING_CHANCE = 0.1;
const LINGER_MS_MAX = 30;
/** Calls of an operation, before one of its kind was counted. */
const CALLS_GUESSED = 12;
/** So many calls in a row may find no descriptor: a flush tries more often. */
const WITHOUT_DESCRIPTOR_MAX = 6;

export class Owner {
  readonly model = new Model();
  readonly #options: OwnerOptions;
  readonly #fates: Random;
  readonly #descriptors: Random;
  readonly #random: Random;
  /** How many disk calls each kind of operation took when it was left alone. */
  readonly #calls = new Map<string, number>();
  readonly #descriptorsMax: number;
  config: LogConfig;
  #log: Log | null = null;
  #eyes: Eyes;
  /** Starts of processes so far. */
  starts = 0;
  highWatermark = 0;
  leaderEpoch = -1;
  /** The newest epoch whose checkpoint was durable. */
  #promisedEpoch = -1;
  /** What the broker has written down. */
  #checkpoint = { recoveryPoint: toOffset(0), logStartOffset: toOffset(0), firstDirtyOffset: toOffset(0) };
  /** The disk has failed this process. */
  #struck = false;
  /** And not only for want of a descriptor: then the log may be offline. */
  #mayBeOffline = false;
  /** A sync of batches has failed: what the cache shows may never reach the disk, so the machine is not trusted on. */
  #mustLosePower = false;
  /** The log is being cut there. */
  cutOffset: number | null = null;
  /** The compaction under way. */
  compacting: Pass | null = null;
  compactionEnded = false;
  /** A compaction failed, perhaps in the midst of a swap, which the next one completes. */
  compactionFailed = false;

  constructor(options: OwnerOptions) {
    this.#options = options;
    this.config = options.config;
    this.#fates = options.streams('fates');
    this.#descriptors = options.streams('descriptors');
    this.#random = options.streams('owner');
    this.#descriptorsMax = between(this.#random, 1, 6);
    this.#eyes = this.#newEyes();
  }

  /** The log is made. Once. */
  start(): void {
    this.#open({ type: 'clean' }, { floor: 0, promised: 0, power: false });
  }

  get log(): Log {
    if (!this.#log) throw new Error('the log is not open');
    return this.#log;
  }

  get eyes(): Eyes {
    return this.#eyes;
  }

  /** What readers are told. */
  get published(): Published {
    return publish(this.log, toOffset(this.highWatermark));
  }

  get nowMs(): number {
    return this.#options.machine.clock.wallMs();
  }

  #newEyes(): Eyes {
    const { machine } = this.#options;
    return new Eyes(this.model, new ReaderDisk(machine.disk, this.#descriptorsMax), this.#random);
  }

  #note(text: () => string): void {
    this.#options.trace.add(text);
  }

  // Operations

  /** Runs an operation and what fate has for it. False: the log was opened anew meanwhile. */
  operate<Result>({ name, start, ended, stopped, closes }: Operation<Result>): boolean {
    const { machine, totals } = this.#options;
    const fate = this.#drawFate();
    const callsBefore = machine.disk.operations;
    this.#arm(fate, name);
    this.#note(() => `${name}${fate.type === 'none' ? '' : `, with fate ${JSON.stringify(fate)}`}`);
    let hasEnded = false;
    let survives = machine.survives(
      () =>
        start((result) => {
          hasEnded = true;
          ended(result);
        }),
      () => hasEnded,
    );
    if (survives && fate.type === 'none') this.#calls.set(name, machine.disk.operations - callsBefore);
    if (survives && fate.type !== 'none') survives = this.pass(this.#fates.below(LINGER_MS_MAX));
    this.#disarm(this.cutOffset !== null);
    totals.operations++;
    if (!hasEnded) stopped?.();
    if (!survives || fate.type === 'stop') {
      if (!survives) totals.crashesInCalls++;
      this.#die(fate.type === 'stop' && fate.power, !hasEnded || !survives);
      return false;
    }
    return closes || this.leaveOffline();
  }

  /** Lets time pass; false if the machine stopped. */
  pass(ms: number): boolean {
    const { machine } = this.#options;
    return machine.survives(
      () => machine.clock.advance(ms),
      () => true,
    );
  }

  #drawFate(): Fate {
    const dice = this.#fates.uint32() / 2 ** 32;
    if (dice < STOP_CHANCE) return { type: 'stop', power: this.#fates.below(2) === 0 };
    return { type: dice < STOP_CHANCE + ERROR_CHANCE ? 'error' : 'none' };
  }

  #arm(fate: Fate, name: string): void {
    const { disk, striking } = this.#options.machine;
    if (fate.type === 'none') return;
    const count = 1 + this.#fates.below((this.#calls.get(name) ?? CALLS_GUESSED) + 1);
    if (fate.type === 'stop') disk.crashIn(count);
    else {
      const code = pick(this.#fates, ['EIO', 'ENOSPC', 'EMFILE'] as const);
      if (code === 'EMFILE') this.#withoutDescriptor(count);
      else striking.strikeIn(count, code);
    }
  }

  /** Half of the times for a sync. */
  #withoutDescriptor(count: number): void {
    const { striking } = this.#options.machine;
    const times = between(this.#descriptors, 1, WITHOUT_DESCRIPTOR_MAX);
    if (this.#descriptors.below(2) === 0) striking.strikeIn(count, 'EMFILE', { times });
    else striking.strikeIn(between(this.#descriptors, 1, 3), 'EMFILE', { times, only: 'sync' });
  }

  #disarm(isCut: boolean): void {
    const { machine, totals } = this.#options;
    const { strike } = machine.striking;
    machine.disarm();
    if (!strike) return;
    this.#note(() => `the disk failed in ${strike.operation} of ${strike.path}`);
    totals.diskErrors++;
    this.#struck = true;
    const lacksDescriptors = strike.code === 'EMFILE';
    const isSync = strike.operation === 'sync' && strike.path.endsWith('.log');
    if (lacksDescriptors && isSync) totals.syncsWithoutDescriptor++;
    // A log that is being cut has no patience.
    if (!lacksDescriptors || isCut) this.#mayBeOffline = true;
    if (isSync && !lacksDescriptors) this.#mustLosePower = true;
  }

  /** An error of the log is none of its faults if the disk has failed. */
  expectSound(error: Error | null, what: string): void {
    must(error === null || this.#hasFailed, () => `${what} fails: ${error?.message}`);
  }

  get #hasFailed(): boolean {
    return this.#struck || this.#options.machine.striking.strike !== null;
  }

  /** A log that takes no more appends is opened anew. False if it was. */
  leaveOffline(): boolean {
    if (!this.log.offline) return true;
    this.expectSound(this.log.offline, 'the log');
    must(
      this.#mayBeOffline,
      () => `a lack of descriptors has taken the log offline: ${this.log.offline?.message}`,
    );
    this.#options.totals.timesOffline++;
    if (this.#random.below(2) === 0) {
      let closed = false;
      const { machine } = this.#options;
      machine.survives(
        () =>
          this.log.close(() => {
            closed = true;
          }),
        () => closed,
      );
    }
    this.#die(this.#random.below(2) === 0, false);
    return false;
  }

  // Checkpoints

  writeCheckpoint(): void {
    const { recoveryPoint, logStartOffset, firstDirtyOffset } = this.log;
    this.#checkpoint = { recoveryPoint, logStartOffset, firstDirtyOffset };
  }

  /** The three files are written one after the other, and not always is there time for all. */
  writeSomeCheckpoints(): void {
    const { recoveryPoint, logStartOffset, firstDirtyOffset } = this.log;
    this.#checkpoint.recoveryPoint = recoveryPoint;
    if (chance(this.#random, 0.15)) return;
    this.#checkpoint.logStartOffset = logStartOffset;
    if (chance(this.#random, 0.15)) return;
    this.#checkpoint.firstDirtyOffset = firstDirtyOffset;
  }

  // Ends of processes

  closeAndReopen(): void {
    const { machine, totals, warnings } = this.#options;
    let failed: Error | null = null;
    const survived = this.operate<Error | null>({
      name: 'close',
      closes: true,
      start: (done) => this.log.close(done),
      ended: (error) => {
        this.expectSound(error, 'close');
        failed = error;
        // What was left to do has been done by now, or its promises are void.
        if (!error) this.writeCheckpoint();
      },
    });
    if (!survived) return;
    if (failed) {
      this.#die(this.#random.below(2) === 0, false);
      return;
    }
    totals.cleanRestarts++;
    const { endOffset } = this.model;
    const wasStruck = this.#struck;
    this.compacting = null;
    if (this.#mustLosePower || this.#random.below(2) === 0) machine.losePower();
    else machine.crashProcess();
    const warningsBefore = warnings();
    const interrupted = this.#open(
      { type: 'clean' },
      { floor: endOffset, promised: endOffset, power: false },
    );
    if (interrupted || wasStruck) return;
    must(warnings() === warningsBefore, () => 'a log that was closed in good order opens with a warning');
  }

  crash(power: boolean): void {
    this.#note(() => (power ? 'the power goes' : 'the process dies'));
    this.#die(power, false);
  }

  workerDies(): void {
    const { machine, totals } = this.#options;
    if (this.#mustLosePower) {
      this.crash(true);
      return;
    }
    const { segmentBaseOffset, segmentBytes } = this.published;
    this.#note(() => 'the worker dies');
    totals.workerDeaths++;
    if (this.#hasMattered(false)) totals.crashesThatMattered++;
    const demand = this.#demandAfterCrash(false);
    machine.crashProcess();
    this.compacting = null;
    const { recoveryPoint } = this.#checkpoint;
    this.#open({ type: 'worker-died', segmentBaseOffset, bytes: segmentBytes, recoveryPoint }, demand);
  }

  #die(wantedPower: boolean, underWay: boolean): void {
    const { machine, totals } = this.#options;
    const power = wantedPower || this.#mustLosePower;
    if (this.#hasMattered(underWay)) totals.crashesThatMattered++;
    if (power) totals.powerLosses++;
    else totals.processCrashes++;
    const demand = this.#demandAfterCrash(power);
    this.#note(() => `${power ? 'power lost' : 'process dead'}: ${JSON.stringify(demand)}`);
    if (power) machine.losePower();
    else machine.crashProcess();
    this.compacting = null;
    this.#open({ type: 'from', recoveryPoint: this.#checkpoint.recoveryPoint }, demand);
  }

  #hasMattered(underWay: boolean): boolean {
    const unflushed = this.log.recoveryPoint < this.model.endOffset;
    return underWay || this.compacting !== null || unflushed || this.#options.machine.leftovers().length > 0;
  }

  #demandAfterCrash(power: boolean): Demand {
    // Whatever was under way, a deletion may have begun.
    this.model.startOffset = Math.max(this.model.startOffset, this.log.logStartOffset);
    const cut = this.cutOffset === null ? this.model.endOffset : this.model.endsAfterCut(this.cutOffset).min;
    const promised = Math.min(this.log.recoveryPoint, cut);
    if (this.cutOffset !== null) this.epochsWentBack();
    return { floor: power ? promised : cut, promised, power };
  }

  // Opening

  /** Opens the log, however often it takes, and compares it with the model. True: a crash came in between. */
  #open(asked: LogRecovery, demanded: Demand): boolean {
    const { machine, totals } = this.#options;
    let recovery = asked;
    let demand = demanded;
    let interrupted = false;
    this.#mustLosePower = false;
    this.#struck = false;
    this.#mayBeOffline = false;
    for (;;) {
      this.starts++;
      const result = this.#tryOpen(recovery);
      if (result !== null && !(result instanceof Error)) {
        this.#log = result;
        break;
      }
      if (result instanceof Error) {
        this.expectSound(result, 'opening');
        if (!this.#mustLosePower) continue;
      }
      const power = this.#mustLosePower || this.#fates.below(2) === 0;
      this.#note(() => (power ? 'the power goes while it opens' : 'the process dies while it opens'));
      totals.crashesInOpenings++;
      totals.crashesThatMattered++;
      if (power) totals.powerLosses++;
      else totals.processCrashes++;
      if (power) {
        machine.losePower();
        demand = { ...demand, floor: Math.min(demand.floor, demand.promised), power };
      } else machine.crashProcess();
      this.#mustLosePower = false;
      this.#struck = false;
      this.#mayBeOffline = false;
      recovery = { type: 'from', recoveryPoint: this.#checkpoint.recoveryPoint };
      interrupted = true;
    }
    this.#opened(demand);
    return interrupted;
  }

  /** Null: the machine stopped. */
  #tryOpen(recovery: LogRecovery): Log | Error | null {
    const { machine } = this.#options;
    const dice = this.#fates.uint32() / 2 ** 32;
    const fate: Fate =
      this.starts > 1 && dice < STOP_IN_OPENING_CHANCE
        ? { type: 'stop', power: false }
        : { type: this.starts > 1 && dice < STOP_IN_OPENING_CHANCE + ERROR_CHANCE ? 'error' : 'none' };
    const callsBefore = machine.disk.operations;
    this.#arm(fate, recovery.type);
    this.#note(() => `open ${JSON.stringify(recovery)} ${JSON.stringify(this.#checkpoint)} ${fate.type}`);
    const options = machine.openOptions({
      ...machine.logOptions(),
      config: this.config,
      recovery,
      logStartOffset: this.#checkpoint.logStartOffset,
      firstDirtyOffset: this.#checkpoint.firstDirtyOffset,
    });
    let result: Log | Error | null = null;
    const survives = machine.survives(
      () =>
        openLog(options, (opened) => {
          result = opened;
        }),
      () => result !== null,
    );
    if (fate.type === 'none') this.#calls.set(recovery.type, machine.disk.operations - callsBefore);
    this.#disarm(false);
    return survives ? result : null;
  }

  #opened(demand: Demand): void {
    const { log, model } = this;
    const { totals } = this.#options;
    const { logStartOffset, logEndOffset } = log;
    this.#note(() => `opened ${logStartOffset}–${logEndOffset}, durable below ${log.recoveryPoint}`);
    const known = Math.max(model.startOffset, this.#checkpoint.logStartOffset);
    must(
      logStartOffset >= this.#checkpoint.logStartOffset,
      () => `the log starts at ${logStartOffset}, before the checkpoint's ${this.#checkpoint.logStartOffset}`,
    );
    // The first segment may go with the power as long as nothing in it was promised.
    must(
      logStartOffset <= known || (demand.power && demand.promised <= known),
      () => `the log starts at ${logStartOffset}, and records from ${known} on are missing`,
    );
    const recovery = { ...demand, cut: this.cutOffset !== null };
    totals.recordsLostWithPower += model.recovered(recovery, logEndOffset, headersOf(log, logStartOffset));
    model.startOffset = logStartOffset;
    this.cutOffset = null;
    this.compacting = null;
    this.compactionEnded = false;
    this.compactionFailed = false;
    this.highWatermark = logEndOffset;
    must(
      log.latestLeaderEpoch >= this.#promisedEpoch,
      () => `the newest leader epoch is ${log.latestLeaderEpoch}, after ${this.#promisedEpoch}`,
    );
    this.writeCheckpoint();
    this.#eyes = this.#newEyes();
    this.compareAll();
    this.lead();
  }

  /** Another leadership begins, as after each start: its epoch is above all before. */
  lead(): void {
    this.leaderEpoch = Math.max(this.leaderEpoch, this.log.latestLeaderEpoch) + 1;
    const epoch = this.leaderEpoch;
    try {
      this.log.assignLeaderEpoch(toLeaderEpoch(epoch), (error) => {
        if (!error) this.#promisedEpoch = Math.max(this.#promisedEpoch, epoch);
      });
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
    }
  }

  /** The log was cut, and the epochs that began behind its end went with what was there. */
  epochsWentBack(): void {
    this.#promisedEpoch = Math.min(this.#promisedEpoch, this.log.latestLeaderEpoch);
  }

  // Comparison

  compareAll(): Comparison {
    checkProducers(this.model, this.log);
    checkLeaderEpochs(this.model, this.log);
    return this.compare(false);
  }

  /** `forGood`: what is missing was taken by a pass that has ended. */
  compare(forGood: boolean): Comparison {
    const { model, log, eyes, published } = this;
    const { totals } = this.#options;
    const swapping = this.compacting !== null || this.compactionFailed;
    const scene = { model, log, eyes, published, random: this.#random, swapping };
    const comparison = compareWhole(scene, forGood);
    totals.comparisons++;
    totals.recordsCompared += comparison.records;
    totals.recordsRemoved += comparison.newlyMissing;
    totals.tombstonesRemoved += comparison.tombstonesNewlyMissing;
    return comparison;
  }

  /** What costs next to nothing. */
  checkOffsets(): void {
    const { logStartOffset, logEndOffset, recoveryPoint, firstDirtyOffset } = this.log;
    const { model, highWatermark } = this;
    must(
      logEndOffset === model.endOffset,
      () => `the log ends at ${logEndOffset}, not at ${model.endOffset}`,
    );
    must(
      logStartOffset === model.startOffset,
      () => `the log starts at ${logStartOffset}, not at ${model.startOffset}`,
    );
    must(
      recoveryPoint <= logEndOffset,
      () => `recovery point ${recoveryPoint} behind the end ${logEndOffset}`,
    );
    must(
      firstDirtyOffset <= logEndOffset,
      () => `first dirty offset ${firstDirtyOffset} behind the end ${logEndOffset}`,
    );
    must(
      logStartOffset <= highWatermark,
      () => `the log starts at ${logStartOffset}, above the high watermark ${highWatermark}`,
    );
  }
}
