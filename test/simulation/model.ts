// The judge: what the clients know of the broker's logs, kept in plain maps. Whatever a client sends, hears or reads is told to
// it, and it throws a Verdict at the first thing that cannot be.
//
// It knows no more than clients do: a batch is somewhere (its place is known, by an acknowledgement or because it was read), or
// it may be anywhere (unanswered), or it is nowhere (refused). Without a loss of power a place never changes. After one the
// log may have lost its end, but nothing below what was promised to be durable; what is left, a survey tells.
import type { ErrorName } from '../../src/base/errors.js';
import type { RouteImage } from '../../src/broker/messages.js';
import { BATCH_HEADER_BYTES, CRC_START } from '../../src/record/batch-header.js';
import { type Batch, decodeBatch } from '../../src/record/batch-reader.js';
import type { LogRecord } from '../../src/record/record.js';
import { KeyedLog, type KeyedRecord, type Moment } from './keyed-log.js';

/** What the broker did wrong. */
export class Verdict extends Error {
  override readonly name = 'Verdict';
}

function judge(holds: boolean, accusation: () => string): asserts holds {
  if (!holds) throw new Verdict(accusation());
}

export interface TopicSettings {
  readonly partitions: number;
  readonly flushAcks: boolean;
  readonly logAppendTime: boolean;
  readonly segmentBytes: number;
  /** -1: none. */
  readonly retentionBytes: number;
  readonly retentionMs: number;
  /** Whether retention takes anything. */
  readonly deletes: boolean;
  /** Null: the topic is not compacted, and its records have no keys. It stays as it is. */
  readonly compaction: CompactionSettings | null;
  readonly overrides: Readonly<Record<string, string>>;
}

export interface CompactionSettings {
  readonly minLagMs: number;
  readonly deleteRetentionMs: number;
  /** How many different ones there are. */
  readonly keys: number;
}

/** A batch that a client sent; never sent twice. */
export interface SentBatch {
  readonly id: number;
  readonly connection: number;
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
  /** As sent; all the same after an append with LogAppendTime. */
  readonly timestampsMs: readonly number[];
  /** In a compacted topic: one for each record; else empty. */
  readonly keyed: readonly KeyedRecord[];
  /** The error that it was made for, if it was. */
  readonly flaw: ErrorName | null;
  /** As it was sent. */
  readonly question: Question;
  answered: Moment | null;
  /** lost: it was there, and a loss of power took it. */
  fate: 'unknown' | 'acknowledged' | 'refused' | 'lost';
  place: { readonly log: ModelLog; readonly baseOffset: number } | null;
  logAppendTimeMs: number;
  /** Decoded when it is first needed. */
  contents: readonly LogRecord[] | null;
}

/** A topic from one creation to its deletion. */
export class ModelTopic {
  readonly name: string;
  /** As clients can rely on them: the last ones that were confirmed. */
  settings: TopicSettings;
  /** Other ones are on their way. */
  isAltering = false;
  /** When the settings were confirmed. */
  alteredAt: Moment = 0;
  /** The least that retention has had to keep, or may have had; infinite: everything. */
  leastRetentionBytes = Number.POSITIVE_INFINITY;
  leastRetentionMs = Number.POSITIVE_INFINITY;
  /** The same for compaction. */
  leastLagMs = Number.POSITIVE_INFINITY;
  leastDeleteRetentionMs = Number.POSITIVE_INFINITY;
  readonly born: Moment;
  readonly logs: ModelLog[];
  id: string | null = null;
  /** Clients can rely on it: it was created, and its deletion has not been asked for. */
  reliable = false;
  died: Moment | null = null;

  constructor(name: string, settings: TopicSettings, born: Moment) {
    this.name = name;
    this.settings = settings;
    this.born = born;
    this.logs = Array.from({ length: settings.partitions }, (_, index) => new ModelLog(this, index));
    this.#allow(settings);
  }

  get isCompacted(): boolean {
    return this.settings.compaction !== null;
  }

  /** Whether retention may ever have taken something. */
  get hadRetention(): boolean {
    return Number.isFinite(this.leastRetentionBytes) || Number.isFinite(this.leastRetentionMs);
  }

  /** These settings may be in force from now on. */
  altering(settings: TopicSettings): void {
    this.isAltering = true;
    this.#allow(settings);
  }

  #allow({ retentionBytes, retentionMs, deletes, compaction }: TopicSettings): void {
    if (compaction) {
      this.leastLagMs = Math.min(this.leastLagMs, compaction.minLagMs);
      this.leastDeleteRetentionMs = Math.min(this.leastDeleteRetentionMs, compaction.deleteRetentionMs);
    }
    if (!deletes) return;
    if (retentionBytes >= 0) this.leastRetentionBytes = Math.min(this.leastRetentionBytes, retentionBytes);
    if (retentionMs >= 0) this.leastRetentionMs = Math.min(this.leastRetentionMs, retentionMs);
  }
}

