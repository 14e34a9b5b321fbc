// Kafka's checkpoint files: a version (0), the number of entries, then one entry a line, its fields parted by a space.
//
//   0\n | 2\n | orders 0 17\n | orders 1 23\n
//
// They are replaced as a whole: a temporary file is written, synced and renamed over the old one, then the folder is synced,
// so that after a loss of power either the old content or the new one is there. Source: Kafka's CheckpointFile format as
// DumpLogSegments and the broker read it.
import { dirname, join } from 'node:path';
import { OdradekError } from '../base/errors.js';
import { type Offset, type PartitionIndex, toOffset, toPartitionIndex } from '../base/ids.js';
import type { Disk, DiskDone, DiskFile } from '../io/disk.js';
import { DiskError } from '../io/disk.js';
import { TEMPORARY_SUFFIX } from './file-names.js';

const VERSION = '0';

/** The text of a checkpoint with these lines. */
export function formatCheckpoint(lines: readonly string[]): string {
  return `${VERSION}\n${lines.length}\n${lines.map((line) => `${line}\n`).join('')}`;
}

/**
 * The entries of a checkpoint, each as its fields, every one of which is checked to have `fieldCount` of them.
 * Throws {@link OdradekError} `ODR_CORRUPT` that names the file and what is wrong in it.
 */
export function parseCheckpoint(path: string, text: string, fieldCount: number): string[][] {
  const corrupt = (reason: string) => new OdradekError('ODR_CORRUPT', `${path}: ${reason}`);
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const [version, count, ...entries] = lines;
  if (version !== VERSION) throw corrupt(`checkpoint version ${version ?? ''}, only 0 is known`);
  if (count === undefined || !/^\d+$/.test(count))
    throw corrupt('the second line is not a number of entries');
  if (entries.length !== Number(count)) throw corrupt(`${entries.length} entries, but ${count} announced`);
  return entries.map((entry) => {
    const fields = entry.split(/ +/);
    if (fields.length !== fieldCount) throw corrupt(`malformed line "${entry}"`);
    return fields;
  });
}

/** The field as a whole number in the safe range; throws {@link OdradekError} `ODR_CORRUPT`. */
export function checkpointNumber(path: string, field: string | undefined): number {
  const value = Number(field);
  if (field === undefined || !/^-?\d+$/.test(field) || !Number.isSafeInteger(value)) {
    throw new OdradekError('ODR_CORRUPT', `${path}: "${field}" is not a number in the safe range`);
  }
  return value;
}

/** Replaces a file atomically and durably. On an error the old content stands. */
export function replaceFile(disk: Disk, path: string, content: string | Uint8Array, done: DiskDone): void {
  placeFile(disk, path, content, (error) => {
    if (error) done(error);
    else disk.syncDirectory(dirname(path), done);
  });
}

/**
 * The same, but that the folder is not synced: a loss of power leaves the old content or the new one until the caller has done
 * that.
 */
export function placeFile(disk: Disk, path: string, content: string | Uint8Array, done: DiskDone): void {
  const temporary = path + TEMPORARY_SUFFIX;
  let file: DiskFile | null = null;
  const finish = (error: DiskError | null): void => {
    if (file) disk.close(file);
    file = null;
    if (error) disk.remove(temporary, () => done(error));
    else {
      disk.rename(temporary, path, (renameError) => {
        if (renameError) disk.remove(temporary, () => done(renameError));
        else done(null);
      });
    }
  };
  try {
    file = disk.open(temporary, 'write');
    disk.truncate(file, 0);
    disk.write(file, 0, [typeof content === 'string' ? Buffer.from(content) : content]);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    finish(error);
    return;
  }
  disk.sync(file, finish);
}

/**
 * Replaces one file again and again. A write that comes while another is under way waits, and only the newest waiting content
 * is written: at most two contents are held.
 */
export class CheckpointWriter {
  readonly #disk: Disk;
  readonly #path: string;
  #writing = false;
  #next: { content: string; durably: boolean; done: DiskDone[] } | null = null;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** `done` is called once this content, or a newer one, is durable. */
  write(content: string, done: DiskDone): void {
    this.#add(content, true, done);
  }

  /** The same, but that the folder need not be synced yet: {@link placeFile}. */
  place(content: string, done: DiskDone): void {
    this.#add(content, false, done);
  }

  #add(content: string, durably: boolean, done: DiskDone): void {
    if (this.#next) {
      this.#next.content = content;
      this.#next.durably ||= durably;
      this.#next.done.push(done);
    } else this.#next = { content, durably, done: [done] };
    if (!this.#writing) this.#writeNext();
  }

  #writeNext(): void {
    const current = this.#next;
    if (!current) return;
    this.#next = null;
    this.#writing = true;
    const replace = current.durably ? replaceFile : placeFile;
    replace(this.#disk, this.#path, current.content, (error) => {
      this.#writing = false;
      this.#writeNext();
      for (const done of current.done) done(error);
    });
  }
}

/** The checkpoints of a data directory: one offset for each partition. */
export type OffsetCheckpointName =
  | 'recovery-point-offset-checkpoint'
  | 'log-start-offset-checkpoint'
  | 'cleaner-offset-checkpoint'
  | 'replication-offset-checkpoint';

export interface OffsetCheckpointEntry {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly offset: Offset;
}

/**
 * The entries of an offset checkpoint; none if there is no such file. Throws DiskError, or {@link OdradekError}
 * `ODR_CORRUPT` that names file and reason.
 */
export function readOffsetCheckpoint(
  disk: Disk,
  dataDirectory: string,
  name: OffsetCheckpointName,
): OffsetCheckpointEntry[] {
  const path = join(dataDirectory, name);
  const bytes = disk.readFile(path);
  if (!bytes) return [];
  return parseCheckpoint(path, bytes.toString(), 3).map(([topic, partition, offset]) => {
    const index = checkpointNumber(path, partition);
    const value = checkpointNumber(path, offset);
    if (!topic || index < 0 || index > 0x7fffffff || value < 0) {
      throw new OdradekError('ODR_CORRUPT', `${path}: malformed line "${topic} ${partition} ${offset}"`);
    }
    return { topic, partition: toPartitionIndex(index), offset: toOffset(value) };
  });
}

/** Replaces an offset checkpoint. Calls for the same file must not overlap: wait for `done`. */
export function writeOffsetCheckpoint(
  disk: Disk,
  dataDirectory: string,
  name: OffsetCheckpointName,
  entries: readonly OffsetCheckpointEntry[],
  done: DiskDone,
): void {
  const lines = entries.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`);
  replaceFile(disk, join(dataDirectory, name), formatCheckpoint(lines), done);
}
