// Finds batches in the files of a log that another thread owns and appends to. Knows of the log only the files and what the
// owner published; changes nothing. What the owner publishes never lies: everything below the published position is there,
// unless it was deleted meanwhile. Indexes are hints: an entry is used if it points at a batch that ends with its offset.
//
// Compaction puts other files in the place of segments (compaction/swap.ts), whose positions mean other batches. An open file
// stays what it was, with its indexes and the positions known of it; nothing of it is used with another one:
//
//   a position belongs to an open file, not to a name, and goes with it
//   a handle never comes to mean another file (disk.ts): it fails as a deleted one does, and all is looked up anew
//   an index that is opened after its segment was replaced is found out: the segment's name leads elsewhere by then
//   when the owner publishes that it replaced something, all that was open before is let go
import { join } from 'node:path';
import { type Offset, toOffset } from '../base/ids.js';
import { type Disk, DiskError, type DiskFile } from '../io/disk.js';
import { BatchWalker } from './batch-walker.js';
import { CLEANED_SUFFIX, parseSegmentFileName, parseSwapFileName, segmentFileName } from './file-names.js';
import { findEntryAt, findEntryBehind, findOffsetEntry, offsetEntryCount } from './offset-index.js';
import {
  findTimeEntry,
  lastTimeEntry,
  type TimeEntry,
  timeEntryCount,
  timeIndexLooksSound,
} from './time-index.js';

/** A consistent snapshot of what the owner of the log published. */
export interface Published {
  readonly logStartOffset: Offset;
  /** Only what lies below is read. */
  readonly highWatermark: Offset;
  readonly logEndOffset: Offset;
  /** Base offset of the active segment, and how many of its bytes hold batches. */
  readonly segmentBaseOffset: Offset;
  readonly segmentBytes: number;
  /** How often compaction replaced files since the log was opened: what was known of them before is void. */
  readonly replacements: number;
}

export interface Found {
  readonly type: 'found';
  /**
   * Belongs to the reader. It stays open while the segment is part of the log and for at least one more deletion of segments;
   * whoever waits longer before reading locates again.
   */
  readonly file: DiskFile;
  readonly segmentBaseOffset: Offset;
  /** Where the batch begins. */
  readonly position: number;
  /** Where the segment's batches end. */
  readonly endPosition: number;
}

/** Batches that follow one another in a segment, from one that was found on. */
export interface BatchRun {
  readonly bytes: number;
  /** Behind all of their offsets, and at or before those that follow. */
  readonly nextOffset: Offset;
}

/** Where a batch lies, or why there is none to be read. */
export type Located =
  | Found
  /** There is no such batch yet. */
  | { readonly type: 'end' }
  /** The offset is not in the log, or not any more. */
  | { readonly type: 'out-of-range' }
  /** The file holds something else than a batch at the position. */
  | { readonly type: 'corrupt'; readonly path: string; readonly position: number; readonly reason: string }
  /** The disk failed. */
  | { readonly type: 'failed'; readonly error: DiskError };

export interface LogReaderOptions {
  /** The partition's folder. */
  readonly directory: string;
  readonly disk: Disk;
}

interface Hint {
  readonly segmentBaseOffset: Offset;
  readonly position: number;
}

/** Offsets that consumers will ask for next: one for each consumer, more or less. */
const HINTS_MAX = 256;

/** Files may go one after the other while a reader looks; what is gone for good is gone at the second look. */
const LOOKS_MAX = 8;

/** Where more steps than these lead to the end of a run, the index is asked for a way. */
const RUN_STEPS_MAX = 24;
/** The headers of batches that lie so near come with one read. */
const NEAR_BYTES = 16 * 1024;

const END: Located = { type: 'end' };
const OUT_OF_RANGE: Located = { type: 'out-of-range' };

