// What the data directory as a whole remembers: offsets up to which each log is safely on disk and from which it begins, and
// whether the last stop was clean. The workers report, the supervisor writes it down from time to time. Files and formats are
// Kafka's: recovery-point-offset-checkpoint, log-start-offset-checkpoint, .kafka_cleanshutdown.
import { join } from 'node:path';
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
  readOffsetCheckpoint,
  writeOffsetCheckpoint,
} from '../log/checkpoint-file.js';
import {
  deletePartitionFolder,
  hasCleanShutdownMark,
  listPartitionFolders,
  markCleanShutdown,
  partitionFolderName,
} from '../log/data-directory.js';
import type { LogRecovery } from '../log/open-log.js';
import { readPartitionTopicId } from '../log/partition-metadata.js';
import type { PartitionCheckpoint } from '../partition/messages.js';

export interface DataDirectoryOptions {
  readonly path: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly checkpointIntervalMs: number;
  /** Topics whose folders are not the supervisor's. */
  readonly foreign: readonly string[];
}

/** A roll or a flush is written down after so long at most: the less a crash leaves to be scanned, the faster the start. */
const CHECKPOINT_SOON_MS = 1000;

export class DataDirectoryState {
  readonly #options: DataDirectoryOptions;
  /** Whether the last owner stopped cleanly, or there was none. */
  readonly clean: boolean;
  readonly #checkpoints = new Map<string, PartitionCheckpoint>();
  readonly #folders: Set<string>;
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
    // A foreign folder too: the metadata log of a broker that crashed before it had any partition must be recovered.
    this.clean = hasCleanShutdownMark(disk, path) || folders.length === 0;
    const starts = this.#read('log-start-offset-checkpoint');
    const startOf = new Map(
      starts.map((entry) => [partitionFolderName(entry.topic, entry.partition), entry.offset]),
    );
    for (const { topic, partition, offset } of this.#read('recovery-point-offset-checkpoint')) {
      const name = partitionFolderName(topic, partition);
      const logStartOffset = startOf.get(name) ?? ZERO_OFFSET;
      this.#checkpoints.set(name, { topic, partition, recoveryPoint: offset, logStartOffset });
    }
  }

  partitionFolder(topic: string, partition: PartitionIndex): string {
    return join(this.#options.path, partitionFolderName(topic, partition));
  }

  /** Whether the partition had a folder when the broker started. */
  hasFolder(topic: string, partition: PartitionIndex): boolean {
    return this.#folders.has(partitionFolderName(topic, partition));
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

  /** A worker reports what is on disk. */
  checkpoint(checkpoint: PartitionCheckpoint): void {
    this.#checkpoints.set(partitionFolderName(checkpoint.topic, checkpoint.partition), checkpoint);
    this.#changed = true;
    const delayMs = Math.min(CHECKPOINT_SOON_MS, this.#options.checkpointIntervalMs);
    if (!this.#closed) this.#timer ??= this.#options.clock.after(delayMs, () => this.#write());
  }

  /** A log was opened. `done` is called when no higher recovery point of it is written down, at once if there is none. */
  opened(checkpoint: PartitionCheckpoint, done: () => void): void {
    const known = this.#checkpoints.get(partitionFolderName(checkpoint.topic, checkpoint.partition));
    const lower = known !== undefined && checkpoint.recoveryPoint < known.recoveryPoint;
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
    const { disk, clock } = this.#options;
    const removeFrom = (first: number): void => {
      for (let index = first; index < partitions; index++) {
        const partition = toPartitionIndex(index);
        const name = partitionFolderName(topic, partition);
        this.#checkpoints.delete(name);
        this.#folders.delete(name);
        this.#changed = true;
        if (!this.#belongsTo(topicId, name)) continue;
        const folder = this.partitionFolder(topic, partition);
        deletePartitionFolder(disk, clock, folder, 0, (error) => {
          if (error) done(error);
          else removeFrom(index + 1);
        });
        return;
      }
      this.#whenWritten.push(() => done(null));
      this.#changed = true;
      this.#write();
    };
    removeFrom(0);
  }

  #belongsTo(topicId: TopicId, name: string): boolean {
    try {
      return readPartitionTopicId(this.#options.disk, join(this.#options.path, name)) === topicId;
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
      return true; // Damaged, and in the way of a topic of that name.
    }
  }

  /** Writes what is pending and, if the stop is clean, the mark that says so. */
  close(clean: boolean, done: () => void): void {
    this.#closed = true;
    if (this.#timer) this.#options.clock.cancel(this.#timer);
    this.#timer = null;
    this.#changed = true;
    this.#whenWritten.push(() => {
      if (!clean) done();
      else {
        markCleanShutdown(this.#options.disk, this.#options.path, (error) => {
          if (error)
            this.#options.logger.error('the clean stop could not be marked', { reason: error.message });
          done();
        });
      }
    });
    this.#write();
  }

  #read(name: 'recovery-point-offset-checkpoint' | 'log-start-offset-checkpoint'): OffsetCheckpointEntry[] {
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
    if (this.#writing || !this.#changed) return;
    this.#writing = true;
    this.#changed = false;
    const { disk, path, logger } = this.#options;
    const checkpoints = [...this.#checkpoints.values()];
    const entries = (offset: (checkpoint: PartitionCheckpoint) => Offset) =>
      checkpoints.map((checkpoint) => ({
        topic: checkpoint.topic,
        partition: checkpoint.partition,
        offset: offset(checkpoint),
      }));
    const ended = (error: DiskError | null) => {
      if (error) logger.error('a checkpoint cannot be written', { reason: error.message });
      this.#writing = false;
      if (error && !this.#closed) {
        // Who waits for it must go on waiting.
        this.#changed = true;
        this.#timer ??= this.#options.clock.after(CHECKPOINT_SOON_MS, () => this.#write());
        return;
      }
      if (this.#changed) {
        if (this.#closed || this.#whenWritten.length > 0) this.#write();
        else this.#timer ??= this.#options.clock.after(CHECKPOINT_SOON_MS, () => this.#write());
        return;
      }
      for (const written of this.#whenWritten.splice(0)) written(error);
    };
    writeOffsetCheckpoint(
      disk,
      path,
      'recovery-point-offset-checkpoint',
      entries(({ recoveryPoint }) => recoveryPoint),
      (error) => {
        if (error) ended(error);
        else
          writeOffsetCheckpoint(
            disk,
            path,
            'log-start-offset-checkpoint',
            entries(({ logStartOffset }) => logStartOffset),
            ended,
          );
      },
    );
  }
}