/** A partition. */
export class ModelLog {
  readonly topic: ModelTopic;
  readonly index: number;
  /** By each of its offsets: a batch of three records has three entries. */
  readonly batches = new Map<number, SentBatch>();
  /** The high watermark is at least this. */
  highFloor = 0;
  /** Everything below survives a loss of power. */
  durableEnd = 0;
  /** Everything below may have been deleted by a client, or have gone with the power. */
  deletedTo = 0;
  /** Everything below is gone for good. */
  startFloor = 0;
  /** It lost its end in a loss of power. */
  wasCut = false;
  leaderEpoch = -1;
  generation = 0;
  /** Of use if its topic is compacted. */
  readonly keyed = new KeyedLog();

  constructor(topic: ModelTopic, index: number) {
    this.topic = topic;
    this.index = index;
  }

  get name(): string {
    return `${this.topic.name}-${this.index} (${this.topic.id ?? 'no id yet'})`;
  }
}

/** What a client asked, as it matters for the judgement of the answer. */
export interface Question {
  readonly topic: string;
  readonly partition: number;
  readonly asked: Moment;
  /** What the high watermark was known to have reached. */
  readonly floor: { readonly log: ModelLog; readonly highFloor: number; readonly startFloor: number } | null;
  /** The topic, if it was there for sure, with this partition. */
  readonly reliable: ModelTopic | null;
}

/** A partition as it was read from its start to its end. */
export interface ReadBack {
  readonly start: number;
  readonly end: number;
  readonly payloads: readonly Buffer[];
}

export interface TimestampedOffset {
  readonly offset: number;
  readonly timestampMs: number;
}

export interface FetchedPart {
  readonly error: ErrorName | null;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly records: Buffer;
}

/** With these a batch was surely not appended. */
const SURELY_REFUSED: ReadonlySet<ErrorName> = new Set<ErrorName>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'CORRUPT_MESSAGE',
  'INVALID_RECORD',
  'INVALID_REQUEST',
  'INVALID_TIMESTAMP',
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
]);
/** These may happen to whatever a client does. */
const ALWAYS_POSSIBLE: ReadonlySet<ErrorName> = new Set<ErrorName>([
  'NOT_LEADER_OR_FOLLOWER',
  'KAFKA_STORAGE_ERROR',
  'REQUEST_TIMED_OUT',
  'THROTTLING_QUOTA_EXCEEDED',
]);

export interface ModelOptions {
  /** The latest time that the wall clock has shown. */
  readonly wallMaxMs: () => number;
  /** Whether the disk has failed: then a time index may be lost, and a segment's age counts from when it was opened. */
  readonly diskFailed: () => boolean;
  /** Whether the wall clock was ever set back: then records may look younger than they are. */
  readonly wallWentBack: () => boolean;
}

export class Model {
  readonly #incarnations = new Map<string, ModelTopic[]>();
  readonly #batches = new Map<number, SentBatch>();
  /** Up to where the records of a partition may be deleted at any time, whichever topic has the name then. */
  readonly #doubtfulDeletions = new Map<string, number>();
  readonly #options: ModelOptions;
  #moment = 0;
  #lastBatchId = 0;
  #lastConnection = 0;
  acknowledgedRecords = 0;
  /** Batches of answers that were compared. */
  batchesRead = 0;
  retentions = 0;
  /** Records that compaction took, as far as it was seen. */
  compactedRecords = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  // ---------------------------------------------------------------------------------------------------------- topics