/** A segment's files as a reader uses them: opened when needed. */
class ReadSegment {
  readonly baseOffset: Offset;
  readonly file: DiskFile;
  readonly #disk: Disk;
  readonly #directory: string;
  #offsetIndex: DiskFile | null = null;
  #timeIndex: DiskFile | null = null;
  #sealedBytes: number | null = null;
  #lastTimeEntry: TimeEntry | null = null;
  #greatestBatch: TimeEntry | null | undefined;

  /** Throws DiskError; `ENOENT` if the segment was deleted. */
  constructor(disk: Disk, directory: string, baseOffset: Offset) {
    this.baseOffset = baseOffset;
    this.#disk = disk;
    this.#directory = directory;
    this.file = disk.open(join(directory, segmentFileName(baseOffset, 'log')), 'read');
  }

  endPosition({ segmentBaseOffset, segmentBytes }: Published): number {
    if (this.baseOffset === segmentBaseOffset) {
      this.#sealedBytes = null;
      return segmentBytes;
    }
    this.#sealedBytes ??= this.#disk.size(this.file);
    return this.#sealedBytes;
  }

  walk(position: number, endPosition: number): BatchWalker {
    return new BatchWalker(this.#disk, this.file, position, endPosition, this.baseOffset);
  }

  /** Walks from the batch at, or not far before, the offset on. */
  walkTo(offset: number, endPosition: number): BatchWalker {
    const index = this.#openIndex('offset');
    if (index) {
      const count = offsetEntryCount(this.#disk.size(index));
      const entry = findOffsetEntry(this.#disk, index, this.baseOffset, count, offset);
      if (entry && entry.position < endPosition) {
        const walker = this.walk(entry.position, endPosition);
        if (walker.next() && walker.lastOffset === entry.lastOffset)
          return this.walk(entry.position, endPosition);
      }
    }
    return this.walk(0, endPosition);
  }

  /** Stands on the last batch that the index knows to begin at the position or before; null if there is none. */
  walkFromEntry(position: number, endPosition: number): BatchWalker | null {
    const index = this.#openIndex('offset');
    if (!index) return null;
    const count = offsetEntryCount(this.#disk.size(index));
    const entry = findEntryAt(this.#disk, index, this.baseOffset, count, position, endPosition);
    if (!entry) return null;
    const walker = this.walk(entry.position, endPosition);
    return walker.next() && walker.lastOffset === entry.lastOffset ? walker : null;
  }

  /** Walks on behind a broken batch from the next one that the index knows; null unless that begins at the offset or before. */
  walkBehind(position: number, offset: number, endPosition: number): BatchWalker | null {
    const index = this.#openIndex('offset');
    if (!index) return null;
    const count = offsetEntryCount(this.#disk.size(index));
    const entry = findEntryBehind(this.#disk, index, this.baseOffset, count, position);
    if (!entry || entry.position >= endPosition) return null;
    const walker = this.walk(entry.position, endPosition);
    const leads = walker.next() && walker.lastOffset === entry.lastOffset && walker.baseOffset <= offset;
    return leads ? this.walk(entry.position, endPosition) : null;
  }

  /** Walks from where the first batch with the timestamp may be. */
  walkToTimestamp(timestampMs: number, endPosition: number): BatchWalker {
    const index = this.#openIndex('time');
    if (!index) return this.walk(0, endPosition);
    const count = timeEntryCount(this.#disk.size(index));
    const entry = findTimeEntry(this.#disk, index, this.baseOffset, count, timestampMs);
    return entry ? this.walkTo(entry.offset, endPosition) : this.walk(0, endPosition);
  }

  /**
   * The last entry of the time index: no record of a sealed segment has a greater timestamp. Null if it cannot be told.
   */
  greatestTimestamp(): TimeEntry | null {
    if (this.#lastTimeEntry) return this.#lastTimeEntry;
    const index = this.#openIndex('time');
    if (!index) return null;
    const entry = lastTimeEntry(this.#disk, index, this.baseOffset, timeEntryCount(this.#disk.size(index)));
    if (this.#sealedBytes !== null) this.#lastTimeEntry = entry;
    return entry;
  }

  /** The batch of a sealed segment that has a record with its greatest timestamp; null if the index does not tell. */
  greatestBatch(endPosition: number): TimeEntry | null {
    if (this.#greatestBatch !== undefined) return this.#greatestBatch;
    const entry = this.greatestTimestamp();
    let known = entry;
    if (entry) {
      const walker = this.walkTo(entry.offset, endPosition);
      while (walker.next() && walker.lastOffset < entry.offset) {}
      // An index may count batches that compaction emptied.
      if (walker.lastOffset !== entry.offset || walker.recordCount <= 0) known = null;
    }
    if (this.#sealedBytes !== null) this.#greatestBatch = known;
    return known;
  }

  #openIndex(which: 'offset' | 'time'): DiskFile | null {
    const opened = which === 'offset' ? this.#offsetIndex : this.#timeIndex;
    if (opened) return opened;
    const name = segmentFileName(this.baseOffset, which === 'offset' ? 'index' : 'timeindex');
    try {
      const file = this.#disk.open(join(this.#directory, name), 'read');
      if (!this.#disk.isCurrent(this.file)) {
        this.#disk.close(file);
        throw new DiskError('ENOENT', this.file.path, 'the segment was deleted or replaced');
      }
      if (which === 'offset') this.#offsetIndex = file;
      else if (this.#isSound(file)) this.#timeIndex = file;
      else {
        this.#disk.close(file);
        return null;
      }
      return file;
    } catch (error) {
      const isMissing =
        error instanceof DiskError && error.code === 'ENOENT' && error.path !== this.file.path;
      if (isMissing) return null;
      throw error;
    }
  }

  /** What a loss of power left of a time index would hide batches until the log's owner has rebuilt it. */
  #isSound(timeIndex: DiskFile): boolean {
    const logBytes = this.#sealedBytes ?? Number.MAX_SAFE_INTEGER;
    return timeIndexLooksSound(this.#disk, timeIndex, this.baseOffset, Number.MAX_SAFE_INTEGER, logBytes);
  }

  files(): DiskFile[] {
    return [this.file, this.#offsetIndex, this.#timeIndex].filter((file) => file !== null);
  }
}

export class LogReader {
  readonly #disk: Disk;
  readonly #directory: string;
  /** Base offsets of the segments in the folder, ascending, as of the last look. */
  #bases: Offset[] = [];
  readonly #segments = new Map<Offset, ReadSegment>();
  /** Files of segments that are gone; closed when more of them go. */
  #retired: DiskFile[] = [];
  readonly #hints = new Map<Offset, Hint>();
  #logStartOffset = -1;
  #replacements = 0;

  constructor({ directory, disk }: LogReaderOptions) {
    this.#directory = directory;
    this.#disk = disk;
  }

  /**
   * The batch that holds the offset; the next one where compaction took it out. `end` for offsets from the high watermark to
   * the log's end. O(1) where {@link remember} said so, else some small reads.
   */
  locate(offset: Offset, published: Published): Located {
    if (offset < published.logStartOffset || offset > published.logEndOffset) return OUT_OF_RANGE;
    if (offset >= published.highWatermark) return END;
    return this.#attempt(
      published,
      () => this.#remembered(offset, published) ?? this.#search(offset, published),
    );
  }

  /**
   * How far whole batches reach from the place of one that was found: those of `bytesMax` bytes that lie below the high watermark, or not
   * all of them where finding out takes longer than reading some later. Null if not even the first one is among them, or it has no records.
   * Steps from header to header where the end is near; else the index tells of a batch near the end, and those before it are not looked at.
   */
  runFrom(place: Found, bytesMax: number, { highWatermark }: Published): BatchRun | null {
    const { file, segmentBaseOffset, position, endPosition } = place;
    const segment = this.#segments.get(segmentBaseOffset);
    if (segment?.file !== file) return null;
    const limits = { position, limit: Math.min(position + bytesMax, endPosition), highWatermark };
    try {
      const walker = segment.walk(position, endPosition);
      if (!walker.next() || walker.recordCount === 0) return null;
      const { run, isWhole } = stepOn(walker, limits, 'if-near');
      if (isWhole) return run;
      const near = segment.walkFromEntry(limits.limit, endPosition);
      if (near && near.batchPosition > walker.batchPosition && near.baseOffset <= highWatermark) {
        const known = { bytes: near.batchPosition - position, nextOffset: toOffset(near.baseOffset) };
        return stepOn(near, limits, 'some').run ?? known;
      }
      const again = segment.walk(walker.batchPosition, endPosition);
      again.next();
      return stepOn(again, limits, 'some').run ?? run;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return null; // Whoever reads meets it again.
    }
  }

  /**
   * The batch that begins at or behind the position of the file, which was found here, comes next for a consumer that asks for
   * the offset. Nothing happens if the file is no longer in use.
   */
  remember(offset: Offset, { file, segmentBaseOffset }: Found, position: number): void {
    if (this.#segments.get(segmentBaseOffset)?.file !== file) return;
    this.#hints.delete(offset);
    this.#hints.set(offset, { segmentBaseOffset, position });
    if (this.#hints.size <= HINTS_MAX) return;
    for (const oldest of this.#hints.keys()) {
      this.#hints.delete(oldest);
      return;
    }
  }

  /**
   * The first batch whose greatest timestamp is at or above the given one; `end` if there is none below the high watermark.
   * Which of its records it is, the caller must decode; if it is none, because the record was deleted with others before the log
   * start, the search goes on behind the batch: `fromOffset`. O(segments + log entries + batches between two index entries).
   */
  locateTimestamp(
    timestampMs: number,
    published: Published,
    fromOffset: Offset = published.logStartOffset,
  ): Located {
    return this.#attempt(published, () => {
      for (const baseOffset of this.#basesFrom(fromOffset, published)) {
        const segment = this.#open(baseOffset);
        const endPosition = segment.endPosition(published);
        const greatest = baseOffset === published.segmentBaseOffset ? null : segment.greatestTimestamp();
        if (greatest && greatest.timestampMs < timestampMs) continue;
        const walker = segment.walkToTimestamp(timestampMs, endPosition);
        while (walker.next()) {
          if (walker.lastOffset >= published.highWatermark) return END;
          if (walker.maxTimestampMs < timestampMs || walker.lastOffset < fromOffset) continue;
          if (walker.recordCount > 0) return found(segment, walker.batchPosition, endPosition);
        }
        if (walker.problem) return corrupt(segment, walker);
      }
      return END;
    });
  }

  /** The first batch that has the greatest timestamp of all below the high watermark; `end` if the log is empty. */
  locateMaxTimestamp(published: Published): Located {
    return this.#attempt(published, () => {
      let greatest: TimeEntry | null = null;
      for (const baseOffset of this.#basesFrom(published.logStartOffset, published)) {
        const entry = this.#greatestIn(this.#open(baseOffset), published);
        if (entry && 'type' in entry) return entry;
        if (entry && entry.timestampMs > (greatest?.timestampMs ?? -1)) greatest = entry;
      }
      return greatest ? this.#search(greatest.offset, published) : END;
    });
  }

  /**
   * Forgets all that it knows of the files: for a log that was cut, or opened anew, or a file that is gone. What others were given
   * a moment ago stays open for them.
   */
  forget(): void {
    this.#letGo();
    this.#bases = [];
    this.#logStartOffset = -1;
  }

  /** Closes all files. The reader may be used again. */
  close(): void {
    this.#letGo();
    this.#closeRetired();
  }

  // A file that is gone was deleted or replaced since the last look at the folder: another look tells what is there now, and
  // nothing that was open before goes with it.
  #attempt(published: Published, locate: () => Located): Located {
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      try {
        if (looks === 0) this.#lookAround(published);
        else {
          this.#letGo();
          this.#refresh();
        }
        return locate();
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        if (error.code !== 'ENOENT') return { type: 'failed', error };
      }
    }
    return OUT_OF_RANGE;
  }

  #remembered(offset: Offset, published: Published): Located | null {
    const hint = this.#hints.get(offset);
    if (!hint || hint.segmentBaseOffset > published.segmentBaseOffset) return null;
    const segment = this.#segments.get(hint.segmentBaseOffset);
    if (!segment) return null;
    const endPosition = segment.endPosition(published);
    return hint.position < endPosition ? found(segment, hint.position, endPosition) : null;
  }

  #search(offset: Offset, published: Published): Located {
    // What lies before the first segment was deleted since this was published.
    if (offset < (this.#bases[0] ?? offset)) return OUT_OF_RANGE;
    for (const baseOffset of this.#basesFrom(offset, published)) {
      const segment = this.#open(baseOffset);
      const endPosition = segment.endPosition(published);
      let walker = segment.walkTo(offset, endPosition);
      for (;;) {
        while (walker.next()) {
          if (walker.lastOffset < offset) continue;
          return walker.lastOffset < published.highWatermark
            ? found(segment, walker.batchPosition, endPosition)
            : END;
        }
        if (!walker.problem) break;
        const behind = segment.walkBehind(walker.position, offset, endPosition);
        if (!behind) return corrupt(segment, walker);
        walker = behind;
      }
    }
    return END;
  }

  #greatestIn(segment: ReadSegment, published: Published): TimeEntry | Located | null {
    const endPosition = segment.endPosition(published);
    const { logStartOffset, highWatermark, segmentBaseOffset } = published;
    const whole = segment.baseOffset >= logStartOffset && segment.baseOffset !== segmentBaseOffset;
    const indexed = whole ? segment.greatestBatch(endPosition) : null;
    if (indexed && indexed.offset < highWatermark) return indexed;
    let greatest: TimeEntry | null = null;
    const walker = segment.walk(0, endPosition);
    while (walker.next() && walker.lastOffset < highWatermark) {
      if (walker.lastOffset < logStartOffset || walker.recordCount <= 0) continue;
      if (walker.maxTimestampMs <= (greatest?.timestampMs ?? -1)) continue;
      greatest = { timestampMs: walker.maxTimestampMs, offset: toOffset(walker.lastOffset) };
    }
    return walker.problem ? corrupt(segment, walker) : greatest;
  }

  /** Base offsets of the published segments from the one on that holds the offset. */
  *#basesFrom(offset: Offset, { segmentBaseOffset }: Published): Generator<Offset> {
    let low = 0;
    let high = this.#bases.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#bases[middle] ?? offset) <= offset) low = middle + 1;
      else high = middle;
    }
    for (let i = Math.max(low - 1, 0); i < this.#bases.length; i++) {
      const baseOffset = this.#bases[i];
      if (baseOffset === undefined || baseOffset > segmentBaseOffset) return;
      yield baseOffset;
    }
  }

  #open(baseOffset: Offset): ReadSegment {
    const opened = this.#segments.get(baseOffset);
    if (opened) return opened;
    const segment = new ReadSegment(this.#disk, this.#directory, baseOffset);
    this.#segments.set(baseOffset, segment);
    return segment;
  }

  /** Looks into the folder again if the log has rolled, has lost segments, or has others instead. */
  #lookAround({ segmentBaseOffset, logStartOffset, replacements }: Published): void {
    if (replacements !== this.#replacements) {
      this.#replacements = replacements;
      this.#letGo();
      this.#bases = [];
    }
    const lost =
      logStartOffset > this.#logStartOffset && (this.#bases[1] ?? segmentBaseOffset) <= logStartOffset;
    if (this.#bases.length === 0 || lost || !this.#knows(segmentBaseOffset)) this.#refresh();
    this.#logStartOffset = logStartOffset;
  }

  #knows(baseOffset: Offset): boolean {
    return this.#bases.at(-1) === baseOffset || this.#bases.includes(baseOffset);
  }

  #refresh(): void {
    this.#bases = segmentsAmong(this.#disk.list(this.#directory));
    const present = new Set(this.#bases);
    // A read that began before a deletion may have left a hint after it, for a segment that is not open here any more.
    for (const [offset, { segmentBaseOffset }] of this.#hints) {
      if (!present.has(segmentBaseOffset)) this.#hints.delete(offset);
    }
    const gone = [...this.#segments.values()].filter(({ baseOffset }) => !present.has(baseOffset));
    if (gone.length === 0) return;
    this.#closeRetired();
    for (const segment of gone) {
      this.#segments.delete(segment.baseOffset);
      this.#retired.push(...segment.files());
    }
  }

  /** Forgets what it knows of open files; those stay open for who was given them a moment ago. */
  #letGo(): void {
    this.#hints.clear();
    if (this.#segments.size === 0) return;
    this.#closeRetired();
    for (const segment of this.#segments.values()) this.#retired.push(...segment.files());
    this.#segments.clear();
  }

  #closeRetired(): void {
    for (const file of this.#retired.splice(0)) this.#disk.close(file);
  }
}

/** Base offsets of the segments, ascending, but for those that another one has the place of already (compaction/swap.ts, step 4). */
function segmentsAmong(names: readonly string[]): Offset[] {
  const swaps = names
    .flatMap((name) => parseSwapFileName(name) ?? [])
    .filter(({ baseOffset }) => !names.includes(segmentFileName(baseOffset, 'log') + CLEANED_SUFFIX));
  const isReplaced = (offset: Offset): boolean =>
    swaps.some(({ baseOffset, endOffset }) => baseOffset < offset && offset < endOffset);
  return names.flatMap((name) => {
    const parsed = parseSegmentFileName(name);
    return parsed?.suffix === 'log' && !isReplaced(parsed.baseOffset) ? [parsed.baseOffset] : [];
  });
}

/** The batches from `position` on that end at `limit` or before, and lie below the high watermark. */
interface RunLimits {
  readonly position: number;
  readonly limit: number;
  readonly highWatermark: Offset;
}

/**
 * Steps on from the batch that the walker stands on. `isWhole` says that what follows the run does not belong to it; else the end
 * seems to be more than some steps away by the size of the batch (`if-near`), or is so (`some`).
 */
function stepOn(
  walker: BatchWalker,
  { position, limit, highWatermark }: RunLimits,
  how: 'if-near' | 'some',
): { readonly run: BatchRun | null; readonly isWhole: boolean } {
  let run: BatchRun | null = null;
  for (let stepsLeft = RUN_STEPS_MAX; walker.position <= limit; stepsLeft--) {
    if (walker.lastOffset >= highWatermark) break;
    const leftBytes = limit - walker.batchPosition;
    const isFar = how === 'some' ? stepsLeft <= 0 : walker.batchBytes * stepsLeft < leftBytes;
    if (isFar && leftBytes > NEAR_BYTES) return { run, isWhole: false };
    run = { bytes: walker.position - position, nextOffset: toOffset(walker.lastOffset + 1) };
    if (!walker.next()) break;
  }
  return { run, isWhole: true };
}

function found(segment: ReadSegment, position: number, endPosition: number): Found {
  return { type: 'found', file: segment.file, segmentBaseOffset: segment.baseOffset, position, endPosition };
}

function corrupt(segment: ReadSegment, { position, problem }: BatchWalker): Located {
  return { type: 'corrupt', path: segment.file.path, position, reason: problem ?? 'no batch' };
}
