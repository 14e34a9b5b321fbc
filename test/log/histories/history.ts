// One history of one log, drawn from a seed: appends, rolls, flushes, compactions, retention, deletions of records, truncations,
// restarts, crashes, losses of power and disk errors, one inside the other. After each operation the log is compared with the
// model. What a crash that mattered is, owner.ts says.
import { assert } from '../../../src/base/assert.js';
import { toLeaderEpoch, toOffset } from '../../../src/base/ids.js';
import type { Random } from '../../../src/base/random.js';
import { DiskError } from '../../../src/io/disk.js';
import type { CompactionResult } from '../../../src/log/compaction/compaction.js';
import type { AppendResult } from '../../../src/log/log.js';
import { chance, pick, type Streams, streams } from '../../simulation/streams.js';
import { Trace } from '../../simulation/trace.js';
import { must } from './difference.js';
import { Followers } from './followers.js';
import { Machine, type Sabotage } from './machine.js';
import { Owner } from './owner.js';
import { drawLimits, drawPolicy, type Policy, withPolicy } from './settings.js';
import { noTotals, type Totals } from './totals.js';
import { Workload } from './workload.js';

/** Every history has so many compactions that removed records, or retentions that deleted segments, and crashes that mattered. */
const REMOVALS_MIN = 3;
const CRASHES_MIN = 3;
const STEPS_MIN = 32;
/** A history that has not got them by then draws something that it cannot reach. */
const STEPS_MAX = 1500;

export interface HistoryOptions {
  readonly trace?: boolean;
  readonly sabotage?: Sabotage;
}

/** What can be done next, with its weight. */
type Step = readonly [weight: number, run: () => void];

export class History {
  readonly trace: Trace;
  readonly #totals = noTotals();
  readonly #random: Random;
  readonly #workload: Workload;
  readonly #machine: Machine;
  readonly #owner: Owner;
  readonly #followers: Followers;
  readonly #limits;
  #policy: Policy;
  readonly #steps: readonly Step[];

  constructor(seed: number, { trace = false, sabotage = {} }: HistoryOptions = {}) {
    const draw: Streams = streams(seed);
    this.#random = draw('history');
    this.trace = new Trace(trace, () => this.#machine?.clock.monotonicMs() ?? 0);
    let warnings = 0;
    const traced = this.trace.logger('log');
    const logger = {
      ...traced,
      warn: (...line: Parameters<typeof traced.warn>) => {
        warnings++;
        traced.warn(...line);
      },
    };
    this.#machine = new Machine(draw, logger, sabotage);
    this.#workload = new Workload(draw('workload'));
    this.#limits = drawLimits(this.#random);
    this.#policy = drawPolicy(this.#random);
    this.#owner = new Owner({
      machine: this.#machine,
      streams: draw,
      config: withPolicy(this.#limits, this.#policy, this.#random),
      totals: this.#totals,
      trace: this.trace,
      warnings: () => warnings,
    });
    this.#followers = new Followers(this.#owner, draw('followers'), this.#totals);
    this.#steps = this.#allSteps();
  }

  run(): Totals {
    try {
      return this.#run();
    } finally {
      for (const line of this.#machine.describeFiles()) this.trace.add(() => line);
    }
  }

  #run(): Totals {
    const totals = this.#totals;
    totals.histories = 1;
    this.#owner.start();
    for (let step = 0; step < STEPS_MIN || !this.#isRich(); step++) {
      must(step < STEPS_MAX, () => `after ${step} steps: ${JSON.stringify(totals)}`);
      this.#step();
    }
    this.#owner.closeAndReopen();
    this.#owner.compareAll();
    return totals;
  }

