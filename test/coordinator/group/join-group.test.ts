import { describe, expect, it } from 'vitest';
import {
  GROUP_MEMBER_BYTES_MAX,
  MEMBER_METADATA_BYTES_MAX,
  NAME_BYTES_MAX,
  PENDING_MEMBERS_MAX,
  SHARD_MEMBER_BYTES_MAX,
} from '../../../src/coordinator/group/limits.js';
import { INITIAL_DELAY_MS, REBALANCE_MS, Scene, SESSION_MS, subscription } from './scene.js';

const protocols = (...names: string[]) => names.map((name) => ({ name, metadata: subscription('t') }));

describe('JoinGroup', () => {
  it.each([
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID', ''],
    ['a group id without end', { groupId: 'g'.repeat(10_000) }, 'INVALID_GROUP_ID', ''],
    ['a session that is too short', { sessionTimeoutMs: 5_999 }, 'INVALID_SESSION_TIMEOUT', ''],
    ['a session that is too long', { sessionTimeoutMs: 1_800_001 }, 'INVALID_SESSION_TIMEOUT', ''],
    ['no protocol', { protocols: [] }, 'INCONSISTENT_GROUP_PROTOCOL', ''],
    ['no type of protocol', { protocolType: '' }, 'INCONSISTENT_GROUP_PROTOCOL', ''],
    ['a member id that nobody gave out', { memberId: 'who' }, 'UNKNOWN_MEMBER_ID', 'who'],
    ['a client id without end', { clientId: 'c'.repeat(10_000) }, 'INVALID_REQUEST', ''],
    [
      'metadata without end',
      { protocols: [{ name: 'range', metadata: new Uint8Array(MEMBER_METADATA_BYTES_MAX + 1) }] },
      'INVALID_REQUEST',
      '',
    ],
    [
      'more protocols than can be',
      { protocols: protocols(...Array.from({ length: 101 }, (_, index) => String(index))) },
      'INVALID_REQUEST',
      '',
    ],
  ])('refuses %s', (_name, changes, error, memberId) => {
    const scene = new Scene();
    expect(scene.join(changes).reply).toEqual({
      type: 'joined',
      error,
      generation: -1,
      protocolType: null,
      protocolName: null,
      leader: '',
      skipAssignment: false,
      memberId,
      members: [],
    });
    expect(scene.stats.groups.Empty).toBe(0);
  });

  it('tells a new dynamic member its id first, and lets it in with it (KIP-394)', () => {
    const scene = new Scene();
    const first = scene.join({ requireKnownMemberId: true }).reply;
    expect(first).toMatchObject({ error: 'MEMBER_ID_REQUIRED', generation: -1, members: [], leader: '' });
    expect(first.memberId).toMatch(
      /^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    const { memberId } = first;
    const second = scene.join({ memberId, requireKnownMemberId: true });
    expect(second.isAnswered).toBe(false);
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(second.reply).toEqual({
      type: 'joined',
      error: 'NONE',
      generation: 1,
      protocolType: 'consumer',
      protocolName: 'range',
      leader: memberId,
      skipAssignment: false,
      memberId,
      members: [{ memberId, instanceId: null, metadata: subscription('t') }],
    });
  });

  it('forgets an id that nobody came with, and the group with it', () => {
    const scene = new Scene();
    const { memberId } = scene.join({ requireKnownMemberId: true }).reply;
    expect(scene.state).toBe('Empty');
    scene.clock.advance(SESSION_MS);
    expect(scene.state).toBe('Dead');
    expect(scene.join({ memberId, requireKnownMemberId: true }).reply.error).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.clock.pending).toBe(1);
  });

  it('lets older clients and static members in at once, named after their instance', () => {
    const scene = new Scene();
    const old = scene.join();
    const instance = scene.join({ instanceId: 'i', requireKnownMemberId: true });
    scene.clock.advance(2 * INITIAL_DELAY_MS);
    expect(old.reply.memberId).toMatch(/^client-/);
    expect(instance.reply.memberId).toMatch(/^i-/);
    expect(old.reply.members.map(({ instanceId }) => instanceId)).toEqual([null, 'i']);
    expect(instance.reply).toMatchObject({ leader: old.reply.memberId, members: [] });
  });

  it('refuses who is of another type or shares no protocol with all members', () => {
    const scene = new Scene();
    scene.stable(2, (index) => ({ protocols: index === 0 ? protocols('a', 'b') : protocols('b', 'c') }));
    expect(scene.join({ protocolType: 'connect' }).reply.error).toBe('INCONSISTENT_GROUP_PROTOCOL');
    expect(scene.join({ protocols: protocols('a', 'c') }).reply.error).toBe('INCONSISTENT_GROUP_PROTOCOL');
    expect(scene.join({ protocols: protocols('b') }).isAnswered).toBe(false);
  });

  it('lets an empty group change its type', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    scene.leave([{ memberId: member?.memberId ?? '' }]);
    scene.join({ protocolType: 'connect', protocols: protocols('default') });
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(scene.describe()).toMatchObject({ state: 'CompletingRebalance', protocolType: 'connect' });
  });

  it('takes the protocol that most prefer among those that all support', () => {
    const scene = new Scene();
    const wishes = [protocols('x', 'a', 'b'), protocols('b', 'a'), protocols('b', 'a', 'y')];
    const joins = wishes.map((wish) => scene.join({ protocols: wish }));
    scene.clock.advance(3 * INITIAL_DELAY_MS);
    expect(joins.map(({ reply }) => reply.protocolName)).toEqual(['b', 'b', 'b']);
  });

  it('takes a protocol that is named twice as named once', () => {
    const scene = new Scene();
    const join = scene.join({ protocols: protocols('a', 'a', 'b') });
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(join.reply.protocolName).toBe('a');
    expect(scene.join({ protocols: protocols('a') }).isAnswered).toBe(false);
  });

  it('tells a follower that joins again without news what it knows already', () => {
    const scene = new Scene();
    const [leader, follower] = scene.stable(2);
    if (!leader || !follower) throw new Error('two members');
    const again = scene.join({ memberId: follower.memberId });
    expect(again.reply).toEqual({ ...follower, members: [] });
    expect(scene.state).toBe('Stable');
  });

  it('rebalances when the leader joins again, or a follower with news', () => {
    for (const [index, metadata] of [
      [0, subscription('t')],
      [1, subscription('u')],
    ] as const) {
      const scene = new Scene();
      const members = scene.stable(2);
      const again = scene.join({
        memberId: members[index]?.memberId ?? '',
        protocols: [{ name: 'range', metadata }],
      });
      expect(again.isAnswered).toBe(false);
      expect(scene.state).toBe('PreparingRebalance');
    }
  });

  it('repeats the answer to a member that missed it while the group waits for the assignment', () => {
    const scene = new Scene();
    const joins = [scene.join(), scene.join()];
    scene.clock.advance(2 * INITIAL_DELAY_MS);
    for (const { reply } of joins) expect(scene.join({ memberId: reply.memberId }).reply).toEqual(reply);
    expect(scene.state).toBe('CompletingRebalance');
    scene.join({ memberId: joins[1]?.reply.memberId ?? '', protocols: protocols('range', 'other') });
    expect(scene.state).toBe('PreparingRebalance');
  });

  it('answers a join that is repeated while it waits once, and the later one with the group', () => {
    const scene = new Scene();
    const members = scene.stable(2);
    const [leader, follower] = members;
    const first = scene.join({ memberId: leader?.memberId ?? '' });
    const second = scene.join({ memberId: leader?.memberId ?? '' });
    expect(first.reply.error).toBe('REBALANCE_IN_PROGRESS');
    scene.join({ memberId: follower?.memberId ?? '' });
    expect(second.reply).toMatchObject({ error: 'NONE', generation: 2 });
    expect(first.replies).toHaveLength(1);
  });

  it('lets no more in than group.max.size (KIP-389)', () => {
    const scene = new Scene({ sizeMax: 2 });
    const members = scene.stable(2);
    expect(scene.join().reply).toMatchObject({ error: 'GROUP_MAX_SIZE_REACHED', memberId: '' });
    const again = scene.join({ memberId: members[0]?.memberId ?? '' });
    expect(scene.join().isAnswered).toBe(false);
    // The group has two again: the second member comes last, and has to go.
    expect(scene.join({ memberId: members[1]?.memberId ?? '' }).reply.error).toBe('GROUP_MAX_SIZE_REACHED');
    expect(again.reply).toMatchObject({ error: 'NONE', generation: 2 });
    expect(again.reply.members).toHaveLength(2);
  });

  it('bounds how many members there are, whatever they say', () => {
    const scene = new Scene();
    const clientId = 'c'.repeat(4_000);
    let count = 0;
    while (!scene.join({ clientId, protocols: [{ name: 'range', metadata: new Uint8Array(0) }] }).isAnswered)
      count++;
    expect(count * 8_000).toBeLessThan(GROUP_MEMBER_BYTES_MAX);
    expect(count * 10_000).toBeGreaterThan(GROUP_MEMBER_BYTES_MAX);
    expect(scene.stats.members).toBe(count);
  });

  it('bounds what all members together say', () => {
    const scene = new Scene();
    const metadata = new Uint8Array(MEMBER_METADATA_BYTES_MAX - 5_000);
    const count = Math.floor(GROUP_MEMBER_BYTES_MAX / metadata.length);
    for (let index = 0; index < count; index++)
      expect(scene.join({ protocols: [{ name: 'range', metadata }] }).isAnswered).toBe(false);
    expect(scene.join({ protocols: [{ name: 'range', metadata }] }).reply.error).toBe(
      'GROUP_MAX_SIZE_REACHED',
    );
  });
});

