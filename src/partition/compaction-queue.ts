// Which of the partitions of a thread is compacted next: the one that has waited for too long or has most to gain, among equals the
// first. To ask each of them for every choice would take the square of their number where thousands are due. So all are asked
// now and then, and the choices between come from what was due then, in that order, if it still is. A few partitions are all asked
// every time. With many, one that becomes more urgent waits for the next look at all of them, which comes after a part of
// them was chosen, or some time at the latest.
import { assert } from '../base/assert.js';
import type { CompactionNeed } from '../log/compaction/compaction.js';

/** As a {@link PartitionActor}. */
export interface Compactable {
  /** Whether it should be compacted now, and how urgent that is. */
  compactionDue(): CompactionNeed | null;
}

export interface Urgent<Partition> {
  readonly partition: Partition;
  readonly need: CompactionNeed;
}

export interface CompactionQueueOptions<Partition> {
  /** The partitions that are open. */
  readonly partitions: () => Iterable<Partition>;
  /** After so long all of them may be asked again, however few were chosen. */
  readonly lookAgainMs: number;
}

/** Each choice pays for so many questions: up to so many partitions are all asked for each. */
export const LOOKS_PER_CHOICE = 32;

export class CompactionQueue<Partition extends Compactable> {
  readonly #options: CompactionQueueOptions<Partition>;
  /** What was due at the last look and was not chosen since, the most urgent last. */
  #due: Urgent<Partition>[] = [];
  /** How many were asked at the last look. */
  #looks = 0;
  #choices = 0;
  #lookAgainAtMs = Number.NEGATIVE_INFINITY;
  /** By the monotonic clock. */
  readonly #restUntilMs = new WeakMap<Partition, number>();

  constructor(options: CompactionQueueOptions<Partition>) {
    assert(options.lookAgainMs > 0, `not a time between looks: ${options.lookAgainMs}`);
    this.#options = options;
  }

  /** When all are asked again at the latest, by the monotonic clock: if nothing was chosen it is no use to ask before. */
  get lookAgainAtMs(): number {
    return this.#lookAgainAtMs;
  }

  /** The partition is not chosen before that time, by the monotonic clock. */
  rest(partition: Partition, untilMs: number): void {
    this.#restUntilMs.set(partition, untilMs);
  }

  /** The next one; it is not in the queue any more. Null: none is due, as far as is known. O(1) questions on the average. */
  next(nowMs: number): Urgent<Partition> | null {
    if (nowMs >= this.#lookAgainAtMs || this.#choices * LOOKS_PER_CHOICE >= this.#looks) {
      this.#lookAtAll(nowMs);
      return this.#chosen(this.#due.pop());
    }
    for (let known = this.#due.pop(); known; known = this.#due.pop()) {
      const { partition } = known;
      const need = this.#needOf(partition, nowMs);
      if (need) return this.#chosen({ partition, need });
    }
    return null;
  }

  #chosen(one: Urgent<Partition> | undefined): Urgent<Partition> | null {
    if (!one) return null;
    this.#choices++;
    return one;
  }

  #lookAtAll(nowMs: number): void {
    this.#looks = 0;
    this.#choices = 0;
    this.#lookAgainAtMs = nowMs + this.#options.lookAgainMs;
    const due: Urgent<Partition>[] = [];
    for (const partition of this.#options.partitions()) {
      this.#looks++;
      const need = this.#needOf(partition, nowMs);
      if (need) due.push({ partition, need });
    }
    this.#due = due.sort((one, other) => byUrgency(one.need, other.need)).reverse();
  }

  #needOf(partition: Partition, nowMs: number): CompactionNeed | null {
    const isResting = (this.#restUntilMs.get(partition) ?? nowMs) > nowMs;
    return isResting ? null : partition.compactionDue();
  }
}

/** The more urgent one first. */
function byUrgency(one: CompactionNeed, other: CompactionNeed): number {
  if (one.forced !== other.forced) return one.forced ? -1 : 1;
  return other.dirtyRatio - one.dirtyRatio;
}
