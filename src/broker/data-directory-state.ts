// What the data directory as a whole remembers: offsets up to which each log is safely on disk and from which it begins, and
// whether the last stop was clean. The workers report, the supervisor writes it down from time to time. Files and formats are
// Kafka's: recovery-point-offset-checkpoint, log-start-offset-checkpoint, cleaner-offset-checkpoint, .kafka_cleanshutdown.
//
// It also knows how the directory is. On a full disk it gives up pieces of the reserve for what must be written, and tries again. A
// directory that takes no checkpoint for another reason, several times in a row, is dead: nothing is written to it any more.
import { basename, join } from 'node:path';
import { assert } from '../base/assert.js';
import type { Clock, Timer } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import {
  type Offset,
  type PartitionIndex,
  type TopicId,
  toPartitionIndex,
  ZERO_OFFSET,
} from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Disk, DiskError } from '../io/disk.js';
import {
  type OffsetCheckpointEntry,
  type OffsetCheckpointName,
  readOffsetCheckpoint,
  writeOffsetCheckpoint,
} from '../log/checkpoint-file.js';
import {
  deletePartitionFolder,
  hasCleanShutdownMark,
  listPartitionFolders,
  markCleanShutdown,
  partitionFolderName,
  readMetaProperties,
  setFolderAside,
} from '../log/data-directory.js';
import { runSteps, type StepDone, severalAtOnce } from '../log/in-turn.js';
import type { LogToMeasure } from '../log/measure-recovery.js';
import type { LogRecovery } from '../log/open-log.js';
import { readPartitionTopicId } from '../log/partition-metadata.js';
import { DiskRoom, TRIAL_FILE_PREFIX } from '../partition/disk-room.js';
import type { PartitionCheckpoint, PartitionName } from '../partition/messages.js';
import { DiskReserve } from './disk-reserve.js';

export interface DataDirectoryOptions {
  readonly path: string;
  /** From its meta.properties. */
  readonly directoryId: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly checkpointIntervalMs: number;
  /** Topics whose folders are not the supervisor's. */
  readonly foreign: readonly string[];
}

/** How a data directory is, for health checks and metrics. */
export interface DataDirectoryReport {
  readonly path: string;
  /** There is no room on its disk. */
  readonly full: boolean;
  /** Why nothing in it is served; null while it is. */
  readonly offline: string | null;
  readonly partitions: number;
}

/** A roll or a flush is written down after so long at most: the less a crash leaves to be scanned, the faster the start. */
const CHECKPOINT_SOON_MS = 1000;
/** After so many checkpoints in a row that the disk refused, a directory is dead; a file system that turned read-only is at once. */
const FAILURES_MAX = 5;
/** Folders of a deleted topic that are removed at a time. */
const REMOVALS_MAX = 64;
/** The reserve is filled when a start has had its time, and if there is no room then, tried again now and then. */
const RESERVE_MS = 1000;
const RESERVE_RETRY_MS = 30_000;

/** Which file keeps which offset. Of logs that were never compacted the last one says nothing, as Kafka's. */
type CheckpointFile = readonly [
  name: OffsetCheckpointName,
  field: 'recoveryPoint' | 'logStartOffset' | 'firstDirtyOffset',
];
const CHECKPOINT_FILES: readonly CheckpointFile[] = [
  ['recovery-point-offset-checkpoint', 'recoveryPoint'],
  ['log-start-offset-checkpoint', 'logStartOffset'],
  ['cleaner-offset-checkpoint', 'firstDirtyOffset'],
];

export class DataDirectoryState {
  readonly #options: DataDirectoryOptions;
  readonly #checkpoints = new Map<string, PartitionCheckpoint>();
  /** Partitions that had a folder here when the broker started. */
  readonly #folders: Set<string>;
  /** Those, and the ones that were placed here since. */
  readonly #partitions: Set<string>;
  /** Partitions of which another directory's memory is being written down here. */
  readonly #takingOver = new Set<string>();
  readonly #room: DiskRoom;
  readonly #reserve: DiskReserve;
  #reserveTimer: Timer | null;
  #clean: boolean;
  #failures = 0;
  #offline: string | null = null;
  /** Called when the disk has no room, and when it has some again. */
  roomChanged: (full: boolean) => void = () => {};
  /** Called once, when the directory turns out to be dead. */
  died: (reason: string) => void = () => {};
  /** What each file holds, once it was written. */
  readonly #written = new Map<OffsetCheckpointName, string>();
  #changed = false;
  #writing = false;
  #whenWritten: ((error: DiskError | null) => void)[] = [];
  #timer: Timer | null = null;
  #closed = false;

