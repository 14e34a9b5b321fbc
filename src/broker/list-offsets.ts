// Offsets by description: the start of a log, its end, or the first record of a time. By time, indexes and headers lead to a
// batch; which of its records it is, the batch's own bytes tell. A compressed batch is inflated by a job.
import type { Published } from '../actor/view.js';
import { type ErrorName, OdradekError } from '../base/errors.js';
import { addOffset, type Offset } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import type { Found, Located, LogReader } from '../log/log-reader.js';
import { wholeBatches } from '../log/whole-batches.js';
import { BATCH_HEADER_BYTES } from '../record/batch-header.js';
import { type Batch, decodeBatch } from '../record/batch-reader.js';
import { findByTimestamp, findMaxTimestamp, type TimestampedOffset } from '../record/find-by-timestamp.js';
import type { PartitionEntry } from './topic-table.js';

export interface ListOffsetsTarget {
  /** undefined: there is no such partition. */
  readonly entry: PartitionEntry | undefined;
  /** `max-timestamp`: the record with the largest timestamp (KIP-734). */
  readonly position: 'earliest' | 'latest' | 'max-timestamp' | { readonly timestampMs: number };
}

export interface ListedOffset {
  readonly error: ErrorName;
  /** -1: there is no such record. */
  readonly offset: number;
  /** Of the record found by time, else -1. */
  readonly timestampMs: number;
}

export interface ListOffsetsPorts {
  readonly disk: Disk;
  readonly jobs: Jobs;
  readonly logger: Logger;
}

/** A look-up by time among the records from an offset on. */
interface Search {
  readonly entry: PartitionEntry;
  readonly reader: LogReader;
  readonly published: Published;
  readonly target: number | 'max';
  readonly fromOffset: Offset;
}

/** The batch has nothing for the search, which goes on from the offset. */
interface SearchOn {
  readonly fromOffset: Offset;
}

const NOT_FOUND: ListedOffset = { error: 'NONE', offset: -1, timestampMs: -1 };
const refused = (error: ErrorName): ListedOffset => ({ error, offset: -1, timestampMs: -1 });

/** One request: its targets one after the other, so that it holds one batch in memory at a time. */
export class ListOffsets {
  readonly #targets: readonly ListOffsetsTarget[];
  readonly #ports: ListOffsetsPorts;
  readonly #done: (offsets: readonly ListedOffset[]) => void;
  readonly #listed: ListedOffset[] = [];

  constructor(
    targets: readonly ListOffsetsTarget[],
    ports: ListOffsetsPorts,
    done: (offsets: readonly ListedOffset[]) => void,
  ) {
    this.#targets = targets;
    this.#ports = ports;
    this.#done = done;
  }

  next(): void {
    for (;;) {
      const target = this.#targets[this.#listed.length];
      if (!target) {
        this.#done(this.#listed);
        return;
      }
      const listed = this.#list(target);
      if (!listed) return;
      this.#listed.push(listed);
    }
  }

