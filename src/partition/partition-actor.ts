// The single owner of one replica of one partition. Batches come in groups: each is checked and stamped in place, in shared
// memory, then the whole group goes to the log with one write, then readers see it, then it is acknowledged:
//
//   stage … stage → commit: Log.append → view → completions (with flush.acks: → fdatasync → view → completions)
//
// A batch of an idempotent producer that is in the log already is not appended: it is completed as the first time, with the
// same offset, and no sooner than the first one would be (KIP-98).
//
// Invariants: log start ≤ high watermark ≤ log end; nothing is acknowledged above the high watermark; what a view shows
// lies in the file.
import type { Published, ViewWriter } from '../actor/view.js';
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { ERRORS, type ErrorName, type Failure } from '../base/errors.js';
import { type LeaderEpoch, type Offset, toOffset } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { TopicConfig } from '../config/topic-config.js';
import { DiskError } from '../io/disk.js';
import type { CompactionDone, CompactionNeed, CompactionRequest } from '../log/compaction/compaction.js';
import type { LeaderEpochEntry } from '../log/leader-epochs.js';
import type { Log } from '../log/log.js';
import type { AppendBatch } from '../log/segment.js';
import {
  ATTRIBUTE_TRANSACTIONAL,
  readAttributes,
  readLastOffsetDelta,
  readMaxTimestamp,
  readProducerId,
  stampPlace,
} from '../record/batch-header.js';
import { type BatchRules, stampLogAppendTime, validateBatch } from '../record/validate-batch.js';
import type { DiskRoom } from './disk-room.js';
import { logConfigOf } from './log-config-of.js';
import type { PartitionCheckpoint, PartitionName } from './messages.js';

/** What became of a submitted batch. */
export interface Completion {
  readonly token: number;
  readonly error: number;
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
}

export interface PartitionActorOptions extends PartitionName {
  readonly log: Log;
  readonly generation: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly config: TopicConfig;
  readonly view: ViewWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** On the disk of the data directory. */
  readonly room: DiskRoom;
  readonly complete: (completion: Completion) => void;
  /** Readers wait for news of the view, and there is some. */
  readonly advanced: () => void;
}

/** A submitted batch that is in the log, or will be. */
interface Accepted {
  readonly token: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly logAppendTimeMs: number;
}

/** One that is to be appended: what the log takes, with what its sender is told. */
type Staged = Accepted & AppendBatch;

/** One place that makes them all, so that V8 knows from the first on what they will hold. */
const emptyGroup = (): Staged[] => [];

/** The rules of a topic; their time is set for each batch. */
type TopicRules = BatchRules & { nowMs: number };

const rulesOf = (config: TopicConfig): TopicRules => ({
  maxMessageBytes: config.maxMessageBytes,
  compacted: config.cleanupPolicy.includes('compact'),
  timestampType: config.messageTimestampType,
  timestampBeforeMaxMs: config.messageTimestampBeforeMaxMs,
  timestampAfterMaxMs: config.messageTimestampAfterMaxMs,
  nowMs: 0,
});

export class PartitionActor {
  readonly #options: PartitionActorOptions;
  readonly #log: Log;
  /** What was appended since the partition was opened. */
  readonly appended = { batches: 0, records: 0, bytes: 0 };
  #config: TopicConfig;
  #rules: TopicRules;
  #staged = emptyGroup();
  /** Batches that the log, or the group that is being staged, has already. */
  #repeated: Accepted[] = [];
  #nextOffset: Offset;
  #highWatermark: Offset;
  /** Appended, but not acknowledged before they are on the disk, in order of offset. */
  #unflushed: Accepted[] = [];
  /** The same for repeated ones, in no order. */
  #repeatedUnflushed: Accepted[] = [];
  #flushing = false;
  #retired = false;
  #reported: PartitionCheckpoint;

  constructor(options: PartitionActorOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#config = options.config;
    this.#rules = rulesOf(options.config);
    this.#nextOffset = options.log.logEndOffset;
    this.#highWatermark = options.log.logEndOffset;
    this.#reported = this.checkpoint;
    this.#log.beginLeaderEpoch(options.leaderEpoch);
    this.#publish();
  }

  get name(): PartitionName {
    return this.#options;
  }

  /** Which opening of its slot it is. */
  get generation(): number {
    return this.#options.generation;
  }

