import { describe, expect, it } from 'vitest';
import { collectTopics, parseResetTarget } from '../../../src/cli/commands/reset-target.js';
import { UsageError } from '../../../src/cli/commands/usage-error.js';

describe('parseResetTarget', () => {
  it('takes places, offsets, times and steps', () => {
    expect(parseResetTarget('earliest')).toBe('earliest');
    expect(parseResetTarget('latest')).toBe('latest');
    expect(parseResetTarget('17')).toEqual({ offset: 17 });
    expect(parseResetTarget('+17')).toEqual({ by: 17 });
    expect(parseResetTarget('-17')).toEqual({ by: -17 });
    expect(parseResetTarget('2026-01-31T08:00:00Z')).toEqual({ timestampMs: Date.UTC(2026, 0, 31, 8) });
  });

  it.each(['', 'soon', '+', '1.5', '+1.5', '+99999999999999999999', '99999999999999999999', '2026-13-01'])(
    'refuses %j, naming the option',
    (text) => {
      expect(() => parseResetTarget(text)).toThrow(UsageError);
      expect(() => parseResetTarget(text)).toThrow(`--to ${text}: it must be`);
    },
  );
});

describe('collectTopics', () => {
  it('takes topics whole or in part', () => {
    const first = collectTopics('orders', undefined);
    expect(first).toEqual([{ topic: 'orders' }]);
    expect(collectTopics('a.b-c_d:0,12', first)).toEqual([
      { topic: 'orders' },
      { topic: 'a.b-c_d', partitions: [0, 12] },
    ]);
  });

  it.each(['', ':1', 'a:', 'a:b', 'a:1:2', 'a:-1', 'a:1,', 'a:9999999999'])('refuses %j', (text) => {
    expect(() => collectTopics(text, undefined)).toThrow(UsageError);
  });
});
