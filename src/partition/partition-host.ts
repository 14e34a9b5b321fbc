// One partition worker: hosts many partition actors, takes their submissions from the ring in groups and hands completions
// back. It does the work of a group without a break, then lets the thread's event loop have its turn, so that control
// commands, timers and completed flushes are served under load too.
import { dirname } from 'node:path';
import { type RingConsumer, type RingProducer, writeWide } from '../actor/descriptor-ring.js';
import { ViewWriter } from '../actor/view.js';
import { assert, assertNever } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { ERRORS, type ErrorName, errorName } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { type MetricsSource, type Sample, sample } from '../base/metric.js';
import type { Random } from '../base/random.js';
import type { Disk, DiskError } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import type { Log } from '../log/log.js';
import { openLog } from '../log/open-log.js';
import { CompactionSchedule } from './compaction-schedule.js';
import type { CompactionSettings } from './compaction-settings.js';
import { DiskRoom } from './disk-room.js';
import { logConfigOf } from './log-config-of.js';
import {
  COMPLETION,
  COMPLETION_KIND,
  type InspectDetail,
  type OpenPartition,
  type PartitionCheckpoint,
  type PartitionCommand,
  type PartitionEvent,
  type PartitionName,
  type PartitionReply,
  SUBMISSION,
} from './messages.js';
import { type Completion, PartitionActor } from './partition-actor.js';
import { PARTITION_METRICS } from './partition-metrics.js';

export interface PartitionHostOptions {
  readonly submissions: RingConsumer;
  readonly completions: RingProducer;
  readonly views: Int32Array;
  /** The write buffer's memory, which submissions point into. */
  readonly memory: Buffer;
  readonly disk: Disk;
  readonly jobs: Jobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly retentionCheckIntervalMs: number;
  readonly compaction: CompactionSettings;
  readonly tell: (event: PartitionEvent) => void;
  /** Runs a function in a later turn of the event loop. */
  readonly later: (run: () => void) => void;
  /** Up to so much of a segment a recovery scans at once instead of by a job. None if absent. */
  readonly scanHereBytes?: number;
  /** What the worker's thread is called in metrics. */
  readonly thread?: string;
  /** What else is counted on the thread. */
  readonly sources?: readonly MetricsSource[];
}

type Reply = (reply: PartitionReply) => void;

/** A group is cut at so many batches or bytes. */
const GROUP_BATCHES_MAX = 512;
const GROUP_BYTES_MAX = 2 * 1024 * 1024;
const STOPPING: PartitionReply = {
  type: 'failed',
  error: 'NOT_LEADER_OR_FOLLOWER',
  detail: 'The worker is about to end.',
};
/** A group that comes so soon after the one before lets the next one be expected as soon. */
const BRISK_MS = 2;
/** Control commands, timers and files wait for so long at most for their turn. */
const SHIFT_MS = 4;
const STANDARD_THREAD = 'worker';
/** Logs that retention looks at in one turn. */
const RETENTION_GROUP = 64;
/** How often changed checkpoints are reported. */
const REPORT_MS = 1000;

export class PartitionHost {
  readonly #options: PartitionHostOptions;
  readonly #actors = new Map<number, PartitionActor>();
  /** Slots whose log is being opened; a command for one waits until it is. */
  readonly #opening = new Map<number, (() => void)[]>();
  readonly #staged = new Set<PartitionActor>();
  /** What found no room in the ring: at most one a partition and one a submission. */
  readonly #overflow: { readonly kind: number; readonly completion: Completion }[] = [];
  /** Completions of a group become visible together, and not before the ring has room for what follows them. */
  #working = false;
  #draining = false;
  /** Who waits for batches that came by {@link append}. Their tokens are negative, those of the ring are not. */
  readonly #local = new Map<number, (error: ErrorName) => void>();
  #lastLocalToken = 0;
  /** What partitions that are no longer here appended. */
  readonly #appendedBefore = { batches: 0, records: 0, bytes: 0 };
  #groups = 0;
  /** Batches of the ring that were taken and are not completed. */
  #unanswered = 0;
  #idleSinceMs = Number.NEGATIVE_INFINITY;
  #heldMs = 0;
  /** By data directory. */
  readonly #rooms = new Map<string, DiskRoom>();
  /** Batches that were refused, by code of the error. */
  readonly #refused = new Map<number, number>();
  readonly #compactions: CompactionSchedule;