  get sizeBytes(): number {
    return this.#log.sizeBytes;
  }

  get segmentCount(): number {
    return this.#log.segmentCount;
  }

  /** Whether the log takes no more records because its files are in doubt. */
  get isOffline(): boolean {
    return this.#log.offline !== null;
  }

  /** Whether the log should be compacted now, and how urgent that is. */
  compactionDue(): CompactionNeed | null {
    return this.#log.compactionDue(this.#options.clock.wallMs(), this.#highWatermark);
  }

  /** The part of the log that came after its last compaction; null if its topic is not compacted. */
  get dirtyRatio(): number | null {
    if (!this.#rules.compacted) return null;
    return this.#log.dirtyRatio(this.#options.clock.wallMs(), this.#highWatermark);
  }

  /** Whether the log is not compacted any more, because a batch cannot be read. */
  get isUncleanable(): boolean {
    return this.#log.uncleanable !== null;
  }

  get leaderEpochs(): readonly LeaderEpochEntry[] {
    return this.#log.leaderEpochs;
  }

  get checkpoint(): PartitionCheckpoint {
    const { topic, partition } = this.#options;
    const { recoveryPoint, logStartOffset, firstDirtyOffset } = this.#log;
    return { topic, partition, recoveryPoint, logStartOffset, firstDirtyOffset };
  }

  /** The checkpoint if it is not the one of the last call. */
  changedCheckpoint(): PartitionCheckpoint | null {
    const { recoveryPoint, logStartOffset, firstDirtyOffset } = this.#reported;
    const log = this.#log;
    const isSame =
      log.recoveryPoint === recoveryPoint &&
      log.logStartOffset === logStartOffset &&
      log.firstDirtyOffset === firstDirtyOffset;
    if (isSame) return null; // Mostly: it is asked of every partition, each second.
    this.#reported = this.checkpoint;
    return this.#reported;
  }

  /** Checks a batch and gives it its place; it is refused now or completed after {@link commit}. */
  stage(token: number, bytes: Buffer): void {
    const { clock, leaderEpoch } = this.#options;
    const nowMs = clock.wallMs();
    const config = this.#config;
    const rules = this.#rules;
    rules.nowMs = nowMs;
    const error = validateBatch(bytes, 0, bytes.length, rules);
    if (error) {
      this.#refuse(token, error.error);
      return;
    }
    if (bytes.length > config.segmentBytes) {
      this.#refuse(token, 'RECORD_LIST_TOO_LARGE');
      return;
    }
    if (readAttributes(bytes, 0) & ATTRIBUTE_TRANSACTIONAL) {
      // Nobody could end the transaction.
      this.#refuse(token, 'UNSUPPORTED_FOR_MESSAGE_FORMAT');
      return;
    }
    const isIdempotent = readProducerId(bytes, 0) >= 0;
    if (isIdempotent && !this.#isNext(token, bytes)) return;
    if (this.#options.room.shortage) {
      this.#refuse(token, 'KAFKA_STORAGE_ERROR');
      return;
    }
    const logAppendTimeMs = config.messageTimestampType === 'LogAppendTime' ? nowMs : -1;
    if (logAppendTimeMs >= 0) stampLogAppendTime(bytes, 0, logAppendTimeMs);
    const baseOffset = this.#nextOffset;
    const lastOffset = toOffset(baseOffset + readLastOffsetDelta(bytes, 0));
    stampPlace(bytes, 0, baseOffset, leaderEpoch);
    this.#nextOffset = toOffset(lastOffset + 1);
    if (isIdempotent) this.#log.producers.stage(bytes, 0);
    const maxTimestampMs = readMaxTimestamp(bytes, 0);
    this.#staged.push({ token, bytes, baseOffset, lastOffset, maxTimestampMs, leaderEpoch, logAppendTimeMs });
  }

  /** Whether the batch is the next one of its producer. If not it has been refused, or is to be completed as a repeated one. */
  #isNext(token: number, bytes: Buffer): boolean {
    const known = this.#log.producers.check(bytes, 0);
    if (known === null) return true;
    if (typeof known === 'string') {
      // The one before it may have found no room.
      const isGap = known === 'OUT_OF_ORDER_SEQUENCE_NUMBER';
      this.#refuse(token, isGap && this.#options.room.shortage ? 'KAFKA_STORAGE_ERROR' : known);
    } else {
      const { baseOffset, lastOffset, timestampMs } = known;
      const logAppendTimeMs = this.#config.messageTimestampType === 'LogAppendTime' ? timestampMs : -1;
      this.#repeated.push({ token, baseOffset, lastOffset, logAppendTimeMs });
    }
    return false;
  }

  /** Writes what is staged and completes it. */
  commit(): void {
    if (this.#staged.length > 0) this.#append();
    if (this.#repeated.length > 0) this.#completeRepeated();
  }

  #append(): void {
    const staged = this.#staged;
    this.#staged = emptyGroup();
    const { appended, error } = this.#log.append(staged);
    assert(appended === staged.length || error !== null, 'what is not appended has an error');
    this.#log.producers.settle();
    this.#count(staged, appended);
    this.#nextOffset = this.#log.logEndOffset;
    if (error) this.#appendFailed(error);
    const awaitsDisk = this.#awaitsDisk;
    if (awaitsDisk) {
      for (const one of staged.slice(0, appended)) this.#unflushed.push(one);
      this.#flush();
    } else this.#advanceHighWatermark(this.#log.logEndOffset);
    let index = 0;
    for (const one of staged) {
      if (index >= appended) this.#refuse(one.token, 'KAFKA_STORAGE_ERROR');
      else if (!awaitsDisk) this.#acknowledge(one);
      index++;
    }
  }

  #appendFailed(error: DiskError): void {
    const { topic, partition, logger, room } = this.#options;
    if (error.isFull) room.ranOut(error);
    else logger.error('records cannot be written', { topic, partition, reason: error.message });
  }

  #count(staged: readonly Staged[], appended: number): void {
    this.appended.batches += appended;
    this.appended.records += this.#log.logEndOffset - (staged[0]?.baseOffset ?? this.#log.logEndOffset);
    for (let i = 0; i < appended; i++) this.appended.bytes += staged[i]?.bytes.length ?? 0;
  }