  /** A client is about to ask for the creation of a topic that is not there. */
  creating(name: string, settings: TopicSettings): ModelTopic {
    const topic = new ModelTopic(name, settings, this.#now());
    const incarnations = this.#incarnations.get(name) ?? [];
    const last = incarnations.at(-1);
    judge(!last || last.died !== null, () => `a test may not create ${name} before its deletion is sure`);
    // A deletion of records whose answer was lost may still be on its way, and meet the new topic.
    for (const log of topic.logs) log.deletedTo = this.#doubtfulDeletions.get(`${name}-${log.index}`) ?? 0;
    this.#incarnations.set(name, [...incarnations, topic]);
    return topic;
  }

  /** The topic is there. */
  created(topic: ModelTopic, id: string): void {
    for (const other of this.#incarnations.get(topic.name) ?? []) {
      judge(
        other === topic || other.id !== id,
        () => `${topic.name} was deleted and came back with the same id ${id}`,
      );
    }
    judge(topic.id === null || topic.id === id, () => `${topic.name} had the id ${topic.id} and has ${id}`);
    topic.id = id;
    topic.reliable = true;
  }

  deleting(topic: ModelTopic): void {
    topic.reliable = false;
  }

  deleted(topic: ModelTopic): void {
    topic.died ??= this.#now();
  }

  /** The settings that a client asked for are in force. */
  altered(topic: ModelTopic, settings: TopicSettings): void {
    topic.settings = settings;
    topic.isAltering = false;
    topic.alteredAt = this.#now();
  }

  /** A client is about to ask for more partitions. */
  growing(topic: ModelTopic, partitions: number): void {
    for (let index = topic.logs.length; index < partitions; index++)
      topic.logs.push(new ModelLog(topic, index));
  }

  grown(topic: ModelTopic, partitions: number): void {
    topic.settings = { ...topic.settings, partitions };
  }

  /** A client is about to ask for the deletion of the records before an offset that the high watermark has reached. */
  deletingRecords(log: ModelLog, before: number): void {
    log.deletedTo = Math.max(log.deletedTo, before);
  }

  /** `question` was asked with {@link deletingRecords}; null: there is no answer. */
  deletedRecords(
    log: ModelLog,
    question: Question,
    before: number,
    answer: { readonly error: ErrorName | null; readonly logStartOffset: number } | null,
  ): void {
    if (answer === null) {
      const key = `${question.topic}-${question.partition}`;
      this.#doubtfulDeletions.set(key, Math.max(before, this.#doubtfulDeletions.get(key) ?? 0));
    } else if (answer.error !== null) this.#error(question, answer.error);
    else if (this.#logOf(question) === log) {
      const { logStartOffset } = answer;
      judge(
        logStartOffset >= before,
        () => `${log.name} begins at ${logStartOffset} after the deletion of all before ${before}`,
      );
      this.#started(log, question, logStartOffset);
      log.startFloor = Math.max(log.startFloor, before);
    }
  }

  /** Topics that are there or may be. */
  get topics(): ModelTopic[] {
    return [...this.#incarnations.values()].flatMap((incarnations) =>
      incarnations.filter(({ died }) => died === null),
    );
  }

  topic(name: string): ModelTopic | null {
    const last = this.#incarnations.get(name)?.at(-1);
    return last && last.died === null ? last : null;
  }

  /** A partition was opened on a worker. */
  routed({ topic, partition, topicId, leaderEpoch, generation }: RouteImage): void {
    const log = this.#incarnations
      .get(topic)
      ?.find(({ id }) => id === topicId)
      ?.logs.at(partition);
    if (!log) return; // Opened before its client knows its id.
    judge(
      leaderEpoch > log.leaderEpoch,
      () => `${log.name} was opened with leader epoch ${leaderEpoch} after ${log.leaderEpoch}`,
    );
    log.leaderEpoch = leaderEpoch;
    log.generation = generation;
  }

  /** What a client is about to ask of a partition. */
  asks(topic: string, partition: number): Question {
    const incarnation = this.topic(topic);
    const log = incarnation?.logs[partition];
    return {
      topic,
      partition,
      asked: this.#now(),
      floor: log ? { log, highFloor: log.highFloor, startFloor: log.startFloor } : null,
      reliable: incarnation?.reliable && partition < incarnation.settings.partitions ? incarnation : null,
    };
  }

  /** The one log that the answer to the question can be about; null if it may be one or another. */
  #logOf({ topic, partition, asked }: Question): ModelLog | null {
    const possible = (this.#incarnations.get(topic) ?? []).filter(
      ({ died }) => died === null || died >= asked,
    );
    return possible.length === 1 ? (possible[0]?.logs[partition] ?? null) : null;
  }

