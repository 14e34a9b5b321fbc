// The metadata store of a single broker, on a log of its own: each commit is one record batch, a record a change (key, and
// the value or null). The state is replayed from the log at start. When the log holds many more changes than there are keys, it
// is compacted like any log of keyed records: the newest change of each key stays, with its revision and in its place, so that a
// replay gives the same state at any moment of it.
//
//   record key    KEY
//   record value  {"r": revision, "v": VALUE} as JSON, or null for a deletion
//   record header "odradek", one byte: the version of this format, 1
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { type ErrorName, OdradekError } from '../base/errors.js';
import { toLeaderEpoch, toOffset } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { Log } from '../log/log.js';
import type { CompactionConfig } from '../log/log-config.js';
import { LogReader } from '../log/log-reader.js';
import { BatchBuilder } from '../record/batch-builder.js';
import { readLastOffsetDelta, stampPlace } from '../record/batch-header.js';
import { BatchReader } from '../record/batch-reader.js';
import type {
  CommitResult,
  MetadataChange,
  MetadataCommit,
  MetadataEntry,
  MetadataStore,
} from './metadata-store.js';

export interface EmbeddedStoreOptions {
  readonly log: Log;
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Commits that may wait for the disk. */
  readonly commitsMax?: number;
  /** Gives something up for a change that finds no room on the disk; false if there is nothing left to give. */
  readonly makeRoom?: (error: DiskError) => boolean;
  /** The store can take no more changes before it is opened anew, and why. Called once at most. */
  readonly broken?: (reason: string) => void;
  /** Changes in the log beyond twice the number of keys that lead to its compaction. */
  readonly compactAfter?: number;
}

/** For the config of the store's log. A deletion goes with the compaction after the one that took what it deletes. */
export const METADATA_COMPACTION: CompactionConfig = {
  minDirtyRatio: 0,
  minLagMs: 0,
  maxLagMs: Number.POSITIVE_INFINITY,
  deleteRetentionMs: 0,
  maxMessageBytes: 16 * 1024 * 1024,
};

const FORMAT_HEADER = 'odradek';
const FORMAT_VERSION = 1;
const COMMITS_MAX = 100_000;
const COMPACT_AFTER = 10_000;
/** Room for two million keys; more take several passes. */
const KEYS_BYTES_MAX = 64 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
const LEADER_EPOCH = toLeaderEpoch(0);
/** After so long a flush that found no room is tried again. */
const FLUSH_RETRY_MS = 500;

interface Pending {
  readonly changes: readonly MetadataChange[];
  readonly revision: number;
  readonly done: (result: CommitResult) => void;
}

interface Watch {
  readonly after: number;
  readonly changed: (changes: readonly MetadataChange[]) => void;
}

const whatToDo = (error: DiskError): string =>
  error.isFull
    ? `The disk of the metadata is full; free some space and try again: ${error.message}`
    : error.message;

export class EmbeddedStore implements MetadataStore {
  readonly #options: EmbeddedStoreOptions;
  readonly #log: Log;
  readonly #entries = new Map<string, MetadataEntry>();
  readonly #watches = new Set<Watch>();
  /** Appended, and waiting for the disk. */
  #pending: Pending[] = [];
  #revision = 0;
  #flushing = false;
  /** The last flush found no room for what belongs to it. What was appended waits; nothing is taken meanwhile. */
  #shortage: DiskError | null = null;
  #changesInLog = 0;
  #compacting = false;
  /** Changes in the log below which no compaction is tried, because the last one left so many. */
  #compactAbove = 0;
  #broken: string | null = null;
  #closed = false;
  #whenIdle: (() => void)[] = [];

  /** Replays the log. Throws {@link OdradekError} ODR_CORRUPT or ODR_START, or DiskError. */
  constructor(options: EmbeddedStoreOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#log.assignLeaderEpoch(LEADER_EPOCH);
    this.#replay();
  }

  get failure(): string | null {
    return this.#broken;
  }

