// The producer snapshots of a log, one file each (producer-snapshot.ts): taken when a segment begins and when the log is closed,
// written by the flush that makes durable what lies before them. Kept are the newest two and, as in Kafka, those at which a
// segment begins, which go with their segment.
import { join } from 'node:path';
import { OdradekError } from '../base/errors.js';
import type { Offset } from '../base/ids.js';
import type { Disk, DiskError } from '../io/disk.js';
import { placeFile } from './checkpoint-file.js';
import { parseSnapshotFileName, snapshotFileName } from './file-names.js';
import type { FlushedFile } from './flusher.js';
import { inTurn, type StepDone } from './in-turn.js';
import { decodeProducerSnapshot, encodeProducerSnapshot } from './producer-snapshot.js';
import { ProducerStates } from './producer-states.js';

export interface ProducerSnapshotFilesOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** Of the files in the folder, sorted. */
  readonly names: readonly string[];
  readonly warn: (message: string, reason: string) => void;
}

/** A snapshot that is not written yet. */
interface Snapshot {
  readonly offset: Offset;
  readonly content: Buffer;
}

/** Snapshots at other offsets than the start of a segment. */
const OTHERS_KEPT = 2;

export class ProducerSnapshotFiles {
  readonly #options: ProducerSnapshotFilesOptions;
  /** Of the files, ascending. */
  #offsets: Offset[];
  /** Only the newest: those that it overtakes are never written. */
  #pending: Snapshot | null = null;

  constructor(options: ProducerSnapshotFilesOptions) {
    this.#options = options;
    this.#offsets = options.names.flatMap((name) => parseSnapshotFileName(name) ?? []);
  }

  /** Of the files, ascending. */
  get offsets(): readonly Offset[] {
    return this.#offsets;
  }

  /** Whether a snapshot that was taken is not on the disk. */
  get pending(): boolean {
    return this.#pending !== null;
  }

  /** What the log knows of its producers at its end, which is `offset`. Nothing to do if there is that snapshot already. */
  take(offset: Offset, producers: ProducerStates): void {
    const newest = this.#pending?.offset ?? this.#offsets.at(-1) ?? 0;
    if (offset > newest) this.#pending = { offset, content: encodeProducerSnapshot(producers.all) };
  }

  /**
   * What writes the snapshot taken last, and then removes those that are not needed any more; null if there is none to write.
   * To be run when the batches before it are durable. A failure is told, and the next flush tries again.
   */
  flushed(segmentBases: () => ReadonlySet<Offset>): FlushedFile | null {
    const snapshot = this.#pending;
    if (!snapshot) return null;
    const { disk, warn } = this.#options;
    let isPlaced = false;
    const failed = (error: DiskError): void => {
      if (!error.isFull) warn('a producer snapshot could not be written', error.message);
    };
    return {
      write: (next) => {
        placeFile(disk, this.#path(snapshot.offset), snapshot.content, (error) => {
          isPlaced = error === null;
          if (error) failed(error);
          // Whether or not it will be durable: a truncation must remove it.
          else if (this.#offsets.at(-1) !== snapshot.offset) this.#offsets.push(snapshot.offset);
          next(null);
        });
      },
      named: (error, next) => {
        if (error && isPlaced) failed(error);
        if (error || !isPlaced) {
          next(null);
          return;
        }
        if (this.#pending === snapshot) this.#pending = null;
        this.#remove(this.#strays(segmentBases()), (failure) => {
          if (failure) warn('a producer snapshot could not be removed', failure.message);
          next(null);
        });
      },
    };
  }

  /**
   * The producers at an offset of {@link offsets}; null if the file is damaged, or went with its segment. Then another snapshot
   * may be taken there. Throws DiskError.
   */
  read(offset: Offset): ProducerStates | null {
    const path = this.#path(offset);
    const content = this.#options.disk.readFile(path);
    try {
      if (content) return new ProducerStates(decodeProducerSnapshot(path, content));
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      this.#options.warn('a damaged producer snapshot is ignored', error.message);
    }
    this.#offsets = this.#offsets.filter((each) => each !== offset);
    return null;
  }

  /** Removes the snapshots for which it is asked to, for good: none of them comes back after a loss of power. */
  removeWhere(stale: (offset: Offset) => boolean, done: StepDone): void {
    if (this.#pending && stale(this.#pending.offset)) this.#pending = null;
    const { disk, directory } = this.#options;
    const removed = this.#offsets.filter(stale);
    this.#remove(removed, (error) => {
      if (error || removed.length === 0) done(error);
      else disk.syncDirectory(directory, done);
    });
  }

  /** Removes what no segment begins with, but for the newest two. */
  removeStrays(segmentBases: ReadonlySet<Offset>, done: StepDone): void {
    this.#remove(this.#strays(segmentBases), done);
  }

  #strays(segmentBases: ReadonlySet<Offset>): Offset[] {
    return this.#offsets.slice(0, -OTHERS_KEPT).filter((offset) => !segmentBases.has(offset));
  }

  #remove(offsets: readonly Offset[], done: StepDone): void {
    const removed = new Set(offsets);
    this.#offsets = this.#offsets.filter((offset) => !removed.has(offset));
    const remove = (offset: Offset, next: StepDone): void => {
      this.#options.disk.remove(this.#path(offset), (error: DiskError | null) => next(error));
    };
    inTurn(offsets, remove, done);
  }

  #path(offset: Offset): string {
    return join(this.#options.directory, snapshotFileName(offset));
  }
}
