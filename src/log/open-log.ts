// Opens the log of a partition. After a clean stop only names, sizes and the last entries and headers are read. After a crash
// the batches behind the recovery point are verified by a job, and the log is cut at the first invalid one: the rest of that
// segment and all later segments. What lies before is verified in the background and only reported.
//
// Behind the recovery point the segments must join up: one that ends before the next begins has lost its tail with the power,
// and what follows cannot stay. Compaction leaves the last offset of every segment, so that compacted ones join up too; those of
// Kafka may not, but lie below the recovery point.
import { join } from 'node:path';
import { assert, present } from '../base/assert.js';
import { OdradekError } from '../base/errors.js';
import { type LeaderEpoch, type Offset, toOffset, ZERO_OFFSET } from '../base/ids.js';
import type { LogFields } from '../base/log.js';
import { type Disk, DiskError, type DiskFile } from '../io/disk.js';
import { completeSwaps } from './compaction/swap.js';
import { LEADER_EPOCH_FILE, LEFTOVER_SUFFIXES, parseSegmentFileName, segmentFileName } from './file-names.js';
import { inTurn, runSteps, type Step, type StepDone } from './in-turn.js';
import { LeaderEpochs } from './leader-epochs.js';
import { Log } from './log.js';
import { type LogOptions, PRODUCER_ID_EXPIRATION_MS } from './log-options.js';
import type { MaintenanceTask } from './maintenance.js';
import { offsetEntryCount, offsetIndexLooksSound } from './offset-index.js';
import { claimFolder } from './partition-folder.js';
import { ProducerSnapshotFiles } from './producer-snapshot-files.js';
import { ProducerStates } from './producer-states.js';
import {
  durableOffset,
  firstScan,
  type LogRecovery,
  positionOf,
  type RecoveryScan,
  readIndexes,
  recoveryStart,
  wholeScan,
} from './recovery.js';
import { restoreProducers } from './restore-producers.js';
import { type SegmentScanInput, type SegmentScanOutput, scanSegment } from './scan-segment.js';
import { Segment } from './segment.js';
import { lastTimeEntry, timeEntryCount, timeIndexLooksSound } from './time-index.js';

export type { LogRecovery } from './recovery.js';

export interface OpenLogOptions extends LogOptions {
  readonly recovery: LogRecovery;
  /** From the checkpoint; 0 if there is none. */
  readonly logStartOffset: Offset;
  /** From the checkpoint: all below has been compacted; 0 if there is none. */
  readonly firstDirtyOffset: Offset;
  /** That of the leader to be: a greater one in the files is damage. None is too great if absent. */
  readonly leaderEpoch?: LeaderEpoch;
  /** Up to so much of a segment is scanned at once instead of by a job. None if absent. */
  readonly scanHereBytes?: number;
}

/**
 * Opens the log in the folder, or makes a new one. `done` is called once, in a later turn: with the log, or with a DiskError,
 * or with an {@link OdradekError} `ODR_CORRUPT` if the folder belongs to another topic. If the log's recovery point is lower
 * than the one given, a checkpoint of it must be on the disk before the next append.
 */
export function openLog(options: OpenLogOptions, done: (result: Log | Error) => void): void {
  new Opening(options, done).start();
}

/** Where the log is cut: behind so many bytes of a segment, whose later ones go. */
interface Cut {
  readonly segment: Segment;
  readonly position: number;
  readonly reason: string;
}

class Opening {
  readonly #options: OpenLogOptions;
  readonly #disk: Disk;
  readonly #done: (result: Log | Error) => void;
  #names: string[] = [];
  /** The folder was missing, or empty. */
  #isNew = false;
  /** This opening wrote down whose folder it is. */
  #isClaimed = false;
  #segments: Segment[] = [];
  /** Segments whose index files are missing or cannot be right. */
  readonly #unsound = new Set<Segment>();
  #scans: RecoveryScan[] = [];
  #maintenance: MaintenanceTask[] = [];
  #epochs = new LeaderEpochs();
  #epochsUnsaved = false;
  /** The epoch checkpoint is missing or broken: the epochs come from the batches. */
  #epochsLost = false;
  /** Where batches begin whose leader epochs are damaged. */
  readonly #passedOver = new Set<Offset>();
  #logEndOffset = ZERO_OFFSET;
  #beganAnew = false;
  #snapshots: ProducerSnapshotFiles | null = null;
  #producers = new ProducerStates();

