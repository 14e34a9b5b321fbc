import { assert } from '../../base/assert.js';

/** Versions as tables write them: `3` alone, `3+` and later, `3-7` inclusive. */
export type VersionRangeText = `${number}` | `${number}+` | `${number}-${number}`;

/** Versions from `first` to `last`, both inclusive; `last` is Infinity for an open range. */
export interface VersionRange {
  readonly first: number;
  readonly last: number;
}

export const ALL_VERSIONS: VersionRange = { first: 0, last: Number.POSITIVE_INFINITY };

const RANGE = /^(\d+)(?:(\+)|-(\d+))?$/;

export function parseVersionRange(text: VersionRangeText): VersionRange {
  const match = RANGE.exec(text);
  assert(match, `not a version range: ${text}`);
  const first = Number(match[1]);
  const last = match[2] ? Number.POSITIVE_INFINITY : Number(match[3] ?? match[1]);
  assert(first <= last, `empty version range: ${text}`);
  return { first, last };
}

export function includesVersion(range: VersionRange, version: number): boolean {
  return version >= range.first && version <= range.last;
}