describe('the limits of a shard', () => {
  it('bound what the members of all groups say, also after a restart', () => {
    const scene = new Scene({ initialRebalanceDelayMs: 0 });
    const protocols = [{ name: 'range', metadata: new Uint8Array(MEMBER_METADATA_BYTES_MAX - 100_000) }];
    const count = Math.floor(SHARD_MEMBER_BYTES_MAX / (protocols[0]?.metadata.length ?? 1));
    const join = (index: number) =>
      scene.join({ groupId: `g${index}`, protocols, sessionTimeoutMs: 100_000 });
    const members = Array.from({ length: count }, (_, index) => join(index));
    expect(join(count).reply.error).toBe('GROUP_MAX_SIZE_REACHED');
    scene.clock.advance(0);
    // Twice, so that there are two records of each.
    for (const [index, { reply }] of members.entries()) {
      const groupId = `g${index}`;
      scene.sync(reply, { groupId });
      const again = scene.join({ groupId, protocols, memberId: reply.memberId }).reply;
      expect(scene.sync(again, { groupId }).reply.error).toBe('NONE');
    }
    scene.restart();
    expect(join(count).reply.error).toBe('GROUP_MAX_SIZE_REACHED');
    scene.leave([{ memberId: members[0]?.reply.memberId ?? '' }], 'g0');
    expect(join(count).isAnswered).toBe(false);
  });

  it('bound the ids that were given out, which come free again', () => {
    const scene = new Scene();
    const join = (index: number) =>
      scene.join({ groupId: `g${index % 3}`, requireKnownMemberId: true }).reply;
    for (let index = 0; index < PENDING_MEMBERS_MAX - 1; index++) join(index);
    const { memberId } = join(0);
    expect(join(0).error).toBe('COORDINATOR_NOT_AVAILABLE');
    scene.leave([{ memberId }], 'g0');
    expect(join(0).error).toBe('MEMBER_ID_REQUIRED');
    expect(join(0).error).toBe('COORDINATOR_NOT_AVAILABLE');
    scene.clock.advance(SESSION_MS);
    expect(join(0).error).toBe('MEMBER_ID_REQUIRED');
  });

  it('let a member come with an id that is made of the longest names', () => {
    const scene = new Scene();
    const clientId = 'c'.repeat(NAME_BYTES_MAX);
    const { memberId } = scene.join({ clientId, requireKnownMemberId: true }).reply;
    const join = scene.join({ clientId, memberId, requireKnownMemberId: true });
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(scene.sync(join.reply).reply.error).toBe('NONE');
  });
});

