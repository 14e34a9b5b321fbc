// Both jobs against a plain computation: random segments are compacted again and again, with new batches between the passes,
// in random slices and with maps that are too small; what is left must be exactly what a few lines over arrays say.
import { describe, expect, it } from 'vitest';
import { type Offset, toOffset, ZERO_OFFSET } from '../../../src/base/ids.js';
import { type Random, seededRandom } from '../../../src/base/random.js';
import type { SimulatedDisk } from '../../../src/io/simulated-disk.js';
import { compactBatches } from '../../../src/log/compaction/compact-batches.js';
import type { CompactionProgress } from '../../../src/log/compaction/compaction-jobs.js';
import { indexKeys } from '../../../src/log/compaction/index-keys.js';
import { BatchBuilder } from '../../../src/record/batch-builder.js';
import { type Batch, BatchReader, decodeBatch } from '../../../src/record/batch-reader.js';
import { CODEC_NAMES } from '../../../src/record/compression/codec.js';
import type { RecordHeader } from '../../../src/record/record.js';
import { NO_PROGRESS, newKeys, scanTarget, simulatedDisk, TARGET, writeFile } from './segment-fixture.js';

interface PlainRecord {
  readonly offset: number;
  readonly timestampMs: number;
  /** In base64: compared and used as a key here. */
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

type Header = Pick<
  Batch,
  | 'baseOffset'
  | 'lastOffset'
  | 'leaderEpoch'
  | 'codec'
  | 'timestampType'
  | 'maxTimestampMs'
  | 'producerId'
  | 'producerEpoch'
  | 'baseSequence'
  | 'isTransactional'
  | 'isControl'
  | 'deleteHorizonMs'
>;

interface PlainBatch extends Header {
  readonly records: readonly PlainRecord[];
}

interface Pass {
  readonly minOffset: Offset;
  readonly keysMax: number;
  readonly logStartOffset: Offset;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  readonly producersLastOffsets: ReadonlySet<Offset>;
}

const base64 = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('base64'));

function plain(batch: Batch): PlainBatch {
  const { baseOffset, lastOffset, leaderEpoch, codec, timestampType, maxTimestampMs } = batch;
  const { producerId, producerEpoch, baseSequence, isTransactional, isControl, deleteHorizonMs } = batch;
  const records = [...batch.records()].map(({ offset, timestampMs, key, value, headers }) => ({
    offset,
    timestampMs,
    key: base64(key),
    value: base64(value),
    headers: headers.map((header) => [header.key, base64(header.value)] as const),
  }));
  return {
    ...{ baseOffset, lastOffset, leaderEpoch, codec, timestampType, maxTimestampMs },
    ...{ producerId, producerEpoch, baseSequence, isTransactional, isControl, deleteHorizonMs, records },
  };
}

const plainBatches = (bytes: Buffer): PlainBatch[] => [...new BatchReader(bytes)].map(plain);

/** Draws the shape of a log: some have few keys, some nearly as many as records. */
class LogMaker {
  readonly #random: Random;
  readonly #keys: readonly Buffer[];
  nextOffset = 0;

