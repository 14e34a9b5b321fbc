import { describe, expect, it } from 'vitest';
import type { ErrorName } from '../../../src/base/errors.js';
import { RequestCounters } from '../../../src/broker/metrics/counters.js';
import { countErrors } from '../../../src/broker/native/count-errors.js';

const result = (error: ErrorName | null) => ({
  error: error && { error },
  baseOffset: -1,
  logAppendTimeMs: -1,
  logStartOffset: -1,
});

describe('countErrors', () => {
  it('counts the error of each partition', () => {
    const counters = new RequestCounters();
    const partitions = [
      result(null),
      result('MESSAGE_TOO_LARGE'),
      result('CORRUPT_MESSAGE'),
      result('CORRUPT_MESSAGE'),
    ];
    countErrors(counters, { type: 'produce', partitions }, null);
    expect(Object.fromEntries(counters.errors)).toEqual({ 10: 1, 2: 2 });
  });

  it('counts the error of the whole answer', () => {
    const counters = new RequestCounters();
    countErrors(counters, null, { error: 'REQUEST_TIMED_OUT' });
    countErrors(counters, { type: 'ping' }, null);
    expect(Object.fromEntries(counters.errors)).toEqual({ 7: 1 });
  });
});
