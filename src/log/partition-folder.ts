// The folder of a log: whose it is, and whether that survives a loss of power. A folder is made, and marked with its topic's id,
// without a sync: nothing in it is promised before the first flush of the log, which makes the mark and all names durable too.
// So a broker with thousands of new partitions does not wait for its disk thousands of times.
import { dirname } from 'node:path';
import type { Clock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import type { Offset, TopicId } from '../base/ids.js';
import { type Disk, DiskError } from '../io/disk.js';
import { PARTITION_METADATA_FILE } from './file-names.js';
import type { FlushedFile } from './flusher.js';
import { runSteps, type Step, type StepDone } from './in-turn.js';
import type { Operations } from './operations.js';
import { readPartitionTopicId, syncPartitionTopicId, writePartitionTopicId } from './partition-metadata.js';
import type { LogRecovery } from './recovery.js';

export interface FolderToClaim {
  readonly disk: Disk;
  readonly directory: string;
  readonly topicId: TopicId;
  readonly recovery: LogRecovery;
  /** From the checkpoint. */
  readonly logStartOffset: Offset;
  /** Of the files in the folder; none if there is no folder. */
  readonly names: readonly string[];
  /** Whether no segment has batches. */
  readonly isEmpty: () => boolean;
}

/**
 * Makes the folder if it is missing, and writes down whose it is. True if that had not been done before. Throws DiskError, or
 * {@link OdradekError} `ODR_CORRUPT` if the folder belongs to another topic, or does not say to whom though it should.
 */
export function claimFolder(folder: FolderToClaim): boolean {
  const { disk, directory, topicId, names } = folder;
  const isNamed = names.includes(PARTITION_METADATA_FILE);
  const found = isNamed ? readPartitionTopicId(disk, directory, () => isUnpromised(folder)) : null;
  if (found === topicId) return false;
  if (found)
    throw new OdradekError('ODR_CORRUPT', `${directory} belongs to topic id ${found}, not to ${topicId}`);
  if (names.length === 0) disk.makeDirectory(directory);
  writePartitionTopicId(disk, directory, topicId);
  return true;
}

/** No flush of the log was ever done, so that a loss of power may have come before anything in the folder was on the disk. */
function isUnpromised({ recovery, logStartOffset, isEmpty }: FolderToClaim): boolean {
  // A log that nothing was written to is closed without a flush.
  if (recovery.type === 'clean') return isEmpty();
  return recovery.type === 'from' && recovery.recoveryPoint <= logStartOffset;
}

export interface PartitionFolderOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly topicId: TopicId;
  readonly operations: Operations;
  /** Its name, the names in it and whose it is may not survive a loss of power. */
  readonly unsynced: boolean;
  /** The disk failed so that the log cannot go on. */
  readonly failed: (error: DiskError) => void;
}

export class PartitionFolder {
  readonly #options: PartitionFolderOptions;
  #unsynced: boolean;

  constructor(options: PartitionFolderOptions) {
    this.#options = options;
    this.#unsynced = options.unsynced;
  }

  /** Whether it may not survive a loss of power. */
  get unsynced(): boolean {
    return this.#unsynced;
  }

  /** Makes it durable. `done` is called once, at once if it is already. */
  sync(done: StepDone): void {
    if (!this.#unsynced) {
      done(null);
      return;
    }
    const { disk, clock, directory, operations } = this.#options;
    const { write, named } = this.flushed;
    operations.begin();
    const steps: Step[] = [write, (next) => disk.syncDirectory(directory, (error) => named(error, next))];
    runSteps(clock, steps, (error) => {
      done(error);
      operations.end();
    });
  }

  /** What a flush does while it may not survive. */
  get flushed(): FlushedFile {
    const { disk, clock, directory, topicId, failed } = this.#options;
    const orFailed =
      (next: StepDone): StepDone =>
      (error) => {
        if (error instanceof DiskError && !error.passes) failed(error);
        next(error);
      };
    const mark: Step = (next) => syncPartitionTopicId(disk, directory, topicId, next);
    return {
      write: (next) => runSteps(clock, [mark], orFailed(next)),
      named: (error, next) => {
        const ended: StepDone = orFailed((failure) => {
          if (!failure) this.#unsynced = false;
          next(failure);
        });
        if (error) ended(error);
        else disk.syncDirectory(dirname(directory), ended);
      },
    };
  }
}
