// What is known of a log's producers when it opens: the newest snapshot that can be used, then the headers of the batches behind
// it. A snapshot holds the newest batch of each producer only; the other four come from the headers before it, as far as
// they lie within the last TAIL_BYTES of the log. After a clean stop without producers nothing is read but the snapshot.
import type { Clock } from '../base/clock.js';
import type { Offset } from '../base/ids.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import { inTurn, runSteps, type Step, type StepDone } from './in-turn.js';
import type { ProducerSnapshotFiles } from './producer-snapshot-files.js';
import { ProducerStates } from './producer-states.js';
import { type ProducerReplayInput, type ProducerReplayOutput, replayProducers } from './replay-producers.js';
import type { Segment } from './segment.js';

export interface RestoreProducersOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly jobs: Jobs;
  readonly snapshots: ProducerSnapshotFiles;
  /** Ascending, at least one; their sizes are known to be right. */
  readonly segments: readonly Segment[];
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** The log was closed in good order: then a log without a snapshot never had producers, and is not read (as in Kafka). */
  readonly clean: boolean;
  readonly expirationMs: number;
  readonly warn: (message: string, reason: string) => void;
}

/** A producer whose earlier batches lie farther back than this is known by its newest batch only. */
const TAIL_BYTES = 16 * 1024 * 1024;
/** More than so much of a segment is read by a job. */
const READ_HERE_BYTES = 1024 * 1024;

/** A part of a segment. */
interface Part {
  readonly segment: Segment;
  readonly fromPosition: number;
}

/** Snapshots behind the log's end are removed. `done` is called once; with a DiskError if a file cannot be read. */
export function restoreProducers(
  options: RestoreProducersOptions,
  done: (error: Error | null, producers: ProducerStates) => void,
): void {
  new Restoring(options).run(done);
}

class Restoring {
  readonly #options: RestoreProducersOptions;
  #producers = new ProducerStates();

  constructor(options: RestoreProducersOptions) {
    this.#options = options;
  }

  run(done: (error: Error | null, producers: ProducerStates) => void): void {
    const { clock, snapshots, segments, logStartOffset, logEndOffset } = this.#options;
    let from: Offset = logStartOffset;
    const steps: Step[] = [
      (next) => snapshots.removeWhere((offset) => offset > logEndOffset, next),
      (next) => {
        const nothingKnown = snapshots.offsets.length === 0;
        const newest = this.#newestSnapshot();
        if (newest !== null) from = newest;
        else if (this.#options.clean && nothingKnown) from = logEndOffset;
        next(null);
      },
      (next) => this.#completeWindows(from, next),
      (next) => {
        this.#replay(this.#partsFrom(from), from, logEndOffset, this.#producers, (error, producers) => {
          this.#producers = producers;
          next(error);
        });
      },
      (next) => snapshots.removeStrays(new Set(segments.map(({ baseOffset }) => baseOffset)), next),
    ];
    runSteps(clock, steps, (error) => done(error, this.#producers));
  }

  /**
   * Takes over the newest snapshot that is whole, and returns its offset. One from before the first segment is no good: its
   * producers may have gone on in what was deleted, and their next batches would be refused.
   */
  #newestSnapshot(): Offset | null {
    const { clock, snapshots, segments, expirationMs } = this.#options;
    const oldest = segments[0]?.baseOffset ?? 0;
    for (const offset of snapshots.offsets.filter((each) => each >= oldest).reverse()) {
      const producers = snapshots.read(offset);
      if (!producers) continue;
      producers.expire(clock.wallMs(), expirationMs);
      this.#producers = producers;
      return offset;
    }
    return null;
  }

  #completeWindows(snapshotOffset: Offset, next: StepDone): void {
    if (this.#producers.count === 0) {
      next(null);
      return;
    }
    const parts = this.#tailBefore(snapshotOffset);
    this.#replay(parts, 0, snapshotOffset, new ProducerStates(), (error, tail) => {
      if (!error) this.#producers.completeFrom(tail);
      next(error);
    });
  }

  /** The last bytes of the log's part before the offset. */
  #tailBefore(offset: Offset): Part[] {
    const parts: Part[] = [];
    let bytesLeft = TAIL_BYTES;
    for (const segment of this.#options.segments.toReversed()) {
      if (segment.baseOffset >= offset || bytesLeft <= 0) continue;
      const fromPosition = segment.tailPosition(bytesLeft);
      parts.unshift({ segment, fromPosition });
      bytesLeft -= fromPosition === 0 ? segment.bytes : bytesLeft;
    }
    return parts;
  }

  #partsFrom(offset: Offset): Part[] {
    const { segments, logEndOffset } = this.#options;
    if (offset >= logEndOffset) return [];
    const first = segments.findLastIndex(({ baseOffset }) => baseOffset <= offset);
    return segments.slice(Math.max(first, 0)).map((segment) => ({
      segment,
      fromPosition: segment.baseOffset < offset ? segment.walk(offset).position : 0,
    }));
  }

  #replay(
    parts: readonly Part[],
    fromOffset: number,
    endOffset: Offset,
    producers: ProducerStates,
    done: (error: Error | null, producers: ProducerStates) => void,
  ): void {
    let known = producers;
    const nowMs = this.#options.clock.wallMs();
    inTurn(
      parts.filter(({ segment, fromPosition }) => fromPosition < segment.bytes),
      ({ segment, fromPosition }, next) => {
        const input: ProducerReplayInput = {
          path: segment.path,
          baseOffset: segment.baseOffset,
          fromPosition,
          endPosition: segment.bytes,
          fromOffset,
          endOffset,
          producers: [...known.all],
          nowMs,
        };
        this.#run(input, next, ({ producers: found, problem }) => {
          if (problem)
            this.#options.warn('not all producers of a segment could be read', `${segment.path}: ${problem}`);
          known = new ProducerStates(found);
          next(null);
        });
      },
      (error) => done(error, known),
    );
  }

  /** Reads little right here, much by a job, and here again where that fails. */
  #run(input: ProducerReplayInput, failed: StepDone, replayed: (output: ProducerReplayOutput) => void): void {
    const { disk, jobs } = this.#options;
    const here = (): void => {
      const output = replayHere(disk, input);
      if (output instanceof DiskError) failed(output);
      else replayed(output);
    };
    if (input.endPosition - input.fromPosition <= READ_HERE_BYTES) here();
    else {
      jobs.run('replay-producers', input, (_error, output) => {
        if (output) replayed(output);
        else here();
      });
    }
  }
}

function replayHere(disk: Disk, input: ProducerReplayInput): ProducerReplayOutput | DiskError {
  try {
    return replayProducers(disk, input);
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}
