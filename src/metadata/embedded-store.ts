// The metadata store of a single broker, on a log of its own: each commit is one record batch, a record a change (key, and
// the value or null). The state is replayed from the log at start. When the log holds many more changes than there are keys,
// a new segment begins with a snapshot, batches that repeat every entry, and the segments before it are deleted. A crash
// between the two replays both, which gives the same state.
//
//   record key    KEY
//   record value  {"r": revision, "v": VALUE} as JSON, or null for a deletion
//   record header "odradek", one byte: the version of this format, 1
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { toLeaderEpoch, toOffset } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { Log } from '../log/log.js';
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
  /** The store can take no more changes before it is opened anew, and why. Called once at most. */
  readonly broken?: (reason: string) => void;
  /** Changes in the log beyond the number of keys that lead to a snapshot. */
  readonly snapshotAfter?: number;
}

const FORMAT_HEADER = 'odradek';
const FORMAT_VERSION = 1;
const COMMITS_MAX = 100_000;
const SNAPSHOT_AFTER = 10_000;
const SNAPSHOT_BATCH_BYTES = 256 * 1024;
const READ_BYTES = 1024 * 1024;
const LEADER_EPOCH = toLeaderEpoch(0);

interface Pending {
  readonly changes: readonly MetadataChange[];
  readonly revision: number;
  readonly done: (result: CommitResult) => void;
}

interface Watch {
  readonly after: number;
  readonly changed: (changes: readonly MetadataChange[]) => void;
}

export class EmbeddedStore implements MetadataStore {
  readonly #options: EmbeddedStoreOptions;
  readonly #log: Log;
  readonly #entries = new Map<string, MetadataEntry>();
  readonly #watches = new Set<Watch>();
  /** Appended, and waiting for the disk. */
  #pending: Pending[] = [];
  #revision = 0;
  #flushing = false;
  #changesInLog = 0;
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
    const refusal = this.#closed ? 'The metadata store is closed.' : this.#broken;
    if (refusal !== null || this.#pending.length >= commitsMax) {
      later({ type: 'failed', reason: refusal ?? 'Too many changes of the metadata wait for the disk.' });
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
      if (changes.length > 0) this.#append(changes);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#options.logger.error('metadata cannot be written', { reason: error.message });
      if (this.#log.offline) this.#break(`The metadata log is offline: ${this.#log.offline.message}`);
      later({ type: 'failed', reason: error.message });
      return;
    }
    this.#revision = revision;
    for (const change of changes) this.#apply(change);
    this.#pending.push({ changes, revision, done });
    this.#flush();
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
    this.#idle();
  }

  // -------------------------------------------------------------------------------------------------------- writing

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
      if (error) {
        // What was appended may or may not be on the disk: only a restart can tell.
        const reason = `The metadata log cannot be flushed: ${error.message}`;
        this.#options.logger.error('metadata cannot be flushed', { reason: error.message });
        this.#break(reason);
        for (const { done } of this.#pending.splice(0)) done({ type: 'failed', reason });
        this.#idle();
        return;
      }
      for (const { changes, revision, done } of this.#pending.splice(0, flushed)) {
        for (const { after, changed } of this.#watches) if (revision > after) changed(changes);
        done({ type: 'committed', revision });
      }
      if (this.#pending.length === 0) this.#snapshotIfLong();
      this.#flushOrRest();
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

  #snapshotIfLong(): void {
    const { snapshotAfter = SNAPSHOT_AFTER, logger } = this.#options;
    if (this.#changesInLog <= this.#entries.size * 2 + snapshotAfter || this.#broken !== null) return;
    try {
      this.#log.roll();
      const start = this.#log.logEndOffset;
      this.#changesInLog = 0;
      let batch: MetadataChange[] = [];
      let bytes = 0;
      for (const entry of this.#entries.values()) {
        batch.push(entry);
        bytes += entry.key.length + entry.value.length;
        if (bytes < SNAPSHOT_BATCH_BYTES) continue;
        this.#append(batch);
        batch = [];
        bytes = 0;
      }
      if (batch.length > 0) this.#append(batch);
      this.#flushing = true;
      this.#log.flush((error) => {
        this.#flushing = false;
        // With an error nothing is lost: the older segments stay.
        if (!error) {
          this.#log.advanceLogStartOffset(start);
          this.#log.applyRetention(this.#options.clock.wallMs());
        }
        this.#flushOrRest();
      });
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      logger.error('metadata snapshot cannot be written', { reason: error.message });
    }
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
