// The append-only log of one partition: the truth about its records. One actor owns it; nothing here awaits, slow things
// complete by callbacks in later turns. Invariants:
//
//   what lies below the recovery point is on the disk: data, names and leader epochs
//   there is at least one segment; the last one is active, and only it is written to
//   offsets are dense from batch to batch as they are appended
//   an error that leaves the files in doubt takes the log offline: then nothing is appended or flushed any more
//
// The files are Kafka's; batch-header.ts, offset-index.ts, time-index.ts and leader-epochs.ts show their formats.
import { assert, present } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { addOffset, type LeaderEpoch, type Offset } from '../base/ids.js';
import type { LogFields, Logger } from '../base/log.js';
import { type Disk, DiskError } from '../io/disk.js';
import { readProducerId } from '../record/batch-header.js';
import type {
  CompactionDone,
  CompactionNeed,
  CompactionRequest,
  Uncleanable,
} from './compaction/compaction.js';
import { type CompactableLog, Compactor } from './compaction/compactor.js';
import { deletePartitionFolder } from './data-directory.js';
import { type FlushedFile, Flusher } from './flusher.js';
import { runSteps, type Step, type StepDone } from './in-turn.js';
import type { LeaderEpochEntry } from './leader-epochs.js';
import type { LogConfig } from './log-config.js';
import { type LogContent, type LogOptions, PRODUCER_ID_EXPIRATION_MS } from './log-options.js';
import { Maintenance, type SegmentRole } from './maintenance.js';
import { Operations } from './operations.js';
import { PartitionFolder } from './partition-folder.js';
import type { ProducerSnapshotFiles } from './producer-snapshot-files.js';
import type { ProducerStates } from './producer-states.js';
import { restoreProducers } from './restore-producers.js';
import { deletableSegments } from './retention.js';
import { SavedEpochs } from './saved-epochs.js';
import { type AppendBatch, assertFollows, Segment } from './segment.js';
import { removalOfEnd, SegmentRemoval } from './segment-removal.js';
import { type CorruptBatch, walkHeaders } from './walk-headers.js';

export type { LogContent, LogOptions } from './log-options.js';
export type { AppendBatch } from './segment.js';
export type { CorruptBatch } from './walk-headers.js';

export interface AppendResult {
  /** How many of the batches were appended, from the first on. */
  readonly appended: number;
  /** Why the others were not; null if all were. */
  readonly error: DiskError | null;
}

/**
 * A flush also writes a snapshot of the producers when so much was appended since the last one: it is what a start after a
 * crash has to read for them at the most.
 */
const SNAPSHOT_AFTER_BYTES = 32 * 1024 * 1024;

const NO_RETENTION = { retentionMs: -1, retentionBytes: -1 } as const;

const ignore = (): void => {};

/** `max.compaction.lag.ms` lets segments end in time to be compacted (KIP-354). */
function effective(config: LogConfig): LogConfig {
  const { compaction, segmentMs } = config;
  return compaction ? { ...config, segmentMs: Math.min(segmentMs, compaction.maxLagMs) } : config;
}

export class Log {
  readonly #options: LogOptions;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #epochs: SavedEpochs;
  readonly #flusher: Flusher;
  readonly #maintenance: Maintenance;
  readonly #snapshots: ProducerSnapshotFiles;
  #producers: ProducerStates;
  #bytesSinceSnapshot = 0;
  readonly #folder: PartitionFolder;
  #config: LogConfig;
  #segments: Segment[];
  #active: Segment;
  #logStartOffset: Offset;
  #logEndOffset: Offset;
  readonly #compactor: Compactor;
  #rollJitterMs = 0;
  #offline: DiskError | null = null;
  #closed = false;
  #truncating = false;

  readonly #operations = new Operations();
  readonly #removal: SegmentRemoval;

