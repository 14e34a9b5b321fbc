import { describe, expect, it } from 'vitest';
import { INITIAL_DELAY_MS, Scene, topicIdOf } from './scene.js';

describe('OffsetCommit', () => {
  it('takes the commits of members of the generation', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    const { memberId = '' } = member ?? {};
    const commit = { generation: 1, memberId };
    expect(scene.commitError(5, commit)).toBe('NONE');
    expect(scene.commitError(6, { ...commit, generation: 4 })).toBe('ILLEGAL_GENERATION');
    expect(scene.commitError(6, { ...commit, memberId: 'zz' })).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.commitError(6, { ...commit, instanceId: 'i' })).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.commitError(6)).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.commitError(6, { memberId })).toBe('ILLEGAL_GENERATION');
    expect(scene.offset()).toBe(5);
  });

  it('takes them while members join, but not while they wait for the assignment', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    const { memberId = '' } = member ?? {};
    scene.join();
    expect(scene.state).toBe('PreparingRebalance');
    expect(scene.commitError(5, { generation: 1, memberId })).toBe('NONE');
    scene.join({ memberId });
    expect(scene.state).toBe('CompletingRebalance');
    expect(scene.commitError(6, { generation: 2, memberId })).toBe('REBALANCE_IN_PROGRESS');
    expect(scene.commitError(6, { generation: 1, memberId })).toBe('ILLEGAL_GENERATION');
    expect(scene.offset()).toBe(5);
  });

  it('from outside makes a simple group, which can get members later', () => {
    const scene = new Scene();
    expect(scene.commitError(5, { generation: 3, memberId: 'm' })).toBe('GROUP_ID_NOT_FOUND');
    expect(scene.state).toBe('Dead');
    expect(scene.commitError(5)).toBe('NONE');
    expect(scene.describe()).toMatchObject({ state: 'Empty', protocolType: '', members: [] });
    scene.join();
    expect(scene.commitError(6)).toBe('UNKNOWN_MEMBER_ID');
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(scene.offset()).toBe(5);
  });

  it('refuses texts that are too long, and takes the rest', () => {
    const scene = new Scene();
    const partitions = ['a'.repeat(4_096), 'a'.repeat(4_097), 'ä'.repeat(2_049)].map(
      (metadata, partition) => ({
        partition,
        offset: 5,
        leaderEpoch: 3,
        metadata,
      }),
    );
    const topics = [{ name: 't', topicId: topicIdOf(1), partitions }];
    expect(scene.commit(0, { topics }).reply.topics[0]?.partitions.map(({ error }) => error)).toEqual([
      'NONE',
      'OFFSET_METADATA_TOO_LARGE',
      'OFFSET_METADATA_TOO_LARGE',
    ]);
    expect(scene.fetch(null).reply.topics[0]?.partitions).toEqual([
      { partition: 0, offset: 5, leaderEpoch: 3, metadata: 'a'.repeat(4_096), error: 'NONE' },
    ]);
  });

  it('makes no group of a commit with nothing in it', () => {
    const scene = new Scene();
    expect(scene.commitError(5, { metadata: 'a'.repeat(4_097) })).toBe('OFFSET_METADATA_TOO_LARGE');
    expect(scene.commit(5, { topics: [] }).reply.topics).toEqual([]);
    expect(scene.state).toBe('Dead');
  });

  it('is refused as a whole if it is too large for the log', () => {
    const scene = new Scene();
    const partitions = Array.from({ length: 300 }, (_, partition) => ({
      partition,
      offset: 1,
      leaderEpoch: -1,
      metadata: 'a'.repeat(4_000),
    }));
    const { reply } = scene.commit(0, { topics: [{ name: 't', topicId: topicIdOf(1), partitions }] });
    expect(new Set(reply.topics[0]?.partitions.map(({ error }) => error))).toEqual(
      new Set(['INVALID_COMMIT_OFFSET_SIZE']),
    );
    expect(scene.state).toBe('Dead');
  });

  it('is answered when the log has it, and what is fetched is in the log', () => {
    const scene = new Scene();
    scene.appendMs = 20;
    const commit = scene.commit(5);
    const fetch = scene.fetch(null);
    expect([commit.isAnswered, fetch.isAnswered]).toEqual([false, false]);
    scene.clock.advance(20);
    expect(commit.reply.topics[0]?.partitions[0]?.error).toBe('NONE');
    expect(fetch.reply.topics[0]?.partitions[0]?.offset).toBe(5);
  });

  it('that fails is not there after the restart that it leads to', () => {
    const scene = new Scene();
    scene.commit(4);
    scene.host.failNextAppend('lost');
    const commit = scene.commit(5);
    scene.clock.advance(1);
    expect(commit.replies).toEqual([{ type: 'refused', error: 'NOT_COORDINATOR' }]);
    scene.clock.advance(1_000);
    expect(scene.offset()).toBe(4);
  });
});

