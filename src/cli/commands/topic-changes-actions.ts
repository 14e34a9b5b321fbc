import type { Admin, TopicSummary } from '../../client/admin.js';
import type { Client, ConfigEntry } from '../../client/index.js';
import { type Column, renderRows, renderTable } from './table.js';
import type { AlterOptions, DeleteRecordsOptions } from './topic-changes-command.js';

const print = (text: string) => process.stdout.write(text);
const printJson = (value: unknown) => print(`${JSON.stringify(value)}\n`);

/** `odradek topic alter` */
export async function alterTopic(client: Client, name: string, options: AlterOptions): Promise<void> {
  const admin = client.admin();
  const { dryRun, json } = options;
  const lists = (pairs: AlterOptions['append']) =>
    Object.fromEntries(pairs.map(([config, items]) => [config, items.split(',')]));
  const changes = {
    set: Object.fromEntries(options.set),
    delete: options.delete,
    append: lists(options.append),
    subtract: lists(options.subtract),
  };
  const names = [
    ...[changes.set, changes.append, changes.subtract].flatMap((change) => Object.keys(change)),
    ...changes.delete,
  ];
  // What is wrong with the partitions keeps the settings from being changed.
  await addPartitions(admin, name, options.partitions, true);
  const configs =
    names.length === 0 ? [] : await admin.alterTopic(name, { ...changes, validateOnly: dryRun });
  const changed = configs.filter((config) => names.includes(config.name));
  const grown = await addPartitions(admin, name, options.partitions, dryRun);
  if (json) {
    printJson({
      name,
      dryRun,
      configs: Object.fromEntries(changed.map(({ name: config, value }) => [config, value])),
      ...(grown && { partitions: grown.partitions.length }),
    });
  } else print(describe(name, changed, grown, dryRun));
}

async function addPartitions(
  admin: Admin,
  name: string,
  count: number | undefined,
  validateOnly: boolean,
): Promise<TopicSummary | null> {
  return count === undefined ? null : await admin.addPartitions(name, count, { validateOnly });
}

function describe(
  name: string,
  changed: readonly ConfigEntry[],
  grown: TopicSummary | null,
  dryRun: boolean,
): string {
  const lines = changed.map(
    ({ name: config, value, source }) => `  ${config}=${value} (from ${source.toLowerCase()})\n`,
  );
  if (grown) lines.push(`  ${grown.partitions.length} partitions\n`);
  return `${dryRun ? 'would alter' : 'altered'} topic ${name}\n${lines.join('')}`;
}

const COLUMNS: readonly Column[] = [
  { title: 'PARTITION', align: 'right' },
  { title: 'START', align: 'right' },
  { title: 'END', align: 'right' },
];

/** `odradek topic delete-records` */
export async function deleteRecords(
  client: Client,
  topic: string,
  { before, partition, json }: DeleteRecordsOptions,
): Promise<void> {
  const admin = client.admin();
  const latest = await admin.listOffsets(topic, 'latest', partition);
  const targets = new Map<number, number>();
  if (typeof before === 'string')
    for (const { partition: index, offset } of latest) targets.set(index, offset);
  else if ('offset' in before) for (const { partition: index } of latest) targets.set(index, before.offset);
  else {
    const found = await admin.listOffsets(topic, before, partition);
    const ends = new Map(latest.map(({ partition: index, offset }) => [index, offset]));
    // Where no record is as new, all are older.
    for (const { partition: index, offset } of found)
      targets.set(index, offset < 0 ? (ends.get(index) ?? 0) : offset);
  }
  const deleted = await admin.deleteRecords(
    topic,
    [...targets].map(([index, offset]) => ({ partition: index, before: offset })),
  );
  const ends = new Map(latest.map(({ partition: index, offset }) => [index, offset]));
  const results = deleted.map(({ partition: index, logStartOffset }) => ({
    partition: index,
    logStartOffset,
    logEndOffset: Math.max(logStartOffset, ends.get(index) ?? 0),
  }));
  if (json) {
    printJson({ topic, partitions: results });
    return;
  }
  const rows = results.map(({ partition: index, logStartOffset, logEndOffset }) =>
    [index, logStartOffset, logEndOffset].map(String),
  );
  print(process.stdout.isTTY ? renderTable(COLUMNS, rows, true) : renderRows(rows));
}