  /** Use `openLog`. */
  constructor(options: LogOptions, content: LogContent) {
    const active = content.segments.at(-1);
    assert(active, 'a log has a segment');
    assert(content.logStartOffset <= content.logEndOffset, 'a log starts before it ends');
    assert(content.recoveryPoint <= content.logEndOffset, 'nothing is durable behind the end');
    this.#options = options;
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#config = effective(options.config);
    this.#segments = [...content.segments];
    this.#active = active;
    this.#logStartOffset = content.logStartOffset;
    this.#logEndOffset = content.logEndOffset;
    this.#producers = content.producers;
    this.#snapshots = content.snapshots;
    this.#drawJitter();
    const { disk, clock, directory } = options;
    const operations = this.#operations;
    const failed = (error: DiskError): void => this.#goOffline(error);
    this.#folder = new PartitionFolder({ ...options, operations, unsynced: content.folderUnsynced, failed });
    const whenNotFlushing = (run: () => void): void => this.#flusher.whenNotFlushing(run);
    this.#epochs = new SavedEpochs({
      ...{ disk, directory, operations, warn: this.#warn },
      epochs: content.epochs,
      unsaved: content.epochsUnsaved,
    });
    this.#flusher = this.#newFlusher(content.recoveryPoint);
    this.#removal = new SegmentRemoval({
      ...{ disk, clock, directory, operations, warn: this.#warn, whenNotFlushing },
      flush: (done) => this.#flusher.flush(done),
    });
    this.#compactor = new Compactor({
      ...{ ...options, operations, whenNotFlushing },
      fields: (fields) => this.#fields(fields),
      log: () => this.#compactable(),
      firstDirtyOffset: content.firstDirtyOffset,
      roll: () => this.roll(),
      flush: (done) => this.flush(done),
      replace: (segments, by) => this.#replace(segments, by),
    });
    const maintained = { ...options, flush: () => this.#flusher.flush() };
    this.#maintenance = new Maintenance(maintained, content.maintenance, (segment) => this.#roleOf(segment));
    this.#maintenance.start();
    // A crash may have come right after a roll: what was sealed then is not taken for durable, though nothing follows it.
    const isSealedInDoubt = this.#segments.some((segment) => segment !== active && !segment.isDurable);
    if (this.recoveryPoint < this.#logEndOffset || isSealedInDoubt) this.#flusher.flush();
  }

  #newFlusher(recoveryPoint: Offset): Flusher {
    const { disk, clock, directory } = this.#options;
    return new Flusher({
      ...{ disk, clock, directory, operations: this.#operations, recoveryPoint, warn: this.#warn },
      log: () => ({
        segments: this.#segments,
        active: this.#active,
        logEndOffset: this.#logEndOffset,
        config: this.#config,
        offline: this.#offline,
        closed: this.#closed,
        truncating: this.#truncating,
      }),
      leaving: () => this.#removal.leaving,
      files: () => this.#filesOfFlush(),
      indexFailed: this.#indexFailed,
      goOffline: (error) => this.#goOffline(error),
    });
  }

  /** The first offset that may be read. */
  get logStartOffset(): Offset {
    return this.#logStartOffset;
  }

  /** The offset of the next record. */
  get logEndOffset(): Offset {
    return this.#logEndOffset;
  }

  get activeSegmentBaseOffset(): Offset {
    return this.#active.baseOffset;
  }

  /** How many bytes of the active segment hold batches. */
  get activeSegmentBytes(): number {
    return this.#active.bytes;
  }

  get segmentCount(): number {
    return this.#segments.length;
  }

  /** The size of all batches. O(segments). */
  get sizeBytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** All below it survives a loss of power. */
  get recoveryPoint(): Offset {
    return this.#flusher.recoveryPoint;
  }

  /** The newest leader epoch, -1 if there was none. The next leader's must be above it. */
  get latestLeaderEpoch(): LeaderEpoch {
    return this.#epochs.latest;
  }

  /** Who wrote to the log. It applies what it appends; its owner asks and stages before. */
  get producers(): ProducerStates {
    return this.#producers;
  }

  /** Forgets producers that have been silent for `producerIdExpirationMs`. */
  expireProducers(nowMs: number): void {
    this.#producers.expire(nowMs, this.#options.producerIdExpirationMs ?? PRODUCER_ID_EXPIRATION_MS);
  }

  /** Why the log takes no more appends; null while it does. */
  get offline(): DiskError | null {
    return this.#offline;
  }

  // Compaction

  /** All below it has been compacted; what is above has not, or not wholly. A hint: a lower one is only more work. */
  get firstDirtyOffset(): Offset {
    return this.#compactor.firstDirtyOffset;
  }

  /** How often compaction put new files in the place of segments: readers are told with what else is published. */
  get replacements(): number {
    return this.#compactor.replacements;
  }

  /** Why the log is no longer compacted: a batch cannot be read. Null if it is. */
  get uncleanable(): Uncleanable | null {
    return this.#compactor.uncleanable;
  }

  /** The part of what can be compacted that came after the last compaction, in [0, 1]; 0 for a log that is not compacted. */
  dirtyRatio(nowMs: number, limitOffset: Offset): number {
    return this.#compactor.dirtyRatio(nowMs, limitOffset);
  }

  /**
   * Whether it is time to compact the log: enough of it is new, or something has waited for too long. Null: no, or not yet, or
   * it cannot be. `limitOffset` is the high watermark. O(segments).
   */
  compactionDue(nowMs: number, limitOffset: Offset): CompactionNeed | null {
    return this.#compactor.due(nowMs, limitOffset);
  }

  /**
   * Compacts the log: of the records with a key, below `limitOffset` and old enough, the newest of each key stays. One call at a
   * time. Jobs do the work in slices; appends and reads go on. `done` is called once, in a later turn; with an error the
   * log is as good as before, and is due again after a while. It ends early if the log is closed, deleted or cut.
   */
  compact(request: CompactionRequest, done: CompactionDone): void {
    this.#assertWritable();
    this.#compactor.compact(request, done);
  }

  #compactable(): CompactableLog {
    return {
      segments: this.#segments,
      logStartOffset: this.#logStartOffset,
      recoveryPoint: this.recoveryPoint,
      config: this.#config,
      producersLastOffsets: () => this.#producers.lastOffsets(),
      isBusy: this.#closed || this.#truncating || this.#offline !== null,
    };
  }

  #replace(segments: readonly Segment[], by: Segment): void {
    const [first] = segments;
    assert(first, 'a segment is replaced');
    const index = this.#segments.indexOf(first);
    assert(index >= 0, `${first.path} is no part of the log`);
    assert(index + segments.length < this.#segments.length, 'the active segment stays');
    const replaced = this.#segments.splice(index, segments.length, by);
    assert(
      replaced.every((segment, i) => segment === segments[i]),
      'what is replaced are neighbours',
    );
    for (const segment of replaced) segment.release();
  }

  /** Takes effect with the next append, flush or retention. */
  updateConfig(config: LogConfig): void {
    this.#config = effective(config);
    this.#drawJitter();
    this.#flusher.reconsider();
  }

  /**
   * Appends batches whose offsets follow each other from the log's end on; rolls between them where a limit asks for it. One
   * disk write for each run of batches of a segment. On a disk error the batches of the run that failed are removed again. A
   * full disk, or a lack of descriptors, passes; after any other error the log is offline and every later append fails.
   * O(batches).
   */
  append(batches: readonly AppendBatch[]): AppendResult {
    this.#assertWritable();
    let appended = 0;
    let failure = this.#offline;
    while (appended < batches.length && !failure) {
      try {
        appended = this.#appendRun(batches, appended);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        failure = error;
        if (!error.passes) this.#goOffline(error);
      }
    }
    if (appended > 0) this.#flusher.flushIfDue();
    return { appended, error: failure };
  }

  /** Appends a run; returns where it ends. */
  #appendRun(batches: readonly AppendBatch[], start: number): number {
    const first = batches[start];
    assert(first, 'a run has a first batch');
    if (this.#active.mustRollFor(first, this.#config, this.#rollJitterMs, this.#clock.wallMs())) this.#roll();
    const active = this.#active;
    const end = active.runEnd(batches, start, this.#config, this.#rollJitterMs);
    const bytesBefore = active.bytes;
    let nextOffset = this.#logEndOffset;
    for (let i = start; i < end; i++) {
      const batch = present(batches[i], 'a batch');
      assertFollows(batch, nextOffset);
      nextOffset = addOffset(batch.lastOffset, 1);
    }
    try {
      active.append(batches, start, end, this.#config.indexIntervalBytes, this.#indexFailed);
    } catch (error) {
      if (error instanceof DiskError) this.#cutBack(active, error);
      throw error;
    }
    this.#logEndOffset = nextOffset;
    this.#bytesSinceSnapshot += active.bytes - bytesBefore;
    for (let i = start; i < end; i++) this.#note(present(batches[i], 'a batch'));
    return end;
  }

  #note({ bytes, leaderEpoch, baseOffset }: AppendBatch): void {
    if (readProducerId(bytes, 0) >= 0) this.#producers.apply(bytes, 0, this.#clock.wallMs());
    if (leaderEpoch < 0 || leaderEpoch === this.#epochs.latest) return;
    this.#epochs.assign(leaderEpoch, baseOffset);
  }

  #cutBack(segment: Segment, cause: DiskError): void {
    try {
      // To cut the file would take a descriptor, too.
      if (!cause.lacksDescriptors) segment.cutBack();
      else this.#warn('append failed, nothing was written', cause.message);
      if (cause.isFull || cause.lacksDescriptors) return; // A full disk is said for the data directory.
      this.#warn('append failed, the log was cut back to its last batch', cause.message);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#goOffline(cause.passes ? error : cause);
    }
  }

  /** Begins a new segment, unless the active one is empty. Throws DiskError. */
  roll(): void {
    this.#assertWritable();
    if (this.#active.bytes > 0) this.#roll();
  }

  /** Begins a new segment at the end of the log; the old one is synced in the background. Throws DiskError. */
  #roll(): void {
    assert(this.#active.bytes > 0, `${this.#active.path} is empty and stays active`);
    const segment = this.#active.seal(this.#logEndOffset, this.#clock.wallMs(), this.#indexFailed);
    this.#segments.push(segment);
    this.#active = segment;
    this.#takeSnapshot();
    this.#drawJitter();
    this.#flusher.flush();
  }

  #finishIndexes(): void {
    try {
      this.#active.finishIndexes();
    } catch (error) {
      this.#indexFailed(error);
    }
  }

  #drawJitter(): void {
    const rangeMs = Math.min(this.#config.segmentJitterMs, this.#config.segmentMs);
    this.#rollJitterMs = rangeMs > 0 ? this.#options.random.below(rangeMs) : 0;
  }

  /** An index entry was lost: lookups take longer there, and nothing else changes. */
  readonly #indexFailed = (error: unknown): void => {
    if (!(error instanceof DiskError)) throw error;
    if (error.isFull) return; // Which is said for the data directory as a whole.
    this.#warn('an index could not be written and has a gap', error.message);
  };

  #takeSnapshot(): void {
    this.#snapshots.take(this.#logEndOffset, this.#producers);
    this.#bytesSinceSnapshot = 0;
  }

  // Leader epochs

  /**
   * A leader of this epoch begins at the log's end. `done` is called when the checkpoint is durable: a leader that appends
   * earlier may see its epoch used again after a loss of power. The epoch must not be below the latest.
   */
  assignLeaderEpoch(epoch: LeaderEpoch, done: StepDone = ignore): void {
    this.beginLeaderEpoch(epoch);
    const steps: Step[] = [
      (next) => (this.#epochs.unsaved ? this.#epochs.save(next) : this.#clock.after(0, () => next(null))),
      // A file is as durable as the name of its folder.
      (next) => this.#folder.sync(next),
    ];
    this.#inTurn(steps, done);
  }

  /**
   * The same for an epoch that is written down elsewhere, so that it is not used again whatever becomes of this log: here it is
   * made durable with the first of its batches.
   */
  beginLeaderEpoch(epoch: LeaderEpoch): void {
    this.#assertWritable();
    assert(epoch >= this.#epochs.latest, `epoch ${epoch} after ${this.#epochs.latest}`);
    this.#epochs.begin(epoch, this.#logEndOffset);
  }

  /** Which epoch began where, oldest first. */
  get leaderEpochs(): readonly LeaderEpochEntry[] {
    return this.#epochs.entries;
  }

  /**
   * Where an epoch ends in this log: its end offset, with the greatest epoch here that is not above it. Null if the epoch is
   * newer than all here. Source: KIP-101, KIP-320.
   */
  endOffsetForEpoch(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } | null {
    return this.#epochs.endOffsetFor(epoch, this.#logEndOffset);
  }

  /** The leader epoch of the record at the offset; -1 if it is not known. */
  epochAt(offset: Offset): LeaderEpoch {
    return this.#epochs.epochAt(offset);
  }

  // Flush

  /**
   * Makes all that was appended so far durable and moves the recovery point: data, then indexes, the epoch checkpoint and the
   * producer snapshot of the last roll, then all names. Calls at a time share one pass. A data sync that fails takes the
   * log offline, because a file system may have dropped what it could not write. A lack of descriptors may pass for five seconds.
   */
  flush(done: StepDone): void {
    assert(!this.#closed, `${this.#options.directory} is closed`);
    this.#flusher.flush(done);
  }

  #filesOfFlush(): FlushedFile[] {
    if (this.#bytesSinceSnapshot >= SNAPSHOT_AFTER_BYTES) this.#takeSnapshot();
    const files = this.#folder.unsynced ? [this.#folder.flushed] : [];
    if (this.#epochs.mustSave(this.#logEndOffset)) files.push(this.#epochs.flushed);
    const bases = (): Set<Offset> => new Set(this.#segments.map(({ baseOffset }) => baseOffset));
    const snapshot = this.#snapshots.flushed(bases);
    return snapshot ? [...files, snapshot] : files;
  }

  #goOffline(error: DiskError): void {
    if (this.#offline) return;
    this.#offline = error;
    this.#compactor.stop();
    this.#logger.error('the log is offline: its files are in doubt', this.#fields({ reason: error.message }));
    this.#options.wentOffline?.(error);
  }

  // Retention, deletion, truncation

  /**
   * Deletes the oldest segments that retention by time or size does not ask to keep, if the config has it, or that lie below the
   * log start offset.
   * The active segment is rolled first if it qualifies. Nothing at or above `limitOffset`, the high watermark, goes.
   * Returns how many segments went.
   */
  applyRetention(nowMs: number, limitOffset: Offset = this.#logEndOffset): number {
    if (this.#config.deletes) return this.#deleteOldest(this.#config, nowMs, limitOffset);
    return this.#deleteOldest({ ...this.#config, ...NO_RETENTION }, nowMs, limitOffset);
  }

  /** Deletes the segments that lie below the log start offset, as retention would, without a look at time and size. */
  deleteBelowLogStart(): void {
    this.#deleteOldest({ ...this.#config, ...NO_RETENTION }, 0, this.#logStartOffset);
  }

  #deleteOldest(config: LogConfig, nowMs: number, limitOffset: Offset): number {
    this.#assertWritable();
    if (this.#offline) return 0;
    this.#removal.add([], this.#config.fileDeleteDelayMs);
    const { count: deletable, reason } = deletableSegments(this.#segments, {
      config,
      nowMs,
      logStartOffset: this.#logStartOffset,
      logEndOffset: this.#logEndOffset,
      limitOffset,
    });
    // What is just being compacted goes the next time.
    const firstBusy = this.#segments.findIndex((segment) => this.#compactor.swapping.includes(segment));
    const count = firstBusy < 0 ? deletable : Math.min(deletable, firstBusy);
    if (count === 0) return 0;
    if (count === this.#segments.length) {
      try {
        this.#roll();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        if (!error.isFull) this.#warn('the active segment cannot be rolled', error.message);
        return 0;
      }
    }
    const removed = this.#segments.splice(0, count);
    const first = this.#segments[0];
    assert(first, 'the active segment stays');
    if (first.baseOffset > this.#logStartOffset) this.#moveLogStart(first.baseOffset);
    const fields = { segments: count, reason, logStartOffset: this.#logStartOffset };
    this.#logger.info('segments deleted', this.#fields(fields));
    this.#removal.add(removed, this.#config.fileDeleteDelayMs);
    return count;
  }

  /**
   * Records below the offset are no longer served (KIP-107); segments that hold nothing else go with the next retention, or
   * {@link deleteBelowLogStart}. An offset below the current log start changes nothing; it must not lie behind the log's end.
   */
  advanceLogStartOffset(offset: Offset): void {
    this.#assertWritable();
    assert(offset <= this.#logEndOffset, `the log ends at ${this.#logEndOffset}, before ${offset}`);
    if (offset > this.#logStartOffset) this.#moveLogStart(offset);
  }

  #moveLogStart(offset: Offset): void {
    assert(offset > this.#logStartOffset, 'the log start only moves up');
    this.#logStartOffset = offset;
    this.#epochs.truncateFromStart(offset);
  }

  /**
   * Cuts the log so that it ends at the offset, or before it if it lies inside a batch. Between the call and `done` nothing may
   * be appended. Batches behind are gone for good when `done` is called without an error; with one the log is offline. The
   * recovery point may be lower afterwards: a checkpoint of it must be on the disk before the next append.
   */
  truncateTo(offset: Offset, done: StepDone): void {
    this.#assertWritable();
    if (offset >= this.#logEndOffset || this.#offline) {
      this.#clock.after(0, () => done(this.#offline));
      return;
    }
    this.#truncating = true;
    this.#compactor.stop();
    this.#operations.whenQuiet(() => {
      this.#operations.begin();
      const steps: Step[] = [
        (next) => this.#compactor.completeSwap(next),
        (next) => this.#truncate(offset, next),
      ];
      this.#inTurn(steps, (error) => {
        this.#truncating = false;
        if (error instanceof DiskError) this.#goOffline(error);
        this.#flusher.resume();
        done(error);
        this.#operations.end();
      });
    });
  }

  /** Only when the others are gone the segment that stays is cut. */
  #truncate(offset: Offset, done: StepDone): void {
    const kept = this.#segments.filter((segment) => segment.baseOffset <= offset);
    const steps: Step[] = [
      ...removalOfEnd(this.#disk, this.#options.directory, this.#segments.slice(kept.length)),
      (next) => {
        this.#cutTo(offset, kept);
        this.#active.syncAll(this.#indexFailed, next);
      },
      (next) => this.#restoreProducers(next),
    ];
    this.#inTurn(steps, done);
  }

  #cutTo(offset: Offset, kept: Segment[]): void {
    const { disk, directory } = this.#options;
    const last = kept.at(-1);
    this.#active = last ?? Segment.create(disk, directory, offset, this.#clock.wallMs());
    this.#segments = last ? kept : [this.#active];
    this.#logEndOffset = last ? last.resume(offset, true).nextOffset : offset;
    if (!last) this.#active.markUnsynced();
    this.#flusher.cutTo(this.#logEndOffset);
    this.#compactor.cutTo(this.#logEndOffset);
    if (this.#logStartOffset > this.#logEndOffset) this.#logStartOffset = this.#logEndOffset;
    this.#epochs.truncateFromEnd(this.#logEndOffset);
    this.#logger.info('log truncated', this.#fields({ logEndOffset: this.#logEndOffset }));
  }

  /** What is known of the producers must not tell of batches that were cut off. */
  #restoreProducers(done: StepDone): void {
    const { disk, clock, jobs, producerIdExpirationMs = PRODUCER_ID_EXPIRATION_MS } = this.#options;
    restoreProducers(
      {
        ...{ disk, clock, jobs, snapshots: this.#snapshots, segments: this.#segments },
        ...{ logStartOffset: this.#logStartOffset, logEndOffset: this.#logEndOffset, clean: false },
        ...{ expirationMs: producerIdExpirationMs, warn: this.#warn },
      },
      (error, producers) => {
        this.#producers = producers;
        done(error);
      },
    );
  }

  // Reading, for the owner's own use

  /**
   * Visits the headers of the batches from the one that holds the offset on, or the next after it: 61 bytes that are valid
   * during the call only. `visit` must not read from a log. Reads the file synchronously; consumers have LogReader. Returns
   * the batch at which the files are corrupt, or null. Throws DiskError.
   */
  forEachHeader(fromOffset: Offset, visit: (header: Buffer) => void): CorruptBatch | null {
    return walkHeaders(this.#segments, fromOffset, visit);
  }

  // End

  /**
   * Flushes everything, with a snapshot of the producers, if there is anything that is to stay, and releases all files. Nothing of
   * the log runs afterwards; `done` gets the flush's error.
   */
  close(done: StepDone): void {
    this.#assertWritable();
    if (!this.#offline) {
      this.#takeSnapshot();
      this.#finishIndexes();
    }
    this.#end();
    const flushed: StepDone = (error) => {
      this.#operations.whenQuiet(() => {
        for (const segment of this.#segments) segment.release();
        const lost = this.#snapshots.pending && !this.#offline;
        done(error ?? (lost ? new Error('the producer snapshot could not be written') : null));
      });
    };
    if (this.#isUntouched) this.#clock.after(0, () => flushed(null));
    else this.#flusher.flush(flushed);
  }

  /** There are no batches, and nothing is lost with the folder: whoever opens the log next makes what is missing. */
  get #isUntouched(): boolean {
    // A segment that was cut is dirty: on the disk it may not be empty.
    const isEmpty = this.#segments.every(({ bytes, dirty }) => bytes === 0 && !dirty);
    const isUnsaved = this.#epochs.mustSave(this.#logEndOffset) || this.#snapshots.pending;
    return isEmpty && this.#folder.unsynced && !isUnsaved && !this.#offline;
  }

  /**
   * Renames the folder, calls `done`, and removes the folder after the delay. What a process that ends earlier leaves behind
   * is removed when its data directory is opened again.
   */
  delete(done: StepDone): void {
    this.#assertWritable();
    this.#end();
    this.#operations.whenQuiet(() => {
      for (const segment of this.#segments) segment.release();
      const { directory } = this.#options;
      deletePartitionFolder(this.#disk, this.#clock, directory, this.#config.fileDeleteDelayMs, done);
    });
  }

  /** From here on no timer and no job is begun. */
  #end(): void {
    this.#closed = true;
    this.#maintenance.stop();
    this.#compactor.stop();
    this.#flusher.stop();
    this.#removal.close();
  }

  #assertWritable(): void {
    assert(!this.#closed, `${this.#options.directory} is closed`);
    assert(!this.#truncating, `${this.#options.directory} is being truncated`);
  }

  #roleOf(segment: Segment): SegmentRole {
    if (!this.#segments.includes(segment)) return 'gone';
    if (this.#compactor.swapping.includes(segment)) return 'replaced';
    return segment === this.#active || this.#truncating ? 'busy' : 'sealed';
  }

  #inTurn(steps: readonly Step[], done: StepDone): void {
    runSteps(this.#clock, steps, done);
  }

  readonly #warn = (message: string, reason: string): void =>
    this.#logger.warn(message, this.#fields({ reason }));

  #fields(fields: LogFields): LogFields {
    return { topic: this.#options.topic, partition: this.#options.partition, ...fields };
  }
}
