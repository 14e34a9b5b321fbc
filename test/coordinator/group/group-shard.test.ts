import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/log.js';
import { seededRandom } from '../../../src/base/random.js';
import { SimulatedClock } from '../../../src/base/simulated-clock.js';
import { GroupShard } from '../../../src/coordinator/group/group-shard.js';
import { CONFIG, INITIAL_DELAY_MS, Scene, SESSION_MS, topicIdOf } from './scene.js';

describe('GroupShard', () => {
  it('lets members go on after a restart as if nothing had happened', () => {
    const scene = new Scene();
    const [leader, follower] = scene.stable(2, (index) => ({ instanceId: index === 1 ? 'i' : null }));
    if (!leader || !follower) throw new Error('two members');
    scene.commit(5, { generation: 1, memberId: leader.memberId });
    const before = scene.describe();
    scene.clock.advance(SESSION_MS - 1);
    scene.restart();
    expect(scene.describe()).toEqual(before);
    expect(scene.offset()).toBe(5);
    scene.clock.advance(SESSION_MS - 1);
    expect(scene.heartbeat(leader)).toBe('NONE');
    expect(scene.heartbeat(follower, { instanceId: 'i' })).toBe('NONE');
    expect(scene.sync(follower, { instanceId: 'i' }).reply.assignment).toEqual(
      Buffer.from(follower.memberId),
    );
    expect(scene.commitError(6, { generation: 1, memberId: leader.memberId })).toBe('NONE');
  });

  it('ends the sessions of members that do not come back after a restart', () => {
    const scene = new Scene();
    scene.stable(2);
    scene.restart();
    scene.clock.advance(SESSION_MS);
    expect(scene.state).toBe('Empty');
  });

  it('goes back to the last assignment if a rebalance was under way at a restart', () => {
    const scene = new Scene();
    const [leader, follower] = scene.stable(2);
    if (!leader || !follower) throw new Error('two members');
    const newcomer = scene.join();
    const joins = [leader, follower].map(({ memberId }) => scene.join({ memberId }));
    expect(joins[0]?.reply.generation).toBe(2);
    scene.restart();
    expect(scene.heartbeat(leader)).toBe('NONE');
    expect(scene.sync(joins[0]?.reply ?? leader).reply.error).toBe('ILLEGAL_GENERATION');
    expect(scene.heartbeat(newcomer.reply)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('lets a static member in after a restart whose id was not in the log yet', () => {
    const scene = new Scene();
    scene.stable(2, (index) => ({ instanceId: `i${index}` }));
    scene.join();
    scene.join({ instanceId: 'i1' });
    scene.restart();
    const stale = { generation: 2, memberId: 'i1-new' } as const;
    const described = scene.describe().members[1];
    const heartbeat = { type: 'heartbeat', groupId: 'g', instanceId: 'i1', ...stale } as const;
    expect(scene.ask<'heartbeat'>(heartbeat).reply.error).toBe('UNKNOWN_MEMBER_ID');
    // Once the known one has been heard of, the other one is the older.
    const known = { ...heartbeat, generation: 1, memberId: described?.memberId ?? '' };
    expect(scene.ask<'heartbeat'>(known).reply.error).toBe('NONE');
    expect(scene.ask<'heartbeat'>(heartbeat).reply.error).toBe('FENCED_INSTANCE_ID');
  });

  it('keeps the generation of an empty group', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    scene.leave([{ memberId: member?.memberId ?? '' }]);
    scene.restart();
    expect(scene.describe()).toMatchObject({ state: 'Empty', protocolType: 'consumer' });
    const join = scene.join();
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(join.reply.generation).toBe(3);
  });

  it('has a group rebalance that has more members than it may', () => {
    const scene = new Scene();
    const members = scene.stable(2);
    const small = new Scene({ sizeMax: 1 });
    small.host.log.push(...scene.host.log);
    small.restart();
    expect(small.state).toBe('PreparingRebalance');
    const joins = members.map(({ memberId }) => small.join({ memberId }));
    expect(joins[1]?.reply.error).toBe('GROUP_MAX_SIZE_REACHED');
    expect(joins[0]?.reply).toMatchObject({ error: 'NONE', generation: 2 });
  });

  it('forgets the offsets of deleted topics, and groups with nothing else', () => {
    const scene = new Scene();
    scene.commit(1);
    scene.commit(2, { topic: 'u' });
    scene.commit(3, { groupId: 'other' });
    scene.topics.delete('t');
    scene.host.shard.topicsDeleted(['t', 'unknown']);
    expect([scene.offset('t'), scene.offset('u')]).toEqual([-1, 2]);
    expect(scene.describe('other').state).toBe('Dead');
    scene.restart();
    expect([scene.offset('t'), scene.offset('u')]).toEqual([-1, 2]);
    expect(scene.stats).toMatchObject({ offsets: 1, groups: { Empty: 1 } });
  });

  it('keeps what was committed for a new topic of the name of a deleted one', () => {
    const scene = new Scene();
    scene.commit(1);
    scene.topics.set('t', { topicId: topicIdOf(50), partitions: 4 });
    scene.commit(2, { partition: 1 });
    scene.host.shard.topicsDeleted(['t']);
    expect(scene.stats.offsets).toBe(1);
    expect(scene.offset('t', 1)).toBe(2);
  });

  it('forgets the offsets of topics that were made anew while it was not loaded', () => {
    const scene = new Scene();
    scene.commit(1);
    scene.commit(1, { topic: 'u' });
    scene.topics.set('t', { topicId: topicIdOf(50), partitions: 4 });
    scene.topics.delete('u');
    scene.restart();
    expect([scene.offset('t'), scene.offset('u')]).toEqual([-1, 1]);
    expect(scene.host.log.at(-1)?.value).toBeNull();
  });

  it('keeps what it replays apart from the memory that it read', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    scene.restart();
    for (const { key, value } of scene.host.log) {
      key.fill(0xff);
      value?.fill(0xff);
    }
    expect(scene.describe().members[0]?.assignment).toEqual(Buffer.from(member?.memberId ?? ''));
  });

  it('leaves records out that are of other kinds', () => {
    const scene = new Scene();
    scene.commit(1);
    scene.host.log.push({ key: Buffer.from([0, 3, 0, 1, 0x67]), value: Buffer.from([0, 0]), timestampMs: 0 });
    scene.restart();
    expect(scene.offset()).toBe(1);
  });

  it('does not start with a record that it cannot read', () => {
    const shard = new GroupShard(CONFIG, {
      clock: new SimulatedClock(),
      random: seededRandom(1),
      logger: silentLogger,
      topic: () => undefined,
      fits: () => true,
      append: (_records, done) => done(null),
      afterAppends: (done) => done(null),
    });
    expect(() => shard.replay({ key: Buffer.from([0]), value: null }, 0)).toThrow('too short');
  });

  it('answers everybody when it is closed, and leaves no timers behind', () => {
    const scene = new Scene();
    scene.stable(1);
    scene.appendMs = 100;
    const asked = [
      scene.join(),
      scene.join({ groupId: 'other' }),
      scene.commit(1, { groupId: 'simple' }),
      scene.fetch(null),
      scene.ask<'list'>({ type: 'list', states: [], types: [] }),
    ];
    scene.join({ groupId: 'third', requireKnownMemberId: true });
    scene.host.shard.close('NOT_COORDINATOR');
    for (const { replies } of asked) expect(replies).toEqual([{ type: 'refused', error: 'NOT_COORDINATOR' }]);
    // What is left is the append.
    expect(scene.clock.pending).toBe(1);
    scene.clock.advance(1_000);
    for (const { replies } of asked) expect(replies).toHaveLength(1);
    expect(scene.clock.pending).toBe(0);
  });

  it('counts what it has and what has happened', () => {
    const scene = new Scene();
    const [member] = scene.stable(2);
    scene.commit(1, { generation: 1, memberId: member?.memberId ?? '' });
    scene.commit(1, { groupId: 'simple' });
    expect(scene.stats).toEqual({
      groups: { Empty: 1, PreparingRebalance: 0, CompletingRebalance: 0, Stable: 1, Dead: 0 },
      members: 2,
      offsets: 2,
      rebalances: 1,
      expiredMembers: 0,
      expiredOffsets: 0,
      committedOffsets: 2,
    });
  });

  it('arms few timers, however many heartbeats there are', () => {
    const scene = new Scene();
    const members = scene.stable(50);
    const { pending } = scene.clock;
    for (let round = 0; round < 20; round++) {
      scene.clock.advance(3_000);
      for (const member of members) expect(scene.heartbeat(member)).toBe('NONE');
      expect(scene.clock.pending).toBe(pending);
    }
  });
});
