import { systemRandom } from '../../src/base/random.js';

/** A whole number of at least 1 from the environment, or the default. Throws for anything else. */
export function countFromEnvironment(name: string, standard: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return standard;
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new Error(`${name} must be a whole number from 1 on, not ${text}`);
  return count;
}

/** The seed of a run: SEED of the environment, or a new one. It is printed, to be given back. */
export function chooseSeed(what: string): number {
  const text = process.env['SEED'];
  const seed = text === undefined || text === '' ? systemRandom.uint32() : Number(text);
  if (!Number.isSafeInteger(seed)) throw new Error(`SEED must be a whole number, not ${text}`);
  console.log(`${what}: SEED=${seed}`);
  return seed;
}
