import { describe, expect, it } from 'vitest';
import type { JoinedGroup } from '../../../src/coordinator/group/group-messages.js';
import { INITIAL_DELAY_MS, Scene, SESSION_MS, subscription } from './scene.js';

/** A group of two that waits for its assignment. */
function completing() {
  const scene = new Scene();
  const joins = [scene.join(), scene.join()];
  scene.clock.advance(2 * INITIAL_DELAY_MS);
  const [leader, follower] = joins.map(({ reply }) => reply);
  if (!leader || !follower) throw new Error('two members');
  return { scene, leader, follower };
}

/** Both join again, the follower with news. */
function nextGeneration(scene: Scene, leader: JoinedGroup, follower: JoinedGroup) {
  const protocols = [{ name: 'range', metadata: subscription('t', 'u') }];
  const joins = [
    scene.join({ memberId: follower.memberId, protocols }),
    scene.join({ memberId: leader.memberId }),
  ];
  const [second, first] = joins.map(({ reply }) => reply);
  if (!first || !second) throw new Error('two members');
  expect([first.generation, second.generation]).toEqual([2, 2]);
  return { leader: first, follower: second };
}

describe('SyncGroup', () => {
  it('gives each member what the leader decided, and nothing to whom it forgot', () => {
    const { scene, leader, follower } = completing();
    const early = scene.sync(follower);
    expect(early.isAnswered).toBe(false);
    const assignments = [{ memberId: follower.memberId, assignment: Buffer.from('all') }];
    expect(scene.sync(leader, { assignments }).reply).toEqual({
      type: 'synced',
      error: 'NONE',
      protocolType: 'consumer',
      protocolName: 'range',
      assignment: new Uint8Array(0),
    });
    expect(early.reply.assignment).toEqual(Buffer.from('all'));
    expect(scene.sync(follower).reply.assignment).toEqual(Buffer.from('all'));
    expect(scene.stats).toMatchObject({ rebalances: 1, members: 2, groups: { Stable: 1 } });
  });

  it('waits for the log, also for members that come late', () => {
    const { scene, leader, follower } = completing();
    scene.appendMs = 50;
    const first = scene.sync(leader);
    const second = scene.sync(follower);
    expect([first.isAnswered, second.isAnswered]).toEqual([false, false]);
    scene.clock.advance(50);
    expect(second.reply.assignment).toEqual(Buffer.from(follower.memberId));
    expect(first.reply.error).toBe('NONE');
  });

  it('tells who waits for the log to join again if a rebalance begins meanwhile', () => {
    const { scene, leader } = completing();
    scene.appendMs = 50;
    const sync = scene.sync(leader);
    scene.join();
    expect(sync.reply.error).toBe('REBALANCE_IN_PROGRESS');
    scene.clock.advance(50);
    expect(sync.replies).toHaveLength(1);
  });

  it('gives nothing to whom the leader forgot, whatever it had before', () => {
    const { scene, leader, follower } = completing();
    scene.sync(leader);
    expect(scene.sync(follower).reply.assignment).toEqual(Buffer.from(follower.memberId));
    const again = nextGeneration(scene, leader, follower);
    const assignments = [{ memberId: leader.memberId, assignment: Buffer.from('all') }];
    scene.sync(again.leader, { assignments });
    expect(scene.sync(again.follower).reply.assignment).toEqual(new Uint8Array(0));
  });

  it('does not tell what was decided before a rebalance to whom asks after it', () => {
    const { scene, leader, follower } = completing();
    scene.appendMs = 50;
    const early = [scene.sync(leader), scene.sync(follower)];
    const again = nextGeneration(scene, leader, follower);
    for (const { reply } of early) expect(reply.error).toBe('REBALANCE_IN_PROGRESS');
    const late = scene.sync(again.follower);
    scene.clock.advance(50);
    expect(late.isAnswered).toBe(false);
    const assignments = [{ memberId: follower.memberId, assignment: Buffer.from('new') }];
    scene.sync(again.leader, { assignments });
    scene.clock.advance(50);
    expect(late.reply.assignment).toEqual(Buffer.from('new'));
  });

  it('refuses everybody when the log cannot be written', () => {
    const { scene, leader, follower } = completing();
    scene.appendMs = 5;
    const syncs = [scene.sync(follower), scene.sync(leader)];
    scene.host.failNextAppend('lost');
    scene.clock.advance(5);
    for (const { replies } of syncs) expect(replies).toEqual([{ type: 'refused', error: 'NOT_COORDINATOR' }]);
    scene.clock.advance(1_000);
    expect(scene.state).toBe('Dead');
  });

  it('makes the group look for a smaller assignment if the log cannot take it', () => {
    const { scene, leader, follower } = completing();
    const waiting = scene.sync(follower);
    const assignments = [{ memberId: leader.memberId, assignment: Buffer.alloc(2 ** 20) }];
    expect(scene.sync(leader, { assignments }).reply.error).toBe('UNKNOWN_SERVER_ERROR');
    expect(waiting.reply.error).toBe('UNKNOWN_SERVER_ERROR');
    expect(scene.state).toBe('PreparingRebalance');
    expect(scene.host.log).toEqual([]);
  });

  it.each([
    ['an unknown group', { groupId: 'other' }, 'UNKNOWN_MEMBER_ID'],
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['an unknown member', { memberId: 'who' }, 'UNKNOWN_MEMBER_ID'],
    ['an unknown instance', { instanceId: 'i' }, 'UNKNOWN_MEMBER_ID'],
    ['another generation', { generation: 2 }, 'ILLEGAL_GENERATION'],
    ['another type (KIP-559)', { protocolType: 'connect' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['another protocol (KIP-559)', { protocolName: 'sticky' }, 'INCONSISTENT_GROUP_PROTOCOL'],
  ])('refuses %s', (_name, changes, error) => {
    const { scene, leader } = completing();
    expect(scene.sync(leader, changes).reply).toMatchObject({ error, protocolName: null });
    expect(scene.state).toBe('CompletingRebalance');
  });

  it('is refused while members join', () => {
    const { scene, leader, follower } = completing();
    scene.sync(leader);
    scene.join();
    expect(scene.sync(follower).reply.error).toBe('REBALANCE_IN_PROGRESS');
  });

  it('answers the later of two of a member', () => {
    const { scene, follower, leader } = completing();
    const [first, second] = [scene.sync(follower), scene.sync(follower)];
    expect(first.reply.error).toBe('REBALANCE_IN_PROGRESS');
    scene.sync(leader);
    expect(second.reply.error).toBe('NONE');
  });
});

describe('Heartbeat', () => {
  it('is answered by the state of the group', () => {
    const { scene, leader, follower } = completing();
    expect(scene.heartbeat(leader)).toBe('NONE');
    scene.sync(leader);
    expect(scene.heartbeat(follower)).toBe('NONE');
    expect(scene.heartbeat({ ...leader, generation: 2 })).toBe('ILLEGAL_GENERATION');
    expect(scene.heartbeat({ ...leader, memberId: 'who' })).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.heartbeat(leader, { groupId: 'other' })).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.heartbeat(leader, { groupId: '' })).toBe('INVALID_GROUP_ID');
    scene.join();
    expect(scene.heartbeat(leader)).toBe('REBALANCE_IN_PROGRESS');
  });

  it('tells a member that missed a rebalance that its generation is over, as a sync does', () => {
    const { scene, leader, follower } = completing();
    scene.sync(leader);
    scene.sync(follower);
    const again = nextGeneration(scene, leader, follower);
    expect(scene.heartbeat(follower)).toBe('ILLEGAL_GENERATION');
    expect(scene.sync(follower).reply.error).toBe('ILLEGAL_GENERATION');
    expect(scene.heartbeat(again.follower)).toBe('NONE');
  });

  it('keeps the session alive, as a commit and a sync do', () => {
    const { scene, leader, follower } = completing();
    scene.sync(leader);
    const alive = [
      () => scene.heartbeat(leader),
      () => scene.sync(leader).reply.error,
      () => scene.commitError(1, { generation: 1, memberId: leader.memberId }),
      () => scene.join({ memberId: follower.memberId }).reply.error,
    ];
    for (const act of alive) {
      scene.clock.advance(SESSION_MS - 1);
      expect(scene.heartbeat(act === alive[3] ? leader : follower)).toBe('NONE');
      expect(act()).toBe('NONE');
    }
    scene.clock.advance(SESSION_MS - 1);
    expect(scene.state).toBe('Stable');
    scene.clock.advance(1);
    expect(scene.state).toBe('Empty');
  });

  it('comes too late for who was silent for its session timeout', () => {
    const { scene, leader, follower } = completing();
    scene.sync(leader);
    scene.clock.advance(SESSION_MS - 1);
    expect(scene.heartbeat(leader)).toBe('NONE');
    scene.clock.advance(1);
    expect(scene.heartbeat(follower)).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.heartbeat(leader)).toBe('REBALANCE_IN_PROGRESS');
  });
});

