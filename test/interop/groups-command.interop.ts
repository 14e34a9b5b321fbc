// Kafka's own kafka-consumer-groups lists, describes, resets and deletes our groups. BROKER=kafka asks a real Kafka.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kafkaTools } from './clients.js';
import { type GroupBroker, isRealKafka, startGroupBroker } from './groups-broker.js';
import { KAFKAJS, startMember } from './groups-clients.js';
import { type Answer, groupCommand } from './groups-command.js';
import { type Member, type MemberPlan, until } from './groups-member.js';
import { NumberedRecords } from './groups-records.js';

const PARTITIONS = 3;
const GROUP = 'told';
const TOPIC = 'told-records';
const RECORDS = 300;
const MORE = 30;
const PER_PARTITION = RECORDS / PARTITIONS;
const END = PER_PARTITION + MORE / PARTITIONS;

const all = (cells: object) =>
  Array.from({ length: PARTITIONS }, (_, partition) => ({ PARTITION: String(partition), ...cells }));
const byPartition = ({ rows }: Answer) =>
  [...rows].sort((a, b) => Number(a['PARTITION']) - Number(b['PARTITION']));

describe(`kafka-consumer-groups at ${isRealKafka ? 'Kafka' : 'Odradek'}`, () => {
  let broker: GroupBroker;
  let records: NumberedRecords;
  let missing: string | null = null;
  let command: (...args: readonly string[]) => Promise<Answer>;
  let member: Member;

  const plan = (): MemberPlan => ({
    bootstrap: broker.bootstrap,
    group: GROUP,
    topic: TOPIC,
    assignor: 'range',
    clientId: 'the-member',
    instanceId: null,
    sessionTimeoutMs: 10_000,
    heartbeatIntervalMs: 500,
    commitIntervalMs: 0,
  });

  /** Lets a member read to the end of the topic, and commit. */
  async function read(): Promise<Member> {
    const reader = await startMember(KAFKAJS, plan());
    await until('all is committed', [reader], () =>
      records.ends.every((end, partition) => reader.committed.get(partition) === end),
    );
    return reader;
  }

  const test = (what: string, act: () => Promise<void>) =>
    it(what, async ({ skip }) => {
      if (missing !== null) skip(missing);
      await act();
    });

  beforeAll(async () => {
    const tool = await kafkaTools();
    broker = await startGroupBroker('groups-command');
    if ('missing' in tool) missing = `kafka-consumer-groups: ${tool.missing}`;
    else {
      command = groupCommand(tool.command, broker.bootstrap);
      records = await NumberedRecords.create(broker.bootstrap, TOPIC, PARTITIONS);
      await records.write(RECORDS);
      member = await read();
    }
  });

  afterAll(async () => {
    await member?.kill();
    await broker.stop();
  });

  test('lists groups, with types and states', async () => {
    expect((await command('--list')).lines).toContain(GROUP);
    const { rows } = await command('--list', '--state', 'stable');
    expect(rows).toMatchObject([{ GROUP, STATE: 'Stable' }]);
    const typed = await command('--list', '--type', 'classic');
    expect(typed.rows).toMatchObject([{ GROUP, TYPE: 'Classic' }]);
    expect((await command('--list', '--state', 'empty')).rows).toEqual([]);
  });

  test('describes a group with its member', async () => {
    const offsets = await command('--describe', '--group', GROUP);
    const read = {
      GROUP,
      TOPIC,
      'CURRENT-OFFSET': String(PER_PARTITION),
      'LOG-END-OFFSET': String(PER_PARTITION),
    };
    const client = { LAG: '0', HOST: '/127.0.0.1', 'CLIENT-ID': 'the-member' };
    expect(byPartition(offsets)).toMatchObject(all({ ...read, ...client }));
    const members = await command('--describe', '--group', GROUP, '--members', '--verbose');
    expect(members.rows).toMatchObject([
      {
        GROUP,
        HOST: '/127.0.0.1',
        'CLIENT-ID': 'the-member',
        '#PARTITIONS': '3',
        'CURRENT-ASSIGNMENT': `${TOPIC}:0,1,2`,
      },
    ]);
    const state = await command('--describe', '--group', GROUP, '--state');
    expect(state.rows).toMatchObject([
      {
        'COORDINATOR(ID)': `${broker.bootstrap}(1)`,
        'ASSIGNMENT-STRATEGY': 'RoundRobinAssigner',
        STATE: 'Stable',
        '#MEMBERS': '1',
      },
    ]);
  });

  test('neither resets nor deletes a group with members', async () => {
    const reset = await command(
      '--reset-offsets',
      '--group',
      GROUP,
      '--topic',
      TOPIC,
      '--to-earliest',
      '--execute',
    );
    expect(reset.lines.join('\n')).toContain('the current state is Stable');
    const deleted = await command('--delete', '--group', GROUP);
    expect(deleted.lines.join('\n')).toContain('GroupNotEmptyException');
    const offsets = await command('--delete-offsets', '--group', GROUP, '--topic', TOPIC);
    expect(offsets.lines.join('\n')).toMatch(/subscribed/);
  });

  test('describes a group without members, with what it lags behind', async () => {
    await member.leave();
    await records.write(MORE);
    const cells = { 'CURRENT-OFFSET': String(PER_PARTITION), 'LOG-END-OFFSET': String(END) };
    const described = await command('--describe', '--group', GROUP);
    expect(byPartition(described)).toMatchObject(
      all({ ...cells, LAG: String(MORE / PARTITIONS), 'CONSUMER-ID': '-', HOST: '-', 'CLIENT-ID': '-' }),
    );
    expect((await command('--list', '--state', 'empty')).rows).toMatchObject([{ GROUP, STATE: 'Empty' }]);
  });

  test('resets offsets, and members begin there', async () => {
    const reset = (...how: readonly string[]) =>
      command('--reset-offsets', '--group', GROUP, '--topic', TOPIC, ...how);
    expect(byPartition(await reset('--to-earliest', '--execute'))).toMatchObject(all({ 'NEW-OFFSET': '0' }));
    expect(byPartition(await command('--describe', '--group', GROUP))).toMatchObject(
      all({ 'CURRENT-OFFSET': '0', LAG: String(END) }),
    );
    expect(byPartition(await reset('--to-offset', '42', '--dry-run'))).toMatchObject(
      all({ 'NEW-OFFSET': '42' }),
    );
    expect(byPartition(await reset('--to-offset', '7', '--execute'))).toMatchObject(
      all({ 'NEW-OFFSET': '7' }),
    );
    expect(byPartition(await reset('--shift-by', '5', '--execute'))).toMatchObject(
      all({ 'NEW-OFFSET': '12' }),
    );
    expect(byPartition(await reset('--shift-by', '-2', '--execute'))).toMatchObject(
      all({ 'NEW-OFFSET': '10' }),
    );
    expect(byPartition(await command('--describe', '--group', GROUP))).toMatchObject(
      all({ 'CURRENT-OFFSET': '10', LAG: String(END - 10) }),
    );
    member = await read();
    await member.leave();
    const firsts = Array.from({ length: PARTITIONS }, (_, partition) =>
      member.events.find((event) => event.type === 'record' && event.partition === partition),
    );
    expect(firsts).toMatchObject(Array.from({ length: PARTITIONS }, () => ({ offset: 10 })));
  });

  test('deletes offsets, and then the group', async () => {
    const deleted = await command('--delete-offsets', '--group', GROUP, '--topic', `${TOPIC}:0,2`);
    expect(byPartition(deleted)).toMatchObject([
      { PARTITION: '0', STATUS: 'Successful' },
      { PARTITION: '2', STATUS: 'Successful' },
    ]);
    expect((await command('--describe', '--group', GROUP, '--offsets')).rows).toMatchObject([
      { PARTITION: '1', 'CURRENT-OFFSET': String(END) },
    ]);
    expect((await command('--delete', '--group', GROUP)).lines.join('\n')).toContain('was successful');
    expect((await command('--list')).lines).not.toContain(GROUP);
    const gone = await command('--describe', '--group', GROUP);
    expect(gone.lines.join('\n')).toContain('GroupIdNotFoundException');
  });
});