  #completeRepeated(): void {
    for (const one of this.#repeated.splice(0)) {
      if (one.lastOffset >= this.#log.logEndOffset) this.#refuse(one.token, 'KAFKA_STORAGE_ERROR');
      else if (this.#isSafe(one)) this.#acknowledge(one);
      else this.#repeatedUnflushed.push(one);
    }
    if (this.#repeatedUnflushed.length > 0) this.#flush();
  }

  /** Whether what is in the log may be acknowledged. */
  #isSafe({ lastOffset }: Accepted): boolean {
    if (lastOffset >= this.#highWatermark) return false;
    // The high watermark of a log that was opened after a crash may lie above what is on the disk.
    return !this.#awaitsDisk || lastOffset < this.#log.recoveryPoint;
  }

  /**
   * Whether what was appended is acknowledged only when it is on the disk: with flush.acks, and while as many records as
   * flush.messages says are not. So that bound holds, as in Kafka, which flushes before it answers.
   */
  get #awaitsDisk(): boolean {
    const { flushAcks, flushMessages } = this.#config;
    return flushAcks || this.#log.logEndOffset - this.#log.recoveryPoint >= flushMessages;
  }

  configure(config: TopicConfig): void {
    this.#config = config;
    this.#rules = rulesOf(config);
    this.#log.updateConfig(logConfigOf(config));
    if (!config.flushAcks) this.#advanceHighWatermark(this.#log.logEndOffset);
  }

  /**
   * Lets the log begin at the offset, null: at the high watermark, and deletes segments that lie before it. Returns why that
   * cannot be; null if it is done, or was before. Source: KIP-107.
   */
  deleteRecords(beforeOffset: Offset | null): Failure | null {
    const offset = beforeOffset ?? this.#highWatermark;
    if (offset > this.#highWatermark) {
      const detail = `The offset ${offset} lies behind the high watermark ${this.#highWatermark}.`;
      return { error: 'OFFSET_OUT_OF_RANGE', detail };
    }
    if (this.#log.offline) return { error: 'KAFKA_STORAGE_ERROR', detail: this.#log.offline.message };
    if (offset > this.#log.logStartOffset) {
      this.#log.advanceLogStartOffset(offset);
      this.#log.deleteBelowLogStart();
      this.#publish();
    }
    return null;
  }

  /** Deletes segments that retention lets go, and forgets producers that are long silent. */
  applyRetention(): void {
    const before = this.#log.logStartOffset;
    const nowMs = this.#options.clock.wallMs();
    this.#log.expireProducers(nowMs);
    this.#log.applyRetention(nowMs, this.#highWatermark);
    if (this.#log.logStartOffset === before) return;
    this.#publish();
  }

  /**
   * Compacts the log, one time at a time; `done` is called once, when it is over or the partition has been closed. Readers go on, and are
   * told of each replacement of files before it is made.
   */
  compact(request: Pick<CompactionRequest, 'keysBytesMax' | 'pace'>, done: CompactionDone): void {
    const nowMs = this.#options.clock.wallMs();
    const replaced = () => this.#publish();
    this.#log.compact({ ...request, nowMs, limitOffset: this.#highWatermark, replaced }, done);
  }

  /** Closes the log; true if all was flushed. Readers and requests are told that it is over. */
  close(done: (clean: boolean) => void): void {
    this.#retire();
    this.#log.close((error) => done(error === null));
  }

  /** Closes the log and renames its folder away. */
  delete(done: (error: Error | null) => void): void {
    this.#retire();
    this.#log.delete((error) => done(error));
  }

  #retire(): void {
    this.#retired = true;
    if (this.#options.view.retire()) this.#options.advanced();
    this.#refuseUnflushed('NOT_LEADER_OR_FOLLOWER');
  }

  /** One fdatasync for all that has been appended when it starts; what comes meanwhile shares the next. */
  #flush(): void {
    if (this.#flushing || this.#unflushed.length + this.#repeatedUnflushed.length === 0) return;
    this.#flushing = true;
    const flushedTo = this.#log.logEndOffset;
    this.#log.flush((error) => {
      this.#flushing = false;
      if (error) {
        const { topic, partition, logger, room } = this.#options;
        if (error instanceof DiskError && error.isFull) room.ranOut(error);
        else logger.error('records cannot be flushed', { topic, partition, reason: error.message });
        this.#refuseUnflushed('KAFKA_STORAGE_ERROR');
        return;
      }
      this.#advanceHighWatermark(flushedTo);
      const firstUnflushed = this.#unflushed.findIndex(({ lastOffset }) => lastOffset >= flushedTo);
      const flushed = this.#unflushed.splice(0, firstUnflushed < 0 ? this.#unflushed.length : firstUnflushed);
      for (const one of flushed) this.#acknowledge(one);
      for (const one of this.#repeatedUnflushed.splice(0)) {
        if (one.lastOffset < flushedTo) this.#acknowledge(one);
        else this.#repeatedUnflushed.push(one);
      }
      this.#flush();
    });
  }

  #refuseUnflushed(error: ErrorName): void {
    for (const one of this.#unflushed.splice(0)) this.#refuse(one.token, error);
    for (const one of this.#repeatedUnflushed.splice(0)) this.#refuse(one.token, error);
  }

  #advanceHighWatermark(offset: Offset): void {
    if (offset < this.#highWatermark) return;
    this.#highWatermark = offset;
    this.#publish();
  }

  #publish(): void {
    if (this.#retired) return; // A flush that was under way when it ended.
    const { view, generation, leaderEpoch, advanced } = this.#options;
    const log = this.#log;
    const state: Published = {
      leaderEpoch,
      logStartOffset: log.logStartOffset,
      lastStableOffset: this.#highWatermark,
      highWatermark: this.#highWatermark,
      logEndOffset: log.logEndOffset,
      segmentBaseOffset: log.activeSegmentBaseOffset,
      segmentBytes: log.activeSegmentBytes,
      replacements: log.replacements,
    };
    if (view.publish(generation, state)) advanced();
  }

  #acknowledge({ token, baseOffset, lastOffset, logAppendTimeMs }: Accepted): void {
    assert(lastOffset < this.#highWatermark, 'nothing is acknowledged above the high watermark');
    const { logStartOffset } = this.#log;
    this.#options.complete({
      token,
      error: 0,
      baseOffset,
      logAppendTimeMs,
      logStartOffset,
    });
  }

  #refuse(token: number, error: ErrorName): void {
    this.#options.complete({
      token,
      error: ERRORS[error].code,
      baseOffset: -1,
      logAppendTimeMs: -1,
      logStartOffset: -1,
    });
  }
}