  constructor(options: OpenLogOptions, done: (result: Log | Error) => void) {
    this.#options = options;
    this.#disk = options.disk;
    this.#done = done;
  }

  start(): void {
    const steps: Step[] = [
      (next) => this.#options.clock.after(0, () => next(null)),
      (next) => this.#makeFolder(next),
      (next) => this.#completeSwaps(next),
      (next) => this.#removeLeftovers(next),
      (next) => this.#findSegments(next),
      (next) => this.#readEpochs(next),
      (next) => this.#planScans(next),
      (next) => this.#readUnsavedEpochs(next),
      (next) => inTurn(this.#scans, (scan, then) => this.#recover(scan, then), next),
      (next) => this.#readLostEpochs(next),
      (next) => this.#startBehindEnd(next),
      (next) => this.#restoreProducers(next),
    ];
    this.#inTurn(steps, (error) => this.#done(error ?? this.#log()));
  }

  // Files

  #makeFolder(next: StepDone): void {
    this.#names = this.#disk.list(this.#options.directory);
    this.#isNew = this.#names.length === 0;
    const names = this.#names;
    const logs = names.filter((name) => parseSegmentFileName(name)?.suffix === 'log');
    const isEmpty = () => logs.every((name) => this.#withFile(name, (file) => this.#disk.size(file)) === 0);
    this.#isClaimed = claimFolder({ ...this.#options, names, isEmpty });
    next(null);
  }

  #completeSwaps(next: StepDone): void {
    const { clock, directory } = this.#options;
    if (this.#isNew) {
      next(null);
      return;
    }
    const steps: Step[] = [
      (then) => completeSwaps(this.#disk, clock, directory, this.#names, then),
      (then) => {
        this.#names = this.#disk.list(directory);
        then(null);
      },
    ];
    this.#inTurn(steps, next);
  }

  /** Files that a crash left half done, and indexes without a segment. */
  #removeLeftovers(next: StepDone): void {
    const names = new Set(this.#names);
    const leftovers = new Set(
      this.#names.filter((name) => {
        const parsed = parseSegmentFileName(name);
        if (parsed) return !names.has(segmentFileName(parsed.baseOffset, 'log'));
        return LEFTOVER_SUFFIXES.some((suffix) => name.endsWith(suffix));
      }),
    );
    this.#names = this.#names.filter((name) => !leftovers.has(name));
    inTurn([...leftovers], (name, then) => this.#disk.remove(this.#path(name), then), next);
  }

