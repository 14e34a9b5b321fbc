import type {
  GroupDetails,
  GroupPartitionDetails,
  ResetOffset,
  ResetTarget,
} from '../../client/group-admin.js';
import type { Client, GroupMember } from '../../client/index.js';
import type { ClientOptions } from './client-options.js';
import type { TopicChoice } from './reset-target.js';
import { type Column, renderRows, renderTable } from './table.js';

export interface ListOptions extends ClientOptions {
  readonly state: readonly string[];
}

export interface ResetOptions extends ClientOptions {
  readonly to: ResetTarget;
  readonly topic?: readonly TopicChoice[];
  readonly execute: boolean;
}

const print = (text: string) => process.stdout.write(text);
const printJson = (value: unknown) => print(`${JSON.stringify(value)}\n`);
const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const LIST_COLUMNS: readonly Column[] = [{ title: 'GROUP' }, { title: 'STATE' }, { title: 'TYPE' }];

/** `odradek group list` */
export async function listGroups(client: Client, { state, json }: ListOptions): Promise<void> {
  const groups = await client.admin().groups.list({ states: state });
  if (json) return void printJson(groups);
  const rows = groups.map(({ groupId, state: current, protocolType }) => [groupId, current, protocolType]);
  if (!process.stdout.isTTY) print(renderRows(rows));
  else if (rows.length === 0) print('no groups\n');
  else print(renderTable(LIST_COLUMNS, rows, true));
}

const PARTITION_COLUMNS: readonly Column[] = [
  { title: 'TOPIC' },
  { title: 'PARTITION', align: 'right' },
  { title: 'COMMITTED', align: 'right' },
  { title: 'END', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'MEMBER' },
];
const MEMBER_COLUMNS: readonly Column[] = [
  { title: 'MEMBER' },
  { title: 'CLIENT' },
  { title: 'HOST' },
  { title: 'PARTITIONS' },
];

/** `odradek group describe` */
export async function describeGroup(client: Client, groupId: string, { json }: ClientOptions): Promise<void> {
  const group = await client.admin().groups.describe(groupId);
  if (!json) return void print(renderGroup(group, process.stdout.isTTY));
  const partitions = group.partitions.map(({ error, ...partition }) => ({
    ...partition,
    error: error === null ? null : error.message,
  }));
  printJson({ ...group, partitions });
}

function renderGroup(
  { groupId, state, protocol, members, partitions }: GroupDetails,
  color: boolean,
): string {
  const lag = partitions.reduce((sum, partition) => sum + (partition.lag ?? 0), 0);
  const head = [
    state,
    ...(protocol === '' ? [] : [protocol]),
    counted(members.length, 'member'),
    `lag ${lag}`,
  ];
  const parts = [`${groupId}: ${head.join(', ')}\n`];
  if (partitions.length > 0) parts.push(renderTable(PARTITION_COLUMNS, partitions.map(partitionRow), color));
  if (members.length > 0) parts.push(renderTable(MEMBER_COLUMNS, members.map(memberRow), color));
  return parts.join('\n');
}

function partitionRow({
  topic,
  partition,
  committedOffset,
  logEndOffset,
  lag,
  memberId,
  error,
}: GroupPartitionDetails): string[] {
  const number = (value: number | null) => (value === null ? '-' : String(value));
  const last = error === null ? (memberId ?? '-') : error.message;
  return [topic, String(partition), number(committedOffset), number(logEndOffset), number(lag), last];
}

function memberRow({ memberId, instanceId, clientId, clientHost, assignment }: GroupMember): string[] {
  const partitions = assignment.map(({ topic, partitions: numbers }) => `${topic}:${numbers.join()}`);
  const name = instanceId === null ? memberId : `${memberId} (${instanceId})`;
  return [name, clientId, clientHost, partitions.join(' ') || '-'];
}

const RESET_COLUMNS: readonly Column[] = [
  { title: 'TOPIC' },
  { title: 'PARTITION', align: 'right' },
  { title: 'FROM', align: 'right' },
  { title: 'TO', align: 'right' },
];

/** `odradek group reset` */
export async function resetGroup(
  client: Client,
  groupId: string,
  { to, topic, execute, json }: ResetOptions,
): Promise<void> {
  const { groups } = client.admin();
  const moves = await groups.resetOffsets(groupId, { to, topics: topic, dryRun: !execute });
  if (json) return void printJson({ groupId, executed: execute, partitions: moves });
  print(renderTable(RESET_COLUMNS, moves.map(resetRow), process.stdout.isTTY));
  const offsets = counted(moves.length, 'offset');
  print(
    execute
      ? `moved ${offsets} of ${groupId}\n`
      : `this would move ${offsets} of ${groupId}: add --execute\n`,
  );
}

const resetRow = ({ topic, partition, committedOffset, newOffset }: ResetOffset): string[] => [
  topic,
  String(partition),
  committedOffset === null ? '-' : String(committedOffset),
  String(newOffset),
];

/** `odradek group delete` */
export async function deleteGroup(client: Client, groupId: string, { json }: ClientOptions): Promise<void> {
  await client.admin().groups.delete(groupId);
  if (json) printJson({ groupId, deleted: true });
  else print(`deleted group ${groupId}\n`);
}