  constructor(options: PartitionHostOptions) {
    this.#options = options;
    const { clock, logger, compaction: settings, thread = STANDARD_THREAD } = options;
    const actors = () => this.#actors.values();
    this.#compactions = new CompactionSchedule({ settings, clock, logger, actors, thread });
    this.#applyRetentionLater();
    this.#reportLater();
    this.#wait();
  }

  /** How long its thread stood still for want of batches, all in all, though its event loop did not sleep. */
  get heldMs(): number {
    return this.#heldMs;
  }

  receive(command: PartitionCommand, reply: Reply): void {
    if (command.type === 'drain') {
      this.#drainAll(reply);
      return;
    }
    if (command.type === 'inspect') {
      reply(this.#inspect(command.detail));
      return;
    }
    const opening = this.#opening.get(command.slot);
    if (opening) {
      assert(command.type !== 'open', 'a slot is opened once');
      opening.push(() => this.receive(command, reply));
      return;
    }
    if (command.type === 'open') {
      if (this.#draining) reply(STOPPING);
      else this.#open(command, reply);
      return;
    }
    const actor = this.#actors.get(command.slot);
    if (!actor) {
      reply({
        type: 'failed',
        error: 'NOT_LEADER_OR_FOLLOWER',
        detail: 'The partition is not open on this worker.',
      });
      return;
    }
    switch (command.type) {
      case 'close':
        this.#remove(command.slot, actor);
        actor.close((clean) => reply(this.#closed(clean)));
        return;
      case 'delete':
        this.#remove(command.slot, actor);
        actor.delete((error) => {
          if (error) reply({ type: 'failed', error: 'KAFKA_STORAGE_ERROR', detail: error.message });
          else reply({ type: 'done' });
        });
        return;
      case 'configure':
        actor.configure(command.config);
        reply({ type: 'done' });
        return;
      case 'delete-records': {
        const failure = actor.deleteRecords(command.beforeOffset);
        if (failure) reply({ type: 'failed', error: failure.error, detail: failure.detail ?? '' });
        else reply({ type: 'records-deleted', checkpoint: actor.checkpoint });
        return;
      }
      case 'describe':
        reply({ type: 'described', sizeBytes: actor.sizeBytes, checkpoint: actor.checkpoint });
        return;
      default:
        assertNever(command);
    }
  }

  #remove(slot: number, { appended }: PartitionActor): void {
    this.#actors.delete(slot);
    this.#appendedBefore.batches += appended.batches;
    this.#appendedBefore.records += appended.records;
    this.#appendedBefore.bytes += appended.bytes;
  }

  #closed(clean: boolean): PartitionReply {
    return clean
      ? { type: 'done' }
      : { type: 'failed', error: 'KAFKA_STORAGE_ERROR', detail: 'The log could not be flushed.' };
  }

  // ----------------------------------------------------------------------------------------------------------- open

  #open(command: OpenPartition, reply: Reply): void {
    assert(!this.#actors.has(command.slot), 'a slot is opened once');
    const { disk, jobs, clock, random, logger, tell, scanHereBytes = 0 } = this.#options;
    const { topic, partition, slot, generation } = command;
    this.#opening.set(slot, []);
    openLog(
      {
        directory: command.directory,
        topic,
        topicId: command.topicId,
        partition,
        disk,
        jobs,
        clock,
        random,
        logger,
        config: logConfigOf(command.config),
        recovery: command.recovery,
        scanHereBytes,
        leaderEpoch: command.leaderEpoch,
        logStartOffset: command.logStartOffset,
        firstDirtyOffset: command.firstDirtyOffset,
        producerIdExpirationMs: command.producerIdExpirationMs,
        wentOffline: ({ message: reason }) => tell({ type: 'offline', topic, partition, generation, reason }),
      },
      (log) => {
        if (log instanceof Error)
          reply({ type: 'failed', error: 'KAFKA_STORAGE_ERROR', detail: log.message });
        else {
          const { checkpoint, leaderEpochs } = this.#start(command, log);
          reply({ type: 'opened', checkpoint, epochs: leaderEpochs });
        }
        const waiting = this.#opening.get(slot) ?? [];
        this.#opening.delete(slot);
        for (const retry of waiting) retry();
      },
    );
  }

  #start(
    { topic, partition, slot, generation, leaderEpoch, config, directory }: OpenPartition,
    log: Log,
  ): PartitionActor {
    const { clock, logger, views } = this.#options;
    const actor = new PartitionActor({
      topic,
      partition,
      log,
      generation,
      leaderEpoch,
      config,
      view: new ViewWriter(views, slot),
      clock,
      logger,
      room: this.#roomOf(dirname(directory)),
      complete: (completion) => this.#complete(COMPLETION_KIND.appended, completion),
      advanced: () =>
        this.#complete(COMPLETION_KIND.advanced, {
          token: slot,
          error: 0,
          baseOffset: -1,
          logAppendTimeMs: -1,
          logStartOffset: -1,
        }),
    });
    this.#actors.set(slot, actor);
    return actor;
  }

  /** What this thread knows of the room on the disk of a data directory. */
  #roomOf(directory: string): DiskRoom {
    const known = this.#rooms.get(directory);
    if (known) return known;
    const { disk, clock, tell, thread = STANDARD_THREAD } = this.#options;
    const ended = ({ path, message: reason }: DiskError) =>
      tell({ type: 'disk-full', directory, path, reason });
    const room = new DiskRoom({ directory, owner: thread, disk, clock, ended });
    this.#rooms.set(directory, room);
    return room;
  }

  /** Flushes and closes everything; submissions that still come are refused. */
  #drainAll(reply: Reply): void {
    this.#draining = true;
    this.#compactions.stop();
    const opening = [...this.#opening.values()][0];
    if (opening) {
      opening.push(() => this.#drainAll(reply));
      return;
    }
    const checkpoints: PartitionCheckpoint[] = [];
    const unclean: PartitionName[] = [];
    for (const room of this.#rooms.values()) room.close();
    const actors = [...this.#actors.values()];
    this.#actors.clear();
    let left = actors.length + 1;
    const ended = () => {
      if (--left === 0) reply({ type: 'drained', checkpoints, clean: unclean.length === 0, unclean });
    };
    for (const actor of actors) {
      actor.close((closedClean) => {
        checkpoints.push(actor.checkpoint);
        const { topic, partition } = actor.name;
        if (!closedClean) unclean.push({ topic, partition });
        ended();
      });
    }
    ended();
  }

  #applyRetentionLater(): void {
    this.#options.clock.after(this.#options.retentionCheckIntervalMs, () => {
      this.#applyRetention([...this.#actors.keys()]);
    });
  }

  /** A part of them, then the others in a later turn: many logs take longer than a producer should wait. */
  #applyRetention(slots: readonly number[]): void {
    if (this.#draining) return;
    for (const slot of slots.slice(0, RETENTION_GROUP)) this.#actors.get(slot)?.applyRetention();
    this.#options.completions.publish();
    if (slots.length <= RETENTION_GROUP) this.#applyRetentionLater();
    else this.#options.later(() => this.#applyRetention(slots.slice(RETENTION_GROUP)));
  }

  /** Tells the supervisor what has become safe on the disk. */
  #reportLater(): void {
    this.#options.clock.after(REPORT_MS, () => {
      if (this.#draining) return;
      for (const actor of this.#actors.values()) {
        const checkpoint = actor.changedCheckpoint();
        if (checkpoint) this.#options.tell({ type: 'checkpoint', checkpoint });
      }
      this.#reportLater();
    });
  }

  // -------------------------------------------------------------------------------------------------------- metrics

  #inspect(detail: InspectDetail): PartitionReply {
    let logsOffline = 0;
    for (const actor of this.#actors.values()) if (actor.isOffline) logsOffline++;
    const samples = detail === 'none' ? [] : this.#samples(detail === 'partitions');
    return { type: 'inspected', logsOffline, samples };
  }

  #samples(perPartition: boolean): Sample[] {
    const { thread = STANDARD_THREAD, sources = [] } = this.#options;
    let { batches, records, bytes } = this.#appendedBefore;
    let logBytes = 0;
    let segments = 0;
    let uncleanable = 0;
    const samples = [...sources, this.#compactions].flatMap((source) => source.samples());
    for (const actor of this.#actors.values()) {
      const { name, appended, sizeBytes, segmentCount } = actor;
      if (actor.isUncleanable) uncleanable++;
      batches += appended.batches;
      records += appended.records;
      bytes += appended.bytes;
      logBytes += sizeBytes;
      segments += segmentCount;
      if (!perPartition) continue;
      const labels = [name.topic, String(name.partition)] as const;
      samples.push(sample(PARTITION_METRICS.partitionBytes, labels, sizeBytes));
      samples.push(sample(PARTITION_METRICS.partitionSegments, labels, segmentCount));
      const { dirtyRatio } = actor;
      if (dirtyRatio !== null)
        samples.push(sample(PARTITION_METRICS.partitionDirtyRatio, labels, dirtyRatio));
    }
    samples.push(
      sample(PARTITION_METRICS.open, [thread], this.#actors.size),
      sample(PARTITION_METRICS.batches, [thread], batches),
      sample(PARTITION_METRICS.records, [thread], records),
      sample(PARTITION_METRICS.bytes, [thread], bytes),
      sample(PARTITION_METRICS.groups, [thread], this.#groups),
      sample(PARTITION_METRICS.logBytes, [thread], logBytes),
      sample(PARTITION_METRICS.segments, [thread], segments),
      sample(PARTITION_METRICS.uncleanable, [thread], uncleanable),
    );
    for (const [code, count] of this.#refused)
      samples.push(sample(PARTITION_METRICS.refused, [thread, errorName(code)], count));
    return samples;
  }

  // ----------------------------------------------------------------------------------------------------------- local

  /**
   * Appends batches of somebody on this thread, past the ring, with one write; they are checked and stamped in place as all
   * others. `done` is called once for each of them, in order, when it is committed or refused; maybe at once.
   */
  append(
    { slot, generation, batches }: { slot: number; generation: number; batches: readonly Buffer[] },
    done: (error: ErrorName) => void,
  ): void {
    const actor = this.#actors.get(slot);
    if (actor?.generation !== generation) {
      for (const _ of batches) done('NOT_LEADER_OR_FOLLOWER');
      return;
    }
    for (const batch of batches) {
      const token = --this.#lastLocalToken;
      this.#local.set(token, done);
      actor.stage(token, batch);
    }
    actor.commit();
  }

  #completeLocally({ token, error }: Completion): void {
    const done = this.#local.get(token);
    assert(done !== undefined, 'a batch is completed once');
    this.#local.delete(token);
    done(errorName(error));
  }

  // ----------------------------------------------------------------------------------------------------------- rings

  #wait(): void {
    this.#options.submissions.sleep(() => this.#work());
  }

  /** Takes a group, and what follows at short notice, then goes on in a later turn or sleeps. */
  #work(): void {
    const { submissions, clock, later } = this.#options;
    const startMs = clock.monotonicMs();
    this.#takeGroup();
    this.#idleSinceMs =
      startMs - this.#idleSinceMs < BRISK_MS ? this.#workOn(startMs + SHIFT_MS) : clock.monotonicMs();
    if (submissions.available > 0) later(() => this.#work());
    else this.#wait();
  }

  /**
   * Where one small group follows another it costs less to wait for the next one with the whole thread than through its event
   * loop. What waits for the disk, for a log that is opened, or for room in the ring, needs the loop. Returns since when there is
   * nothing to do.
   */
  #workOn(endMs: number): number {
    const { submissions, clock } = this.#options;
    for (;;) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= endMs || submissions.available > 0 || !this.#hasNothingElse) return nowMs;
      const hasMore = submissions.hold(endMs - nowMs);
      this.#heldMs += clock.monotonicMs() - nowMs;
      if (!hasMore) return nowMs;
      this.#takeGroup();
    }
  }

  get #hasNothingElse(): boolean {
    const isWaiting = this.#unanswered > 0 || this.#overflow.length > 0 || this.#opening.size > 0;
    return !(isWaiting || this.#draining);
  }

  #takeGroup(): void {
    const { submissions, completions, memory } = this.#options;
    const { words } = submissions;
    const available = Math.min(submissions.available, GROUP_BATCHES_MAX);
    let bytes = 0;
    let taken = 0;
    this.#working = true;
    while (taken < available && bytes < GROUP_BYTES_MAX) {
      const at = submissions.peek(taken++);
      const token = words[at + SUBMISSION.token] as number;
      const start = words[at + SUBMISSION.start] as number;
      const length = words[at + SUBMISSION.bytes] as number;
      bytes += length;
      this.#unanswered++;
      const actor = this.#actors.get(words[at + SUBMISSION.slot] as number);
      if (actor) {
        actor.stage(token, memory.subarray(start, start + length));
        this.#staged.add(actor);
      } else this.#refuse(token);
    }
    for (const actor of this.#staged) actor.commit();
    this.#staged.clear();
    this.#working = false;
    if (taken > 0) this.#groups++;
    submissions.release(taken);
    completions.publish();
  }

  #refuse(token: number): void {
    const error = ERRORS.NOT_LEADER_OR_FOLLOWER.code;
    this.#complete(COMPLETION_KIND.appended, {
      token,
      error,
      baseOffset: -1,
      logAppendTimeMs: -1,
      logStartOffset: -1,
    });
  }

  #complete(kind: number, completion: Completion): void {
    const { error } = completion;
    if (error !== 0) this.#refused.set(error, (this.#refused.get(error) ?? 0) + 1);
    if (completion.token < 0) {
      this.#completeLocally(completion);
      return;
    }
    if (kind === COMPLETION_KIND.appended) this.#unanswered--;
    if (this.#overflow.length > 0 || !this.#write(kind, completion)) {
      if (this.#overflow.push({ kind, completion }) === 1) this.#options.later(() => this.#retryOverflow());
    }
    if (!this.#working) this.#options.completions.publish();
  }

  #write(kind: number, completion: Completion): boolean {
    const { completions } = this.#options;
    const at = completions.claim();
    if (at < 0) return false;
    const { words } = completions;
    words[at + COMPLETION.kind] = kind;
    words[at + COMPLETION.token] = completion.token;
    words[at + COMPLETION.error] = completion.error;
    writeWide(words, at + COMPLETION.baseOffset, completion.baseOffset);
    writeWide(words, at + COMPLETION.logAppendTimeMs, completion.logAppendTimeMs);
    writeWide(words, at + COMPLETION.logStartOffset, completion.logStartOffset);
    return true;
  }

  #retryOverflow(): void {
    let written = 0;
    for (const { kind, completion } of this.#overflow) {
      if (!this.#write(kind, completion)) break;
      written++;
    }
    this.#overflow.splice(0, written);
    this.#options.completions.publish();
    if (this.#overflow.length > 0) this.#options.later(() => this.#retryOverflow());
  }
}