  #findSegments(next: StepDone): void {
    const { directory, logStartOffset, clock } = this.#options;
    const names = new Set(this.#names);
    const bases = this.#names.flatMap((name) => {
      const parsed = parseSegmentFileName(name);
      return parsed?.suffix === 'log' ? [parsed.baseOffset] : [];
    });
    this.#segments = bases.map((baseOffset, i) => this.#takeOver(baseOffset, bases[i + 1] ?? null, names));
    if (bases.length === 0) {
      this.#segments = [Segment.create(this.#disk, directory, logStartOffset, clock.wallMs(), !this.#isNew)];
    }
    next(null);
  }

  /** Looks at the files of a segment, but not into the batches. */
  #takeOver(baseOffset: Offset, nextBaseOffset: Offset | null, names: ReadonlySet<string>): Segment {
    const log = segmentFileName(baseOffset, 'log');
    const index = segmentFileName(baseOffset, 'index');
    const timeIndex = segmentFileName(baseOffset, 'timeindex');
    const bytes = this.#withFile(log, (file) => this.#disk.size(file));
    const offsetEnd = nextBaseOffset ?? Number.MAX_SAFE_INTEGER;
    const offsetEntries = !names.has(index)
      ? null
      : this.#withFile(index, (file) =>
          offsetIndexLooksSound(this.#disk, file, baseOffset, offsetEnd, bytes)
            ? offsetEntryCount(this.#disk.size(file))
            : null,
        );
    const times = !names.has(timeIndex)
      ? null
      : this.#withFile(timeIndex, (file) => {
          if (!timeIndexLooksSound(this.#disk, file, baseOffset, offsetEnd, bytes)) return null;
          const count = timeEntryCount(this.#disk.size(file));
          return { count, last: lastTimeEntry(this.#disk, file, baseOffset, count) };
        });
    const { directory, clock } = this.#options;
    const files = {
      bytes,
      offsetEntries: offsetEntries ?? 0,
      offsetIndexExists: names.has(index),
      timeEntries: times?.count ?? 0,
      timeIndexExists: names.has(timeIndex),
      lastTimestampMs: times?.last?.timestampMs ?? -1,
    };
    const segment = Segment.existing(this.#disk, directory, baseOffset, files, clock.wallMs());
    if (bytes > 0 && (offsetEntries === null || times === null)) this.#unsound.add(segment);
    return segment;
  }

  #withFile<Result>(name: string, use: (file: DiskFile) => Result): Result {
    const file = this.#disk.open(this.#path(name), 'read');
    try {
      return use(file);
    } finally {
      this.#disk.close(file);
    }
  }

  // Leader epochs

  #readEpochs(next: StepDone): void {
    const path = this.#path(LEADER_EPOCH_FILE);
    const hasBatches = this.#segments.some(({ bytes }) => bytes > 0);
    const content = this.#names.includes(LEADER_EPOCH_FILE) ? this.#disk.readFile(path) : null;
    try {
      if (content) this.#epochs = LeaderEpochs.parse(path, content.toString());
      else this.#epochsLost = hasBatches;
      if (this.#epochs.latest > this.#leaderEpochMax)
        throw new OdradekError('ODR_CORRUPT', `${path}: epoch ${this.#epochs.latest} is still to come`);
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      this.#epochsLost = hasBatches;
      this.#warn('the leader epoch checkpoint is unusable, epochs are read from the batches', {
        reason: error.message,
      });
    }
    next(null);
  }

  /** Every header of the log is read, once: one small read a batch, in jobs. */
  #readLostEpochs(next: StepDone): void {
    if (!this.#epochsLost) {
      next(null);
      return;
    }
    this.#epochs = new LeaderEpochs();
    this.#epochsUnsaved = true;
    this.#scanEpochs(this.#segments, next);
  }

  /**
   * A thread died that had not saved the epochs it led by yet. What it had published is not scanned: where that goes on with an
   * epoch that is not known, what lies before is looked at.
   */
  #readUnsavedEpochs(next: StepDone): void {
    const [scan] = this.#scans;
    const mayBeUnsaved = this.#options.recovery.type === 'worker-died' && !this.#epochsLost;
    if (!scan || !mayBeUnsaved || !this.#isUnknownEpochAt(scan.segment, scan.input.fromPosition)) {
      next(null);
      return;
    }
    const end = this.#segments.indexOf(scan.segment);
    let start = end;
    while (start > 0 && this.#isUnknownEpochAt(present(this.#segments[start], 'a segment'), 0)) start--;
    this.#scanEpochs(this.#segments.slice(start, end + 1), next);
  }

  #isUnknownEpochAt(segment: Segment, position: number): boolean {
    const walker = segment.walkFrom(position);
    return !walker.next() || walker.leaderEpoch > this.#epochs.latest;
  }

  #scanEpochs(segments: readonly Segment[], next: StepDone): void {
    inTurn(
      segments.filter(({ bytes }) => bytes > 0),
      (segment, then) => {
        const { input } = wholeScan(segment, this.#options.config.indexIntervalBytes);
        const nothing = Number.POSITIVE_INFINITY;
        const headers = {
          ...input,
          verifyFromOffset: nothing,
          verifyFromPosition: nothing,
          stopAtInvalid: false,
        };
        this.#scan(segment, headers, then, (output) => {
          this.#takeEpochs(output);
          then(null);
        });
      },
      next,
    );
  }

  #takeEpochs({ epochs }: SegmentScanOutput): void {
    for (const { epoch, startOffset } of epochs) {
      if (epoch > this.#leaderEpochMax) this.#passOverEpoch(epoch, startOffset);
      else if (epoch > this.#epochs.latest && this.#epochs.assign(epoch, startOffset))
        this.#epochsUnsaved = true;
    }
  }

  /** No checksum covers the field. The records are right, and stay. Their headers may be read twice. */
  #passOverEpoch(epoch: LeaderEpoch, offset: Offset): void {
    if (this.#passedOver.has(offset)) return;
    this.#passedOver.add(offset);
    this.#warn('a record batch has a leader epoch that is still to come', { epoch, offset });
  }

  get #leaderEpochMax(): number {
    return this.#options.leaderEpoch ?? Number.POSITIVE_INFINITY;
  }

  // Recovery

  #planScans(next: StepDone): void {
    const { recovery, config } = this.#options;
    const active = present(this.#segments.at(-1), 'an active segment');
    const start = recoveryStart(recovery);
    if (!start) {
      const reason = this.#endProblem(active);
      if (reason) {
        this.#warn('the log was closed in good order, but its end must be verified', {
          file: active.path,
          reason,
        });
        this.#scans = [wholeScan(active, config.indexIntervalBytes)];
      }
    } else {
      // An empty segment before others, which a roll that failed left behind, is not the one that holds the start.
      const found = this.#segments.findLastIndex(
        (segment) => segment.baseOffset <= start.segmentOffset && (segment.bytes > 0 || segment === active),
      );
      const [first, ...later] = this.#segments.slice(Math.max(found, 0));
      assert(first, 'an active segment');
      // What begins behind the start has no part that is known to be valid.
      const scan =
        found < 0
          ? wholeScan(first, config.indexIntervalBytes)
          : firstScan(first, start, readIndexes(this.#disk, first), config.indexIntervalBytes);
      this.#scans = [scan, ...later.map((segment) => wholeScan(segment, config.indexIntervalBytes))];
      if (recovery.type === 'from') this.#verifyLater(scan, recovery.recoveryPoint);
    }
    const scanned = new Set(this.#scans.map(({ segment }) => segment));
    for (const segment of this.#unsound) {
      if (!scanned.has(segment))
        this.#maintenance.push({ type: 'rebuild-indexes', segment, bytes: segment.bytes });
    }
    next(null);
  }

  /** Finds the end of the log after a clean stop; returns what keeps appending from going on there, or null. */
  #endProblem(active: Segment): string | null {
    if (this.#unsound.has(active)) return 'an index is missing or unusable';
    const { problem, nextOffset } = active.resume(Number.POSITIVE_INFINITY, false);
    this.#logEndOffset = nextOffset;
    return problem;
  }

  /** What a crash should not have touched is verified once the log is open. */
  #verifyLater({ segment: first, input }: RecoveryScan, recoveryPoint: Offset): void {
    for (const segment of this.#segments) {
      const bytes = segment === first ? positionOf(first, input.fromPosition, recoveryPoint) : segment.bytes;
      if (bytes > 0) this.#maintenance.push({ type: 'verify', segment, bytes });
      if (segment === first) return;
    }
  }

  #recover(scan: RecoveryScan, next: StepDone): void {
    const { segment } = scan;
    const index = this.#segments.indexOf(segment);
    if (index < 0) {
      // It went when an earlier one was cut.
      next(null);
      return;
    }
    const previous = this.#segments[index - 1];
    if (previous && segment.bytes === 0 && index < this.#segments.length - 1) {
      // A roll that failed left it behind. It holds nothing; whether anything is missing, the next segment tells.
      this.#segments.splice(index, 1);
      this.#removeSegments([segment], next);
      return;
    }
    if (previous && scan !== this.#scans[0] && this.#leavesHole(segment)) {
      const reason = `offset ${this.#logEndOffset} must follow, but the next segment begins at ${segment.baseOffset}`;
      this.#cutBehind({ segment: previous, position: previous.bytes, reason }, next);
      return;
    }
    this.#scan(segment, scan.input, next, (output) => {
      this.#logEndOffset = output.nextOffset;
      this.#takeEpochs(output);
      const [invalid] = output.invalid;
      const steps: Step[] = [
        (then) => (invalid ? this.#cutBehind({ segment, ...invalid }, then) : then(null)),
        (then) => {
          const hasIndexes = segment.adopt(output, scan.kept);
          // Those of a sealed segment are rebuilt when there is room.
          if (!hasIndexes && segment !== this.#segments.at(-1))
            this.#maintenance.push({ type: 'rebuild-indexes', segment, bytes: segment.bytes });
          then(null);
        },
      ];
      this.#inTurn(steps, next);
    });
  }

  /** Whether offsets are missing before the segment that no compaction can have removed. */
  #leavesHole({ baseOffset }: Segment): boolean {
    const start = recoveryStart(this.#options.recovery);
    return baseOffset !== this.#logEndOffset && baseOffset > (start?.offset ?? 0);
  }

  /**
   * Says what is cut, and removes the segments behind: the newest first, and for good before the one that stays is cut, so that
   * another crash leaves no hole.
   */
  #cutBehind({ segment, position, reason }: Cut, next: StepDone): void {
    const index = this.#segments.indexOf(segment);
    const removed = this.#segments.slice(index + 1);
    const bytes = removed.reduce((sum, later) => sum + later.bytes, segment.bytes - position);
    this.#warn('the log was cut at the first invalid batch', { file: segment.path, position, reason, bytes });
    this.#segments = this.#segments.slice(0, index + 1);
    this.#removeSegments(removed, next);
  }

  #removeSegments(segments: readonly Segment[], next: StepDone): void {
    if (segments.length === 0) {
      next(null);
      return;
    }
    for (const segment of segments) segment.release();
    const paths = segments.toReversed().flatMap((segment) => segment.paths());
    const remove = (path: string, then: StepDone): void => this.#disk.remove(path, then);
    inTurn(paths, remove, (error) => {
      if (error) next(error);
      else this.#disk.syncDirectory(this.#options.directory, next);
    });
  }

  /** Records below the log start were deleted on purpose: a log that ends before it begins anew there. */
  #startBehindEnd(next: StepDone): void {
    const { logStartOffset, directory, clock } = this.#options;
    if (logStartOffset <= this.#logEndOffset) {
      next(null);
      return;
    }
    const bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
    if (bytes > 0) {
      this.#warn('the log ends before its start offset and begins anew', {
        logEndOffset: this.#logEndOffset,
        logStartOffset,
        bytes,
      });
    }
    const steps: Step[] = [
      (then) => this.#removeSegments(this.#segments, then),
      (then) => {
        this.#segments = [Segment.create(this.#disk, directory, logStartOffset, clock.wallMs())];
        this.#logEndOffset = logStartOffset;
        this.#beganAnew = true;
        then(null);
      },
    ];
    this.#inTurn(steps, next);
  }

  /** Runs the scan as a job; where there is little to scan, the queue is full or the job's thread fails, right here. */
  #scan(
    { bytes }: Segment,
    input: SegmentScanInput,
    failed: StepDone,
    scanned: (output: SegmentScanOutput) => void,
  ): void {
    if (bytes - input.fromPosition <= (this.#options.scanHereBytes ?? 0)) {
      this.#options.clock.after(0, () => this.#scanHere(input, failed, scanned));
      return;
    }
    this.#options.jobs.run('scan-segment', input, (_error, output) => {
      if (output) {
        scanned(output);
        return;
      }
      this.#scanHere(input, failed, scanned);
    });
  }

  #scanHere(input: SegmentScanInput, failed: StepDone, scanned: (output: SegmentScanOutput) => void): void {
    const output = scanHere(this.#disk, input);
    if (output instanceof DiskError) failed(output);
    else scanned(output);
  }

  #restoreProducers(next: StepDone): void {
    const { disk, clock, jobs, recovery, directory, producerIdExpirationMs } = this.#options;
    const warn = (message: string, reason: string): void => this.#warn(message, { reason });
    const snapshots = new ProducerSnapshotFiles({ disk, directory, names: this.#names, warn });
    this.#snapshots = snapshots;
    const restore: Step = (then) =>
      restoreProducers(
        {
          disk,
          clock,
          jobs,
          snapshots,
          segments: this.#segments,
          logStartOffset: this.#logStartOffset,
          logEndOffset: this.#logEndOffset,
          clean: recovery.type === 'clean',
          expirationMs: producerIdExpirationMs ?? PRODUCER_ID_EXPIRATION_MS,
          warn,
        },
        (error, producers) => {
          this.#producers = producers;
          then(error);
        },
      );
    // Of a log that begins anew nothing is left that they could tell of.
    const forget: Step = (then) => snapshots.removeWhere(() => this.#beganAnew, then);
    this.#inTurn([forget, restore], next);
  }

  get #logStartOffset(): Offset {
    const first = present(this.#segments[0], 'a segment');
    return toOffset(Math.max(this.#options.logStartOffset, first.baseOffset));
  }

  #log(): Log {
    const { recovery } = this.#options;
    const logEndOffset = this.#logEndOffset;
    const logStartOffset = this.#logStartOffset;
    const recoveryPoint = durableOffset(recovery, logEndOffset);
    for (const [i, segment] of this.#segments.entries()) {
      const end = this.#segments[i + 1]?.baseOffset ?? logEndOffset;
      // The last index entries of one that ends right at the recovery point may have been written after the sync that moved it.
      const isSynced = recovery.type === 'clean' ? end <= recoveryPoint : end < recoveryPoint;
      if (!isSynced) segment.markUnsynced();
      segment.release();
    }
    const clamped = this.#epochs.clampToEnd(logEndOffset);
    const startMoved = this.#epochs.truncateFromStart(logStartOffset);
    return new Log(this.#options, {
      segments: this.#segments,
      logStartOffset,
      logEndOffset,
      recoveryPoint,
      firstDirtyOffset: toOffset(Math.min(this.#options.firstDirtyOffset, logEndOffset)),
      epochs: this.#epochs,
      epochsUnsaved: this.#epochsUnsaved || clamped || startMoved,
      folderUnsynced: this.#isFolderInDoubt,
      producers: this.#producers,
      snapshots: present(this.#snapshots, 'the producer snapshots'),
      maintenance: this.#maintenance.filter(({ segment }) => this.#segments.includes(segment)),
    });
  }

  /** A crash may have come before the first flush, and a log without batches is closed without one. */
  get #isFolderInDoubt(): boolean {
    const isEmpty = this.#segments.every(({ bytes }) => bytes === 0);
    return this.#isClaimed || isEmpty || this.#options.recovery.type !== 'clean';
  }

  #inTurn(steps: readonly Step[], done: StepDone): void {
    runSteps(this.#options.clock, steps, done);
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }

  #warn(message: string, fields: LogFields): void {
    const { topic, partition, logger } = this.#options;
    logger.warn(message, { topic, partition, ...fields });
  }
}

function scanHere(disk: Disk, input: SegmentScanInput): SegmentScanOutput | DiskError {
  try {
    return scanSegment(disk, input);
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}