describe('LeaveGroup', () => {
  it('answers each of a batch, and rebalances once', () => {
    const scene = new Scene();
    const [leader, follower, third] = scene.stable(3, (index) => ({ instanceId: index === 2 ? 'i' : null }));
    if (!leader || !follower || !third) throw new Error('three members');
    expect(
      scene.leave([
        { memberId: follower.memberId },
        { memberId: 'qq' },
        { instanceId: 'i' },
        { instanceId: 'j' },
        { memberId: 'old', instanceId: 'i' },
      ]),
    ).toEqual({
      type: 'left',
      error: 'NONE',
      members: [
        { memberId: follower.memberId, instanceId: null, error: 'NONE' },
        { memberId: 'qq', instanceId: null, error: 'UNKNOWN_MEMBER_ID' },
        { memberId: '', instanceId: 'i', error: 'NONE' },
        { memberId: '', instanceId: 'j', error: 'UNKNOWN_MEMBER_ID' },
        { memberId: 'old', instanceId: 'i', error: 'UNKNOWN_MEMBER_ID' },
      ],
    });
    expect(scene.state).toBe('PreparingRebalance');
    expect(scene.join({ memberId: leader.memberId }).reply).toMatchObject({ generation: 2 });
  });

  it('fences who leaves in the name of a newer instance', () => {
    const scene = new Scene();
    scene.stable(1, () => ({ instanceId: 'i' }));
    expect(scene.leave([{ memberId: 'old', instanceId: 'i' }]).members[0]?.error).toBe('FENCED_INSTANCE_ID');
    expect(scene.state).toBe('Stable');
  });

  it('empties the group when the last one goes', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    expect(scene.leave([{ memberId: member?.memberId ?? '' }]).members[0]?.error).toBe('NONE');
    expect(scene.describe()).toMatchObject({ state: 'Empty', protocolType: 'consumer', members: [] });
    expect(scene.sync(member ?? scene.join().reply).reply.error).toBe('UNKNOWN_MEMBER_ID');
  });

  it('takes an id back that was given out, without a rebalance', () => {
    const scene = new Scene();
    scene.stable(1, () => ({ protocols: [{ name: 'range', metadata: subscription('t') }] }));
    const { memberId } = scene.join({ requireKnownMemberId: true }).reply;
    expect(scene.leave([{ memberId }]).members[0]?.error).toBe('NONE');
    expect(scene.state).toBe('Stable');
    expect(scene.join({ memberId }).reply.error).toBe('UNKNOWN_MEMBER_ID');
  });

  it('knows nobody in a group that is not there', () => {
    const scene = new Scene();
    expect(scene.leave([{ memberId: 'm' }])).toMatchObject({
      error: 'NONE',
      members: [{ error: 'UNKNOWN_MEMBER_ID' }],
    });
    expect(scene.leave([{ memberId: 'm' }], '').error).toBe('INVALID_GROUP_ID');
  });
});
