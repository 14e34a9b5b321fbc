// One compaction of a log. It makes passes: the keys of a part of the dirty section are noted in a map, as many as it takes, then
// all segments up to there are rewritten by it, group by group, the oldest first. Each group is swapped in, for good, before the next
// one is begun: so no more than a group's worth of disk is needed on top, and a tombstone never goes while an older record of its
// key is left before it. Jobs do the work, one slice at a time.
import { assert, present } from '../../base/assert.js';
import type { Clock, Timer } from '../../base/clock.js';
import { OdradekError } from '../../base/errors.js';
import { type Offset, toOffset } from '../../base/ids.js';
import type { Random } from '../../base/random.js';
import { type Disk, DiskError } from '../../io/disk.js';
import type { JobInput, JobName, JobOutput, Jobs } from '../../io/jobs.js';
import type { CompactionConfig, LogConfig } from '../log-config.js';
import { type ProducerState, ProducerStates } from '../producer-states.js';
import { Segment } from '../segment.js';
import { type CompactionRequest, type CompactionResult, NOTHING_DONE } from './compaction.js';
import type { CompactionProgress } from './compaction-jobs.js';
import { groupSegments } from './compaction-plan.js';
import { KeyOffsets, SALT_BYTES } from './key-offsets.js';
import { cleanedPaths, removeAll, SegmentSwap } from './swap.js';

/** The log as its compaction sees it. */
export interface CompactedLog {
  /** All segments at the moment, ascending; the last one is active. */
  readonly segments: readonly Segment[];
  readonly logStartOffset: Offset;
  readonly config: LogConfig;
  /** The last offsets of the newest batches of the producers that are known. */
  readonly producersLastOffsets: () => ReadonlySet<Offset>;
}

export interface CompactionRunOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly jobs: Jobs;
  readonly directory: string;
  readonly log: () => CompactedLog;
  /** What may be compacted ends here: the base offset of a segment. */
  readonly endOffset: Offset;
  readonly firstDirtyOffset: Offset;
  readonly config: CompactionConfig;
  readonly whenNotFlushing: (run: () => void) => void;
  /** All below the offset has been compacted. */
  readonly advanced: (firstDirtyOffset: Offset) => void;
  /** A swap is under way, or is over. Retention keeps off its segments. */
  readonly swapping: (swap: SegmentSwap | null) => void;
  /** The segment takes the place of the swap's in the log. */
  readonly replaced: (swap: SegmentSwap, by: Segment) => void;
}

export type RunDone = (error: Error | null, result: CompactionResult) => void;

/** A part of a segment that a job cannot read, by the word of the job. */
export class UnreadableSegment extends Error {
  override readonly name = 'UnreadableSegment';
  readonly segment: Segment;

  constructor(segment: Segment, cause: Error) {
    super(cause.message, { cause });
    this.segment = segment;
  }
}

/** What a job reads before others get their turn: some 50 ms. */
const SLICE_BYTES = 8 * 1024 * 1024;
/** A map for fewer keys is not worth a pass. */
const KEYS_MIN = 16;

const NO_PROGRESS: Omit<CompactionProgress, 'nextOffset'> = {
  bytes: 0,
  offsetEntries: 0,
  timeEntries: 0,
  bytesSinceIndexEntry: 0,
  maxTimestampMs: -1,
  maxTimestampOffset: -1,
  indexedTimestampMs: -1,
};

type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] };

/** A group as it is rewritten. */
interface Rewriting {
  readonly segments: readonly Segment[];
  readonly endOffset: Offset;
  progress: CompactionProgress;
  recordsRead: number;
  recordsKept: number;
  nextDeleteHorizonMs: number | null;
}

export class CompactionRun {
  readonly #options: CompactionRunOptions;
  readonly #request: CompactionRequest;
  readonly #done: RunDone;
  readonly #startedMs: number;
  readonly #result: Mutable<CompactionResult> = { ...NOTHING_DONE, outcome: 'completed' };
  #firstDirtyOffset: Offset;
  #keys: SharedArrayBuffer | null = null;
  #indexedTo: Offset;
  /** The last offsets of the newest batches that producers have in what a pass covers. */
  #producersLastOffsets: ReadonlySet<Offset> = new Set();
  /** The group that is being rewritten, of which there are `.cleaned` files. */
  #group: readonly Segment[] | null = null;
  #stopped = false;
  /** Between two slices. */
  #wait: Timer | null = null;

