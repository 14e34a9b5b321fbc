// What a partition's owner publishes for readers on other threads: an immutable prefix of the log, described by a few
// numbers under a sequence lock. One writer, many readers; a read costs tens of nanoseconds and takes no lock. Layout in
// 32-bit words, two cache lines a view:
//
//   0       sequence: odd while the owner writes
//   1       generation: which opening of the partition wrote it; 0 if none or closed
//   2       leader epoch
//   3       spare
//   4       log start offset      (low word, high word)
//   6       last stable offset
//   8       high watermark
//   10      log end offset
//   12      base offset of the active segment
//   14      bytes of the active segment
//   16      wanted: 1 while a reader waits for the next publication (second cache line; written by both sides)
//
// All words go through Atomics, which gives them one total order; plain reads could move past the sequence check.
import { assert } from '../base/assert.js';
import { type LeaderEpoch, type Offset, toLeaderEpoch, toOffset } from '../base/ids.js';

const VIEW_WORDS = 32;
const SEQUENCE = 0;
const GENERATION = 1;
const LEADER_EPOCH = 2;
const LOG_START = 4;
const LAST_STABLE = 6;
const HIGH_WATERMARK = 8;
const LOG_END = 10;
const SEGMENT_BASE = 12;
const SEGMENT_BYTES = 14;
const WANTED = 16;

const HIGH = 2 ** 32;
/** A writer holds the lock for well under a microsecond; more spins than this mean that it died inside. */
const SPINS_MAX = 10_000;

/** A consistent state of a partition's log. `[logStartOffset, highWatermark)` is what consumers may read. */
export interface Published {
  leaderEpoch: LeaderEpoch;
  logStartOffset: Offset;
  lastStableOffset: Offset;
  highWatermark: Offset;
  logEndOffset: Offset;
  segmentBaseOffset: Offset;
  /** How many bytes of the active segment hold published batches. */
  segmentBytes: number;
}

/** Views of up to `count` partitions in shared memory, addressed by slot. */
export function createViews(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * VIEW_WORDS * 4));
}

function storeWide(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value | 0);
  Atomics.store(words, index + 1, Math.floor(value / HIGH));
}

const loadWide = (words: Int32Array, index: number): number =>
  Atomics.load(words, index + 1) * HIGH + (Atomics.load(words, index) >>> 0);

/** The owner's end of one view. */
export class ViewWriter {
  readonly #words: Int32Array;
  readonly #base: number;

  constructor(views: Int32Array, slot: number) {
    this.#words = views;
    this.#base = slot * VIEW_WORDS;
  }

  /** Publishes; true if a reader waits for it (asked once per wish). */
  publish(generation: number, state: Published): boolean {
    assert(state.logStartOffset <= state.highWatermark, 'log start <= high watermark');
    assert(state.lastStableOffset <= state.highWatermark, 'last stable offset <= high watermark');
    assert(state.highWatermark <= state.logEndOffset, 'high watermark <= log end');
    const words = this.#words;
    const base = this.#base;
    const sequence = Atomics.load(words, base + SEQUENCE);
    Atomics.store(words, base + SEQUENCE, sequence | 1);
    Atomics.store(words, base + GENERATION, generation);
    Atomics.store(words, base + LEADER_EPOCH, state.leaderEpoch);
    storeWide(words, base + LOG_START, state.logStartOffset);
    storeWide(words, base + LAST_STABLE, state.lastStableOffset);
    storeWide(words, base + HIGH_WATERMARK, state.highWatermark);
    storeWide(words, base + LOG_END, state.logEndOffset);
    storeWide(words, base + SEGMENT_BASE, state.segmentBaseOffset);
    storeWide(words, base + SEGMENT_BYTES, state.segmentBytes);
    Atomics.store(words, base + SEQUENCE, ((sequence | 1) + 1) | 0);
    return Atomics.load(words, base + WANTED) === 1 && Atomics.exchange(words, base + WANTED, 0) === 1;
  }

  /** No reader may use the view any more. True if one waits. */
  retire(): boolean {
    Atomics.store(this.#words, this.#base + GENERATION, 0);
    return Atomics.exchange(this.#words, this.#base + WANTED, 0) === 1;
  }
}

/** A reader's end of one view. */
export class ViewReader {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #generation: number;

  /** `generation` is the one that the owner told when it opened the partition. */
  constructor(views: Int32Array, slot: number, generation: number) {
    this.#words = views;
    this.#base = slot * VIEW_WORDS;
    this.#generation = generation;
  }

  /** The current state, or null if this generation is over (or its owner died while it wrote). */
  read(): Published | null {
    const words = this.#words;
    const base = this.#base;
    for (let spin = 0; spin < SPINS_MAX; spin++) {
      const before = Atomics.load(words, base + SEQUENCE);
      if ((before & 1) === 1) continue;
      const generation = Atomics.load(words, base + GENERATION);
      const leaderEpoch = Atomics.load(words, base + LEADER_EPOCH);
      const logStartOffset = loadWide(words, base + LOG_START);
      const lastStableOffset = loadWide(words, base + LAST_STABLE);
      const highWatermark = loadWide(words, base + HIGH_WATERMARK);
      const logEndOffset = loadWide(words, base + LOG_END);
      const segmentBaseOffset = loadWide(words, base + SEGMENT_BASE);
      const segmentBytes = loadWide(words, base + SEGMENT_BYTES);
      if (Atomics.load(words, base + SEQUENCE) !== before) continue;
      if (generation !== this.#generation) return null;
      return {
        leaderEpoch: toLeaderEpoch(leaderEpoch),
        logStartOffset: toOffset(logStartOffset),
        lastStableOffset: toOffset(lastStableOffset),
        highWatermark: toOffset(highWatermark),
        logEndOffset: toOffset(logEndOffset),
        segmentBaseOffset: toOffset(segmentBaseOffset),
        segmentBytes,
      };
    }
    return null;
  }

  /** Asks the owner to tell of its next publication. The caller must read once more after this: it may have come already. */
  want(): void {
    Atomics.store(this.#words, this.#base + WANTED, 1);
  }
}