  list(done: (entries: readonly MetadataEntry[], revision: number) => void): void {
    const entries = [...this.#entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    done(entries, this.#revision);
  }

  commit(commit: MetadataCommit, done: (result: CommitResult) => void): void {
    const { clock, commitsMax = COMMITS_MAX } = this.#options;
    const later = (result: CommitResult) => clock.after(0, () => done(result));
    const refusal = this.#refusal(commitsMax);
    if (refusal) {
      later({ type: 'failed', ...refusal });
      return;
    }
    for (const { key, modRevision } of commit.compare) {
      if ((this.#entries.get(key)?.modRevision ?? 0) === modRevision) continue;
      later({ type: 'conflict' });
      return;
    }
    const revision = this.#revision + 1;
    const changes: MetadataChange[] = [
      ...commit.puts.map(({ key, value }) => ({ key, value, modRevision: revision })),
      ...commit.deletes.map((key) => ({ key, value: null, modRevision: revision })),
    ];
    try {
      if (changes.length > 0) this.#appendWithRoom(changes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#options.logger.error('metadata cannot be written', { reason: error.message });
      if (this.#log.offline) this.#break(`The metadata log is offline: ${this.#log.offline.message}`);
      later({ type: 'failed', error: 'KAFKA_STORAGE_ERROR', reason: whatToDo(error) });
      return;
    }
    this.#revision = revision;
    for (const change of changes) this.#apply(change);
    this.#pending.push({ changes, revision, done });
    this.#flush();
  }

  #refusal(commitsMax: number): { readonly error: ErrorName; readonly reason: string } | null {
    if (this.#closed) return { error: 'UNKNOWN_SERVER_ERROR', reason: 'The metadata store is closed.' };
    if (this.#broken !== null) return { error: 'KAFKA_STORAGE_ERROR', reason: this.#broken };
    if (this.#shortage) return { error: 'KAFKA_STORAGE_ERROR', reason: whatToDo(this.#shortage) };
    if (this.#pending.length < commitsMax) return null;
    const reason = 'Too many changes of the metadata wait for the disk.';
    return { error: 'THROTTLING_QUOTA_EXCEEDED', reason };
  }

  watch(revision: number, changed: (changes: readonly MetadataChange[]) => void): () => void {
    assert(revision === this.#revision, 'an embedded watch begins at the current revision');
    const watch: Watch = { after: revision, changed };
    this.#watches.add(watch);
    return () => this.#watches.delete(watch);
  }

  close(done: () => void): void {
    this.#closed = true;
    this.#whenIdle.push(() => this.#log.close(() => done()));
    this.#flush();
    this.#idle();
  }

  // -------------------------------------------------------------------------------------------------------- writing

  /** Appends, and where there is no room has some made as long as that goes. Throws DiskError. */
  #appendWithRoom(changes: readonly MetadataChange[]): void {
    for (;;) {
      try {
        this.#append(changes);
        return;
      } catch (error) {
        if (!(error instanceof DiskError && error.isFull && this.#options.makeRoom?.(error))) throw error;
      }
    }
  }

  #append(changes: readonly MetadataChange[]): void {
    const builder = new BatchBuilder();
    const timestampMs = this.#options.clock.wallMs();
    const headers = [{ key: FORMAT_HEADER, value: Uint8Array.of(FORMAT_VERSION) }];
    for (const { key, value, modRevision } of changes) {
      const text = value === null ? null : Buffer.from(JSON.stringify({ r: modRevision, v: value }));
      builder.add({ timestampMs, key: Buffer.from(key), value: text, headers });
    }
    const bytes = builder.build();
    const baseOffset = this.#log.logEndOffset;
    const lastOffset = toOffset(baseOffset + readLastOffsetDelta(bytes, 0));
    stampPlace(bytes, 0, baseOffset, LEADER_EPOCH);
    const { error } = this.#log.append([
      { bytes, baseOffset, lastOffset, maxTimestampMs: timestampMs, leaderEpoch: LEADER_EPOCH },
    ]);
    if (error) throw error;
    this.#changesInLog += changes.length;
  }

  /** One flush for all commits that are appended when it starts. */
  #flush(): void {
    if (this.#flushing || this.#pending.length === 0) return;
    this.#flushing = true;
    const flushed = this.#pending.length;
    this.#log.flush((error) => {
      this.#flushing = false;
      if (error instanceof DiskError && error.isFull && !this.#log.offline && !this.#closed) {
        this.#flushAgain(error);
        return;
      }
      this.#shortage = null;
      if (error) {
        // What was appended may or may not be on the disk: only a restart can tell.
        const reason = `The metadata log cannot be flushed: ${error.message}`;
        this.#options.logger.error('metadata cannot be flushed', { reason: error.message });
        this.#break(reason);
        for (const { done } of this.#pending.splice(0))
          done({ type: 'failed', error: 'KAFKA_STORAGE_ERROR', reason });
        this.#idle();
        return;
      }
      for (const { changes, revision, done } of this.#pending.splice(0, flushed)) {
        for (const { after, changed } of this.#watches) if (revision > after) changed(changes);
        done({ type: 'committed', revision });
      }
      if (this.#pending.length === 0) this.#compactIfLong();
      this.#flushOrRest();
    });
  }

  /** The changes are on the disk, but not all that a flush writes besides them: it is written when there is room. */
  #flushAgain(error: DiskError): void {
    this.#shortage = error;
    const delayMs = this.#options.makeRoom?.(error) ? 0 : FLUSH_RETRY_MS;
    this.#options.clock.after(delayMs, () => {
      if (!this.#closed) this.#flush();
    });
  }

  #flushOrRest(): void {
    if (this.#pending.length > 0) this.#flush();
    else this.#idle();
  }

  #break(reason: string): void {
    if (this.#broken !== null) return;
    this.#broken = reason;
    this.#options.broken?.(reason);
  }

  #idle(): void {
    if (this.#flushing) return;
    for (const run of this.#whenIdle.splice(0)) run();
  }

  /** What is said of a failure is said by the log; it is as good as before, and tried again when as much has been added. */
  #compactIfLong(): void {
    const { compactAfter = COMPACT_AFTER, logger } = this.#options;
    const changesMax = Math.max(this.#entries.size * 2 + compactAfter, this.#compactAbove);
    if (this.#compacting || this.#broken !== null || this.#changesInLog <= changesMax) return;
    this.#compactAbove = this.#changesInLog + compactAfter;
    try {
      this.#log.roll();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      logger.error('metadata cannot be compacted', { reason: error.message });
      return;
    }
    this.#compacting = true;
    // Only what is on the disk for sure may take the place of what came before it.
    this.#log.flush((error) => {
      if (error || this.#closed) this.#compacting = false;
      else this.#compact(compactAfter);
    });
  }

  #compact(compactAfter: number): void {
    const request = {
      nowMs: this.#options.clock.wallMs(),
      limitOffset: this.#log.logEndOffset,
      keysBytesMax: KEYS_BYTES_MAX,
      pace: () => 0,
      replaced: () => {},
    };
    this.#log.compact(request, (_error, result) => {
      this.#compacting = false;
      this.#changesInLog -= result?.recordsRemoved ?? 0;
      this.#compactAbove = this.#changesInLog + compactAfter;
    });
  }

  // -------------------------------------------------------------------------------------------------------- replay

  #replay(): void {
    const { disk, directory } = this.#options;
    const log = this.#log;
    const reader = new LogReader({ directory, disk });
    const published = {
      logStartOffset: log.logStartOffset,
      highWatermark: log.logEndOffset,
      logEndOffset: log.logEndOffset,
      segmentBaseOffset: log.activeSegmentBaseOffset,
      segmentBytes: log.activeSegmentBytes,
      replacements: log.replacements,
    };
    try {
      let next = log.logStartOffset;
      while (next < log.logEndOffset) {
        const place = reader.locate(next, published);
        if (place.type === 'end') break;
        if (place.type !== 'found') {
          throw new OdradekError('ODR_CORRUPT', `it cannot be read at offset ${next}.`);
        }
        next = toOffset(this.#replaySegmentPart(place.file.path, disk, place, next));
      }
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      throw new OdradekError(error.code, `The metadata log ${directory}: ${error.message}`, { cause: error });
    } finally {
      reader.close();
    }
  }

  /** Applies the batches from a position to the end of its segment; returns the offset behind the last. */
  #replaySegmentPart(
    path: string,
    disk: Disk,
    place: { file: Parameters<Disk['read']>[0]; position: number; endPosition: number },
    from: number,
  ): number {
    let next = from;
    let position = place.position;
    let buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, place.endPosition - position));
    while (position < place.endPosition) {
      const wanted = Math.min(buffer.length, place.endPosition - position);
      const bytes = disk.read(place.file, position, buffer.subarray(0, wanted));
      const reader = new BatchReader(buffer, { end: bytes });
      for (const batch of reader) {
        for (const { key, value, headers } of batch.records()) {
          const version = headers.find((header) => header.key === FORMAT_HEADER)?.value?.[0];
          if (version !== FORMAT_VERSION || key === null) {
            throw new OdradekError(
              'ODR_START',
              `${path} was written by a newer version of Odradek, or by something else.`,
            );
          }
          this.#replayRecord(key.toString(), value);
        }
        next = batch.lastOffset + 1;
      }
      if (reader.position === 0) {
        if (bytes < buffer.length)
          throw new OdradekError('ODR_CORRUPT', `${path} ends inside a batch at ${position}.`);
        buffer = Buffer.allocUnsafe(buffer.length * 2); // A batch larger than the buffer.
      }
      position += reader.position;
    }
    return next;
  }

  #replayRecord(key: string, value: Buffer | null): void {
    this.#changesInLog++;
    const json = value === null ? null : (JSON.parse(value.toString()) as { r: number; v: string });
    // A deletion has no revision of its own in the log: any that follows is larger.
    const modRevision = json?.r ?? this.#revision + 1;
    this.#revision = Math.max(this.#revision, modRevision);
    this.#apply({ key, value: json?.v ?? null, modRevision });
  }

  #apply({ key, value, modRevision }: MetadataChange): void {
    if (value === null) this.#entries.delete(key);
    else this.#entries.set(key, { key, value, modRevision });
  }
}
