import { type ErrorName, OdradekError } from '../../base/errors.js';
import type { PartitionDetails, TopicDetails, TopicSummary } from '../../client/admin.js';
import type { Client } from '../../client/index.js';
import type { ClientOptions } from './client-options.js';
import { type Column, formatBytes, renderRows, renderTable } from './table.js';
import type { CreateOptions, DeleteOptions } from './topic-command.js';
import { UsageError } from './usage-error.js';

const print = (text: string) => process.stdout.write(text);
const printJson = (value: unknown) => print(`${JSON.stringify(value)}\n`);

/** `odradek topic create` */
export async function createTopic(client: Client, name: string, options: CreateOptions): Promise<void> {
  const { partitions, replicationFactor, config, ifNotExists, json } = options;
  const configs = Object.fromEntries(config);
  if (Object.keys(configs).length < config.length) throw new UsageError('--config sets the same name twice.');
  const created = await unless(ifNotExists ? 'TOPIC_ALREADY_EXISTS' : null, () =>
    client.admin().createTopic({ name, partitions, replicationFactor, configs }),
  );
  if (json) printJson(created === null ? { name, created: false } : { ...created, created: true });
  else if (created === null) print(`topic ${name} exists already\n`);
  else print(`created topic ${name} with ${counted(created.partitions.length, 'partition')}\n`);
}

/** `odradek topic delete` */
export async function deleteTopic(
  client: Client,
  name: string,
  { ifExists, json }: DeleteOptions,
): Promise<void> {
  const deleted = await unless(ifExists ? 'UNKNOWN_TOPIC_OR_PARTITION' : null, async () => {
    await client.admin().deleteTopic(name);
    return name;
  });
  if (json) printJson({ name, deleted: deleted !== null });
  else print(deleted === null ? `there is no topic ${name}\n` : `deleted topic ${name}\n`);
}

/** Null if the broker answers with the error that is given, if one is. */
async function unless<Result>(allowed: ErrorName | null, act: () => Promise<Result>): Promise<Result | null> {
  try {
    return await act();
  } catch (error) {
    if (allowed !== null && error instanceof OdradekError && error.errorName === allowed) return null;
    throw error;
  }
}

const LIST_COLUMNS: readonly Column[] = [
  { title: 'NAME' },
  { title: 'PARTITIONS', align: 'right' },
  { title: 'REPLICAS', align: 'right' },
  { title: 'ID' },
];

/** `odradek topic list` */
export async function listTopics(client: Client, { json }: ClientOptions): Promise<void> {
  const topics = await client.admin().listTopics();
  if (json) return void printJson(topics);
  const rows = topics.map((topic) => [
    topic.name,
    String(topic.partitions.length),
    String(replicasOf(topic)),
    topic.topicId,
  ]);
  if (!process.stdout.isTTY) print(renderRows(rows));
  else if (rows.length === 0) print('no topics\n');
  else print(renderTable(LIST_COLUMNS, rows, true));
}

const PARTITION_COLUMNS: readonly Column[] = [
  { title: 'PARTITION', align: 'right' },
  { title: 'LEADER', align: 'right' },
  { title: 'REPLICAS' },
  { title: 'IN SYNC' },
  { title: 'START', align: 'right' },
  { title: 'END', align: 'right' },
  { title: 'SIZE', align: 'right' },
];
const CONFIG_COLUMNS: readonly Column[] = [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'FROM' }];

/** `odradek topic describe` */
export async function describeTopic(client: Client, name: string, { json }: ClientOptions): Promise<void> {
  const topic = await client.admin().describeTopic(name);
  if (json) printJson({ ...topic, partitions: topic.partitions.map(partitionForJson) });
  else print(renderTopic(topic, process.stdout.isTTY));
}

function partitionForJson({ error, ...partition }: PartitionDetails): unknown {
  return { ...partition, error: error === null ? null : error.message };
}

function renderTopic(topic: TopicDetails, color: boolean): string {
  const { name, topicId, partitions, configs } = topic;
  const head = `${name}: ${counted(partitions.length, 'partition')}, ${counted(replicasOf(topic), 'replica')}, id ${topicId}`;
  const configRows = configs.map((config) => [config.name, config.value, config.source.toLowerCase()]);
  const parts = [
    renderTable(PARTITION_COLUMNS, partitions.map(partitionRow), color),
    renderTable(CONFIG_COLUMNS, configRows, color),
  ];
  return `${[`${head}\n`, ...parts].join('\n')}`;
}

function partitionRow(details: PartitionDetails): string[] {
  const { partition, leader, replicas, inSyncReplicas, logStartOffset, logEndOffset, sizeBytes, error } =
    details;
  const place = [
    String(partition),
    leader < 0 ? 'none' : String(leader),
    replicas.join(),
    inSyncReplicas.join(),
  ];
  return error === null
    ? [...place, String(logStartOffset), String(logEndOffset), formatBytes(sizeBytes)]
    : [...place, '', '', error.message];
}

function replicasOf({ partitions }: Pick<TopicSummary, 'partitions'>): number {
  return partitions[0]?.replicas.length ?? 0;
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