describe('a static member (KIP-345)', () => {
  const statics = (scene: Scene) => scene.stable(2, (index) => ({ instanceId: `i${index}` }));

  it('takes its own place under a new id, and nobody else notices', () => {
    const scene = new Scene();
    const [leader, follower] = statics(scene);
    if (!leader || !follower) throw new Error('two members');
    const again = scene.join({ instanceId: 'i1' }).reply;
    expect(again).toEqual({ ...follower, memberId: again.memberId });
    expect(again.memberId).not.toBe(follower.memberId);
    expect(scene.state).toBe('Stable');
    expect(scene.sync(again, { instanceId: 'i1' }).reply.assignment).toEqual(Buffer.from(follower.memberId));
    expect(scene.heartbeat(follower, { instanceId: 'i1' })).toBe('FENCED_INSTANCE_ID');
    expect(scene.heartbeat(follower)).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.heartbeat(again, { instanceId: 'i1' })).toBe('NONE');
  });

  it('is told as leader to leave the assignment alone (KIP-814), or that another one leads', () => {
    const scene = new Scene();
    const [leader] = statics(scene);
    const again = scene.join({ instanceId: 'i0' }).reply;
    expect(again).toMatchObject({ leader: again.memberId, skipAssignment: true, generation: 1 });
    expect(again.members).toHaveLength(2);
    const older = scene.join({ instanceId: 'i0', canSkipAssignment: false }).reply;
    expect(older).toMatchObject({ leader: again.memberId, skipAssignment: false, members: [] });
    expect(older.memberId).not.toBe(again.memberId);
    expect(leader?.memberId).not.toBe(again.memberId);
  });

  it('is told of its new id when the log has it, which then survives a restart', () => {
    const scene = new Scene();
    statics(scene);
    scene.appendMs = 5;
    const again = scene.join({ instanceId: 'i1' });
    expect(again.isAnswered).toBe(false);
    scene.clock.advance(5);
    scene.restart();
    expect(scene.heartbeat(again.reply, { instanceId: 'i1' })).toBe('NONE');
    expect(scene.state).toBe('Stable');
  });

  it('makes the group rebalance if it reads other topics than before', () => {
    const scene = new Scene();
    statics(scene);
    const again = scene.join({
      instanceId: 'i1',
      protocols: [{ name: 'range', metadata: subscription('t', 'u') }],
    });
    expect(again.isAnswered).toBe(false);
    expect(scene.state).toBe('PreparingRebalance');
  });

  it('makes the group rebalance if another protocol is to be chosen', () => {
    const scene = new Scene();
    scene.stable(1, () => ({ instanceId: 'i', protocols: protocols('a', 'b') }));
    const again = scene.join({ instanceId: 'i', protocols: protocols('b', 'a') });
    expect(again.reply).toMatchObject({ error: 'NONE', generation: 2, protocolName: 'b' });
  });

  it('does not rebalance because of what its assignor remembers', () => {
    const scene = new Scene();
    statics(scene);
    const metadata = Buffer.concat([subscription('t'), Buffer.from('surplus')]);
    expect(scene.join({ instanceId: 'i1', protocols: [{ name: 'range', metadata }] }).reply.generation).toBe(
      1,
    );
  });

  it('fences the one before it that still waits', () => {
    const scene = new Scene();
    const first = scene.join({ instanceId: 'i' });
    const second = scene.join({ instanceId: 'i' });
    expect(first.reply.error).toBe('FENCED_INSTANCE_ID');
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(second.reply.members).toHaveLength(1);
    const stale = scene.join({ memberId: 'old', instanceId: 'i' });
    expect(stale.reply).toMatchObject({ error: 'FENCED_INSTANCE_ID', memberId: 'old' });
  });

  it('that comes while the group waits for an assignment makes it begin again', () => {
    const scene = new Scene();
    const joins = [scene.join({ instanceId: 'i0' }), scene.join({ instanceId: 'i1' })];
    scene.clock.advance(2 * INITIAL_DELAY_MS);
    const follower = scene.sync(joins[1]?.reply ?? joins[0]?.reply ?? scene.join().reply, {
      instanceId: 'i1',
    });
    expect(follower.isAnswered).toBe(false);
    scene.join({ instanceId: 'i1' });
    expect(follower.reply.error).toBe('FENCED_INSTANCE_ID');
    expect(scene.state).toBe('PreparingRebalance');
  });

  it('has its place in a group that is full', () => {
    const scene = new Scene({ sizeMax: 2 });
    statics(scene);
    expect(scene.join({ instanceId: 'i1' }).reply).toMatchObject({ error: 'NONE', generation: 1 });
    expect(scene.join({ instanceId: 'i2' }).reply.error).toBe('GROUP_MAX_SIZE_REACHED');
  });

  it('stays in the group until its session ends', () => {
    const scene = new Scene();
    const [leader] = statics(scene);
    const again = scene.join({ memberId: leader?.memberId ?? '', instanceId: 'i0' });
    scene.clock.advance(SESSION_MS - 1);
    expect(again.isAnswered).toBe(false);
    scene.clock.advance(1);
    expect(again.reply.members.map(({ instanceId }) => instanceId)).toEqual(['i0']);
    expect(REBALANCE_MS).toBeGreaterThan(SESSION_MS);
  });
});