  constructor(options: CompactionRunOptions, request: CompactionRequest, done: RunDone) {
    this.#options = options;
    this.#request = request;
    this.#done = done;
    this.#startedMs = options.clock.monotonicMs();
    this.#firstDirtyOffset = options.firstDirtyOffset;
    this.#indexedTo = options.firstDirtyOffset;
  }

  start(): void {
    this.#nextPass();
  }

  /** Ends it as soon as what is under way lets it; a swap that is decided is completed before. */
  stop(): void {
    this.#stopped = true;
    if (!this.#wait) return;
    this.#options.clock.cancel(this.#wait);
    this.#wait = null;
    this.#abandon(null);
  }

  // Passes

  #nextPass(): void {
    const { endOffset } = this.#options;
    if (this.#stopped || this.#firstDirtyOffset >= endOffset) {
      this.#end(null);
      return;
    }
    const { logStartOffset } = this.#options.log();
    const minOffset = toOffset(Math.max(this.#firstDirtyOffset, logStartOffset));
    if (minOffset >= endOffset) {
      // All of it lies below the log start: it goes as it is.
      this.#options.advanced(endOffset);
      this.#end(null);
      return;
    }
    this.#keys = this.#newMap(endOffset - minOffset);
    this.#indexedTo = minOffset;
    const sources = this.#segmentsUpTo(endOffset).filter(({ end }) => end > minOffset);
    this.#index(sources, minOffset);
  }

  #newMap(records: number): SharedArrayBuffer {
    const keysMin = KeyOffsets.bytesFor(KEYS_MIN);
    const keysMax = Math.max(this.#request.keysBytesMax, keysMin);
    const bytes = Math.max(keysMin, Math.min(keysMax, KeyOffsets.bytesFor(records)));
    this.#result.keysBytes = Math.max(this.#result.keysBytes, bytes);
    return KeyOffsets.create(bytes, this.#options.random.bytes(SALT_BYTES));
  }

  /** The segments that begin below the offset, with where they end. */
  #segmentsUpTo(offset: Offset): { segment: Segment; end: Offset }[] {
    const { segments } = this.#options.log();
    return segments.flatMap((segment, i) => {
      const end = segments[i + 1]?.baseOffset;
      return end !== undefined && segment.baseOffset < offset ? [{ segment, end }] : [];
    });
  }

  /** Notes the keys of the segments, then rewrites the log by them. */
  #index(sources: readonly { segment: Segment; end: Offset }[], minOffset: Offset): void {
    const [source, ...later] = sources;
    if (!source) {
      this.#rewriteLog();
      return;
    }
    const { segment, end } = source;
    const slice = (fromPosition: number): void => {
      if (fromPosition >= segment.bytes) {
        this.#indexedTo = end;
        this.#index(later, minOffset);
        return;
      }
      const input: JobInput<'index-keys'> = {
        path: segment.path,
        fromPosition,
        endPosition: segment.bytes,
        bytesMax: SLICE_BYTES,
        minOffset,
        keys: present(this.#keys, 'a map of keys'),
      };
      this.#runJob('index-keys', input, segment, ({ nextPosition, indexedTo, full }) => {
        this.#indexedTo = toOffset(Math.max(this.#indexedTo, indexedTo));
        this.#result.bytesRead += nextPosition - fromPosition;
        this.#pace(nextPosition - fromPosition, () => {
          if (full) this.#rewriteLog();
          else slice(nextPosition);
        });
      });
    };
    slice(this.#positionOf(segment, minOffset));
  }

  /** Where the first batch that reaches the offset begins, or one before it. */
  #positionOf(segment: Segment, offset: Offset): number {
    if (segment.baseOffset >= offset || segment.offsetEntries === 0) return 0;
    try {
      return segment.walk(offset).position;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return 0;
    } finally {
      if (!segment.dirty) segment.release();
    }
  }

  #rewriteLog(): void {
    assert(this.#indexedTo > this.#firstDirtyOffset, 'a pass comes further');
    const covered = this.#segmentsUpTo(this.#indexedTo);
    const last = covered.at(-1);
    if (!last) {
      // Retention has deleted all of it meanwhile.
      this.#passed(this.#indexedTo);
      return;
    }
    const groups = groupSegments(
      covered.map(({ segment }) => segment),
      last.end,
      this.#options.log().config,
    );
    this.#findProducers(groups.flat(), last.end, () => this.#rewriteGroups(groups));
  }

  /**
   * Finds the newest batch that each producer has in these segments. It stays even if the producer went on behind them: a
   * loss of power may take what is there. The producers are known by heart unless they went on.
   */
  #findProducers(segments: readonly Segment[], endOffset: Offset, then: () => void): void {
    const { logStartOffset, producersLastOffsets } = this.#options.log();
    const newest = producersLastOffsets();
    this.#producersLastOffsets = newest;
    const readFrom = (index: number, producers: readonly ProducerState[]): void => {
      const segment = segments[index];
      if (!segment) {
        this.#producersLastOffsets = new ProducerStates(producers).lastOffsets();
        then();
        return;
      }
      const input: JobInput<'replay-producers'> = {
        path: segment.path,
        baseOffset: segment.baseOffset,
        fromPosition: 0,
        endPosition: segment.bytes,
        fromOffset: logStartOffset,
        endOffset: Number.POSITIVE_INFINITY,
        producers,
        nowMs: this.#request.nowMs,
      };
      this.#runJob('replay-producers', input, segment, (output) => readFrom(index + 1, output.producers));
    };
    if ([...newest].some((offset) => offset >= endOffset)) readFrom(0, []);
    else then();
  }

  #rewriteGroups(groups: readonly (readonly Segment[])[]): void {
    const [group, ...later] = groups;
    if (!group) {
      this.#passed(this.#indexedTo);
      return;
    }
    this.#rewrite(group, () => this.#rewriteGroups(later));
  }

  #passed(firstDirtyOffset: Offset): void {
    this.#keys = null;
    this.#result.passes++;
    this.#firstDirtyOffset = firstDirtyOffset;
    this.#options.advanced(firstDirtyOffset);
    this.#nextPass();
  }

  // Groups

  #rewrite(segments: readonly Segment[], then: () => void): void {
    if (this.#stopped || !this.#has(segments)) {
      this.#stopped = true;
      this.#end(null);
      return;
    }
    this.#group = segments;
    const first = present(segments[0], 'a segment');
    const last = present(segments.at(-1), 'a segment');
    const all = this.#options.log().segments;
    const rewriting: Rewriting = {
      segments,
      endOffset: present(all[all.indexOf(last) + 1], 'the segment behind').baseOffset,
      progress: { ...NO_PROGRESS, nextOffset: first.baseOffset },
      recordsRead: 0,
      recordsKept: 0,
      nextDeleteHorizonMs: null,
    };
    // The last offset before the next segment stays, if only as a batch without records: recovery takes a gap between
    // segments for a loss.
    const kept = new Set(this.#producersLastOffsets).add(toOffset(rewriting.endOffset - 1));
    this.#rewriteFrom(rewriting, segments, 0, kept, then);
  }

  /** Rewrites what is left of the sources, from a position of the first one on. */
  #rewriteFrom(
    rewriting: Rewriting,
    sources: readonly Segment[],
    fromPosition: number,
    kept: ReadonlySet<Offset>,
    then: () => void,
  ): void {
    const [source, ...later] = sources;
    if (!source) {
      this.#rewritten(rewriting, then);
      return;
    }
    const { config, logStartOffset } = this.#options.log();
    const { directory } = this.#options;
    const { deleteRetentionMs, maxMessageBytes } = this.#options.config;
    const { baseOffset } = present(rewriting.segments[0], 'a segment');
    const { log, index, timeindex } = cleanedPaths(directory, baseOffset);
    const left = source.bytes - fromPosition;
    const input: JobInput<'compact-batches'> = {
      path: source.path,
      fromPosition,
      endPosition: source.bytes,
      bytesMax: SLICE_BYTES,
      target: { baseOffset, logPath: log, offsetIndexPath: index, timeIndexPath: timeindex },
      progress: rewriting.progress,
      keys: present(this.#keys, 'a map of keys'),
      indexedTo: this.#indexedTo,
      logStartOffset,
      nowMs: this.#request.nowMs,
      deleteRetentionMs,
      producersLastOffsets: kept,
      indexIntervalBytes: config.indexIntervalBytes,
      maxMessageBytes,
      last: later.length === 0 && left <= SLICE_BYTES,
    };
    this.#runJob('compact-batches', input, source, (output) => {
      const writtenBytes = output.progress.bytes - rewriting.progress.bytes;
      rewriting.progress = output.progress;
      rewriting.recordsRead += output.recordsRead;
      rewriting.recordsKept += output.recordsKept;
      rewriting.nextDeleteHorizonMs = earlier(rewriting.nextDeleteHorizonMs, output.nextDeleteHorizonMs);
      this.#result.bytesRead += output.bytesRead;
      this.#result.bytesWritten += writtenBytes;
      this.#pace(output.bytesRead + writtenBytes, () => {
        // A batch may reach over the end of what was to be the last slice but one: then one more ends the indexes.
        const isOver = output.nextPosition >= source.bytes && (later.length > 0 || input.last);
        if (isOver) this.#rewriteFrom(rewriting, later, 0, kept, then);
        else this.#rewriteFrom(rewriting, sources, output.nextPosition, kept, then);
      });
    });
  }

  #rewritten(rewriting: Rewriting, then: () => void): void {
    const { recordsRead, recordsKept, nextDeleteHorizonMs, segments, progress } = rewriting;
    this.#result.recordsRead += recordsRead;
    this.#result.nextDeleteHorizonMs = earlier(this.#result.nextDeleteHorizonMs, nextDeleteHorizonMs);
    if (this.#stopped || !this.#has(segments)) {
      this.#stopped = true;
      this.#abandon(null);
      return;
    }
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const isSame =
      segments.length === 1 &&
      recordsRead === recordsKept &&
      progress.bytes === bytes &&
      nextDeleteHorizonMs === null;
    if (isSame) this.#removeCleaned(then);
    else {
      this.#swap(rewriting, () => {
        this.#result.recordsRemoved += recordsRead - recordsKept;
        this.#result.bytesFreed += bytes - progress.bytes;
        then();
      });
    }
  }

  #swap({ segments, endOffset, progress }: Rewriting, then: () => void): void {
    const { disk, clock, directory, whenNotFlushing, replaced, swapping } = this.#options;
    const swap: SegmentSwap = new SegmentSwap({
      ...{ disk, clock, directory, whenNotFlushing, segments, endOffset },
      replace: () => replaced(swap, this.#newSegment(segments, progress)),
    });
    swapping(swap);
    swap.run((error) => {
      // One that is decided and failed is not over: who owns the log goes on with it.
      if (!error || !swap.isDecided) swapping(null);
      if (!error || swap.isDecided) this.#group = null;
      if (error) this.#abandon(error);
      else then();
    });
  }

  #newSegment(segments: readonly Segment[], progress: CompactionProgress): Segment {
    const { disk, directory } = this.#options;
    const files = {
      bytes: progress.bytes,
      offsetEntries: progress.offsetEntries,
      offsetIndexExists: true,
      timeEntries: progress.timeEntries,
      timeIndexExists: true,
      lastTimestampMs: progress.indexedTimestampMs,
    };
    const openedAtMs = Math.max(...segments.map((segment) => segment.openedAtMs));
    const { baseOffset } = present(segments[0], 'a segment');
    return Segment.existing(disk, directory, baseOffset, files, openedAtMs);
  }

  /** Whether the log still has all of the segments: retention may have taken some. */
  #has(segments: readonly Segment[]): boolean {
    const current = this.#options.log().segments;
    return segments.every((segment) => current.includes(segment));
  }

  #removeCleaned(then: () => void): void {
    const { disk, directory } = this.#options;
    const [first] = this.#group ?? [];
    this.#group = null;
    const paths = first ? cleanedPaths(directory, first.baseOffset) : {};
    // What cannot be removed is written over the next time, or removed when the log is opened.
    removeAll(disk, Object.values(paths), () => then());
  }

  // Slices

  #runJob<Name extends JobName>(
    name: Name,
    input: JobInput<Name>,
    segment: Segment,
    then: (output: JobOutput<Name>) => void,
  ): void {
    const ended = (error: Error | null, output: JobOutput<Name> | undefined): void => {
      if (!this.#has([segment])) this.#stopped = true;
      if (this.#stopped) this.#abandon(null);
      else if (output !== undefined) then(output);
      else this.#abandon(failureOf(error, segment));
    };
    this.#options.jobs.run(name, input, ended, 'background');
  }

  /** Removes what is half done, and ends. */
  #abandon(error: Error | null): void {
    this.#removeCleaned(() => this.#end(error));
  }

  #pace(bytes: number, then: () => void): void {
    const delayMs = this.#request.pace(bytes);
    if (delayMs <= 0) {
      then();
      return;
    }
    this.#wait = this.#options.clock.after(delayMs, () => {
      this.#wait = null;
      then();
    });
  }

  #end(error: Error | null): void {
    this.#keys = null;
    this.#result.outcome = this.#stopped ? 'stopped' : 'completed';
    this.#result.elapsedMs = this.#options.clock.monotonicMs() - this.#startedMs;
    this.#done(error, this.#result);
  }
}

function earlier(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

/** A disk that fails and a job that could not run say nothing about the segment. */
function failureOf(error: Error | null, segment: Segment): Error {
  const cause = error ?? new Error('a job ended without a result');
  return cause instanceof OdradekError ? new UnreadableSegment(segment, cause) : cause;
}
