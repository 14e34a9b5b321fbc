import { describe, expect, it } from 'vitest';
import { GroupOffsets } from '../../../src/coordinator/group/group-offsets.js';

const stored = (offset: number) => ({
  offset,
  leaderEpoch: -1,
  metadata: '',
  commitTimestampMs: 0,
  expireTimestampMs: null,
  topicId: null,
});

describe('GroupOffsets', () => {
  it('counts each partition once, and forgets topics with their last one', () => {
    const offsets = new GroupOffsets();
    offsets.set('t', 0, stored(1));
    offsets.set('t', 0, stored(2));
    offsets.set('t', 1, stored(3));
    offsets.set('u', 0, stored(4));
    expect(offsets.count).toBe(3);
    expect(offsets.get('t', 0)?.offset).toBe(2);
    offsets.delete('t', 0);
    offsets.delete('t', 0);
    offsets.delete('v', 0);
    expect(offsets.count).toBe(2);
    offsets.delete('t', 1);
    expect([...offsets.topics()].map(({ topic }) => topic)).toEqual(['u']);
    expect(offsets.get('t', 1)).toBeUndefined();
  });
});
