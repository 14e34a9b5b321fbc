import { crc32c } from '../../src/base/crc32c.js';
import { type Random, seededRandom } from '../../src/base/random.js';

/** A stream of randomness for each concern, so that one more draw in one of them does not change all others. */
export type Streams = (concern: string) => Random;

export const streams =
  (seed: number): Streams =>
  (concern) =>
    seededRandom(crc32c(Buffer.from(`${seed}/${concern}`)));

/** True with this probability. */
export const chance = (random: Random, probability: number): boolean =>
  random.uint32() < probability * 2 ** 32;

/** A whole number in [low, high]. */
export const between = (random: Random, low: number, high: number): number =>
  low + random.below(high - low + 1);

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}
