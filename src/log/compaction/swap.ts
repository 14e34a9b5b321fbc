// Puts a compacted segment in the place of the segments that it was made of, so that a crash of the process or a loss of power at
// any moment leaves either them or it, and so that readers on other threads never miss a batch. The new segment has the name of
// the first old one; `base` is that one's base offset, `end` the base offset of the segment behind the last one.
//
//   prepare  1 sync base.log.cleaned, base.index.cleaned, base.timeindex.cleaned, and the folder
//            2 rename base.index.cleaned to base-end.index.swap, sync the folder
//   complete 3 remove base.index, base.timeindex and base.txnindex of the first old segment, sync the folder
//            4 rename base.log.cleaned to base.log
//            5 rename base.timeindex.cleaned to base.timeindex, remove the other old segments, sync the folder
//            6 rename base-end.index.swap to base.index, sync the folder
//
// Whether there is a `.swap` file decides. Without one the old segments are all there, for none is touched before step 2 is
// durable, and `.cleaned` files are garbage. With one, opening the log completes the steps from 3 on (completeSwaps), which it
// may do as often as it takes: what the swap file's name says is removed, and the new segment was durable before the swap file was.
// It is gone for good only after nothing of the old segments can come back: step 6 follows the sync of step 5. And it is gone
// before anything else happens to the log (a cut, another compaction, retention among these segments), or it would take
// segments away that came later.
//
// Indexes and batches are never mixed: old indexes are durably gone before the new batches have the name (3 before 4), and new
// ones come after it. In 4 the name passes from the old batches to the new ones in one step: a reader finds one or the other,
// and never a gap. Until 5 the other old segments are there too; readers that look into the folder
// then know from the `.swap` file, and from the lack of base.log.cleaned, which ones to pass over.
import { dirname, join } from 'node:path';
import { assert, present } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { type Offset, toOffset } from '../../base/ids.js';
import type { Disk } from '../../io/disk.js';
import { BatchWalker } from '../batch-walker.js';
import {
  CLEANED_SUFFIX,
  parseKafkaSwapFileName,
  parseSegmentFileName,
  parseSwapFileName,
  type SegmentSuffix,
  segmentFileName,
  swapFileName,
} from '../file-names.js';
import { inTurn, runSteps, type Step, type StepDone } from '../in-turn.js';
import type { Segment } from '../segment.js';

export interface SegmentSwapOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  /** Neighbours, ascending, all batches of which are on the disk. */
  readonly segments: readonly Segment[];
  readonly endOffset: Offset;
  /** Calls back when no sync uses the segments' files; at once if none does. */
  readonly whenNotFlushing: (run: () => void) => void;
  /** The new batches have their name: from here on the log consists of them. */
  readonly replace: () => void;
}

const INDEXES: readonly SegmentSuffix[] = ['index', 'timeindex', 'txnindex'];

/** The files that a compaction writes for the segment with the base offset. */
export function cleanedPaths(
  directory: string,
  baseOffset: Offset,
): Record<'log' | 'index' | 'timeindex', string> {
  const path = (suffix: SegmentSuffix): string =>
    join(directory, segmentFileName(baseOffset, suffix) + CLEANED_SUFFIX);
  return { log: path('log'), index: path('index'), timeindex: path('timeindex') };
}

export class SegmentSwap {
  readonly segments: readonly Segment[];
  readonly #options: SegmentSwapOptions;
  /** Steps that are still to be taken. */
  #steps: Step[];
  #isDecided = false;

  constructor(options: SegmentSwapOptions) {
    this.#options = options;
    this.segments = options.segments;
    this.#steps = [...this.#prepare(), ...this.#complete()];
  }

  /** Whether there is no way back: what fails from here on must be {@link run} again, until nothing fails. */
  get isDecided(): boolean {
    return this.#isDecided;
  }

  /** Takes the steps that are left, up to the first that fails. */
  run(done: StepDone): void {
    const steps = this.#steps.map(
      (step): Step =>
        (next) =>
          step((error) => {
            if (!error) this.#steps.shift();
            next(error);
          }),
    );
    runSteps(this.#options.clock, steps, done);
  }

  #prepare(): Step[] {
    const { disk, directory, endOffset } = this.#options;
    const { log, index, timeindex } = cleanedPaths(directory, this.#baseOffset);
    const swap = join(directory, swapFileName(this.#baseOffset, endOffset));
    const syncFolder: Step = (next) => disk.syncDirectory(directory, next);
    return [
      ...[log, index, timeindex].map(
        (path): Step =>
          (next) =>
            syncFile(disk, path, next),
      ),
      syncFolder,
      (next) => {
        disk.rename(index, swap, (error) => {
          if (!error) this.#isDecided = true;
          next(error);
        });
      },
      syncFolder,
    ];
  }

  #complete(): Step[] {
    const { disk, directory, segments, endOffset, replace, whenNotFlushing } = this.#options;
    const [first, ...others] = segments;
    assert(first, 'a swap replaces a segment');
    const { log, timeindex } = cleanedPaths(directory, first.baseOffset);
    const swap = join(directory, swapFileName(first.baseOffset, endOffset));
    const path = (suffix: SegmentSuffix): string =>
      join(directory, segmentFileName(first.baseOffset, suffix));
    const syncFolder: Step = (next) => disk.syncDirectory(directory, next);
    return [
      (next) => {
        whenNotFlushing(() => {
          for (const segment of segments) segment.abandon();
          removeAll(disk, INDEXES.map(path), next);
        });
      },
      syncFolder,
      (next) => {
        first.hold();
        disk.rename(log, first.path, (error) => {
          if (!error) replace();
          next(error);
        });
      },
      (next) => disk.rename(timeindex, path('timeindex'), next),
      ...lastSteps({
        ...{ disk, swap, index: path('index') },
        others: others.flatMap((segment) => filesOf(directory, segment.baseOffset)),
      }),
    ];
  }

  get #baseOffset(): Offset {
    return present(this.segments[0], 'a segment').baseOffset;
  }
}

