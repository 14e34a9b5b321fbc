export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Of at least one value; of an even number of values, the median is the mean of the two in the middle. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (min === undefined || max === undefined || upper === undefined || lower === undefined) {
    throw new RangeError('There is no spread of no values.');
  }
  return { median: (lower + upper) / 2, min, max };
}

/** The smallest value that at least the given share of them does not exceed (nearest rank). Sorts the values in place. */
export function percentile(values: Float64Array, share: number): number {
  if (!(share > 0 && share <= 1)) throw new RangeError(`A percentile is a share in (0, 1], not ${share}.`);
  const value = values.sort()[Math.ceil(values.length * share) - 1];
  if (value === undefined) throw new RangeError('There is no percentile of no values.');
  return value;
}

/** `of[i] / by[i]` for every round that has both; `by` of 0 has no ratio. */
export function ratios(of: readonly (number | undefined)[], by: readonly (number | undefined)[]): number[] {
  return of.flatMap((value, round) => {
    const divisor = by[round];
    return value === undefined || divisor === undefined || divisor === 0 ? [] : [value / divisor];
  });
}

/**
 * How likely paired differences lean at least so far to one side (two-sided, in (0, 1]) if neither side is larger: Wilcoxon's
 * signed-rank test, exact, differences of 0 left out. It asks that the two of a pair could as well have changed places, but
 * nothing about how differences are distributed. Takes quadratic time and memory in their number.
 */
export function signedRankProbability(differences: readonly number[]): number {
  const sized = differences.filter((difference) => difference !== 0);
  const doubledRanks = doubledRanksOf(sized.map(Math.abs));
  const total = doubledRanks.reduce((sum, rank) => sum + rank, 0);
  const positive = doubledRanks.reduce((sum, rank, index) => sum + ((sized[index] ?? 0) > 0 ? rank : 0), 0);
  // Of all ways to choose signs: how likely is each sum of the positive ranks?
  const likelihoods = new Float64Array(total + 1);
  likelihoods[0] = 1;
  let reached = 0;
  for (const rank of doubledRanks) {
    reached += rank;
    for (let sum = reached; sum >= 0; sum--) {
      likelihoods[sum] = ((likelihoods[sum] ?? 0) + (likelihoods[sum - rank] ?? 0)) / 2;
    }
  }
  // The likelihoods are symmetric: the nearer end speaks for both.
  const extreme = Math.min(positive, total - positive);
  const tail = likelihoods.subarray(0, extreme + 1).reduce((sum, likelihood) => sum + likelihood, 0);
  return Math.min(1, 2 * tail);
}

/** Twice the rank of each size, so that equal ones, which share the mean of their ranks, have a whole number. */
function doubledRanksOf(sizes: readonly number[]): number[] {
  return sizes.map((size) => {
    const smaller = sizes.filter((other) => other < size).length;
    const equal = sizes.filter((other) => other === size).length;
    return 2 * smaller + equal + 1;
  });
}
