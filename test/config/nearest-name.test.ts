import { describe, expect, it } from 'vitest';
import { nearestName, unknownName } from '../../src/config/nearest-name.js';

describe('nearestName', () => {
  const known = ['retention.ms', 'retention.bytes', 'segment.bytes'];

  it('finds the name with a few edits', () => {
    expect(nearestName('retentions.ms', known)).toBe('retention.ms');
    expect(nearestName('segment.byte', known)).toBe('segment.bytes');
    expect(nearestName('retention-ms', known)).toBe('retention.ms');
  });

  it('finds none for a name that is far from all, or very long', () => {
    expect(nearestName('min.cleanable.dirty.ratio', known)).toBeNull();
    expect(nearestName('x'.repeat(1_000_000), known)).toBeNull();
  });
});

describe('unknownName', () => {
  it('says what was probably meant, and cuts what is long', () => {
    expect(unknownName('topic setting', 'retenton.ms', ['retention.ms'])).toBe(
      'retenton.ms is not a topic setting of Odradek; did you mean retention.ms?',
    );
    expect(unknownName('topic setting', 'x'.repeat(1000), [])).toBe(
      `${'x'.repeat(100)}… is not a topic setting of Odradek.`,
    );
  });
});