  #error(question: Question, error: ErrorName): void {
    if (ALWAYS_POSSIBLE.has(error)) return;
    judge(
      error === 'UNKNOWN_TOPIC_OR_PARTITION' && !question.reliable?.reliable,
      () => `${question.topic}-${question.partition} is answered with ${error}`,
    );
  }

  // --------------------------------------------------------------------------------------------------------- produce

  newConnection(): number {
    return ++this.#lastConnection;
  }

  get nextBatchId(): number {
    return this.#lastBatchId + 1;
  }

  /** A client is about to send a batch whose records' values begin with {@link nextBatchId} and a slash. */
  sending(
    batch: Pick<
      SentBatch,
      'connection' | 'topic' | 'partition' | 'bytes' | 'timestampsMs' | 'keyed' | 'flaw'
    >,
  ): SentBatch {
    const sent: SentBatch = {
      ...batch,
      id: ++this.#lastBatchId,
      bytes: Buffer.from(batch.bytes),
      question: this.asks(batch.topic, batch.partition),
      answered: null,
      fate: 'unknown',
      place: null,
      logAppendTimeMs: -1,
      contents: null,
    };
    this.#batches.set(sent.id, sent);
    return sent;
  }

  acknowledged(batch: SentBatch, baseOffset: number, logAppendTimeMs: number, logStartOffset: number): void {
    judge(batch.flaw === null, () => `batch ${batch.id} is acknowledged in spite of ${batch.flaw}`);
    batch.answered = this.#now();
    batch.fate = 'acknowledged';
    this.acknowledgedRecords += batch.timestampsMs.length;
    const log = this.#logOf(batch.question);
    if (!log) return;
    const { logAppendTime } = log.topic.settings;
    judge(
      logAppendTimeMs >= 0 === logAppendTime,
      () => `batch ${batch.id} in ${log.name} has log append time ${logAppendTimeMs}`,
    );
    batch.logAppendTimeMs = logAppendTimeMs;
    this.#put(log, batch, baseOffset);
    const end = baseOffset + batch.timestampsMs.length;
    // While a batch waits for the disk, its records may be deleted already.
    if (logStartOffset > end) this.#started(log, batch.question, logStartOffset);
    judge(logStartOffset >= 0, () => `${log.name} starts at ${logStartOffset}`);
    log.highFloor = Math.max(log.highFloor, end);
    log.durableEnd = Math.max(log.durableEnd, end - undurableMax(log.topic, batch.question));
  }

  refused(batch: SentBatch, error: ErrorName): void {
    batch.answered = this.#now();
    const aboutTopic = error === 'UNKNOWN_TOPIC_OR_PARTITION';
    if (batch.flaw !== null && !aboutTopic && !ALWAYS_POSSIBLE.has(error)) {
      judge(
        error === batch.flaw,
        () => `batch ${batch.id} is refused with ${error} instead of ${batch.flaw}`,
      );
    } else if (batch.flaw === null && SURELY_REFUSED.has(error) && !aboutTopic) {
      // It may have come to a topic that was made anew since it was sent, with other limits.
      judge(
        this.#logOf(batch.question) === null,
        () =>
          `batch ${batch.id} for ${batch.topic}-${batch.partition} is refused with ${error} without reason`,
      );
    }
    if (aboutTopic) this.#error(batch.question, error);
    if (SURELY_REFUSED.has(error)) {
      judge(
        batch.place === null,
        () => `batch ${batch.id} is refused with ${error}, but was read from the log`,
      );
      batch.fate = 'refused';
    }
  }

  /** The batch is known to be there. */
  #put(log: ModelLog, batch: SentBatch, baseOffset: number): void {
    const { place } = batch;
    const where = () =>
      `batch ${batch.id} (connection ${batch.connection}) at offset ${baseOffset} of ${log.name}`;
    if (place) {
      judge(
        place.log === log && place.baseOffset === baseOffset,
        () => `${where()}, but it is at offset ${place.baseOffset} of ${place.log.name}`,
      );
      return;
    }
    judge(
      batch.topic === log.topic.name && batch.partition === log.index,
      () => `${where()}, but it was sent to ${batch.topic}-${batch.partition}`,
    );
    judge(
      batch.fate !== 'refused' && batch.flaw === null,
      () => `${where()}, but it was refused or is flawed`,
    );
    judge(batch.fate !== 'lost', () => `${where()}, but a loss of power had taken it from the log`);
    judge(
      batch.answered === null || batch.answered >= log.topic.born,
      () => `${where()}, but it was answered before this topic was made`,
    );
    for (let i = 0; i < batch.timestampsMs.length; i++) {
      const other = log.batches.get(baseOffset + i);
      judge(
        other === undefined,
        () => `${where()}, where batch ${other?.id} (connection ${other?.connection}, ${other?.fate}) is`,
      );
    }
    batch.place = { log, baseOffset };
    for (let i = 0; i < batch.timestampsMs.length; i++) log.batches.set(baseOffset + i, batch);
    batch.keyed.forEach((record, i) => {
      log.keyed.put(baseOffset + i, record);
    });
  }

  // ----------------------------------------------------------------------------------------------------------- fetch

  /** An answer to a fetch. Returns the offset behind what was read. */
  fetched(question: Question, offset: number, part: FetchedPart): number {
    const log = this.#logOf(question);
    if (part.error !== null && part.error !== 'OFFSET_OUT_OF_RANGE') {
      this.#error(question, part.error);
      return offset;
    }
    if (!log) return offset;
    const { highWatermark, logStartOffset, lastStableOffset } = part;
    judge(
      0 <= logStartOffset && logStartOffset <= lastStableOffset && lastStableOffset <= highWatermark,
      () =>
        `${log.name}: log start ${logStartOffset}, last stable offset ${lastStableOffset}, high watermark ${highWatermark}`,
    );
    this.#reached(log, question, highWatermark);
    this.#started(log, question, logStartOffset);
    if (part.error === 'OFFSET_OUT_OF_RANGE') {
      // The answer may come of an older look than the log's end that it names.
      const below = offset < logStartOffset;
      const floor = question.floor?.log === log ? question.floor.highFloor : 0;
      judge(
        below || offset > floor,
        () => `${log.name}: offset ${offset} is out of range, between ${logStartOffset} and ${floor}`,
      );
      return offset;
    }
    const { batches, offsets } = this.#read(log, part.records);
    const [first] = batches;
    if (!first) return offset;
    judge(
      (first.baseOffset <= offset || log.topic.isCompacted) && offset <= first.lastOffset,
      () =>
        `${log.name}: asked for offset ${offset}, got a batch from ${first.baseOffset} to ${first.lastOffset}`,
    );
    const end = this.#inOrder(log, batches);
    if (log.topic.isCompacted) this.#judgeHoles(log, { start: offset, end, offsets }, question.asked);
    judge(
      end <= highWatermark,
      () => `${log.name}: records up to ${end}, but the high watermark is ${highWatermark}`,
    );
    return end;
  }

  /** What an answer holds: its batches, and in a compacted topic the offsets of its records. */
  #read(log: ModelLog, bytes: Buffer): { batches: readonly Batch[]; offsets: ReadonlySet<number> } {
    const offsets = new Set<number>();
    const batches = this.#decode(log, bytes, offsets);
    return { batches, offsets };
  }

  #decode(log: ModelLog, records: Buffer, offsets: Set<number>): Batch[] {
    const batches: Batch[] = [];
    for (let position = 0; position < records.length; ) {
      let batch: Batch;
      let contents: readonly LogRecord[];
      try {
        batch = decodeBatch(records, position);
        contents = log.topic.isCompacted ? [...batch.records()] : firstOf(batch);
      } catch (error) {
        throw new Verdict(
          `${log.name}: an answer holds an invalid batch at byte ${position} of ${records.length}: ${error}`,
        );
      }
      const bytes = records.subarray(position, position + batch.sizeBytes);
      position += batch.sizeBytes;
      batches.push(batch);
      this.batchesRead++;
      for (const { offset } of contents) offsets.add(offset);
      const [first] = contents;
      if (!first) {
        judge(log.topic.isCompacted, () => `${log.name}: the batch at ${batch.baseOffset} has no records`);
        continue;
      }
      const { id, index } = nameOf(first);
      const sent = this.#batches.get(id);
      judge(sent !== undefined, () => `${log.name}: a record that nobody sent at ${first.offset}`);
      if (batch.recordCount < sent.timestampsMs.length || batch.deleteHorizonMs !== null) {
        judge(log.topic.isCompacted, () => `${log.name}: batch ${id} has lost records`);
        this.#put(log, sent, first.offset - index);
        judgeKept(log, sent, contents);
        continue;
      }
      // With LogAppendTime the broker changes the header.
      const from = log.topic.settings.logAppendTime ? BATCH_HEADER_BYTES : CRC_START;
      judge(
        bytes.subarray(from).equals(sent.bytes.subarray(from)),
        () => `${log.name}: batch ${id} at ${batch.baseOffset} has other bytes than were sent`,
      );
      if (log.topic.settings.logAppendTime) {
        judge(
          sent.logAppendTimeMs < 0 || sent.logAppendTimeMs === batch.maxTimestampMs,
          () =>
            `${log.name}: batch ${id} was appended at ${sent.logAppendTimeMs}, and says ${batch.maxTimestampMs}`,
        );
        sent.logAppendTimeMs = batch.maxTimestampMs;
      }
      this.#put(log, sent, batch.baseOffset);
    }
    return batches;
  }

  /** What is missing of a compacted log must be what compaction may take, and what was missing before must be missing still. */
  #judgeHoles(
    log: ModelLog,
    { start, end, offsets }: { start: number; end: number; offsets: ReadonlySet<number> },
    asked: Moment,
    isWhole = false,
  ): void {
    for (let offset = start; offset < end; offset++) {
      if (offsets.has(offset)) {
        judge(
          !log.keyed.wasGone(offset, asked),
          () => `${log.name}: the record at ${offset} was compacted away, and is there again`,
        );
      } else if (log.batches.has(offset) && offset >= log.deletedTo) {
        judge(
          this.#mayBeGone(log, offset, isWhole),
          () => `${log.name}: the record at ${offset} is gone, but was the newest of its key`,
        );
        if (log.keyed.goneAt(offset, this.#now())) this.compactedRecords++;
      }
    }
  }

  /**
   * Whether compaction may have taken the record. It knows of newer ones that no client has seen yet; in a log that was read whole
   * those can only have been deletions, which are gone too.
   */
  #mayBeGone(log: ModelLog, offset: number, isWhole = false): boolean {
    const batch = log.batches.get(offset);
    const record = batch?.keyed[offset - (batch.place?.baseOffset ?? offset)];
    if (!batch || !record) return false;
    const { leastLagMs, leastDeleteRetentionMs } = log.topic;
    const { wallMaxMs, diskFailed, wallWentBack } = this.#options;
    const ageMs = wallMaxMs() - timestampAt(batch, offset);
    if (ageMs < leastLagMs && !diskFailed()) return false;
    if (log.keyed.isSuperseded(offset, record)) return true;
    if (record.isDeletion && (ageMs >= leastDeleteRetentionMs || wallWentBack())) return true;
    for (const { fate, place, topic, partition, keyed } of this.#batches.values()) {
      if (fate !== 'unknown' || place || topic !== log.topic.name || partition !== log.index) continue;
      if (keyed.some(({ key, isDeletion }) => key === record.key && (isDeletion || !isWhole))) return true;
    }
    return false;
  }

  /** Offsets without gaps, epochs that never fall, and each connection's batches as it sent them. Returns the end. */
  #inOrder(log: ModelLog, batches: readonly Batch[]): number {
    const newest = new Map<number, SentBatch>();
    let next = batches[0]?.baseOffset ?? 0;
    let epoch = -1;
    for (const { baseOffset, lastOffset, leaderEpoch } of batches) {
      judge(
        (baseOffset as number) === next || (log.topic.isCompacted && baseOffset > next),
        () => `${log.name}: a batch at ${baseOffset} where ${next} must come`,
      );
      judge(
        leaderEpoch >= epoch,
        () => `${log.name}: leader epoch ${leaderEpoch} at offset ${baseOffset} after ${epoch}`,
      );
      judge(
        leaderEpoch <= log.leaderEpoch || log.leaderEpoch < 0,
        () =>
          `${log.name}: leader epoch ${leaderEpoch} at offset ${baseOffset}, and the newest leader has ${log.leaderEpoch}`,
      );
      next = lastOffset + 1;
      epoch = leaderEpoch;
      const sent = log.batches.get(baseOffset);
      if (!sent) continue;
      const before = newest.get(sent.connection);
      judge(
        !before || before.id < sent.id,
        () =>
          `${log.name}: batch ${sent.id} at ${baseOffset} comes behind batch ${before?.id}, which connection ${sent.connection} sent later`,
      );
      newest.set(sent.connection, sent);
    }
    return next;
  }

  /** The log is known to have its high watermark at least there. */
  #reached(log: ModelLog, question: Question, highWatermark: number): void {
    const floor = question.floor?.log === log ? question.floor.highFloor : 0;
    judge(
      highWatermark >= floor,
      () => `${log.name}: the high watermark ${highWatermark} has been at ${floor} before`,
    );
    log.highFloor = Math.max(log.highFloor, highWatermark);
  }

  // ---------------------------------------------------------------------------------------------------- list offsets

  listed(
    question: Question,
    position: 'earliest' | 'latest' | number,
    answer: { error: ErrorName | null; offset: number; timestampMs: number },
  ): void {
    if (answer.error !== null) {
      this.#error(question, answer.error);
      return;
    }
    const log = this.#logOf(question);
    if (!log) return;
    if (position === 'earliest') this.#started(log, question, answer.offset);
    else if (position === 'latest') this.#reached(log, question, answer.offset);
    else this.#foundByTime(log, question, position, answer);
  }

  #foundByTime(
    log: ModelLog,
    question: Question,
    targetMs: number,
    { offset, timestampMs }: { offset: number; timestampMs: number },
  ): void {
    const startFloor = question.floor?.log === log ? question.floor.startFloor : 0;
    judge(
      offset < 0 || offset >= startFloor,
      () =>
        `${log.name}: offset ${offset} was found for ${targetMs}, but all before ${startFloor} is deleted`,
    );
    if (offset >= 0) {
      const found = log.batches.get(offset);
      const expectedMs = found ? timestampAt(found, offset) : timestampMs;
      judge(
        timestampMs >= targetMs && timestampMs === expectedMs,
        () =>
          `${log.name}: offset ${offset} was found for ${targetMs}, with timestamp ${timestampMs}; its own is ${expectedMs}`,
      );
    }
    if (log.topic.hadRetention) return;
    const floor = question.floor?.log === log ? question.floor.highFloor : 0;
    const end = offset >= 0 ? Math.min(offset, floor) : floor;
    for (const [earlier, batch] of log.batches) {
      if (earlier >= end || earlier < log.deletedTo || this.#mayBeGone(log, earlier)) continue;
      const earlierMs = timestampAt(batch, earlier);
      judge(
        earlierMs < targetMs,
        () => `${log.name}: offset ${offset} was found for ${targetMs}, but ${earlier} has ${earlierMs}`,
      );
    }
  }

  /** The log begins there: what lay before must have been retention's to take, or deleted by a client. */
  #started(log: ModelLog, question: Question | null, logStartOffset: number): void {
    const { hadRetention, leastRetentionBytes, leastRetentionMs } = log.topic;
    judge(
      logStartOffset <= log.deletedTo || hadRetention,
      () => `${log.name} has no retention, but starts at ${logStartOffset}`,
    );
    const startFloor = question?.floor?.log === log ? question.floor.startFloor : 0;
    judge(
      logStartOffset >= startFloor,
      () => `${log.name} starts at ${logStartOffset}, but all before ${startFloor} was deleted`,
    );
    if (Number.isFinite(leastRetentionBytes) || this.#options.diskFailed()) return;
    for (const [offset, batch] of log.batches) {
      if (offset >= logStartOffset || offset < log.deletedTo) continue;
      const ageMs = this.#options.wallMaxMs() - timestampAt(batch, offset);
      judge(
        ageMs > leastRetentionMs,
        () =>
          `${log.name}: offset ${offset} is gone at the age of ${ageMs} ms, with retention.ms ${leastRetentionMs}`,
      );
    }
  }

  // --------------------------------------------------------------------------------------- what happens to all of it

  /** A broker has stopped in good order: everything is on the disk. */
  stoppedCleanly(): void {
    for (const { logs } of this.topics) for (const log of logs) log.durableEnd = log.highFloor;
  }

  /** A partition was read whole while nothing was written to it. `powerLost`: for the first time since a loss of power. */
  readBack(log: ModelLog, { start, end, payloads }: ReadBack, powerLost: boolean): void {
    const { leastRetentionBytes } = log.topic;
    if (powerLost) {
      judge(
        end >= log.durableEnd,
        () =>
          `${log.name} ends at ${end} after a loss of power, but everything below ${log.durableEnd} was on the disk`,
      );
      this.#forgetFrom(log, end);
      // Names of files go one by one: that of the first segment may be gone, and that of the next be there. What retention
      // took may still come back.
      const isGone = start > log.deletedTo && log.durableEnd <= log.deletedTo;
      if (isGone && !this.#mayBeRetention(log, start, payloads)) this.#forgetBefore(log, start);
    }
    judge(
      end >= log.highFloor,
      () => `${log.name} ends at ${end}, but its high watermark was at ${log.highFloor}`,
    );
    log.highFloor = end;
    const { isCompacted } = log.topic;
    const offsets = new Set<number>();
    const batches = payloads.flatMap((payload) => this.#decode(log, payload, offsets));
    const [first] = batches;
    // Clients delete records, not batches.
    const within =
      log.deletedTo >= start && (first?.baseOffset ?? end) < start && (first?.lastOffset ?? -1) >= start;
    judge(
      (first?.baseOffset ?? end) === start || within || (isCompacted && (first?.lastOffset ?? end) >= start),
      () => `${log.name} starts at ${start}, but its first batch at ${first?.baseOffset}`,
    );
    judge(
      start >= log.startFloor,
      () => `${log.name} starts at ${start}, but all before ${log.startFloor} was deleted`,
    );
    judge(
      this.#inOrder(log, batches) === end || batches.length === 0,
      () => `${log.name} ends at ${end}, but not its last batch`,
    );
    this.#started(log, null, start);
    const bytes = batches.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (start > 0) this.retentions++;
    judge(
      start <= log.deletedTo ||
        !Number.isFinite(leastRetentionBytes) ||
        log.wasCut ||
        Number.isFinite(log.topic.leastRetentionMs) ||
        isCompacted ||
        bytes >= leastRetentionBytes,
      () => `${log.name}: retention left ${bytes} bytes, with retention.bytes ${leastRetentionBytes}`,
    );
    if (isCompacted) {
      this.#judgeHoles(log, { start, end, offsets }, this.#now(), true);
      log.keyed.present = offsets;
      return;
    }
    const there = new Set(batches.map(({ baseOffset }) => baseOffset as number));
    for (const batch of new Set(log.batches.values())) {
      const { baseOffset } = batch.place ?? { baseOffset: -1 };
      judge(
        baseOffset < start || there.has(baseOffset),
        () => `${log.name}: batch ${batch.id} (${batch.fate}) at ${baseOffset} is gone`,
      );
    }
  }

  /** Whether retention may have taken what lay before, and have left that much. */
  #mayBeRetention({ topic, batches, deletedTo }: ModelLog, start: number, left: readonly Buffer[]): boolean {
    const { leastRetentionBytes, leastRetentionMs } = topic;
    const leftBytes = left.reduce((sum, { length }) => sum + length, 0);
    const oldestAllowedMs = this.#options.wallMaxMs() - leastRetentionMs;
    const isYoung = [...batches].some(
      ([offset, batch]) =>
        offset < start && offset >= deletedTo && timestampAt(batch, offset) >= oldestAllowedMs,
    );
    const byBytes = Number.isFinite(leastRetentionBytes) && leftBytes >= leastRetentionBytes;
    return byBytes || (Number.isFinite(leastRetentionMs) && !isYoung);
  }

  /** What lay there went with the power. */
  #forgetFrom(log: ModelLog, end: number): void {
    this.#forget(log, (offset) => offset >= end);
    if (end < log.highFloor) log.wasCut = true;
    log.highFloor = Math.min(log.highFloor, end);
  }

  /** What lay there went with the power. */
  #forgetBefore(log: ModelLog, start: number): void {
    this.#forget(log, (offset) => offset < start);
    log.deletedTo = start;
  }

  #forget(log: ModelLog, isLost: (offset: number) => boolean): void {
    this.#forgetLost(log, isLost);
    const left = [...log.batches].flatMap(([offset, { keyed, place }]) => {
      const record = keyed[offset - (place?.baseOffset ?? offset)];
      return record ? [[offset, record] as const] : [];
    });
    log.keyed.restart(left);
  }

  #forgetLost(log: ModelLog, isLost: (offset: number) => boolean): void {
    for (const [offset, batch] of log.batches) {
      if (!isLost(offset)) continue;
      log.batches.delete(offset);
      batch.place = null;
      batch.fate = 'lost';
      log.wasCut = true;
    }
  }

  /** The answer to a look-up by time in a log that has just been read whole, from `start` on. */
  lookedUp(log: ModelLog, start: number, targetMs: number, found: TimestampedOffset): void {
    let expected: TimestampedOffset = { offset: -1, timestampMs: -1 };
    for (let offset = start; offset < log.highFloor && expected.offset < 0; offset++) {
      const batch = log.batches.get(offset);
      // While segments are swapped a look-up may meet one that has been replaced: what it finds there is old, but right.
      if (log.topic.isCompacted && offset !== found.offset && !log.keyed.present.has(offset)) continue;
      if (!batch) throw new Verdict(`${log.name}: nothing is known of offset ${offset}`);
      const timestampMs = timestampAt(batch, offset);
      // Compaction may have taken it since.
      const isPassed = log.topic.isCompacted && offset !== found.offset && this.#mayBeGone(log, offset);
      if (timestampMs >= targetMs && !isPassed) expected = { offset, timestampMs };
    }
    judge(
      found.offset === expected.offset && found.timestampMs === expected.timestampMs,
      () =>
        `${log.name}: for ${targetMs} offset ${found.offset} (${found.timestampMs}) was found instead of ` +
        `${expected.offset} (${expected.timestampMs})`,
    );
  }

  #now(): Moment {
    return ++this.#moment;
  }
}

