import { beforeAll, describe, expect, it } from 'vitest';
import { GroupMember } from '../broker/kafka/group-member.js';
import { run, startBroker } from './executable.js';

const lines = (text: string): string[] => text.split('\n').slice(0, -1);
const cells = (line: string | undefined): string[] => (line ?? '').trim().split(/ +/);

describe('odradek group', () => {
  let environment: Record<string, string>;
  let kafka: string;
  const odradek = (...args: readonly string[]) => run(args, 'a\nb\nc\n', environment);

  beforeAll(async () => {
    const broker = await startBroker('group', ['--set', 'group.initial.rebalance.delay.ms=0']);
    environment = { ODRADEK_BROKERS: broker.ready.native ?? '' };
    kafka = broker.ready.kafka ?? '';
    await odradek('topic', 'create', 'orders', '--partitions', '2');
    await odradek('produce', 'orders', '--partition', '0');
  });

  it('lists groups and describes what they read', async () => {
    expect(await odradek('group', 'list')).toEqual({ code: 0, out: '', err: '' });
    const member = await GroupMember.connect(kafka, {
      groupId: 'billing',
      topics: ['orders'],
      instanceId: 'till',
    });
    await member.joinAlone({ orders: [0, 1] });
    await member.commit('orders', 0, 1);
    expect((await odradek('group', 'list')).out).toBe('billing\tStable\tconsumer\n');
    expect((await odradek('group', 'list', '--state', 'empty')).out).toBe('');
    expect(JSON.parse((await odradek('group', 'list', '--json')).out)).toEqual([
      { groupId: 'billing', protocolType: 'consumer', state: 'Stable' },
    ]);

    const { memberId } = member;
    const described = lines((await odradek('group', 'describe', 'billing')).out);
    expect(described[0]).toBe('billing: Stable, range, 1 member, lag 2');
    expect(described.slice(2).map(cells)).toEqual([
      ['TOPIC', 'PARTITION', 'COMMITTED', 'END', 'LAG', 'MEMBER'],
      ['orders', '0', '1', '3', '2', memberId],
      ['orders', '1', '-', '0', '-', memberId],
      [''],
      ['MEMBER', 'CLIENT', 'HOST', 'PARTITIONS'],
      [memberId, '(till)', 'test', '127.0.0.1', 'orders:0,1'],
    ]);
    expect(JSON.parse((await odradek('group', 'describe', 'billing', '--json')).out)).toMatchObject({
      ...{ groupId: 'billing', members: [{ memberId, instanceId: 'till' }] },
      partitions: [{ lag: 2, error: null }, { lag: null }],
    });

    const busy = await odradek('group', 'reset', 'billing', '--to', 'earliest', '--execute');
    expect(busy).toMatchObject({ code: 1, out: '' });
    expect(busy.err).toContain('Group "billing" is Stable: its members have to be stopped first.');
    const kept = await odradek('group', 'delete', 'billing');
    expect(kept).toMatchObject({ code: 1, out: '' });
    expect(kept.err).toContain('NON_EMPTY_GROUP');
    expect(await member.leave()).toBe(0);
    await member.close();
  });

  it('shows what a reset would do, and does it when it is told to', async () => {
    const reset = (...args: readonly string[]) =>
      odradek('group', 'reset', 'reports', '--topic', 'orders', ...args);
    const shown = await reset('--to', 'latest');
    expect(shown.code).toBe(0);
    expect(lines(shown.out).map(cells)).toEqual([
      ['TOPIC', 'PARTITION', 'FROM', 'TO'],
      ['orders', '0', '-', '3'],
      ['orders', '1', '-', '0'],
      cells('this would move 2 offsets of reports: add --execute'),
    ]);
    expect((await reset('--to', 'latest', '--dry-run')).out).toBe(shown.out);
    expect((await odradek('group', 'describe', 'reports')).code).toBe(1);
    expect(lines((await reset('--to', 'latest', '--execute')).out).at(-1)).toBe('moved 2 offsets of reports');

    const back = await odradek(
      'group',
      'reset',
      'reports',
      '--to',
      '-2',
      '--topic',
      'orders:0',
      '--execute',
      '--json',
    );
    expect(JSON.parse(back.out)).toEqual({
      ...{ groupId: 'reports', executed: true },
      partitions: [{ topic: 'orders', partition: 0, committedOffset: 3, newOffset: 1 }],
    });
    const all = JSON.parse((await odradek('group', 'reset', 'reports', '--to', 'earliest', '--json')).out);
    expect(all).toMatchObject({ executed: false, partitions: [{ newOffset: 0 }, { newOffset: 0 }] });
    expect((await odradek('group', 'describe', 'reports')).out).toMatch(
      /^reports: Empty, 0 members, lag 2\n/,
    );
  });

  it('deletes a group', async () => {
    await odradek('group', 'reset', 'past', '--topic', 'orders', '--to', '0', '--execute');
    expect(await odradek('group', 'delete', 'past')).toEqual({
      code: 0,
      out: 'deleted group past\n',
      err: '',
    });
    const again = await odradek('group', 'delete', 'past', '--json');
    expect(again).toMatchObject({ code: 1, out: '' });
    expect(again.err).toContain('There is no group "past".');
  });

  it('ends with 2 if it is used wrongly', async () => {
    const wrong: [args: string[], reason: string][] = [
      [['group', 'reset', 'g'], "required option '--to <where>' not specified"],
      [['group', 'reset', 'g', '--to', 'soon'], '--to soon: it must be earliest, latest'],
      [['group', 'reset', 'g', '--to', '1', '--topic', 'a:b'], '--topic a:b: it must be of the form'],
      [['group', 'reset', 'g', '--to', '1', '--execute', '--dry-run'], 'cannot be used with'],
      [['group', 'describe'], 'missing required argument'],
    ];
    const ended = await Promise.all(wrong.map(([args]) => run(args, '', environment)));
    for (const [index, [args, reason]] of wrong.entries()) {
      const { code, out, err } = ended[index] ?? { code: null, out: '', err: '' };
      expect({ code, out }, args.join(' ')).toEqual({ code: 2, out: '' });
      expect(err).toContain(reason);
    }
  });
});
