// What the log of a history must hold. It knows every record that was appended and not cut off again, and of each record
// whether a compaction may have taken it:
//
//   a newer record of its key lay below the point to which a pass may have come, and was old enough for it; or
//   it is a tombstone whose delete horizon had passed when a pass began; or it has no key
//
// Whatever else is missing was lost. The newest record of a key is never missing, unless it is such a tombstone.
import { type Offset, toOffset } from '../../../src/base/ids.js';
import { KNOWN_BATCHES_MAX } from '../../../src/log/producer-states.js';
import { readBaseOffset, readLastOffset } from '../../../src/record/batch-header.js';
import { type Batch, decodeBatch } from '../../../src/record/batch-reader.js';
import { sequenceAfter } from '../../../src/record/producer-identity.js';
import { must } from './difference.js';
import {
  type AppendedBatch,
  type AppendedRecord,
  HEADER_KEY,
  type ProducerOfBatch,
  type ProducerPlace,
} from './workload.js';

export interface ModelRecord {
  readonly record: AppendedRecord;
  readonly batch: ModelBatch;
  /** A pass may have taken it. */
  mayBeGone: boolean;
  /** It is a tombstone, and its horizon had passed when a pass began. */
  horizonPassed: boolean;
  /** What superseded it was cut off by a truncation, or it lay below the log start when a pass began: nothing stands for it. */
  orphaned: boolean;
  /** It was seen to be missing; for good, if a pass had ended well by then. */
  missing: boolean;
  missingForGood: boolean;
}

export interface ModelBatch {
  readonly batch: AppendedBatch;
  readonly records: readonly ModelRecord[];
  /** What its header says, once a pass has seen its tombstones. */
  horizonMs: number | null;
  /** The earliest that a pass which may not have come to its end can have given it. */
  possibleHorizonMs: number;
  /** Later batches of its producer were cut off, of which one may have stood for it when a pass took it. */
  mayBeUnknown: boolean;
  /** A recovery did not find it. Should the next one, then below leader epochs that began in its place meanwhile. */
  wasGone: boolean;
}

/** A compaction that was asked for. */
export interface Pass {
  readonly nowMs: number;
  readonly minLagMs: number;
  readonly deleteRetentionMs: number;
  /** Nothing from here on is touched. */
  readonly limitOffset: number;
}

/** How the log came to be recovered. */
export interface Recovery {
  /** It does not end before. */
  readonly floor: number;
  /** The power has gone: what was in doubt before is settled. */
  readonly power: boolean;
  /** It was being cut. */
  readonly cut: boolean;
}

/** A batch as it lies in the log, named by its offsets and its checksum. */
export interface OffsetRange {
  readonly baseOffset: number;
  readonly lastOffset: number;
}

export interface FoundHeader extends OffsetRange {
  readonly crc: number;
}

interface ModelProducer {
  epoch: number;
  batches: (ProducerOfBatch & { readonly baseOffset: number; readonly lastOffset: number })[];
}

const crcOf = ({ bytes }: AppendedBatch): number => bytes.readUInt32BE(17);

function modelBatch(batch: AppendedBatch): ModelBatch {
  const records: ModelRecord[] = [];
  const made: ModelBatch = {
    batch,
    records,
    horizonMs: null,
    possibleHorizonMs: Number.POSITIVE_INFINITY,
    mayBeUnknown: false,
    wasGone: false,
  };
  for (const record of batch.records) {
    records.push({
      record,
      batch: made,
      mayBeGone: false,
      horizonPassed: false,
      orphaned: false,
      missing: false,
      missingForGood: false,
    });
  }
  return made;
}

export class Model {
  /** All that was appended and neither cut off nor lost, also what lies below the log start. */
  #batches: ModelBatch[] = [];
  /** What no longer counts, and yet may lie on the disk: batches of appends that failed or were cut short, or of a cut that was. */
  #inDoubt: ModelBatch[] = [];
  /** The offset of the newest record of each key. */
  #newest = new Map<string, number>();
  #producers = new Map<number, ModelProducer>();
  /** Of all passes: what a delete horizon can be. */
  readonly #horizons = new Set<number>();
  /** No pass has gone further. */
  #passedTo = 0;
  #endOffset = 0;
  #startOffset = 0;
  /** The highest that the start offset ever was: what lies below was deleted once, though a crash may have brought it back. */
  startOffsetMax = 0;

  get startOffset(): number {
    return this.#startOffset;
  }

  set startOffset(offset: number) {
    this.#startOffset = offset;
    this.startOffsetMax = Math.max(this.startOffsetMax, offset);
  }