  /** Reads the directory's state. Throws {@link OdradekError} ODR_CORRUPT or DiskError. */
  constructor(options: DataDirectoryOptions) {
    this.#options = options;
    const { disk, path } = options;
    const folders = listPartitionFolders(disk, path);
    const ours = folders.filter(({ topic }) => !options.foreign.includes(topic));
    this.#folders = new Set(ours.map(({ topic, partition }) => partitionFolderName(topic, partition)));
    this.#partitions = new Set(this.#folders);
    for (const name of disk.list(path))
      if (name.startsWith(TRIAL_FILE_PREFIX)) disk.remove(join(path, name), () => {});
    this.#reserve = new DiskReserve(disk, path);
    this.#room = this.#watchRoom();
    this.#reserveTimer = this.#fillReserveLater(RESERVE_MS);
    // A foreign folder too: the metadata log of a broker that crashed before it had any partition must be recovered.
    this.#clean = hasCleanShutdownMark(disk, path) || folders.length === 0;
    const starts = this.#readByFolder('log-start-offset-checkpoint');
    const firstDirty = this.#readByFolder('cleaner-offset-checkpoint');
    for (const { topic, partition, offset } of this.#read('recovery-point-offset-checkpoint')) {
      const name = partitionFolderName(topic, partition);
      const logStartOffset = starts.get(name) ?? ZERO_OFFSET;
      const firstDirtyOffset = firstDirty.get(name) ?? ZERO_OFFSET;
      this.#checkpoints.set(name, {
        topic,
        partition,
        recoveryPoint: offset,
        logStartOffset,
        firstDirtyOffset,
      });
    }
  }

  get path(): string {
    return this.#options.path;
  }

  get directoryId(): string {
    return this.#options.directoryId;
  }

  /** Whether the last owner stopped cleanly, or there was none. */
  get clean(): boolean {
    return this.#clean;
  }

  /** Why nothing in it is served any more; null while it is. */
  get offline(): string | null {
    return this.#offline;
  }

  /** How many partitions lie here. */
  get partitions(): number {
    return this.#partitions.size;
  }

  get report(): DataDirectoryReport {
    const { path, offline, partitions } = this;
    return { path, full: this.#room.shortage !== null, offline, partitions };
  }

  /**
   * Looks whether the directory is still there, and is the same. To be called before a log in it is opened, which makes what
   * folders are missing: one that was taken away would come back empty.
   */
  verify(): void {
    const { disk, path, directoryId } = this.#options;
    if (this.#offline !== null) return;
    try {
      if (readMetaProperties(disk, path)?.directoryId !== directoryId)
        this.#die(
          new DiskError('ENOENT', path, 'the data directory is gone, or another one has taken its place'),
        );
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
      if (!(error instanceof DiskError && error.passes)) this.#die(error);
    }
  }

  /** A partition lies here from now on. */
  place(topic: string, partition: PartitionIndex): void {
    this.#partitions.add(partitionFolderName(topic, partition));
  }

  /** The folder of the partition as it was at the start, whose topic's id it bears: null if it says none. Throws DiskError. */
  topicIdOf(topic: string, partition: PartitionIndex): TopicId | null {
    try {
      return readPartitionTopicId(this.#options.disk, this.partitionFolder(topic, partition));
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      return null;
    }
  }

  /** Somebody's write found no room; it is said once, and again when there is some. */
  ranOut(error: DiskError): void {
    if (this.#offline === null) this.#room.ranOut(error);
  }

  /** Gives up a piece of the reserve for what must be written now; false if there is none. */
  makeRoom(error: DiskError): boolean {
    this.ranOut(error);
    return this.#offline === null && this.#reserve.release();
  }

  /** A log in it failed: whether the directory is dead is seen by a checkpoint. */
  check(): void {
    this.#changed = true;
    this.#written.clear();
    this.#write();
  }

  #watchRoom(): DiskRoom {
    const { path: directory, disk, clock, logger } = this.#options;
    return new DiskRoom({
      directory,
      owner: 'broker',
      disk,
      clock,
      ended: ({ message }) => {
        const advice = 'records are refused until there is room, then writing goes on by itself';
        logger.error('the disk of a data directory is full', { directory, reason: message, advice });
        this.roomChanged(true);
      },
      returned: () => {
        logger.info('the disk of a data directory has room again', { directory });
        this.#reserve.fill();
        this.roomChanged(false);
      },
    });
  }

  #fillReserveLater(delayMs: number): Timer {
    return this.#options.clock.after(delayMs, () => {
      const isFilled = this.#room.shortage === null && this.#reserve.fill();
      this.#reserveTimer = isFilled ? null : this.#fillReserveLater(RESERVE_RETRY_MS);
    });
  }

  #die({ message }: Error): void {
    if (this.#offline !== null) return;
    this.#offline = message;
    this.#stopTimers();
    this.died(message);
  }

  #stopTimers(): void {
    const { clock } = this.#options;
    for (const timer of [this.#timer, this.#reserveTimer]) if (timer) clock.cancel(timer);
    this.#timer = null;
    this.#reserveTimer = null;
    this.#room.close();
  }

  partitionFolder(topic: string, partition: PartitionIndex): string {
    return join(this.#options.path, partitionFolderName(topic, partition));
  }

  /** Whether the partition had a folder when the broker started. */
  hasFolder(topic: string, partition: PartitionIndex): boolean {
    return this.#folders.has(partitionFolderName(topic, partition));
  }

  /** Whether a checkpoint tells of the partition, or of one that had its name. */
  remembers(topic: string, partition: PartitionIndex): boolean {
    return this.#checkpoints.has(partitionFolderName(topic, partition));
  }

  /** What a crash left behind of a partition, null if nothing. */
  leftBehind(topic: string, partition: PartitionIndex): LogToMeasure | null {
    const recovery = this.recoveryFor(topic, partition);
    if (recovery.type !== 'from') return null;
    return { directory: this.partitionFolder(topic, partition), recoveryPoint: recovery.recoveryPoint };
  }

  recoveryFor(topic: string, partition: PartitionIndex): LogRecovery {
    const name = partitionFolderName(topic, partition);
    if (this.clean || !this.#folders.has(name)) return { type: 'clean' };
    return { type: 'from', recoveryPoint: this.#checkpoints.get(name)?.recoveryPoint ?? ZERO_OFFSET };
  }

  /** For a log whose owner died in this process: nothing above its recovery point can be trusted. */
  recoveryAfterDeath(topic: string, partition: PartitionIndex): LogRecovery {
    const recoveryPoint = this.#checkpoints.get(partitionFolderName(topic, partition))?.recoveryPoint;
    return { type: 'from', recoveryPoint: recoveryPoint ?? ZERO_OFFSET };
  }

  logStartOffset(topic: string, partition: PartitionIndex): Offset {
    return this.#checkpoints.get(partitionFolderName(topic, partition))?.logStartOffset ?? ZERO_OFFSET;
  }

  /** Where the next compaction of the log begins. */
  firstDirtyOffset(topic: string, partition: PartitionIndex): Offset {
    return this.#checkpoints.get(partitionFolderName(topic, partition))?.firstDirtyOffset ?? ZERO_OFFSET;
  }

  /** A worker reports what is on disk. */
  checkpoint(checkpoint: PartitionCheckpoint): void {
    this.#checkpoints.set(partitionFolderName(checkpoint.topic, checkpoint.partition), checkpoint);
    this.#changed = true;
    const delayMs = Math.min(CHECKPOINT_SOON_MS, this.#options.checkpointIntervalMs);
    this.#writeLater(delayMs);
  }

  /** Takes over what another directory remembers of a partition whose folder was moved here while the broker was stopped. */
  takeOver({ topic, partition }: PartitionName, from: DataDirectoryState): void {
    const name = partitionFolderName(topic, partition);
    const checkpoint = from.#checkpoints.get(name);
    assert(checkpoint !== undefined, `${from.path} remembers ${name}`);
    if (!from.#clean) this.#clean = false;
    this.#takingOver.add(name);
    // The other one forgets it only when it is written down here.
    this.startMoved(checkpoint, (error) => {
      if (error !== null) return;
      this.#takingOver.delete(name);
      from.#forget(name);
    });
  }

  /** Whether what another directory remembers of the partition is not yet written down here. */
  isTakingOver(topic: string, partition: PartitionIndex): boolean {
    return this.#takingOver.has(partitionFolderName(topic, partition));
  }

  /** `done` is called when it is, at once if there is nothing to write; with an error only if the broker stops. */
  whenTakenOver(topic: string, partition: PartitionIndex, done: (error: Error | null) => void): void {
    if (this.isTakingOver(topic, partition)) this.#writeNow(done);
    else done(null);
  }

  #forget(name: string): void {
    this.#checkpoints.delete(name);
    this.#changed = true;
    this.#writeLater(CHECKPOINT_SOON_MS);
  }

  #writeLater(delayMs: number): void {
    if (this.#closed || this.#offline !== null) return;
    this.#timer ??= this.#options.clock.after(delayMs, () => this.#write());
  }

  /**
   * A log was opened. `done` is called when no higher recovery point, and no higher end of its compacted part, is written down
   * for it, at once if none was.
   */
  opened(checkpoint: PartitionCheckpoint, done: () => void): void {
    const known = this.#checkpoints.get(partitionFolderName(checkpoint.topic, checkpoint.partition));
    const lower =
      known !== undefined &&
      (checkpoint.recoveryPoint < known.recoveryPoint ||
        checkpoint.firstDirtyOffset < known.firstDirtyOffset);
    this.checkpoint(checkpoint);
    if (!lower) {
      done();
      return;
    }
    this.#whenWritten.push(() => done());
    this.#write();
  }

  /** A log begins later than before. `done` is called when that is written down; with an error only if the broker stops. */
  startMoved(checkpoint: PartitionCheckpoint, done: (error: DiskError | null) => void): void {
    this.checkpoint(checkpoint);
    this.#writeNow(done);
  }

  #writeNow(done: (error: DiskError | null) => void): void {
    this.#changed = true;
    this.#whenWritten.push(done);
    this.#write();
  }

  /**
   * Removes the folders of a deleted topic that still bear its id, and what the checkpoints say of it: before that is
   * written, no topic of the same name may be created, or a crash would have it begin where the old one ended.
   */
  removeTopic(
    topic: string,
    topicId: TopicId,
    partitions: number,
    done: (error: Error | null) => void,
  ): void {
    const names = Array.from({ length: partitions }, (_, index) =>
      partitionFolderName(topic, toPartitionIndex(index)),
    );
    for (const name of names) {
      this.#checkpoints.delete(name);
      this.#folders.delete(name);
      this.#partitions.delete(name);
    }
    runSteps(this.#options.clock, [(next) => this.#removeFolders(topicId, names, next)], (error) => {
      if (error) done(error);
      else this.#writeNow(done);
    });
  }

  /**
   * Sets the folder aside that bears the partition's name, and forgets what the checkpoints say of it: both are of another topic
   * that had the name. `done` is called when that survives a loss of power. As long as it is not, the folder counts as it did.
   */
  clear(topic: string, partition: PartitionIndex, done: (error: Error | null) => void): void {
    const { disk, clock, path: directory, logger } = this.#options;
    const name = partitionFolderName(topic, partition);
    const setAside = (next: StepDone): void => {
      if (!this.#folders.has(name)) {
        next(null);
        return;
      }
      setFolderAside(disk, this.partitionFolder(topic, partition), (result) => {
        if (typeof result === 'string')
          logger.warn('a folder was set aside: it is not of the topic whose name it bears', {
            ...{ topic, partition, directory, folder: basename(result) },
          });
        next(result instanceof Error ? result : null);
      });
    };
    runSteps(clock, [setAside], (error) => {
      if (error) {
        logger.warn('a folder cannot be set aside', { topic, partition, directory, reason: error.message });
        done(error);
        return;
      }
      this.#folders.delete(name);
      this.#partitions.delete(name);
      this.#checkpoints.delete(name);
      this.#writeNow(done);
    });
  }

  /** Those that still bear the id. Throws DiskError. */
  #removeFolders(topicId: TopicId, names: readonly string[], done: (error: Error | null) => void): void {
    const { disk, clock, path } = this.#options;
    const present = new Set(disk.list(path));
    const left = names.filter((name) => present.has(name));
    const remove = (name: string, next: (error: Error | null) => void): void => {
      if (this.#belongsTo(topicId, name)) deletePartitionFolder(disk, clock, join(path, name), 0, next);
      else next(null);
    };
    severalAtOnce(left, REMOVALS_MAX, remove, done);
  }

  #belongsTo(topicId: TopicId, name: string): boolean {
    try {
      const found = readPartitionTopicId(this.#options.disk, join(this.#options.path, name));
      // One that says nothing is its own, from which a loss of power took that, or of one that was deleted before.
      return found === null || found === topicId;
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
      return true; // Damaged, and in the way of a topic of that name.
    }
  }

  /** Writes what is pending and, if the stop is clean, the mark that says so. */
  close(clean: boolean, done: () => void): void {
    this.#closed = true;
    this.#stopTimers();
    if (this.#offline !== null) {
      done();
      return;
    }
    this.#changed = true;
    this.#whenWritten.push(() => {
      if (clean) this.#markClean(done);
      else done();
    });
    this.#write();
  }

  #markClean(done: () => void): void {
    const { disk, path, logger } = this.#options;
    markCleanShutdown(disk, path, (error) => {
      if (error?.isFull && this.#reserve.release()) {
        this.#markClean(done);
        return;
      }
      if (error) logger.error('the clean stop could not be marked', { reason: error.message });
      done();
    });
  }

  #readByFolder(name: OffsetCheckpointName): ReadonlyMap<string, Offset> {
    return new Map(
      this.#read(name).map((entry) => [partitionFolderName(entry.topic, entry.partition), entry.offset]),
    );
  }

  #read(name: OffsetCheckpointName): OffsetCheckpointEntry[] {
    try {
      return readOffsetCheckpoint(this.#options.disk, this.#options.path, name);
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      // Everything is scanned instead, which is slower and loses nothing.
      this.#options.logger.warn('damaged checkpoint ignored', { reason: error.message });
      return [];
    }
  }

  #write(): void {
    this.#timer = null;
    if (this.#offline !== null) {
      const error = new DiskError(
        'EIO',
        this.#options.path,
        `the data directory is offline (${this.#offline})`,
      );
      for (const written of this.#whenWritten.splice(0)) written(error);
      return;
    }
    if (this.#writing || !this.#changed) return;
    this.#writing = true;
    this.#changed = false;
    this.#writeFiles(CHECKPOINT_FILES, [...this.#checkpoints.values()], (error) => this.#writeEnded(error));
  }

  #writeEnded(error: DiskError | null): void {
    this.#writing = false;
    if (error) this.#writeFailed(error);
    else {
      this.#failures = 0;
      if (!this.#changed) this.#tellWritten(null);
      else if (this.#closed || this.#whenWritten.length > 0) this.#write();
      else this.#writeLater(CHECKPOINT_SOON_MS);
    }
  }

  /** Who waits for a checkpoint waits on, until it is written or nothing more will be. */
  #writeFailed(error: DiskError): void {
    this.#changed = true;
    if (error.isFull && this.makeRoom(error)) {
      this.#write();
      return;
    }
    if (!error.isFull)
      this.#options.logger.error('a checkpoint cannot be written', { reason: error.message });
    if (this.#closed) {
      this.#tellWritten(error);
      return;
    }
    if (error.code === 'EROFS' || (!error.passes && ++this.#failures >= FAILURES_MAX)) {
      this.#die(error);
      this.#tellWritten(error);
    } else this.#writeLater(CHECKPOINT_SOON_MS);
  }

  #tellWritten(error: DiskError | null): void {
    for (const written of this.#whenWritten.splice(0)) written(error);
  }

  /** One after the other; a file that would not change is left as it is. */
  #writeFiles(
    [file, ...others]: readonly CheckpointFile[],
    checkpoints: readonly PartitionCheckpoint[],
    done: (error: DiskError | null) => void,
  ): void {
    if (file === undefined) {
      done(null);
      return;
    }
    const [name, field] = file;
    const entries = checkpoints
      .map(({ topic, partition, [field]: offset }) => ({ topic, partition, offset }))
      .filter(({ offset }) => field !== 'firstDirtyOffset' || offset > ZERO_OFFSET);
    const content = JSON.stringify(entries);
    if (this.#written.get(name) === content) {
      this.#writeFiles(others, checkpoints, done);
      return;
    }
    const { disk, path } = this.#options;
    writeOffsetCheckpoint(disk, path, name, entries, (error) => {
      if (error) this.#written.delete(name);
      else this.#written.set(name, content);
      if (error) done(error);
      else this.#writeFiles(others, checkpoints, done);
    });
  }
}
