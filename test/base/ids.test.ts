import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.js';
import {
  addOffset,
  NO_EPOCH,
  toBrokerId,
  toLeaderEpoch,
  toOffset,
  toPartitionIndex,
  toTopicId,
  ZERO_OFFSET,
} from '../../src/base/ids.js';

const NO_WHOLE_NUMBERS = [0.5, Number.NaN, Number.POSITIVE_INFINITY];
const INT32_MAX = 2 ** 31 - 1;

describe('toOffset', () => {
  it('takes safe integers from 0 on', () => {
    for (const value of [0, 1, Number.MAX_SAFE_INTEGER]) expect(toOffset(value)).toBe(value);
    for (const value of [-1, 2 ** 53, ...NO_WHOLE_NUMBERS])
      expect(() => toOffset(value)).toThrow(AssertionError);
  });
});

describe('addOffset', () => {
  it('moves by a count, within the range', () => {
    expect(addOffset(toOffset(41), 1)).toBe(42);
    expect(addOffset(toOffset(41), -41)).toBe(ZERO_OFFSET);
    expect(() => addOffset(ZERO_OFFSET, -1)).toThrow('not an offset: -1');
    expect(() => addOffset(toOffset(Number.MAX_SAFE_INTEGER), 1)).toThrow(AssertionError);
  });
});

describe('toLeaderEpoch', () => {
  it('takes an int32 from -1 on', () => {
    expect(toLeaderEpoch(-1)).toBe(NO_EPOCH);
    expect(toLeaderEpoch(INT32_MAX)).toBe(INT32_MAX);
    for (const value of [-2, 2 ** 31, ...NO_WHOLE_NUMBERS])
      expect(() => toLeaderEpoch(value)).toThrow(AssertionError);
  });
});

describe.each([
  ['toPartitionIndex', toPartitionIndex],
  ['toBrokerId', toBrokerId],
])('%s', (_, make) => {
  it('takes an int32 from 0 on', () => {
    for (const value of [0, INT32_MAX]) expect(make(value)).toBe(value);
    for (const value of [-1, 2 ** 31, ...NO_WHOLE_NUMBERS]) expect(() => make(value)).toThrow(AssertionError);
  });
});

describe('toTopicId', () => {
  it('takes 22 characters of base64url', () => {
    expect(toTopicId('o_EPBDsTQkm1Ua--nqUtaQ')).toBe('o_EPBDsTQkm1Ua--nqUtaQ');
    for (const text of [
      '',
      'o_EPBDsTQkm1Ua--nqUta',
      'o_EPBDsTQkm1Ua--nqUtaQ=',
      'o/EPBDsTQkm1Ua++nqUtaQ',
      'o_EPBDsTQkm1Ua--nqUtaQ\n',
    ]) {
      expect(() => toTopicId(text), text).toThrow(AssertionError);
    }
  });
});