  constructor(random: Random) {
    this.#random = random;
    const count = 1 + random.below([3, 30, 1000][random.below(3)] ?? 3);
    this.#keys = Array.from({ length: count }, (_, i) =>
      i === 0
        ? Buffer.alloc(0)
        : Buffer.from(random.bytes(1 + random.below(random.below(5) === 0 ? 200 : 8))),
    );
  }

  batch(): Buffer {
    const random = this.#random;
    const builder = new BatchBuilder();
    const baseOffset = toOffset(this.nextOffset);
    const isControl = random.below(15) === 0;
    const count = isControl ? 1 : 1 + random.below([1, 5, 60][random.below(3)] ?? 1);
    // An earlier compaction, by whomever, may have left gaps.
    const step = random.below(4) === 0 ? 3 : 1;
    let offsetDelta = random.below(step);
    for (let i = 0; i < count; i++) {
      builder.add(this.#record(), offsetDelta);
      offsetDelta += 1 + random.below(step);
    }
    const lastOffsetDelta = offsetDelta - 1 + random.below(step);
    this.nextOffset += lastOffsetDelta + 1;
    const hasProducer = random.below(2) === 0;
    return builder.build({
      baseOffset,
      lastOffsetDelta,
      isControl,
      isTransactional: isControl || random.below(5) === 0,
      codec: CODEC_NAMES[random.below(CODEC_NAMES.length)],
      ...(hasProducer && { producerId: random.below(3), producerEpoch: 1, baseSequence: random.below(1000) }),
      ...(random.below(6) === 0 && { logAppendTimeMs: this.#timestampMs() }),
    });
  }

  #record() {
    const random = this.#random;
    const headers: RecordHeader[] = Array.from({ length: Math.max(0, random.below(5) - 2) }, (_, i) => ({
      key: `é${i}`,
      value: random.below(3) === 0 ? null : random.bytes(random.below(20)),
    }));
    return {
      timestampMs: random.below(10) === 0 ? -1 : this.#timestampMs(),
      key: random.below(25) === 0 ? null : (this.#keys[random.below(this.#keys.length)] ?? null),
      value: random.below(6) === 0 ? null : Buffer.alloc(random.below(200), random.below(256)),
      headers,
    };
  }

  #timestampMs(): number {
    return this.#random.below(2) === 0 ? this.nextOffset : this.#random.below(2_000_000_000);
  }
}

/** What must be in the map, by a Map: the newest offset of each key, and how far it knows the log. */
function plainIndex(batches: readonly PlainBatch[], { minOffset, keysMax }: Pass) {
  const newest = new Map<string, number>();
  let indexedTo: number = minOffset;
  for (const { records, isControl, lastOffset } of batches) {
    for (const { offset, key } of isControl ? [] : records) {
      if (key === null || offset < minOffset) continue;
      if (newest.size === keysMax && !newest.has(key)) return { newest, indexedTo: offset, full: true };
      newest.set(key, offset);
    }
    indexedTo = Math.max(indexedTo, lastOffset + 1);
  }
  return { newest, indexedTo, full: false };
}

function plainCompact(
  batches: readonly PlainBatch[],
  pass: Pass,
  { newest, indexedTo }: { newest: ReadonlyMap<string, number>; indexedTo: number },
): PlainBatch[] {
  const stays = (batch: PlainBatch, { offset, key, value }: PlainRecord): boolean => {
    if (offset < pass.logStartOffset) return false;
    if (offset >= indexedTo) return true;
    if (key === null) return false;
    const isExpired = value === null && batch.deleteHorizonMs !== null && batch.deleteHorizonMs <= pass.nowMs;
    return !isExpired && offset >= (newest.get(key) ?? -1);
  };
  return batches.flatMap((batch): PlainBatch[] => {
    if (batch.isControl && batch.lastOffset >= pass.logStartOffset) return [batch];
    if (batch.records.length === 0 && batch.baseOffset >= Math.max(indexedTo, pass.logStartOffset))
      return [batch];
    const records = batch.isControl ? [] : batch.records.filter((record) => stays(batch, record));
    if (records.length === 0) {
      const isLast = pass.producersLastOffsets.has(batch.lastOffset);
      return isLast ? [{ ...batch, records, codec: 'none', deleteHorizonMs: null }] : [];
    }
    const tombstones = records.filter(({ value }) => value === null);
    const isSettled = tombstones.length > 0 && tombstones.every(({ offset }) => offset < indexedTo);
    const deleteHorizonMs = batch.deleteHorizonMs ?? (isSettled ? pass.nowMs + pass.deleteRetentionMs : null);
    const isChanged = records.length < batch.records.length || deleteHorizonMs !== batch.deleteHorizonMs;
    const maxTimestampMs =
      isChanged && batch.timestampType === 'CreateTime'
        ? Math.max(...records.map(({ timestampMs }) => timestampMs))
        : batch.maxTimestampMs;
    return [{ ...batch, records, deleteHorizonMs, maxTimestampMs }];
  });
}

function nextHorizon(batches: readonly PlainBatch[], indexedTo: number): number | null {
  const horizons = batches.flatMap(({ records, deleteHorizonMs }) => {
    const tombstones = records.filter(({ value }) => value === null);
    const isSettled = tombstones.length > 0 && tombstones.every(({ offset }) => offset < indexedTo);
    return isSettled && deleteHorizonMs !== null ? [deleteHorizonMs] : [];
  });
  return horizons.length > 0 ? Math.min(...horizons) : null;
}

interface SegmentFile {
  readonly path: string;
  readonly bytes: number;
}

/** Runs a pass of the real jobs over segments, in random slices, into one target. */
class JobRunner {
  readonly #disk: SimulatedDisk;
  readonly #random: Random;
  readonly #segments: readonly SegmentFile[];
  readonly #keys: SharedArrayBuffer;

  constructor(disk: SimulatedDisk, random: Random, segments: readonly SegmentFile[], keysMax: number) {
    this.#disk = disk;
    this.#random = random;
    this.#segments = segments;
    this.#keys = newKeys(keysMax);
  }

  index(from: Offset): { indexedTo: Offset; full: boolean } {
    let minOffset = from;
    for (const source of this.#slices()) {
      const output = indexKeys(this.#disk, { ...source, minOffset, keys: this.#keys });
      source.done(output.nextPosition);
      minOffset = output.indexedTo;
      if (output.full) return output;
    }
    return { indexedTo: minOffset, full: false };
  }

  compact(pass: Pass, indexedTo: Offset, indexIntervalBytes: number) {
    let progress: CompactionProgress = NO_PROGRESS;
    let recordsRead = 0;
    let recordsKept = 0;
    const horizons: number[] = [];
    for (const source of this.#slices()) {
      const output = compactBatches(this.#disk, {
        ...{ ...source, ...pass, target: TARGET, progress, keys: this.#keys, indexedTo, indexIntervalBytes },
        maxMessageBytes: 1_000_000,
        last: false,
      });
      source.done(output.nextPosition);
      progress = output.progress;
      recordsRead += output.recordsRead;
      recordsKept += output.recordsKept;
      if (output.nextDeleteHorizonMs !== null) horizons.push(output.nextDeleteHorizonMs);
    }
    // A slice without batches, so that the last one of the target is known.
    const { path, bytes } = this.#segments.at(-1) as SegmentFile;
    const end = { path, fromPosition: bytes, endPosition: bytes, bytesMax: 1 };
    progress = compactBatches(this.#disk, {
      ...{ ...end, ...pass, target: TARGET, progress, keys: this.#keys, indexedTo, indexIntervalBytes },
      maxMessageBytes: 1_000_000,
      last: true,
    }).progress;
    const nextDeleteHorizonMs = horizons.length > 0 ? Math.min(...horizons) : null;
    return { progress, recordsRead, recordsKept, nextDeleteHorizonMs };
  }

  *#slices() {
    for (const { path, bytes } of this.#segments) {
      let fromPosition = 0;
      const done = (nextPosition: number) => {
        fromPosition = nextPosition;
      };
      while (fromPosition < bytes) {
        const bytesMax = 1 + this.#random.below(this.#random.below(2) === 0 ? 500 : 20_000);
        yield { path, fromPosition, endPosition: bytes, bytesMax, done };
      }
    }
  }
}

/** Writes the batches to one to three files. */
function writeSegments(disk: SimulatedDisk, random: Random, batches: readonly Buffer[]): SegmentFile[] {
  const cuts = [random.below(batches.length + 1), random.below(batches.length + 1)].sort((a, b) => a - b);
  return [batches.slice(0, cuts[0]), batches.slice(cuts[0], cuts[1]), batches.slice(cuts[1])].map(
    (part, i) => {
      const path = `/data/${i}.log`;
      writeFile(disk, path, part);
      return { path, bytes: Buffer.concat(part).length };
    },
  );
}

function splitBatches(bytes: Buffer): Buffer[] {
  const reader = new BatchReader(bytes);
  const pieces: Buffer[] = [];
  for (let start = 0; reader.next() !== null; start = reader.position)
    pieces.push(bytes.subarray(start, reader.position));
  return pieces;
}

/** The newest value of each key, as somebody who reads the whole log has it at last. */
function table(batches: readonly PlainBatch[], fromOffset: number): Map<string, string> {
  const values = new Map<string, string>();
  for (const { records, isControl } of batches) {
    for (const { offset, key, value } of isControl ? [] : records) {
      if (key === null || offset < fromOffset) continue;
      if (value === null) values.delete(key);
      else values.set(key, value);
    }
  }
  return values;
}

function checkFiles(disk: SimulatedDisk, progress: CompactionProgress, indexIntervalBytes: number): void {
  const scan = scanTarget(disk, indexIntervalBytes);
  expect(scan.invalid).toEqual([]);
  expect(scan).toMatchObject({
    validBytes: progress.bytes,
    nextOffset: progress.nextOffset,
    maxTimestampMs: progress.maxTimestampMs,
    maxTimestampOffset: progress.maxTimestampOffset,
    bytesSinceIndexEntry: progress.bytesSinceIndexEntry,
  });
  const offsetIndex = disk.contents(TARGET.offsetIndexPath);
  const timeIndex = disk.contents(TARGET.timeIndexPath);
  expect(offsetIndex.toString('hex')).toBe(Buffer.from(scan.offsetIndex).toString('hex'));
  expect(timeIndex.toString('hex')).toBe(Buffer.from(scan.timeIndex).toString('hex'));
  expect(progress.offsetEntries).toBe(offsetIndex.length / 8);
  expect(progress.timeEntries).toBe(timeIndex.length / 12);
}

/** Passes with which the log got smaller, tombstones went, the map was full, and empty batches stayed: so that a test can see them. */
interface Seen {
  smaller: number;
  tombstonesGone: number;
  full: number;
  empty: number;
}

function run(seed: number, seen: Seen): void {
  const random = seededRandom(seed);
  const disk = simulatedDisk();
  const maker = new LogMaker(random);
  const everything: PlainBatch[] = [];
  let log: Buffer[] = [];
  let cleanedTo = ZERO_OFFSET;
  let logStartOffset = ZERO_OFFSET;
  let nowMs = 1_000_000;
  for (let round = 0; round < 4; round++) {
    const fresh = Array.from({ length: 1 + random.below(30) }, () => maker.batch());
    everything.push(...fresh.map((bytes) => plain(decodeBatch(bytes))));
    log = [...log, ...fresh];
    nowMs += random.below(3000);
    if (random.below(3) === 0) logStartOffset = toOffset(logStartOffset + random.below(50));
    const batches = plainBatches(Buffer.concat(log));
    const lastOffsets = batches.filter(() => random.below(5) === 0).map(({ lastOffset }) => lastOffset);
    const pass: Pass = {
      minOffset: cleanedTo,
      keysMax: 1 + random.below(random.below(2) === 0 ? 10 : 1000),
      logStartOffset,
      nowMs,
      deleteRetentionMs: random.below(4000),
      producersLastOffsets: new Set(lastOffsets),
    };
    const indexIntervalBytes = random.below(600);
    const runner = new JobRunner(disk, random, writeSegments(disk, random, log), pass.keysMax);
    const index = plainIndex(batches, pass);
    const indexed = runner.index(pass.minOffset);
    expect(indexed).toMatchObject({ indexedTo: index.indexedTo, full: index.full });
    const expected = plainCompact(batches, pass, index);
    const output = runner.compact(pass, indexed.indexedTo, indexIntervalBytes);
    const bytes = disk.contents(TARGET.logPath);
    const result = plainBatches(bytes);
    expect(result).toEqual(expected);
    checkFiles(disk, output.progress, indexIntervalBytes);
    const count = (of: readonly PlainBatch[]) => of.reduce((sum, { records }) => sum + records.length, 0);
    expect(output).toMatchObject({ recordsRead: count(batches), recordsKept: count(result) });
    expect(output.nextDeleteHorizonMs).toBe(nextHorizon(result, indexed.indexedTo));
    // Whatever the passes do, who reads the log ends with the same table.
    expect(table(result, logStartOffset)).toEqual(table(everything, logStartOffset));
    const tombstones = (of: readonly PlainBatch[]) =>
      of.filter(({ deleteHorizonMs }) => deleteHorizonMs !== null).flatMap(({ records }) => records).length;
    if (bytes.length < Buffer.concat(log).length) seen.smaller++;
    if (tombstones(result) < tombstones(batches)) seen.tombstonesGone++;
    if (indexed.full) seen.full++;
    if (result.some(({ records }) => records.length === 0)) seen.empty++;
    log = splitBatches(bytes);
    cleanedTo = indexed.indexedTo;
  }
}

// SEED=… repeats one run, RUNS=… makes more of them.
const given = process.env['SEED'];
const runs = given === undefined ? Number(process.env['RUNS'] ?? 40) : 1;

describe('the jobs of a compaction', () => {
  it('leave exactly what a plain computation does', () => {
    const seen: Seen = { smaller: 0, tombstonesGone: 0, full: 0, empty: 0 };
    for (let i = 0; i < runs; i++) {
      const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
      try {
        run(seed, seen);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`SEED=${seed} fails: ${reason}`, { cause: error });
      }
    }
    if (given !== undefined) return;
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(0);
  });
});
