// Counts durations in log-linear buckets: two of equal width for each power of two of microseconds. Recording takes a few
// nanoseconds and no memory. A quantile read from the buckets is off by a fifth at the most.
//
//   bucket 0   up to 128 us
//   1, 2       up to 192 us, 256 us
//   3, 4       up to 384 us, 512 us
//   …
//   33, 34     up to 12.6 s, 16.8 s
//   35         all above

const FIRST_BITS = 7;
const LAST_BITS = 24;
const MICROSECONDS_MAX = 2 ** 30;

/** Upper bounds of all buckets but the last, in seconds, ascending; a duration that equals a bound lies below it. */
export const LATENCY_BOUNDS_SECONDS: readonly number[] = bounds();

function bounds(): number[] {
  const microseconds = [2 ** FIRST_BITS];
  for (let bits = FIRST_BITS; bits < LAST_BITS; bits++) microseconds.push(1.5 * 2 ** bits, 2 ** (bits + 1));
  return microseconds.map((bound) => bound / 1e6);
}

/** Which bucket a duration belongs to. */
function bucketOf(milliseconds: number): number {
  // The bounds are inclusive: what is counted is by how much the duration exceeds the one below.
  const above = Math.ceil(Math.min(milliseconds * 1000, MICROSECONDS_MAX)) - 1;
  if (above < 2 ** FIRST_BITS) return 0;
  const bits = 31 - Math.clz32(above);
  if (bits >= LAST_BITS) return 2 * (LAST_BITS - FIRST_BITS) + 1;
  return 2 * (bits - FIRST_BITS) + ((above >> (bits - 1)) & 1) + 1;
}

export class LatencyCounts {
  /** One for each bucket. */
  readonly counts: number[] = new Array<number>(2 * (LAST_BITS - FIRST_BITS) + 2).fill(0);
  sumMs = 0;

  /** Counts a duration in milliseconds; one below 0 counts as 0. */
  record(milliseconds: number): void {
    const duration = Math.max(milliseconds, 0);
    const bucket = bucketOf(duration);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sumMs += duration;
  }

  /** How many durations were counted. */
  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }
}