/** Completes what crashes left of swaps; `names` are those in the folder. Must come before anything else is done with the files. */
export function completeSwaps(
  disk: Disk,
  clock: Clock,
  directory: string,
  names: readonly string[],
  done: StepDone,
): void {
  const folder = { disk, clock, directory, names };
  const steps = names.flatMap((name): Step[] => {
    if (parseSwapFileName(name)) return [(next) => completeSwap(folder, name, next)];
    const baseOffset = parseKafkaSwapFileName(name);
    return baseOffset === null ? [] : [(next) => completeKafkaSwap(folder, name, baseOffset, next)];
  });
  runSteps(clock, steps, done);
}

interface Folder {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
  readonly names: readonly string[];
}

function completeSwap(folder: Folder, name: string, done: StepDone): void {
  const { disk, clock, directory, names } = folder;
  const { baseOffset, endOffset } = present(parseSwapFileName(name), 'a swap file');
  const cleaned = cleanedPaths(directory, baseOffset);
  const path = (suffix: SegmentSuffix): string => join(directory, segmentFileName(baseOffset, suffix));
  const has = (cleanedPath: string): boolean => names.some((one) => join(directory, one) === cleanedPath);
  const replaced = names.flatMap((one) => {
    const parsed = parseSegmentFileName(one);
    return parsed && parsed.baseOffset > baseOffset && parsed.baseOffset < endOffset
      ? [join(directory, one)]
      : [];
  });
  const syncFolder: Step = (next) => disk.syncDirectory(directory, next);
  const oldFirst: Step[] = [
    (next) => removeAll(disk, INDEXES.map(path), next),
    syncFolder,
    (next) => disk.rename(cleaned.log, path('log'), next),
  ];
  const steps: Step[] = [
    ...(has(cleaned.log) ? oldFirst : []),
    ...(has(cleaned.timeindex)
      ? [(next: StepDone) => disk.rename(cleaned.timeindex, path('timeindex'), next)]
      : []),
    ...lastSteps({ disk, others: replaced, swap: join(directory, name), index: path('index') }),
  ];
  runSteps(clock, steps, done);
}

/**
 * A Kafka broker writes the new batches to `base.log.swap`, takes the old segments out of the way, and gives the new ones their
 * name. Whether old ones are gone already cannot be told; those that the new ones cover go. Indexes are built anew. A file
 * that is not whole was no swap yet.
 */
function completeKafkaSwap(folder: Folder, name: string, baseOffset: Offset, done: StepDone): void {
  const { disk, clock, directory, names } = folder;
  const swap = join(directory, name);
  const endOffset = endOf(disk, swap, baseOffset);
  if (endOffset === null) {
    done(null);
    return;
  }
  const covered = names.flatMap((one) => {
    const parsed = parseSegmentFileName(one);
    const isCovered = parsed && parsed.baseOffset >= baseOffset && parsed.baseOffset < endOffset;
    return isCovered ? [join(directory, one)] : [];
  });
  const steps: Step[] = [
    (next) => removeAll(disk, covered, next),
    (next) => disk.syncDirectory(directory, next),
    (next) => disk.rename(swap, join(directory, segmentFileName(baseOffset, 'log')), next),
    (next) => disk.syncDirectory(directory, next),
  ];
  runSteps(clock, steps, done);
}

/** One behind the last offset of the batches in the file; null if it holds something else too, or nothing. Throws DiskError. */
function endOf(disk: Disk, path: string, baseOffset: Offset): Offset | null {
  const file = disk.open(path, 'read');
  try {
    const walker = new BatchWalker(disk, file, 0, disk.size(file), baseOffset);
    while (walker.next()) {}
    return walker.problem || walker.lastOffset < 0 ? null : toOffset(walker.lastOffset + 1);
  } finally {
    disk.close(file);
  }
}

interface LastSteps {
  readonly disk: Disk;
  /** The old files that are left. */
  readonly others: readonly string[];
  readonly swap: string;
  readonly index: string;
}

/** The end of step 5, and step 6: the other old files go for good, and then what says that the swap is not over. */
function lastSteps({ disk, others, swap, index }: LastSteps): Step[] {
  const syncFolder: Step = (next) => disk.syncDirectory(dirname(index), next);
  return [
    (next) => removeAll(disk, others, next),
    syncFolder,
    (next) => disk.rename(swap, index, next),
    syncFolder,
  ];
}

function filesOf(directory: string, baseOffset: Offset): string[] {
  const suffixes: readonly SegmentSuffix[] = ['log', ...INDEXES];
  return suffixes.map((suffix) => join(directory, segmentFileName(baseOffset, suffix)));
}

/** Removes the files that are there. */
export function removeAll(disk: Disk, paths: readonly string[], done: StepDone): void {
  inTurn(paths, (path, next) => disk.remove(path, next), done);
}

function syncFile(disk: Disk, path: string, done: StepDone): void {
  const file = disk.open(path, 'write');
  disk.sync(file, (error) => {
    disk.close(file);
    done(error);
  });
}
