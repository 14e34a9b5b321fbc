// Readers that go on while the log is appended to, compacted and cut. All of them share the LogReader of the process. One reads
// on from where it was; another one is given a place, and reads there only after more has happened.
import type { Random } from '../../../src/base/random.js';
import type { Found, Published } from '../../../src/log/log-reader.js';
import { chance } from '../../simulation/streams.js';
import { checkHeldRead } from './eyes.js';
import type { Owner } from './owner.js';
import type { Totals } from './totals.js';

interface Held {
  readonly offset: number;
  readonly found: Found;
  readonly published: Published;
}

const FOLLOWERS = 2;

export class Followers {
  readonly #owner: Owner;
  readonly #random: Random;
  readonly #totals: Totals;
  readonly #offsets: number[] = new Array(FOLLOWERS).fill(0);
  #held: Held | null = null;
  /** Of the process that they belong to. */
  #starts = 0;

  constructor(owner: Owner, random: Random, totals: Totals) {
    this.#owner = owner;
    this.#random = random;
    this.#totals = totals;
  }

  /** The log was cut: nobody waits behind its end. */
  wentBackTo(endOffset: number): void {
    this.#held = null;
    this.#offsets.forEach((offset, i) => {
      this.#offsets[i] = Math.min(offset, endOffset);
    });
  }

  /** Files were deleted or replaced: a place that was found before must be read now, or be found again. */
  segmentsWent(): void {
    if (this.#starts === this.#owner.starts) this.#readHeld();
    this.#held = null;
  }

  step(): void {
    const { model, published, eyes, starts } = this.#owner;
    if (this.#starts !== starts) {
      this.#starts = starts;
      this.wentBackTo(model.endOffset);
    }
    this.#offsets.forEach((offset, i) => {
      const { logStartOffset, highWatermark } = published;
      const backwards = chance(this.#random, 0.05);
      const from = Math.max(logStartOffset, backwards ? 0 : Math.min(offset, highWatermark));
      const next = eyes.checkedRead(from, published);
      this.#offsets[i] = next ?? highWatermark;
      if (next !== null) this.#totals.readsInTheMiddle++;
    });
    if (chance(this.#random, 0.3)) this.#hold();
    else if (chance(this.#random, 0.5)) this.#readHeld();
  }

  #hold(): void {
    const { published, eyes } = this.#owner;
    const { logStartOffset, highWatermark } = published;
    const offset = logStartOffset + this.#random.below(highWatermark - logStartOffset + 1);
    const found = eyes.locate(offset, published);
    this.#held = found.type === 'found' ? { offset, found, published } : null;
  }

  #readHeld(): void {
    const held = this.#held;
    this.#held = null;
    if (!held) return;
    const { model, eyes } = this.#owner;
    checkHeldRead(model, eyes, held.found, held.published, held.offset);
    this.#totals.readsInTheMiddle++;
  }
}