describe('OffsetFetch', () => {
  it('knows no errors: what was not committed is at -1', () => {
    const scene = new Scene();
    const nothing = { offset: -1, leaderEpoch: -1, metadata: '', error: 'NONE' };
    const asked = [
      { name: 't', partitions: [1, 0] },
      { name: 'unknown', partitions: [7] },
    ];
    const topics = [
      {
        name: 't',
        topicId: topicIdOf(1),
        partitions: [1, 0].map((partition) => ({ partition, ...nothing })),
      },
      { name: 'unknown', topicId: null, partitions: [{ partition: 7, ...nothing }] },
    ];
    expect(scene.fetch(asked).reply).toEqual({ type: 'offsets-fetched', error: 'NONE', topics });
    expect(scene.fetch(null).reply.topics).toEqual([]);
    scene.commit(1);
    expect(scene.fetch(asked).reply.topics[0]?.partitions[1]).toMatchObject({ partition: 0, offset: 1 });
  });

  it('gives all that a group has', () => {
    const scene = new Scene();
    scene.commit(1, { partition: 3 });
    scene.commit(2, { partition: 1, metadata: 'm' });
    scene.commit(3, { topic: 'u' });
    const { topics } = scene.fetch(null).reply;
    expect(topics.map(({ name }) => name)).toEqual(['t', 'u']);
    expect(topics[0]?.partitions.map(({ partition, offset }) => [partition, offset])).toEqual([
      [1, 2],
      [3, 1],
    ]);
  });

  it('does not take the offsets of a deleted topic for those of a new one of that name', () => {
    const scene = new Scene();
    scene.commit(9);
    scene.topics.set('t', { topicId: topicIdOf(50), partitions: 4 });
    expect(scene.offset()).toBe(-1);
    scene.commit(2);
    expect(scene.offset()).toBe(2);
  });
});

describe('OffsetDelete (KIP-496)', () => {
  it('deletes what no consumer of the group reads', () => {
    const scene = new Scene();
    scene.commit(1);
    scene.commit(2, { topic: 'u' });
    scene.stable();
    expect(scene.deleteOffsets('t').topics).toEqual([
      { name: 't', partitions: [{ partition: 0, error: 'GROUP_SUBSCRIBED_TO_TOPIC' }] },
    ]);
    expect(scene.deleteOffsets('u', [0, 3]).topics[0]?.partitions).toEqual([
      { partition: 0, error: 'NONE' },
      { partition: 3, error: 'NONE' },
    ]);
    expect([scene.offset('t'), scene.offset('u')]).toEqual([1, -1]);
    scene.restart();
    expect([scene.offset('t'), scene.offset('u')]).toEqual([1, -1]);
  });

  it('deletes nothing of a group whose members it does not understand', () => {
    const scene = new Scene();
    scene.commit(1);
    const [member] = scene.stable(1, () => ({
      protocolType: 'connect',
      protocols: [{ name: 'default', metadata: Buffer.from('?') }],
    }));
    expect(scene.deleteOffsets('t')).toEqual({
      type: 'offsets-deleted',
      error: 'NON_EMPTY_GROUP',
      topics: [],
    });
    scene.leave([{ memberId: member?.memberId ?? '' }]);
    expect(scene.deleteOffsets('t').error).toBe('NONE');
    expect(scene.offset()).toBe(-1);
  });

  it('takes a consumer whose subscription cannot be read for one that reads everything', () => {
    const scene = new Scene();
    scene.commit(1);
    scene.stable(1, () => ({ protocols: [{ name: 'range', metadata: Buffer.from('?') }] }));
    expect(scene.deleteOffsets('t').topics[0]?.partitions[0]?.error).toBe('GROUP_SUBSCRIBED_TO_TOPIC');
  });

  it('knows no group that is not there, and forgets a simple one with its last offset', () => {
    const scene = new Scene();
    expect(scene.deleteOffsets('t').error).toBe('GROUP_ID_NOT_FOUND');
    expect(scene.deleteOffsets('t', [0], '').error).toBe('INVALID_GROUP_ID');
    scene.commit(1);
    expect(scene.deleteOffsets('t').error).toBe('NONE');
    expect(scene.state).toBe('Dead');
    scene.restart();
    expect(scene.state).toBe('Dead');
  });
});