  get endOffset(): Offset {
    return toOffset(this.#endOffset);
  }

  get batches(): readonly ModelBatch[] {
    return this.#batches;
  }

  append(batches: readonly AppendedBatch[]): void {
    for (const batch of batches) {
      this.#add(modelBatch(batch));
    }
  }

  /** These may lie in the log, and only a recovery tells. */
  doubt(batches: readonly AppendedBatch[]): void {
    this.#inDoubt.push(...batches.map(modelBatch));
  }

  #add(batch: ModelBatch): void {
    const { lastOffset, producer, baseOffset } = batch.batch;
    this.#batches.push(batch);
    this.#endOffset = lastOffset + 1;
    for (const { record } of batch.records) {
      if (record.key !== null) this.#newest.set(record.key, record.offset);
    }
    if (!producer) return;
    let known = this.#producers.get(producer.id);
    const last = known?.batches.at(-1)?.lastSequence ?? -1;
    // One that was forgotten begins anew, with whatever sequence.
    const goesOn = known?.epoch === producer.epoch && producer.firstSequence === sequenceAfter(last, 1);
    if (!known || !goesOn) known = { epoch: producer.epoch, batches: [] };
    known.batches = [...known.batches, { ...producer, baseOffset, lastOffset }].slice(-KNOWN_BATCHES_MAX);
    this.#producers.set(producer.id, known);
  }