  /** null: it comes later. */
  #list({ entry, position }: ListOffsetsTarget): ListedOffset | null {
    if (!entry || entry.topic.deleted) return refused('UNKNOWN_TOPIC_OR_PARTITION');
    const { route } = entry;
    const published = route?.view.read();
    if (!route || !published) return refused(entry.failure?.error ?? 'NOT_LEADER_OR_FOLLOWER');
    if (position === 'earliest') return { error: 'NONE', offset: published.logStartOffset, timestampMs: -1 };
    if (position === 'latest') return { error: 'NONE', offset: published.highWatermark, timestampMs: -1 };
    const target = position === 'max-timestamp' ? 'max' : position.timestampMs;
    const { reader } = route;
    return this.#search({ entry, reader, published, target, fromOffset: published.logStartOffset });
  }

  /** null: it comes later. */
  #search(search: Search): ListedOffset | null {
    for (let current = search; ; ) {
      const { reader, published, target, fromOffset } = current;
      const place =
        target === 'max'
          ? reader.locateMaxTimestamp(published)
          : reader.locateTimestamp(target, published, fromOffset);
      const found = this.#lookAt(place, current);
      if (!found || 'error' in found) return found;
      current = { ...current, ...found };
    }
  }

  /** Goes on in a later turn: what was published before may have been replaced meanwhile, or its files closed. */
  #searchLater(search: Search, { fromOffset }: SearchOn): ListedOffset | null {
    const { route, failure } = search.entry;
    const published = route?.view.read();
    if (!route || !published) return refused(failure?.error ?? 'NOT_LEADER_OR_FOLLOWER');
    return this.#search({ ...search, reader: route.reader, published, fromOffset });
  }

  #lookAt(place: Located, search: Search): ListedOffset | SearchOn | null {
    switch (place.type) {
      case 'end':
      case 'out-of-range':
        return NOT_FOUND;
      case 'found':
        return this.#findIn(place, search);
      case 'corrupt':
        return this.#invalid(place.path, place.position, place.reason);
      default:
        this.#ports.logger.error('a segment cannot be read', {
          file: place.error.path,
          reason: place.error.message,
        });
        return refused('KAFKA_STORAGE_ERROR');
    }
  }

  #findIn(place: Found, search: Search): ListedOffset | SearchOn | null {
    const { disk, jobs } = this.#ports;
    const { target, fromOffset, published } = search;
    let bytes: Buffer;
    try {
      const header = Buffer.alloc(BATCH_HEADER_BYTES);
      const read = disk.read(place.file, place.position, header);
      const { firstBatchBytes, reason } = wholeBatches(header, read, published.highWatermark);
      if (firstBatchBytes === null || place.position + firstBatchBytes > place.endPosition) {
        return this.#invalid(place.file.path, place.position, reason ?? 'the segment ends inside a batch');
      }
      bytes = Buffer.allocUnsafeSlow(firstBatchBytes);
      disk.read(place.file, place.position, bytes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#ports.logger.error('a segment cannot be read', { file: error.path, reason: error.message });
      return refused('KAFKA_STORAGE_ERROR');
    }
    const batch = decodeBatch(bytes, 0, { checkCrc: false });
    if (batch.codec === 'none') {
      const found =
        target === 'max' ? findMaxTimestamp(batch, fromOffset) : findByTimestamp(batch, target, fromOffset);
      return foundIn(batch, found, search);
    }
    jobs.run('findByTimestamp', { batch: bytes, target, fromOffset }, (error, found) => {
      const result = error ? this.#notDecoded(place, error) : foundIn(batch, found ?? null, search);
      const listed = 'error' in result ? result : this.#searchLater(search, result);
      if (!listed) return;
      this.#listed.push(listed);
      this.next();
    });
    return null;
  }

  /** The batch is broken, or the job could not be run, which says nothing about the batch. */
  #notDecoded({ file, position }: Found, error: Error): ListedOffset {
    if (error instanceof OdradekError) return this.#invalid(file.path, position, error.message);
    this.#ports.logger.warn('a batch could not be decoded', {
      file: file.path,
      position,
      reason: error.message,
    });
    return refused('THROTTLING_QUOTA_EXCEEDED');
  }

  #invalid(file: string, position: number, reason: string): ListedOffset {
    this.#ports.logger.error('invalid record batch in a segment', { file, position, reason });
    return refused('CORRUPT_MESSAGE');
  }
}

/**
 * Nothing is found in a batch whose first records were deleted, and which had the timestamp in one of these, or of which
 * compaction left nothing but its header.
 */
function foundIn(
  { lastOffset }: Batch,
  found: TimestampedOffset | null,
  { target }: Search,
): ListedOffset | SearchOn {
  if (found) return { error: 'NONE', ...found };
  return target === 'max' ? NOT_FOUND : { fromOffset: addOffset(lastOffset, 1) };
}
