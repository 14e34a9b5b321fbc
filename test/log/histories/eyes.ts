// What readers see of the log: each batch that they are given must be one that was appended, and what lies between two
// batches must have an excuse. LogReader's answers are compared with a walk over all batches.
import { type Offset, toOffset } from '../../../src/base/ids.js';
import type { Random } from '../../../src/base/random.js';
import { DiskError } from '../../../src/io/disk.js';
import type { Log } from '../../../src/log/log.js';
import { type Found, type Located, LogReader, type Published } from '../../../src/log/log-reader.js';
import { wholeBatches } from '../../../src/log/whole-batches.js';
import {
  readBaseOffset,
  readBatchBytes,
  readLastOffset,
  readMaxTimestamp,
  readRecordCount,
} from '../../../src/record/batch-header.js';
import { DIRECTORY } from '../log-fixture.js';
import { must } from './difference.js';
import type { FoundHeader, Model, ModelRecord, OffsetRange } from './model.js';
import type { ReaderDisk } from './reader-disk.js';

/** Hears of all that a read showed, in the order of the offsets. */
interface Witness {
  readonly present?: (one: ModelRecord) => void;
  readonly missing?: (one: ModelRecord) => void;
  readonly batch?: (found: SeenBatch) => void;
}

const READ_BYTES_MIN = 100;
const READ_ATTEMPTS = 3;
const LOOK_UPS = 3;
const buffer = Buffer.alloc(16 * 1024);

/** All records of [from, to) are missing: each must have an excuse. */
function expectExcused(model: Model, from: number, to: number, witness: Witness): void {
  const start = Math.max(from, model.startOffset);
  for (let place = model.placeOf(start); place < model.batches.length; place++) {
    const batch = model.batches[place];
    if (!batch || batch.batch.baseOffset >= to) return;
    for (const one of batch.records) {
      if (one.record.offset < start || one.record.offset >= to) continue;
      must(model.excuse(one) !== null, () => describeMissing(one));
      witness.missing?.(one);
    }
  }
}

function describeMissing({ record: { offset, key, value } }: ModelRecord): string {
  return `${value === null ? 'the tombstone' : 'the record'} at ${offset} with the key ${key} is missing`;
}

/** Checks whole batches that were read for an offset; returns the next one to ask for. Bytes that are no batches throw. */
export function checkRead(model: Model, bytes: Buffer, fromOffset: number, witness: Witness = {}): number {
  let offset = fromOffset;
  let position = 0;
  while (position < bytes.length) {
    const sizeBytes = readBatchBytes(bytes, position);
    const baseOffset = readBaseOffset(bytes, position);
    const lastOffset = readLastOffset(bytes, position);
    must(lastOffset >= offset, () => `asked for ${offset}, a reader got a batch up to ${lastOffset}`);
    must(
      position === 0 || baseOffset >= offset,
      () => `the batch at ${baseOffset} follows one up to ${offset - 1}`,
    );
    expectExcused(model, offset, baseOffset, witness);
    const { batch, present } = model.recognise(bytes, position, sizeBytes);
    const maxTimestampMs = readMaxTimestamp(bytes, position);
    const recordCount = readRecordCount(bytes, position);
    witness.batch?.({ baseOffset, lastOffset, maxTimestampMs, recordCount });
    let at = 0;
    for (const one of batch.records) {
      if (one === present[at]) {
        at++;
        if (one.record.offset >= offset) witness.present?.(one);
      } else if (one.record.offset >= Math.max(offset, model.startOffset)) {
        must(model.excuse(one) !== null, () => describeMissing(one));
        witness.missing?.(one);
      }
    }
    position += sizeBytes;
    offset = lastOffset + 1;
  }
  return offset;
}

export interface Read {
  readonly bytes: Buffer;
  readonly found: Found;
}

const isGone = (error: unknown): boolean => error instanceof DiskError && error.code === 'ENOENT';

/** A thread of readers with its LogReader. */
export class Eyes {
  readonly #model: Model;
  readonly #disk: ReaderDisk;
  readonly #random: Random;
  readonly reader: LogReader;

  constructor(model: Model, disk: ReaderDisk, random: Random) {
    this.#model = model;
    this.#disk = disk;
    this.#random = random;
    this.reader = new LogReader({ directory: DIRECTORY, disk });
  }

