import { describe, expect, it } from 'vitest';
import { Group } from '../../../src/coordinator/group/group.js';
import { expiredOffsets } from '../../../src/coordinator/group/offset-expiry.js';
import { decodeRecord } from '../../../src/coordinator/group/records.js';
import { CONFIG, Scene, subscription, topicIdOf } from './scene.js';

const CHECK_MS = CONFIG.offsetsRetentionCheckIntervalMs;
const RETENTION_MS = CONFIG.offsetsRetentionMs;

/** Lets time pass, in which members of the group send heartbeats. */
function pass(scene: Scene, ms: number, beat: () => void = () => {}): void {
  for (let passedMs = 0; passedMs < ms; passedMs += 300_000) {
    beat();
    scene.clock.advance(Math.min(300_000, ms - passedMs));
  }
}

describe('OffsetExpiry (KIP-211)', () => {
  it('takes the offsets of a simple group so long after each was committed, and then the group', () => {
    const scene = new Scene();
    scene.commit(1);
    scene.clock.advance(3 * CHECK_MS);
    scene.commit(2, { partition: 1 });
    scene.clock.advance(RETENTION_MS - 3 * CHECK_MS - 1);
    expect(scene.fetch(null).reply.topics[0]?.partitions).toHaveLength(2);
    scene.clock.advance(1);
    expect(scene.fetch(null).reply.topics[0]?.partitions.map(({ partition }) => partition)).toEqual([1]);
    scene.clock.advance(3 * CHECK_MS);
    expect(scene.state).toBe('Dead');
    expect(scene.stats.expiredOffsets).toBe(2);
    // It never had a record of its own, so there is nothing to delete but the offsets.
    expect(scene.host.log.map((record) => [decodeRecord(record).type, record.value === null])).toEqual([
      ['offset', false],
      ['offset', false],
      ['offset', true],
      ['offset', true],
    ]);
  });

  it('keeps what members read, and lets go of it so long after the last one has left', () => {
    const scene = new Scene();
    const [member] = scene.stable(1, () => ({ sessionTimeoutMs: 1_000_000 }));
    if (!member) throw new Error('a member');
    const { memberId } = member;
    scene.commit(1, { generation: 1, memberId });
    scene.commit(2, { generation: 1, memberId, topic: 'u' });
    pass(scene, RETENTION_MS + CHECK_MS, () => expect(scene.heartbeat(member)).toBe('NONE'));
    // Nobody reads u.
    expect([scene.offset('t'), scene.offset('u')]).toEqual([1, -1]);
    scene.leave([{ memberId }]);
    scene.clock.advance(RETENTION_MS - CHECK_MS);
    expect(scene.offset('t')).toBe(1);
    scene.clock.advance(2 * CHECK_MS);
    expect(scene.state).toBe('Dead');
    const types = scene.host.log.slice(-2).map((record) => [decodeRecord(record).type, record.value]);
    expect(types).toEqual([
      ['offset', null],
      ['group', null],
    ]);
    scene.restart();
    expect(scene.state).toBe('Dead');
  });

  it('keeps what is committed for an empty group from outside as long as what is committed for a simple one', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    const memberId = member?.memberId ?? '';
    scene.commit(1, { generation: 1, memberId });
    scene.commit(2, { generation: 1, memberId, partition: 1 });
    scene.leave([{ memberId }]);
    scene.clock.advance(RETENTION_MS - CHECK_MS);
    scene.commit(7);
    scene.restart();
    scene.clock.advance(RETENTION_MS - CHECK_MS);
    expect([scene.offset(), scene.offset('t', 1)]).toEqual([7, -1]);
    scene.clock.advance(2 * CHECK_MS);
    expect(scene.state).toBe('Dead');
  });

  it('keeps an offset for as long as a client can say, which is for ever', () => {
    const scene = new Scene();
    expect(scene.commitError(5, { retentionMs: Number.MAX_SAFE_INTEGER })).toBe('NONE');
    scene.restart();
    scene.clock.advance(2 * RETENTION_MS);
    expect(scene.offset()).toBe(5);
  });

  it('counts from the same moment after a restart', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    scene.commit(1, { generation: 1, memberId: member?.memberId ?? '' });
    scene.leave([{ memberId: member?.memberId ?? '' }]);
    scene.clock.advance(RETENTION_MS - CHECK_MS);
    scene.restart();
    expect(scene.offset()).toBe(1);
    scene.clock.advance(CHECK_MS);
    expect(scene.offset()).toBe(-1);
  });

  it('keeps an offset as long as the client asked for', () => {
    const scene = new Scene();
    scene.commit(1, { retentionMs: CHECK_MS });
    scene.commit(2, { partition: 1, retentionMs: 2 * RETENTION_MS });
    scene.restart();
    scene.clock.advance(CHECK_MS);
    expect(scene.fetch(null).reply.topics[0]?.partitions.map(({ offset }) => offset)).toEqual([2]);
    scene.clock.advance(2 * RETENTION_MS - 2 * CHECK_MS);
    expect(scene.offset('t', 1)).toBe(2);
    scene.clock.advance(CHECK_MS);
    expect(scene.state).toBe('Dead');
  });

  it('takes groups away that are empty and have no offsets', () => {
    const scene = new Scene();
    const [member] = scene.stable();
    scene.leave([{ memberId: member?.memberId ?? '' }]);
    expect(scene.state).toBe('Empty');
    scene.clock.advance(CHECK_MS);
    expect(scene.state).toBe('Dead');
    expect(scene.host.log.at(-1)?.value).toBeNull();
  });

  it('looks through very many offsets in several turns, and writes them in several pieces', () => {
    const scene = new Scene({ offsetsRetentionMs: CHECK_MS });
    const partitions = Array.from({ length: 9_000 }, (_, partition) => ({
      partition,
      offset: 1,
      leaderEpoch: -1,
      metadata: '',
    }));
    for (const groupId of ['a', 'b', 'c', 'd'])
      scene.commit(0, { groupId, topics: [{ name: 't', topicId: topicIdOf(1), partitions }] });
    expect(scene.stats.offsets).toBe(36_000);
    scene.clock.advance(CHECK_MS);
    expect(scene.stats.offsets).toBe(9_000);
    scene.clock.advance(1_000);
    expect(scene.stats).toMatchObject({ offsets: 0, groups: { Empty: 0 } });
    expect(scene.host.log).toHaveLength(72_000);
  });

  it('lets nothing go while members of unknown kinds, or a rebalance, are there', () => {
    for (const protocolType of ['connect', 'consumer']) {
      const scene = new Scene();
      scene.commit(1);
      const metadata = protocolType === 'connect' ? Buffer.from('?') : subscription('u');
      const timeouts = { sessionTimeoutMs: 1_800_000, rebalanceTimeoutMs: 2 ** 31 - 1 };
      const [member] = scene.stable(1, () => ({
        ...timeouts,
        protocolType,
        protocols: [{ name: 'p', metadata }],
      }));
      if (!member) throw new Error('a member');
      if (protocolType === 'consumer')
        scene.join({ ...timeouts, instanceId: 'i', protocols: [{ name: 'p', metadata }] });
      pass(scene, RETENTION_MS + CHECK_MS, () => scene.heartbeat(member));
      expect(scene.offset()).toBe(1);
    }
  });
});

describe('expiredOffsets', () => {
  it('goes by the commit if nobody knows when the group became empty', () => {
    const group = new Group('g');
    group.protocolType = 'consumer';
    const stored = { offset: 1, leaderEpoch: -1, metadata: '', expireTimestampMs: null, topicId: null };
    group.offsets.set('t', 0, { ...stored, commitTimestampMs: 1_000 });
    group.offsets.set('t', 1, { ...stored, commitTimestampMs: 2_000 });
    expect(expiredOffsets(group, 1_499, 500)).toEqual([]);
    expect(expiredOffsets(group, 1_500, 500)).toEqual([{ topic: 't', partition: 0 }]);
    group.enter('Empty', 2_000);
    expect(expiredOffsets(group, 2_499, 500)).toEqual([]);
    expect(expiredOffsets(group, 2_500, 500)).toHaveLength(2);
  });
});