/** What a record says of itself: the batch that it was sent in, and which of its records it is. */
function nameOf({ value, headers: [header] }: LogRecord): { id: number; index: number } {
  const name = Buffer.from(header?.value ?? value ?? '').toString('latin1');
  const [, id, index] = /^(\d+)\/(\d+)/.exec(name) ?? [];
  return { id: Number(id), index: Number(index) };
}

function firstOf(batch: Batch): readonly LogRecord[] {
  const [first] = batch.records();
  return first ? [first] : [];
}

/** The records that compaction left of a batch are those that were sent. */
function judgeKept(log: ModelLog, sent: SentBatch, contents: readonly LogRecord[]): void {
  sent.contents ??= [...decodeBatch(sent.bytes).records()];
  for (const record of contents) {
    const { index } = nameOf(record);
    const original = sent.contents[index];
    const isSame =
      original !== undefined &&
      record.offset === (sent.place?.baseOffset ?? 0) + index &&
      record.timestampMs === original.timestampMs &&
      same(record.key, original.key) &&
      same(record.value, original.value) &&
      record.headers.length === original.headers.length;
    judge(isSame, () => `${log.name}: the record at ${record.offset} is not as batch ${sent.id} had it`);
  }
}

const same = (one: Buffer | null, other: Buffer | null): boolean =>
  one === null || other === null ? one === other : one.equals(other);

/** How many of the records up to one that was acknowledged a loss of power may take. */
function undurableMax({ settings, isAltering, alteredAt }: ModelTopic, { asked }: Question): number {
  if (isAltering || alteredAt >= asked) return Number.POSITIVE_INFINITY;
  if (settings.flushAcks) return 0;
  const flushMessages = settings.overrides['flush.messages'];
  return flushMessages === undefined ? Number.POSITIVE_INFINITY : Number(flushMessages) - 1;
}

function timestampAt({ place, timestampsMs, logAppendTimeMs }: SentBatch, offset: number): number {
  if (logAppendTimeMs >= 0) return logAppendTimeMs;
  return timestampsMs[offset - (place?.baseOffset ?? offset)] ?? -1;
}
