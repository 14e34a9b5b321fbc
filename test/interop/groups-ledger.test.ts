import { describe, expect, it } from 'vitest';
import { checkGroup, type MemberEvent, type NumberedTopic } from './groups-ledger.js';

const topic: NumberedTopic = {
  ends: [3, 1],
  recordAt: (partition, offset) => ({ key: `k${partition}`, value: `v${offset}` }),
};
const assigned = (...partitions: number[]): MemberEvent => ({ type: 'assigned', partitions });
const revoked = (...partitions: number[]): MemberEvent => ({ type: 'revoked', partitions });
const record = (partition: number, offset: number): MemberEvent => ({
  type: 'record',
  partition,
  offset,
  ...topic.recordAt(partition, offset),
});
const committed = (partition: number, end: number): MemberEvent => ({
  type: 'committed',
  ends: new Map([[partition, end]]),
});
const member = (name: string, events: readonly MemberEvent[], wasKilled = false) => ({
  name,
  events,
  wasKilled,
});

const all = [assigned(0, 1), record(0, 0), record(0, 1), record(1, 0), record(0, 2)];

describe('checkGroup', () => {
  it('has no complaint of a group that processed each record once', () => {
    const first = member('a', [assigned(0, 1), record(0, 0), record(1, 0), committed(0, 1), revoked(0)]);
    const second = member('b', [assigned(0), record(0, 1), record(0, 2), committed(0, 3), { type: 'left' }]);
    expect(checkGroup(topic, [first, second])).toEqual({
      records: 4,
      lost: [],
      duplicates: 0,
      unexplained: [],
      disorder: [],
      assignments: 3,
      commitsFailed: [],
    });
  });

  it('finds what nobody processed', () => {
    expect(checkGroup(topic, [member('a', [assigned(0), record(0, 0), record(0, 1)])]).lost).toEqual([
      '0:2',
      '1:0',
    ]);
  });

  it('forgives what a killed member had not committed, and nothing else', () => {
    const again = member('b', all);
    const killed = [assigned(0), record(0, 0), record(0, 1), committed(0, 1)];
    const afterKill = checkGroup(topic, [member('a', killed, true), again]);
    expect(afterKill.duplicates).toBe(2);
    expect(afterKill.unexplained).toEqual(['0:0 a → b']);
    const afterLeave = checkGroup(topic, [member('a', killed), again]);
    expect(afterLeave.unexplained).toEqual(['0:0 a → b', '0:1 a → b']);
  });

  it('finds gaps, steps back, foreign partitions, altered records and problems', () => {
    const events: MemberEvent[] = [
      assigned(0),
      record(0, 0),
      record(0, 2),
      record(0, 1),
      revoked(0),
      record(0, 2),
      assigned(1),
      { type: 'record', partition: 1, offset: 0, key: 'k1', value: 'v7' },
      { type: 'problem', text: 'crashed' },
    ];
    expect(checkGroup(topic, [member('a', events)]).disorder).toEqual([
      'a: 0:2 comes where 1 should',
      'a: 0:1 comes where 3 should',
      'a: 0:2 is not its partition',
      'a: 1:0 has k1 v7, not k1 v0',
      'a: crashed',
    ]);
  });

  it('lets an owner begin anew where it stands after a rebalance', () => {
    const events = [
      assigned(0, 1),
      record(0, 0),
      record(1, 0),
      revoked(0),
      assigned(0),
      record(0, 1),
      record(0, 2),
    ];
    expect(checkGroup(topic, [member('a', events)])).toMatchObject({ lost: [], disorder: [], duplicates: 0 });
  });
});
