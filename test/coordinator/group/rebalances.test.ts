import { describe, expect, it } from 'vitest';
import { NEW_MEMBER_JOIN_TIMEOUT_MS } from '../../../src/coordinator/group/limits.js';
import { INITIAL_DELAY_MS, REBALANCE_MS, Scene, SESSION_MS } from './scene.js';

describe('the first rebalance of a group (KIP-134)', () => {
  it('waits for others, and again after each delay in which somebody came', () => {
    const scene = new Scene();
    const first = scene.join();
    scene.clock.advance(INITIAL_DELAY_MS - 1);
    const second = scene.join();
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(first.isAnswered).toBe(false);
    scene.clock.advance(1);
    expect(first.reply).toMatchObject({ error: 'NONE', generation: 1 });
    expect(second.reply).toMatchObject({ error: 'NONE', generation: 1, leader: first.reply.memberId });
  });

  it('is over after the rebalance timeout, however many still come', () => {
    const scene = new Scene();
    const first = scene.join({ rebalanceTimeoutMs: 7_000 });
    for (let second = 0; second < 6; second++) {
      scene.clock.advance(1_000);
      scene.join({ rebalanceTimeoutMs: 7_000 });
      expect(first.isAnswered).toBe(false);
    }
    scene.clock.advance(1_000);
    expect(first.reply.members).toHaveLength(7);
  });

  it('begins at once without a delay', () => {
    const scene = new Scene({ initialRebalanceDelayMs: 0 });
    const join = scene.join();
    scene.clock.advance(0);
    expect(join.reply.generation).toBe(1);
  });

  it('leaves an empty group if everybody has gone meanwhile', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    scene.leave([{ memberId: member?.memberId ?? '' }]);
    expect(scene.state).toBe('Empty');
    const join = scene.join({ instanceId: 'i' });
    scene.leave([{ instanceId: 'i' }]);
    expect(join.reply.error).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.state).toBe('PreparingRebalance');
    scene.clock.advance(INITIAL_DELAY_MS);
    expect(scene.state).toBe('Empty');
  });
});

