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
