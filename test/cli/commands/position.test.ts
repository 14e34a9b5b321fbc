import { describe, expect, it } from 'vitest';
import { parsePosition } from '../../../src/cli/commands/position.js';

describe('parsePosition', () => {
  it('knows the two ends', () => {
    expect(parsePosition('earliest')).toBe('earliest');
    expect(parsePosition('latest')).toBe('latest');
  });

  it('takes digits as an offset', () => {
    expect(parsePosition('0')).toEqual({ offset: 0 });
    expect(parsePosition('2026')).toEqual({ offset: 2026 });
  });

  it('takes ISO 8601 as a time', () => {
    const eight = { timestampMs: Date.UTC(2026, 0, 31, 8) };
    expect(parsePosition('2026-01-31T08:00:00Z')).toEqual(eight);
    expect(parsePosition('2026-01-31T09:00+01:00')).toEqual(eight);
    expect(parsePosition('2026-01-31 08:00:00.000z')).toEqual(eight);
    expect(parsePosition('2026-01-31')).toEqual({ timestampMs: Date.UTC(2026, 0, 31) });
    expect(parsePosition('2026-01-31T08:00')).toEqual({ timestampMs: new Date(2026, 0, 31, 8).getTime() });
  });

  it.each(['', '-1', 'now', '9007199254740993', '2026-13-01', '2026-01', '31.1.2026', '1e3'])(
    'refuses %j',
    (text) => {
      expect(() => parsePosition(text)).toThrow(`--from ${text}: it must be`);
    },
  );
});
