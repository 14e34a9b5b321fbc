import { describe, expect, it } from 'vitest';
import { includesVersion, parseVersionRange } from '../../../src/protocol/kafka/version-range.js';

describe('parseVersionRange', () => {
  it('reads one version, a closed range and an open one', () => {
    expect(parseVersionRange('3')).toEqual({ first: 3, last: 3 });
    expect(parseVersionRange('0-12')).toEqual({ first: 0, last: 12 });
    expect(parseVersionRange('9+')).toEqual({ first: 9, last: Number.POSITIVE_INFINITY });
  });

  it.each(['5-4', '-1', '1.5', '1e3+'] as const)('refuses %s', (text) => {
    expect(() => parseVersionRange(text)).toThrow(/version range/);
  });
});

describe('includesVersion', () => {
  it('counts both ends in', () => {
    const range = parseVersionRange('2-4');
    expect([1, 2, 3, 4, 5].filter((version) => includesVersion(range, version))).toEqual([2, 3, 4]);
  });
});
