// The leader epochs of a log and their checkpoint file, which is written whenever they change: the newest version counts.
import { join } from 'node:path';
import type { LeaderEpoch, Offset } from '../base/ids.js';
import type { Disk, DiskError } from '../io/disk.js';
import { CheckpointWriter } from './checkpoint-file.js';
import { LEADER_EPOCH_FILE } from './file-names.js';
import type { FlushedFile } from './flusher.js';
import type { StepDone } from './in-turn.js';
import type { LeaderEpochEntry, LeaderEpochs } from './leader-epochs.js';
import type { Operations } from './operations.js';

export interface SavedEpochsOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly epochs: LeaderEpochs;
  /** The file does not say what `epochs` says. */
  readonly unsaved: boolean;
  readonly operations: Operations;
  readonly warn: (message: string, reason: string) => void;
}

const ignore = (): void => {};

export class SavedEpochs {
  readonly #epochs: LeaderEpochs;
  readonly #file: CheckpointWriter;
  readonly #operations: Operations;
  readonly #warn: (message: string, reason: string) => void;
  #version: number;
  #savedVersion = 0;
  /** All is saved but that the newest epoch began. */
  #onlyBegan = false;

  constructor({ disk, directory, epochs, unsaved, operations, warn }: SavedEpochsOptions) {
    this.#epochs = epochs;
    this.#file = new CheckpointWriter(disk, join(directory, LEADER_EPOCH_FILE));
    this.#operations = operations;
    this.#warn = warn;
    this.#version = unsaved ? 1 : 0;
  }

  /** Whether the file does not say what is known. */
  get unsaved(): boolean {
    return this.#savedVersion < this.#version;
  }

  /**
   * Whether a flush has to write the file. An epoch without batches need not be there: its leader's successor begins at the
   * same offset, and takes its place.
   */
  mustSave(logEndOffset: Offset): boolean {
    return this.unsaved && !(this.#onlyBegan && this.#epochs.entries.at(-1)?.startOffset === logEndOffset);
  }

  get latest(): LeaderEpoch {
    return this.#epochs.latest;
  }

  get entries(): readonly LeaderEpochEntry[] {
    return this.#epochs.entries;
  }

  /** As {@link LeaderEpochs.endOffsetFor}. */
  endOffsetFor(epoch: LeaderEpoch, logEndOffset: Offset): { epoch: LeaderEpoch; endOffset: Offset } | null {
    return this.#epochs.endOffsetFor(epoch, logEndOffset);
  }

  epochAt(offset: Offset): LeaderEpoch {
    return this.#epochs.epochAt(offset);
  }

  /** The epoch begins at the offset, unless it is the latest already; the file is written at once. */
  assign(epoch: LeaderEpoch, startOffset: Offset): void {
    if (this.#epochs.assign(epoch, startOffset)) this.save(ignore);
  }

  /** The epoch begins at the offset; the file says so when it is next written. */
  begin(epoch: LeaderEpoch, startOffset: Offset): void {
    const wasSaved = !this.unsaved;
    if (!this.#epochs.assign(epoch, startOffset)) return;
    this.#version++;
    this.#onlyBegan ||= wasSaved;
  }

  truncateFromEnd(logEndOffset: Offset): void {
    if (this.#epochs.truncateFromEnd(logEndOffset)) this.save(ignore);
  }

  truncateFromStart(logStartOffset: Offset): void {
    if (this.#epochs.truncateFromStart(logStartOffset)) this.save(ignore);
  }

  /** Writes the file. A failure is told, and what is unsaved stays so. */
  save(done: StepDone): void {
    const version = this.#nextVersion();
    this.#operations.begin();
    this.#file.write(this.#epochs.format(), (error) => {
      this.#ended(version, error);
      done(error);
      this.#operations.end();
    });
  }

  /** The same as a part of a flush. */
  get flushed(): FlushedFile {
    let version = 0;
    return {
      write: (next) => {
        version = this.#nextVersion();
        this.#file.place(this.#epochs.format(), (error) => {
          if (error) this.#ended(version, error);
          next(error);
        });
      },
      named: (error, next) => {
        this.#ended(version, error);
        next(error);
      },
    };
  }

  #nextVersion(): number {
    this.#onlyBegan = false;
    return ++this.#version;
  }

  #ended(version: number, error: DiskError | null): void {
    if (!error) this.#savedVersion = Math.max(this.#savedVersion, version);
    else if (!error.isFull) this.#warn('leader epochs could not be saved', error.message);
  }
}