describe('a rebalance', () => {
  it('ends when all members have joined, and tells the leader of everybody', () => {
    const scene = new Scene();
    const [leader, follower] = scene.stable(2);
    if (!leader || !follower) throw new Error('two members');
    const newcomer = scene.join();
    expect(scene.heartbeat(leader)).toBe('REBALANCE_IN_PROGRESS');
    const joins = [leader, follower].map(({ memberId }) => scene.join({ memberId }));
    expect(joins.map(({ reply }) => reply.generation)).toEqual([2, 2]);
    expect(joins[0]?.reply.members.map(({ memberId }) => memberId)).toEqual([
      leader.memberId,
      follower.memberId,
      newcomer.reply.memberId,
    ]);
    expect(joins[1]?.reply).toMatchObject({ leader: leader.memberId, members: [] });
  });

  it('goes on without members that do not join within the longest rebalance timeout', () => {
    const scene = new Scene();
    const [leader, follower] = scene.stable(2, (index) => ({
      sessionTimeoutMs: 100_000,
      rebalanceTimeoutMs: index === 0 ? 1_000 : 20_000,
    }));
    if (!leader || !follower) throw new Error('two members');
    const newcomer = scene.join({ rebalanceTimeoutMs: 1_000 });
    const again = scene.join({ memberId: follower.memberId, rebalanceTimeoutMs: 20_000 });
    scene.clock.advance(19_999);
    expect(again.isAnswered).toBe(false);
    scene.clock.advance(1);
    expect(again.reply).toMatchObject({ generation: 2, leader: follower.memberId });
    expect(again.reply.members).toHaveLength(2);
    expect(newcomer.reply.leader).toBe(follower.memberId);
    expect(scene.heartbeat(leader)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('waits for ids that were given out, as long as they are good', () => {
    const scene = new Scene();
    const [member] = scene.stable(1);
    const { memberId } = scene.join({ requireKnownMemberId: true }).reply;
    const again = scene.join({ memberId: member?.memberId ?? '' });
    expect(again.isAnswered).toBe(false);
    const newcomer = scene.join({ memberId, requireKnownMemberId: true });
    expect([again.reply.generation, newcomer.reply.generation]).toEqual([2, 2]);

    scene.join({ requireKnownMemberId: true, sessionTimeoutMs: 6_000 });
    const third = [again, newcomer].map(({ reply }) =>
      scene.join({ memberId: reply.memberId, protocols: [] }),
    );
    expect(third.map(({ reply }) => reply.error)).toEqual(Array(2).fill('INCONSISTENT_GROUP_PROTOCOL'));
    expect(scene.state).toBe('CompletingRebalance');
  });

  it('waits for nobody who was removed by the end of its session', () => {
    const scene = new Scene();
    const [leader] = scene.stable(2);
    const again = scene.join({ memberId: leader?.memberId ?? '' });
    scene.clock.advance(SESSION_MS);
    expect(again.reply).toMatchObject({ error: 'NONE', generation: 2 });
    expect(again.reply.members).toHaveLength(1);
    expect(scene.stats.expiredMembers).toBe(1);
  });

  it('lets who joins wait longer than its session, but a new member no longer than five minutes', () => {
    const scene = new Scene();
    const [silent, follower] = scene.stable(2, (index) =>
      index === 0 ? { sessionTimeoutMs: 600_000, rebalanceTimeoutMs: 500_000 } : {},
    );
    const newcomer = scene.join();
    const again = scene.join({ memberId: follower?.memberId ?? '' });
    scene.clock.advance(NEW_MEMBER_JOIN_TIMEOUT_MS - 1);
    expect([newcomer.isAnswered, again.isAnswered]).toEqual([false, false]);
    scene.clock.advance(1);
    expect(newcomer.reply.error).toBe('UNKNOWN_MEMBER_ID');
    scene.join({ memberId: silent?.memberId ?? '' });
    expect(again.reply).toMatchObject({ error: 'NONE', generation: 2 });
  });

  it('goes on when only static members are left and none has joined, until their sessions end', () => {
    const scene = new Scene();
    const statics = scene.stable(2, (index) => ({
      instanceId: `i${index}`,
      sessionTimeoutMs: 50_000,
      rebalanceTimeoutMs: 10_000,
    }));
    const newcomer = scene.join({ instanceId: 'i2', rebalanceTimeoutMs: 10_000 });
    scene.leave([{ instanceId: 'i2' }]);
    expect(newcomer.reply.error).toBe('UNKNOWN_MEMBER_ID');
    scene.clock.advance(10_000);
    expect(scene.describe()).toMatchObject({ state: 'PreparingRebalance' });
    expect(scene.describe().members).toHaveLength(2);
    scene.clock.advance(40_000);
    expect(scene.describe()).toMatchObject({ state: 'Empty', members: [] });
    expect(statics).toHaveLength(2);
  });

  it('tells those who wait for an assignment to join again', () => {
    const scene = new Scene();
    const joins = [scene.join(), scene.join()];
    scene.clock.advance(2 * INITIAL_DELAY_MS);
    const waiting = scene.sync(joins[1]?.reply ?? scene.join().reply);
    expect(waiting.isAnswered).toBe(false);
    scene.join();
    expect(waiting.reply.error).toBe('REBALANCE_IN_PROGRESS');
  });

  it('removes who joins but never asks for its assignment, within the rebalance timeout', () => {
    const scene = new Scene();
    const joins = [scene.join(), scene.join()];
    scene.clock.advance(2 * INITIAL_DELAY_MS);
    const [leader, silent] = joins.map(({ reply }) => reply);
    if (!leader || !silent) throw new Error('two members');
    scene.sync(leader);
    const beats = () => [scene.heartbeat(leader), scene.heartbeat(silent)];
    for (let ms = 0; ms < REBALANCE_MS - 5_000; ms += 5_000) {
      scene.clock.advance(5_000);
      expect(beats()).toEqual(['NONE', 'NONE']);
    }
    scene.clock.advance(5_000);
    expect(beats()).toEqual(['REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID']);
  });

  it('comes when a leader says nothing any more', () => {
    const scene = new Scene();
    const joins = [scene.join(), scene.join()];
    scene.clock.advance(2 * INITIAL_DELAY_MS);
    const follower = scene.sync(joins[1]?.reply ?? scene.join().reply);
    scene.clock.advance(SESSION_MS);
    expect(follower.reply.error).toBe('REBALANCE_IN_PROGRESS');
    const again = scene.join({ memberId: joins[1]?.reply.memberId ?? '' });
    expect(again.reply).toMatchObject({ generation: 2, leader: joins[1]?.reply.memberId });
  });

  it('leaves no timers behind when the group is gone', () => {
    const scene = new Scene();
    const members = scene.stable(3);
    scene.leave(members.map(({ memberId }) => ({ memberId })));
    expect(scene.delete()).toBe('NONE');
    // Only the search for expired offsets goes on.
    expect(scene.clock.pending).toBe(1);
  });
});

describe('a group of static members that say that nobody need wait', () => {
  it('looks now and then whether one has joined, not all the time', () => {
    const scene = new Scene();
    scene.stable(3, (index) => ({
      instanceId: `i${index}`,
      rebalanceTimeoutMs: 0,
      sessionTimeoutMs: 20_000,
    }));
    scene.leave([{ instanceId: 'i0' }]);
    const endMs = scene.clock.monotonicMs() + 15_000;
    let events = 0;
    while (events < 100 && scene.clock.monotonicMs() < endMs && scene.clock.runNext()) events++;
    expect(events).toBeLessThan(30);
    expect(scene.state).toBe('PreparingRebalance');
    const join = scene.join({ instanceId: 'i1', rebalanceTimeoutMs: 0 });
    scene.clock.advance(2_000);
    expect(join.reply).toMatchObject({ error: 'NONE', generation: 2 });
  });
});