  /** The log ends here now. */
  #rebuild(batches: readonly ModelBatch[], endOffset: number): void {
    this.#batches = [];
    this.#newest = new Map();
    this.#producers = new Map();
    for (const batch of batches) this.#add(batch);
    this.#endOffset = endOffset;
  }

  // Truncation and recovery

  /**
   * Where the log ends if it is cut at the offset: before the batch that holds it. Where passes may have taken whole batches before
   * that, it may end behind the last one that is left.
   */
  endsAfterCut(offset: number): { readonly min: number; readonly max: number } {
    const cut = this.#batches.find(({ batch }) => batch.lastOffset >= offset);
    const max = Math.min(cut ? cut.batch.baseOffset : this.#endOffset, offset);
    const last = this.#batches.findLast(
      ({ batch, records }) => batch.lastOffset < max && records.some(({ mayBeGone }) => !mayBeGone),
    );
    return { min: Math.min(max, last ? last.batch.lastOffset + 1 : 0), max };
  }

  /** Batches that reach the offset are gone for good; the log says where it ends. */
  truncated(offset: number, endOffset: number): void {
    this.#inDoubt = [];
    this.#rebuild(
      this.#batches.filter(({ batch }) => batch.lastOffset < Math.min(offset, endOffset)),
      endOffset,
    );
    this.#wasCut();
  }

  /** What has stood for records that passes took may be gone. */
  #wasCut(): void {
    for (const { records } of this.#batches)
      for (const record of records) if (record.mayBeGone) record.orphaned = true;
    for (const batch of this.#batches)
      if (batch.records.every(({ mayBeGone }) => mayBeGone)) batch.mayBeUnknown = true;
  }

  /**
   * What a recovery found, which ended with this offset. All below `floor` had to be there. What was in doubt is in the log if it
   * was found there, byte for byte; of the rest all that ends before. Returns how many records are lost.
   */
  recovered({ floor, power, cut }: Recovery, endOffset: number, found: readonly FoundHeader[]): number {
    must(endOffset >= floor, () => `the log ends at ${endOffset}, and all below ${floor} was promised`);
    const before = this.#endOffset;
    const all = [...this.#batches, ...this.#inDoubt];
    // The power may take a segment and leave the next one, which is empty.
    const appendedTo = Math.max(before, ...this.#inDoubt.map(({ batch }) => batch.lastOffset + 1));
    must(endOffset <= appendedTo, () => `the log ends at ${endOffset}, behind all that was appended`);
    let batches = this.#batches.filter(({ batch }) => batch.lastOffset < endOffset);
    for (const { baseOffset, lastOffset, crc } of found) {
      if (baseOffset < floor) continue;
      const isThat = ({ batch }: ModelBatch): boolean =>
        batch.baseOffset === baseOffset && crcOf(batch) === crc;
      if (batches.some(isThat)) continue;
      const risen = this.#inDoubt.find(isThat);
      if (!risen) continue;
      batches = batches.filter(({ batch }) => batch.lastOffset < baseOffset || batch.baseOffset > lastOffset);
      const at = batches.findIndex(({ batch }) => batch.baseOffset > lastOffset);
      batches.splice(at < 0 ? batches.length : at, 0, risen);
    }
    const present = new Set(batches);
    this.#inDoubt = power ? [] : all.filter((batch) => !present.has(batch));
    for (const batch of this.#inDoubt) batch.wasGone = true;
    this.#rebuild(batches, endOffset);
    if (cut) this.#wasCut();
    return Math.max(0, before - endOffset);
  }

  // Compaction

  /** A pass begins, which may take what stands at the head of this file. */
  passBegins({ nowMs, minLagMs, deleteRetentionMs, limitOffset }: Pass): void {
    this.#horizons.add(nowMs + deleteRetentionMs);
    this.#passedTo = Math.max(this.#passedTo, limitOffset);
    const newer = new Set<string>();
    for (const modelled of this.#batches.toReversed()) {
      const { batch, records } = modelled;
      if (batch.lastOffset >= limitOffset) continue;
      const horizonMs = modelled.horizonMs ?? modelled.possibleHorizonMs;
      modelled.possibleHorizonMs = Math.min(modelled.possibleHorizonMs, nowMs + deleteRetentionMs);
      for (const one of records.toReversed()) {
        const { key, value, timestampMs, offset } = one.record;
        if (key === null || newer.has(key)) one.mayBeGone = true;
        if (key !== null && (minLagMs === 0 || timestampMs <= nowMs - minLagMs)) newer.add(key);
        // Without a retention, what one pass marks the next one of the same compaction may take.
        const isDue = deleteRetentionMs === 0 || horizonMs <= nowMs;
        if (value === null && isDue) {
          one.mayBeGone = true;
          one.horizonPassed = true;
        }
        if (offset < this.startOffset) {
          one.mayBeGone = true;
          one.orphaned = true;
        }
      }
    }
  }

  /** Why the record may be missing; null: it must be there. */
  excuse(one: ModelRecord): string | null {
    const { key, offset } = one.record;
    // The log start may rise while a pass is under way, and a crash may set it back.
    if (offset < this.startOffsetMax && offset < this.#passedTo) return 'deleted once';
    if (!one.mayBeGone) return null;
    if (one.orphaned) return 'nothing stands for it';
    if (key === null) return 'no key';
    if ((this.#newest.get(key) ?? -1) > offset) return 'superseded';
    return one.horizonPassed ? 'horizon' : null;
  }

  /** Whether it is the newest record of its key. */
  isNewest({ record: { key, offset } }: ModelRecord): boolean {
    return key !== null && this.#newest.get(key) === offset;
  }

  // Lookup

  /** The first batch that reaches the offset: its place in {@link batches}. */
  placeOf(offset: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#batches[middle]?.batch.lastOffset ?? offset) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The batch that lies in the bytes, which must have been appended as it is but for what a pass took and changed. */
  recognise(
    bytes: Buffer,
    at: number,
    sizeBytes: number,
  ): { batch: ModelBatch; present: readonly ModelRecord[] } {
    const baseOffset = readBaseOffset(bytes, at);
    const lastOffset = readLastOffset(bytes, at);
    const batch = this.#batches[this.placeOf(baseOffset)];
    const name = `batch ${baseOffset}–${lastOffset}`;
    must(
      batch?.batch.baseOffset === baseOffset && batch.batch.lastOffset === lastOffset,
      () => `${name} was never appended`,
    );
    const { bytes: appended } = batch.batch;
    const isSame = bytes.compare(appended, 0, appended.length, at, at + sizeBytes) === 0;
    if (isSame) return { batch, present: batch.records };
    return { batch, present: this.#rewritten(batch, decodeBatch(bytes, at), name) };
  }

  /** The records that are left. */
  #rewritten(batch: ModelBatch, found: Batch, name: string): ModelRecord[] {
    must(this.#horizons.size > 0, () => `${name} has changed, without a compaction`);
    this.#checkRewritten(batch, found, name);
    const present: ModelRecord[] = [];
    for (const { offset, timestampMs, key, value, headers } of found.records()) {
      const one = batch.records[offset - found.baseOffset];
      must(one !== undefined, () => `${name} has a record at ${offset}`);
      const { record } = one;
      const [header] = headers;
      const same =
        (key?.toString() ?? null) === record.key &&
        (value?.toString() ?? null) === record.value &&
        timestampMs === record.timestampMs &&
        headers.length === (record.headerValue === null ? 0 : 1) &&
        (header === undefined || header.key === HEADER_KEY) &&
        (header?.value === undefined ? null : Buffer.from(header.value ?? []).toString()) ===
          record.headerValue;
      must(same, () => `the record at ${offset} is not the one that was appended`);
      present.push(one);
    }
    return present;
  }

  #checkRewritten(batch: ModelBatch, found: Batch, name: string): void {
    const { batch: appended } = batch;
    const { producer, codec, maxTimestampMs, leaderEpoch } = appended;
    must(found.leaderEpoch === leaderEpoch, () => `${name} has leader epoch ${found.leaderEpoch}`);
    must(found.codec === codec || found.codec === 'none', () => `${name} has codec ${found.codec}`);
    must(
      found.producerId === (producer?.id ?? -1) &&
        found.producerEpoch === (producer?.epoch ?? -1) &&
        found.baseSequence === (producer?.firstSequence ?? -1),
      () => `${name} is another producer's`,
    );
    must(found.maxTimestampMs <= maxTimestampMs, () => `${name} has timestamp ${found.maxTimestampMs}`);
    const { deleteHorizonMs } = found;
    if (deleteHorizonMs === null) return;
    must(this.#horizons.has(deleteHorizonMs), () => `${name} has the delete horizon ${deleteHorizonMs}`);
    batch.horizonMs = deleteHorizonMs;
  }

  // Producers

  /** What a producer has to send next; null: the log need not know it. */
  producerPlace(id: number): ProducerPlace | null {
    const producer = this.#producers.get(id);
    const newest = producer?.batches.at(-1);
    if (!producer || !newest) return null;
    const nextSequence = sequenceAfter(newest.lastSequence, 1);
    return {
      epoch: producer.epoch,
      nextSequence,
      isCertain: !this.#batches[this.placeOf(newest.baseOffset)]?.mayBeUnknown,
    };
  }

  get producers(): ReadonlyMap<number, Readonly<ModelProducer>> {
    return this.#producers;
  }
}
