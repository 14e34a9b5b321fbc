import { describe, expect, it } from 'vitest';
import { Scene, subscription } from './scene.js';

describe('DescribeGroups', () => {
  it('tells all of a stable group, and less while it rebalances', () => {
    const scene = new Scene();
    const [leader] = scene.stable(2, (index) => ({ instanceId: index === 0 ? 'i' : null }));
    const member = {
      memberId: leader?.memberId,
      instanceId: 'i',
      clientId: 'client',
      clientHost: '127.0.0.1',
      metadata: subscription('t'),
      assignment: Buffer.from(leader?.memberId ?? ''),
    };
    const stable = scene.describe();
    expect(stable).toMatchObject({
      error: 'NONE',
      state: 'Stable',
      protocolType: 'consumer',
      protocol: 'range',
    });
    expect(stable.members[0]).toEqual(member);
    expect(stable.members).toHaveLength(2);
    scene.join();
    const rebalancing = scene.describe();
    expect(rebalancing).toMatchObject({
      state: 'PreparingRebalance',
      protocolType: 'consumer',
      protocol: '',
    });
    expect(rebalancing.members[0]).toEqual({ ...member, metadata: new Uint8Array(0) });
  });

  it('says of a group that is not there that it is dead', () => {
    expect(new Scene().describe('nogroup')).toEqual({
      type: 'described',
      error: 'GROUP_ID_NOT_FOUND',
      groupId: 'nogroup',
      state: 'Dead',
      protocolType: '',
      protocol: '',
      members: [],
    });
  });

  it('waits for what was appended before', () => {
    const scene = new Scene();
    scene.appendMs = 5;
    scene.commit(1);
    const described = scene.ask<'describe'>({ type: 'describe', groupId: 'g' });
    expect(described.isAnswered).toBe(false);
    scene.clock.advance(5);
    expect(described.reply.state).toBe('Empty');
  });
});

describe('ListGroups', () => {
  it('filters by state and type, whatever the case of the letters', () => {
    const scene = new Scene();
    scene.commit(1, { groupId: 'simple' });
    scene.stable();
    const list = (states: string[], types: string[] = []) =>
      scene.ask<'list'>({ type: 'list', states, types }).reply.groups.map(({ groupId }) => groupId);
    expect(list([])).toEqual(['simple', 'g']);
    expect(list(['sTABLE'])).toEqual(['g']);
    expect(list(['Empty', 'Dead'])).toEqual(['simple']);
    expect(list([], ['Classic'])).toEqual(['simple', 'g']);
    expect(list([], ['consumer'])).toEqual([]);
    expect(scene.ask<'list'>({ type: 'list', states: ['stable'], types: [] }).reply).toEqual({
      type: 'listed',
      error: 'NONE',
      groups: [{ groupId: 'g', protocolType: 'consumer', state: 'Stable', groupType: 'classic' }],
    });
  });
});

describe('DeleteGroups', () => {
  it('takes away more offsets than the largest batch has room for', () => {
    const scene = new Scene({}, 1_000);
    for (let partition = 0; partition < 100; partition++) scene.commit(1, { partition });
    expect(scene.delete()).toBe('NONE');
    scene.restart();
    expect(scene.state).toBe('Dead');
    expect(scene.host.log).toHaveLength(201);
  });

  it('deletes an empty group with all that it has, for good', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    scene.commit(1, { generation: 1, memberId: member?.memberId ?? '' });
    expect(scene.delete()).toBe('NON_EMPTY_GROUP');
    scene.leave([{ memberId: member?.memberId ?? '' }]);
    expect(scene.delete()).toBe('NONE');
    expect(scene.delete()).toBe('GROUP_ID_NOT_FOUND');
    expect(scene.offset()).toBe(-1);
    scene.restart();
    expect(scene.state).toBe('Dead');
    expect(scene.offset()).toBe(-1);
  });

  it('deletes a group whose offsets do not fit into one append', () => {
    const scene = new Scene();
    const metadata = 'm'.repeat(4_000);
    for (let partition = 0; partition < 3_000; partition++)
      scene.commit(1, { groupId: 'g'.repeat(4_000), partition, metadata });
    expect(scene.delete('g'.repeat(4_000))).toBe('NONE');
    scene.restart();
    expect(scene.stats).toMatchObject({ offsets: 0, groups: { Empty: 0 } });
  });

  it('tells whoever was given an id by a group that is deleted to begin anew', () => {
    const scene = new Scene();
    const { memberId } = scene.join({ requireKnownMemberId: true }).reply;
    expect(scene.delete()).toBe('NONE');
    expect(scene.join({ memberId, requireKnownMemberId: true }).reply.error).toBe('UNKNOWN_MEMBER_ID');
    expect(scene.clock.pending).toBe(1);
  });
});
