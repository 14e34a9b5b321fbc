import { describe, expect, it } from 'vitest';
import { partitionFor } from '../../src/coordinator/partition-for.js';

describe('partitionFor', () => {
  it("is Java's hash of the group id, without its sign, modulo the partitions", () => {
    const all = 2 ** 31 - 1;
    expect(partitionFor('', all)).toBe(0);
    expect(partitionFor('hello', all)).toBe(99_162_322);
    expect(partitionFor('Aa', all)).toBe(2112);
    expect(partitionFor('BB', all)).toBe(2112);
    // Hashes of -2147483648 and -1: the sign bit goes, nothing is negated.
    expect(partitionFor('polygenelubricants', all)).toBe(0);
    expect(partitionFor('polygenelubricants', 50)).toBe(0);
    // UTF-16 units, as Java counts: 55357 * 31 + 56832.
    expect(partitionFor('\u{1F600}', all)).toBe(1_772_899);
  });

  it('spreads groups over all partitions', () => {
    const hit = new Set(Array.from({ length: 2000 }, (_, i) => partitionFor(`group-${i}`, 50)));
    expect(hit.size).toBe(50);
  });
});
