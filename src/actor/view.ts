// What a partition's owner publishes for readers on other threads: an immutable prefix of the log, described by a few
// numbers. One writer, many readers; neither ever waits for the other. The owner writes the copy that nobody reads, then
// shows it by raising the sequence; an owner that stops halfway, for good or because its core is wanted elsewhere, leaves
// the copy before it to be read. A read costs tens of nanoseconds. Layout in 32-bit words, two cache lines a view:
//
//   0       sequence: publications so far, modulo 2^32; its lowest bit tells which copy holds
//   1       copy 0
//   16      wanted: 1 while a reader waits for the next publication (written by both sides)
//   17      copy 1
//
// A copy:
//
//   0       generation: which opening of the partition wrote it; 0 if none or closed
//   1       leader epoch
//   2       log start offset      (low word, high word)
//   4       last stable offset
//   6       high watermark
//   8       log end offset
//   10      base offset of the active segment
//   12      bytes of the active segment
//   14      replacements: how often compaction put new files in the place of segments, modulo 2^32
//
// All words go through Atomics, which gives them one total order; plain reads could move past the sequence check.
import { assert } from '../base/assert.js';
import { type LeaderEpoch, type Offset, toLeaderEpoch, toOffset } from '../base/ids.js';

const VIEW_WORDS = 32;
const SEQUENCE = 0;
const WANTED = 16;
const COPY_0 = 1;
const COPY_1 = 17;

const GENERATION = 0;
const LEADER_EPOCH = 1;
const LOG_START = 2;
const LAST_STABLE = 4;
const HIGH_WATERMARK = 6;
const LOG_END = 8;
const SEGMENT_BASE = 10;
const SEGMENT_BYTES = 12;
const REPLACEMENTS = 14;

const HIGH = 2 ** 32;

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
  /** How often compaction replaced files since the log was opened: what a reader knew of them before is void. */
  replacements: number;
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

const copyOf = (base: number, sequence: number): number => base + ((sequence & 1) === 0 ? COPY_0 : COPY_1);

/** The owner's end of one view. */
export class ViewWriter {
  readonly #words: Int32Array;
  readonly #base: number;

  constructor(views: Int32Array, slot: number) {
    this.#words = views;
    this.#base = slot * VIEW_WORDS;
  }

  /** Publishes; true if a reader waits for it (asked once per wish). `generation` must not be 0. */
  publish(generation: number, state: Published): boolean {
    assert(generation !== 0, 'generation 0 means that nothing is published');
    assert(state.logStartOffset <= state.highWatermark, 'log start <= high watermark');
    assert(state.lastStableOffset <= state.highWatermark, 'last stable offset <= high watermark');
    assert(state.highWatermark <= state.logEndOffset, 'high watermark <= log end');
    const words = this.#words;
    const sequence = this.#nextSequence();
    const copy = copyOf(this.#base, sequence);
    Atomics.store(words, copy + GENERATION, generation);
    Atomics.store(words, copy + LEADER_EPOCH, state.leaderEpoch);
    storeWide(words, copy + LOG_START, state.logStartOffset);
    storeWide(words, copy + LAST_STABLE, state.lastStableOffset);
    storeWide(words, copy + HIGH_WATERMARK, state.highWatermark);
    storeWide(words, copy + LOG_END, state.logEndOffset);
    storeWide(words, copy + SEGMENT_BASE, state.segmentBaseOffset);
    storeWide(words, copy + SEGMENT_BYTES, state.segmentBytes);
    Atomics.store(words, copy + REPLACEMENTS, state.replacements);
    return this.#show(sequence);
  }

  /** No reader may use the view any more. True if one waits. */
  retire(): boolean {
    const sequence = this.#nextSequence();
    Atomics.store(this.#words, copyOf(this.#base, sequence) + GENERATION, 0);
    return this.#show(sequence);
  }

  #nextSequence(): number {
    return (Atomics.load(this.#words, this.#base + SEQUENCE) + 1) | 0;
  }

  #show(sequence: number): boolean {
    const wanted = this.#base + WANTED;
    Atomics.store(this.#words, this.#base + SEQUENCE, sequence);
    return Atomics.load(this.#words, wanted) === 1 && Atomics.exchange(this.#words, wanted, 0) === 1;
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

  /** The current state, or null if this generation is over. */
  read(): Published | null {
    const words = this.#words;
    const base = this.#base;
    // Another round means that the owner has published meanwhile, which takes it longer than a round takes here.
    for (;;) {
      const sequence = Atomics.load(words, base + SEQUENCE);
      const copy = copyOf(base, sequence);
      const generation = Atomics.load(words, copy + GENERATION);
      const leaderEpoch = Atomics.load(words, copy + LEADER_EPOCH);
      const logStartOffset = loadWide(words, copy + LOG_START);
      const lastStableOffset = loadWide(words, copy + LAST_STABLE);
      const highWatermark = loadWide(words, copy + HIGH_WATERMARK);
      const logEndOffset = loadWide(words, copy + LOG_END);
      const segmentBaseOffset = loadWide(words, copy + SEGMENT_BASE);
      const segmentBytes = loadWide(words, copy + SEGMENT_BYTES);
      const replacements = Atomics.load(words, copy + REPLACEMENTS);
      if (Atomics.load(words, base + SEQUENCE) !== sequence) continue;
      if (generation !== this.#generation) return null;
      return {
        leaderEpoch: toLeaderEpoch(leaderEpoch),
        logStartOffset: toOffset(logStartOffset),
        lastStableOffset: toOffset(lastStableOffset),
        highWatermark: toOffset(highWatermark),
        logEndOffset: toOffset(logEndOffset),
        segmentBaseOffset: toOffset(segmentBaseOffset),
        segmentBytes,
        replacements,
      };
    }
  }

  /** Asks the owner to tell of its next publication. The caller must read once more after this: it may have come already. */
  want(): void {
    Atomics.store(this.#words, this.#base + WANTED, 1);
  }
}