  #isRich(): boolean {
    const { compactionsThatRemoved, retentionsThatDeleted, crashesThatMattered } = this.#totals;
    return (
      compactionsThatRemoved + retentionsThatDeleted >= REMOVALS_MIN && crashesThatMattered >= CRASHES_MIN
    );
  }

  #step(): void {
    const total = this.#steps.reduce((sum, [weight]) => sum + weight, 0);
    let dice = this.#random.below(total);
    const step = this.#steps.find(([weight]) => {
      dice -= weight;
      return dice < 0;
    });
    assert(step, 'some step is next');
    if (this.#owner.leaveOffline()) step[1]();
    this.#afterStep();
  }

  #afterStep(): void {
    const owner = this.#owner;
    owner.checkOffsets();
    if (owner.compactionEnded) this.#compacted();
    this.#followers.step();
    if (chance(this.#random, 0.06)) owner.compareAll();
    if (chance(this.#random, 0.35)) owner.writeSomeCheckpoints();
    if (chance(this.#random, 0.5)) owner.pass(this.#random.below(40));
  }

  #allSteps(): readonly Step[] {
    const owner = this.#owner;
    return [
      [40, () => this.#append()],
      [4, () => this.#roll()],
      [6, () => this.#flush(true)],
      [4, () => this.#flush(false)],
      [9, () => this.#retention()],
      [14, () => this.#compact()],
      [4, () => this.#deleteRecords()],
      [4, () => this.#truncate()],
      [3, () => this.#lead()],
      [8, () => this.#letTimePass()],
      [3, () => this.#configure()],
      [2, () => owner.closeAndReopen()],
      [1, () => owner.crash(false)],
      [1, () => owner.crash(true)],
      [1, () => owner.workerDies()],
    ];
  }

  // Writing

  #append(): void {
    const { model, log, leaderEpoch, nowMs } = this.#owner;
    const totals = this.#totals;
    const batches = this.#workload.next({
      endOffset: model.endOffset,
      leaderEpoch: toLeaderEpoch(leaderEpoch),
      nowMs,
      producerPlace: (id) => (log.producers.get(id) ? model.producerPlace(id) : null),
    });
    for (const { bytes, producer } of batches) {
      if (!producer) continue;
      must(log.producers.check(bytes, 0) === null, () => `a batch of producer ${producer.id} is refused`);
      log.producers.stage(bytes, 0);
    }
    const segmentsBefore = log.segmentCount;
    this.#owner.operate<AppendResult>({
      name: 'append',
      start: (done) => done(log.append(batches)),
      ended: ({ appended, error }) => {
        log.producers.settle();
        must(appended === batches.length || error !== null, () => `${appended} batches of ${batches.length}`);
        this.#owner.expectSound(error, 'append');
        model.append(batches.slice(0, appended));
        model.doubt(batches.slice(appended));
        totals.batches += appended;
        totals.records += batches.slice(0, appended).reduce((sum, { records }) => sum + records.length, 0);
        totals.rolls += Math.max(0, log.segmentCount - segmentsBefore);
        if (chance(this.#random, 0.8)) this.#owner.highWatermark = model.endOffset;
      },
      stopped: () => model.doubt(batches),
    });
  }

  #roll(): void {
    this.#owner.operate<Error | null>({
      name: 'roll',
      start: (done) => {
        try {
          this.#owner.log.roll();
          done(null);
        } catch (error) {
          if (!(error instanceof DiskError)) throw error;
          done(error);
        }
      },
      ended: (error) => {
        this.#owner.expectSound(error, 'roll');
        if (!error) this.#totals.rolls++;
      },
    });
  }

  #flush(waits: boolean): void {
    const { log } = this.#owner;
    const endOffset = log.logEndOffset;
    this.#owner.operate<Error | null>({
      name: 'flush',
      start: (done) => {
        log.flush(waits ? done : () => {});
        if (!waits) done(null);
      },
      ended: (error) => {
        this.#owner.expectSound(error, 'flush');
        if (!waits || error) return;
        this.#totals.flushes++;
        must(log.recoveryPoint >= endOffset, () => `flushed to ${log.recoveryPoint}, not to ${endOffset}`);
      },
    });
  }

  // Deleting

  #retention(): void {
    const { log, config, model, highWatermark } = this.#owner;
    const before = log.logStartOffset;
    this.#owner.operate<number>({
      name: 'retention',
      start: (done) => done(log.applyRetention(this.#owner.nowMs, toOffset(highWatermark))),
      ended: (segments) => {
        const { logStartOffset } = log;
        const { deletes, retentionMs, retentionBytes } = config;
        must(logStartOffset >= before, () => `retention moves the log start back to ${logStartOffset}`);
        must(
          logStartOffset === before || (deletes && (retentionMs >= 0 || retentionBytes >= 0)),
          () => `retention has no limit, and moves the log start to ${logStartOffset}`,
        );
        model.startOffset = logStartOffset;
        this.#followers.segmentsWent();
        this.#totals.segmentsDeleted += segments;
        if (segments > 0) this.#totals.retentionsThatDeleted++;
      },
    });
  }

  #deleteRecords(): void {
    const { log, model, highWatermark } = this.#owner;
    const { logStartOffset } = log;
    const range = Math.ceil((highWatermark - logStartOffset) / 3) + 1;
    const offset = toOffset(Math.min(highWatermark, logStartOffset + this.#random.below(range)));
    const segmentsBefore = log.segmentCount;
    this.#owner.operate<void>({
      name: 'delete records',
      start: (done) => {
        log.advanceLogStartOffset(offset);
        if (chance(this.#random, 0.7)) log.deleteBelowLogStart();
        done();
      },
      ended: () => {
        must(
          log.logStartOffset === offset,
          () => `the log starts at ${log.logStartOffset}, not at ${offset}`,
        );
        model.startOffset = offset;
        this.#followers.segmentsWent();
        this.#totals.deletionsOfRecords++;
        this.#totals.segmentsDeleted += segmentsBefore - log.segmentCount;
        // Who asked is answered when the checkpoint is written; the process may die before.
        if (chance(this.#random, 0.8)) this.#owner.writeCheckpoint();
      },
    });
  }

  /** Mostly what lies behind the high watermark, as a follower does; seldom also what was promised to readers. */
  #truncate(): void {
    const owner = this.#owner;
    const { log, model } = owner;
    const floor = chance(this.#random, 0.8) ? owner.highWatermark : log.logStartOffset;
    const offset = toOffset(Math.max(floor, log.logEndOffset - this.#random.below(30)));
    if (offset < log.logEndOffset) owner.compare(false);
    const { min, max } = model.endsAfterCut(offset);
    owner.cutOffset = offset;
    owner.operate<Error | null>({
      name: 'truncate',
      start: (done) => log.truncateTo(offset, done),
      ended: (error) => {
        owner.expectSound(error, 'truncate');
        if (error) return;
        const endOffset = log.logEndOffset;
        must(
          endOffset >= min && endOffset <= max,
          () => `cut at ${offset}, the log ends at ${endOffset}, not at ${min} or ${max}`,
        );
        this.#totals.truncations++;
        owner.cutOffset = null;
        model.truncated(offset, endOffset);
        model.startOffset = Math.min(model.startOffset, endOffset);
        owner.highWatermark = Math.min(owner.highWatermark, endOffset);
        owner.epochsWentBack();
        owner.writeCheckpoint();
        owner.eyes.reader.forget();
        this.#followers.wentBackTo(endOffset);
        owner.lead();
      },
    });
    if (owner.cutOffset === null) owner.compareAll();
  }

  // Compacting

  #compact(): void {
    const owner = this.#owner;
    if (!owner.config.compaction || owner.compacting) return;
    if (chance(this.#random, 0.5)) {
      // Only what is sealed and on the disk is compacted.
      this.#roll();
      this.#flush(true);
    }
    const { log, config, highWatermark, nowMs } = owner;
    const { compaction } = config;
    if (!compaction) return;
    owner.compare(false);
    const { minLagMs, deleteRetentionMs } = compaction;
    const pass = {
      nowMs,
      minLagMs,
      deleteRetentionMs,
      limitOffset: Math.min(highWatermark, log.logEndOffset),
    };
    const paceMs = pick(this.#random, [0, 0, 5, 40]);
    const keysBytesMax = pick(this.#random, [200, 1000, 100_000]);
    const waits = chance(this.#random, 0.6);
    owner.compacting = pass;
    owner.model.passBegins(pass);
    type Outcome = readonly [Error | null, CompactionResult | null];
    owner.operate<Outcome | null>({
      name: waits ? 'compact' : 'begin to compact',
      start: (done) => {
        const process = owner.starts;
        log.compact(
          {
            nowMs,
            limitOffset: toOffset(pass.limitOffset),
            keysBytesMax,
            pace: () => paceMs,
            replaced: () => this.#followers.segmentsWent(),
          },
          (error, result) => {
            if (process !== owner.starts) return;
            this.#compactionEnded(error, result);
            if (waits) done([error, result]);
          },
        );
        if (!waits) done(null);
      },
      ended: () => {},
    });
  }

  #compactionEnded(error: Error | null, result: CompactionResult | null): void {
    this.#owner.expectSound(error, 'compaction');
    this.#owner.compacting = null;
    this.trace.add(() => `compaction ended: ${error?.message ?? JSON.stringify(result)}`);
    if (error) this.#owner.compactionFailed = true;
    if (result?.outcome !== 'completed') return;
    this.#owner.compactionFailed = false;
    this.#owner.compactionEnded = true;
    this.#totals.compactions++;
    if (result.recordsRemoved > 0) this.#totals.compactionsThatRemoved++;
  }

  #compacted(): void {
    this.#owner.compactionEnded = false;
    this.#owner.compare(true);
  }

  // Other things

  #lead(): void {
    this.#owner.operate<void>({
      name: 'lead',
      start: (done) => {
        this.#owner.lead();
        done();
      },
      ended: () => {},
    });
  }

  #letTimePass(): void {
    this.#owner.operate<void>({
      name: 'time',
      start: (done) => {
        const { clock } = this.#machine;
        clock.after(20 + this.#random.below(1500), () => done());
      },
      ended: () => {},
    });
  }

  /** Another policy, or other limits of the same. What a compaction under way was promised stays. */
  #configure(): void {
    const owner = this.#owner;
    if (owner.compacting) return;
    if (chance(this.#random, 0.2)) this.#policy = drawPolicy(this.#random);
    owner.config = withPolicy(this.#limits, this.#policy, this.#random);
    owner.log.updateConfig(owner.config);
    this.trace.add(() => `configure ${JSON.stringify(owner.config)}`);
  }
}