  /**
   * Reads as a fetch does, and remembers the place behind. Null: there is nothing at the offset yet. In the midst of a swap the
   * file may be gone between the two: then it is looked up anew.
   */
  read(offset: number, published: Published): Read | null {
    for (let attempt = 1; ; attempt++) {
      const located = this.locate(offset, published);
      if (located.type !== 'found') return null;
      try {
        return this.readAt(located, published);
      } catch (error) {
        if (!isGone(error) || attempt === READ_ATTEMPTS) throw error;
        this.reader.forget();
      }
    }
  }

  locate(offset: number, published: Published): Located & { readonly type: 'found' | 'end' } {
    const located = this.reader.locate(toOffset(offset), published);
    if (located.type === 'found' || located.type === 'end') return located;
    if (located.type === 'failed') throw located.error;
    must(
      false,
      () =>
        `offset ${offset} of ${published.logStartOffset}–${published.highWatermark}: ${JSON.stringify(located)}`,
    );
  }

  readAt(found: Found, published: Published): Read {
    const { position, endPosition, file } = found;
    let length = Math.min(READ_BYTES_MIN + this.#random.below(3000), endPosition - position);
    for (;;) {
      const read = this.#disk.read(file, position, buffer.subarray(0, length));
      const whole = wholeBatches(buffer, read, published.highWatermark);
      must(whole.reason === null, () => `at byte ${position} of ${file.path}: ${whole.reason}`);
      if (whole.bytes > 0) {
        this.reader.remember(whole.nextOffset, found, position + whole.bytes);
        return { bytes: buffer.subarray(0, whole.bytes), found };
      }
      must(
        (whole.firstBatchBytes ?? 0) > length && (whole.firstBatchBytes ?? 0) <= endPosition - position,
        () => `no whole batch at byte ${position} of ${file.path}`,
      );
      length = whole.firstBatchBytes ?? 0;
    }
  }

  isOpen({ file }: Found): boolean {
    return this.#disk.isOpen(file);
  }

  /** The base offset of the batch at the place. */
  baseOffsetAt({ file, position }: Found): number {
    this.#disk.read(file, position, buffer.subarray(0, 8));
    return Number(buffer.readBigInt64BE(0));
  }

  /** One read at the offset, checked; returns the next offset to ask for, or null at the end. */
  checkedRead(offset: number, published: Published, witness: Witness = {}): number | null {
    const read = this.read(offset, published);
    if (read) return checkRead(this.#model, read.bytes, offset, witness);
    expectExcused(this.#model, offset, published.highWatermark, witness);
    return null;
  }
}

/** What a reader that was given a place long ago finds there: batches of the log as it was, or that the file is gone. */
export function checkHeldRead(
  model: Model,
  eyes: Eyes,
  found: Found,
  published: Published,
  offset: number,
): void {
  // Files went more than once since: nobody may read there any more.
  if (!eyes.isOpen(found)) return;
  try {
    checkRead(model, eyes.readAt(found, published).bytes, offset);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function describeLocated(located: Located): string {
  if (located.type !== 'found') return JSON.stringify(located);
  return `byte ${located.position} of ${located.endPosition} in segment ${located.segmentBaseOffset}`;
}

interface SeenBatch extends OffsetRange {
  readonly maxTimestampMs: number;
  /** 0: a batch that a compaction has emptied, which no look-up by time finds. */
  readonly recordCount: number;
}

export interface Comparison {
  readonly records: number;
  /** Records that were not known to be missing. */
  readonly newlyMissing: number;
  readonly tombstonesNewlyMissing: number;
}

/**
 * Reads the whole log with the reader's eyes and the owner's, and compares it with the model. `forGood`: what is missing now
 * must never be seen again.
 */
export function compareWhole(scene: Scene, forGood: boolean): Comparison {
  const { model, eyes, random, published } = scene;
  const seen: SeenBatch[] = [];
  const visible = new Set<string>();
  const compacted = new Set<string>();
  const compactedTo = scene.log.firstDirtyOffset;
  let records = 0;
  let newlyMissing = 0;
  let tombstonesNewlyMissing = 0;
  const witness: Witness = {
    batch: (found) => seen.push(found),
    present: (one) => {
      records++;
      must(
        !one.missingForGood,
        () => `the record at ${one.record.offset}, which was compacted away, came back`,
      );
      one.missing = false;
      const { key, offset } = one.record;
      if (!scene.swapping && offset < compactedTo && offset >= model.startOffsetMax)
        must(
          key !== null && !compacted.has(key),
          () => `${key} at ${offset} should have been compacted away`,
        );
      if (key !== null && offset < compactedTo) compacted.add(key);
      if (key !== null && !one.orphaned && offset >= model.startOffsetMax) visible.add(key);
    },
    missing: (one) => {
      const { key, value, offset } = one.record;
      const tombstone = value === null && model.isNewest(one);
      must(
        !(tombstone && visible.has(key ?? '')),
        () => `with the tombstone at ${offset} gone, ${key} rises again`,
      );
      if (!one.missing) newlyMissing++;
      if (!one.missing && tombstone) tombstonesNewlyMissing++;
      one.missing = true;
      if (forGood) one.missingForGood = true;
    },
  };
  let offset: number | null = published.logStartOffset;
  while (offset !== null) offset = eyes.checkedRead(offset, published, witness);
  compareHeaders(scene, seen);
  // What was read before the files change under a swap does not tell what is found now.
  for (let i = 0; i < LOOK_UPS && !scene.swapping; i++) compareLookups(eyes, random, published, seen);
  return { records, newlyMissing, tombstonesNewlyMissing };
}

export interface Scene {
  readonly model: Model;
  readonly log: Log;
  readonly eyes: Eyes;
  readonly random: Random;
  readonly published: Published;
  /** A compaction is under way, or has failed: new and old segments may stand side by side. */
  readonly swapping: boolean;
}

/** The batches from the offset on, as the owner of the log sees them. */
export function headersOf(log: Log, fromOffset: Offset): FoundHeader[] {
  const found: FoundHeader[] = [];
  const corrupt = log.forEachHeader(fromOffset, (header) => {
    const baseOffset = Number(header.readBigInt64BE(0));
    found.push({ baseOffset, lastOffset: baseOffset + header.readInt32BE(23), crc: header.readUInt32BE(17) });
  });
  must(corrupt === null, () => `the owner of the log finds ${JSON.stringify(corrupt)}`);
  return found;
}

/** The owner sees what readers see, and behind the high watermark all that was appended. */
function compareHeaders({ model, log, published, swapping }: Scene, seen: readonly SeenBatch[]): void {
  const { logStartOffset, highWatermark } = published;
  const headers = headersOf(log, logStartOffset);
  const below = headers.filter(({ lastOffset }) => lastOffset < highWatermark);
  const names = (of: readonly OffsetRange[]): string =>
    of.map(({ baseOffset, lastOffset }) => `${baseOffset}–${lastOffset}`).join(' ');
  // In the midst of a swap readers may have the new segment when the owner has the old ones, or the other way round.
  if (!swapping)
    must(names(below) === names(seen), () => `the owner sees ${names(below)}, a reader ${names(seen)}`);
  const above = headers.slice(below.length);
  const appended = model.batches
    .slice(model.placeOf(Math.max(highWatermark, logStartOffset)))
    .map(({ batch }) => batch);
  must(
    names(above) === appended.map(({ baseOffset, lastOffset }) => `${baseOffset}–${lastOffset}`).join(' ') &&
      above.every(({ crc }, i) => crc === appended[i]?.bytes.readUInt32BE(17)),
    () => `behind the high watermark ${highWatermark} the owner sees ${names(above)}`,
  );
}

/** Look-ups by offset and by time equal a search from the start. */
function compareLookups(eyes: Eyes, random: Random, published: Published, seen: readonly SeenBatch[]): void {
  const { logStartOffset, highWatermark } = published;
  const expectAt = (located: Located, expected: SeenBatch | undefined, asked: string): void => {
    const what = (): string =>
      `${asked} leads to ${describeLocated(located)} instead of ${JSON.stringify(expected)}`;
    must(located.type === (expected ? 'found' : 'end'), what);
    if (located.type !== 'found' || !expected) return;
    must(eyes.baseOffsetAt(located) === expected.baseOffset, what);
  };
  if (highWatermark > logStartOffset) {
    const offset = toOffset(logStartOffset + random.below(highWatermark - logStartOffset));
    const expected = seen.find(({ lastOffset }) => lastOffset >= offset);
    expectAt(eyes.locate(offset, published), expected, `offset ${offset}`);
  }
  const timed = seen.filter(({ recordCount }) => recordCount > 0);
  const some = timed[random.below(timed.length + 1)];
  const timestampMs = Math.max(0, (some?.maxTimestampMs ?? 0) + random.below(40) - 20);
  const first = timed.find((batch) => batch.maxTimestampMs >= timestampMs);
  expectAt(eyes.reader.locateTimestamp(timestampMs, published), first, `time ${timestampMs}`);
  const greatest = Math.max(-1, ...timed.map((batch) => batch.maxTimestampMs));
  const latest = greatest < 0 ? undefined : timed.find((batch) => batch.maxTimestampMs === greatest);
  expectAt(eyes.reader.locateMaxTimestamp(published), latest, 'the greatest timestamp');
}
