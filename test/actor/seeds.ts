import { type Random, seededRandom } from '../../src/base/random.js';

/**
 * Runs a random test `count` times, each time with another seed; what fails names its seed. With `SEED=` in the environment it
 * runs once, with that seed.
 */
export function withSeeds(count: number, run: (random: Random) => void): void {
  const given = process.env['SEED'];
  const first = given === undefined ? Date.now() % 2 ** 31 : Number(given);
  for (let seed = first; seed < first + (given === undefined ? count : 1); seed++) {
    try {
      run(seededRandom(seed));
    } catch (error) {
      throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}

/** True `part` times out of `of`. */
export const chance = (random: Random, part: number, of: number): boolean => random.below(of) < part;

/** One of the values. */
export function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[random.below(values.length)];
  if (value === undefined) throw new Error('nothing to pick from');
  return value;
}
