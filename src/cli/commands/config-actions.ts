import type { Client, ConfigEntry } from '../../client/index.js';
import { brokerDefaultRow } from '../../config/broker-config.js';
import { BROKER_PROPERTIES } from '../../config/broker-properties.js';
import { describeRange, type Property } from '../../config/property.js';
import { TOPIC_PROPERTIES, type TopicProperty } from '../../config/topic-properties.js';
import type { DescribeConfigsOptions, ListConfigsOptions, Scope } from './config-command.js';
import { type Column, renderRows, renderTable } from './table.js';
import { wrapLastColumn } from './wrap-last-column.js';

const print = (text: string) => process.stdout.write(text);
const printJson = (value: unknown) => print(`${JSON.stringify(value)}\n`);

interface Setting {
  readonly of: Scope;
  readonly row: Property;
}

const LIST_COLUMNS: readonly Column[] = [
  { title: 'SETTING' },
  { title: 'OF' },
  { title: 'DEFAULT' },
  { title: 'MEANING' },
];
const DESCRIBE_COLUMNS: readonly Column[] = [
  { title: 'SETTING' },
  { title: 'VALUE' },
  { title: 'FROM' },
  { title: 'MEANING' },
];
const WIDTH_DEFAULT = 120;

/** `odradek config list` */
export function listConfigs({ of, json }: ListConfigsOptions): void {
  const settings = allSettings().filter((setting) => of === undefined || setting.of === of);
  if (json) {
    printJson(
      settings.map(({ of: scope, row }) => ({
        name: row.name,
        of: scope,
        type: row.type,
        default: row.default,
        allowed: describeRange(row),
        documentation: row.doc,
        source: row.source,
      })),
    );
    return;
  }
  printRows(
    LIST_COLUMNS,
    settings.map(({ of: scope, row }) => {
      const what = [row.name, scope, row.default];
      const range = describeRange(row);
      return process.stdout.isTTY ? [...what, `${row.doc} Allowed: ${range}.`] : [...what, range, row.doc];
    }),
  );
}

/** By name, those of topics first. */
function allSettings(): Setting[] {
  const topicRows = Object.values<TopicProperty>(TOPIC_PROPERTIES);
  const defaults = topicRows.flatMap((row) =>
    row.brokerNames.map((name) => {
      const ofBroker = brokerDefaultRow(row, name);
      const doc = `The default of topics for ${row.name}. ${row.doc}`;
      // In another unit the number is another one, and the shorter name's default is the one in force.
      return { ...ofBroker, doc, default: name.factor === undefined ? row.default : '' };
    }),
  );
  const byName = (a: Property, b: Property) => (a.name < b.name ? -1 : 1);
  const ofBroker = [...Object.values<Property>(BROKER_PROPERTIES), ...defaults].sort(byName);
  return [
    ...[...topicRows].sort(byName).map((row) => ({ of: 'topic', row }) as const),
    ...ofBroker.map((row) => ({ of: 'broker', row }) as const),
  ];
}

/** `odradek config describe` */
export async function describeConfigs(
  client: Client,
  resource: { readonly topic: string } | 'broker',
  { setOnly, json }: DescribeConfigsOptions,
): Promise<void> {
  const all = await client.admin().describeConfigs(resource);
  const configs = all
    .filter(({ source }) => !setOnly || source !== 'DEFAULT')
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (json) printJson(configs);
  else printRows(DESCRIBE_COLUMNS, configs.map(rowOf));
}

const rowOf = ({ name, value, source, documentation }: ConfigEntry): string[] => [
  name,
  value,
  source.toLowerCase(),
  documentation,
];

function printRows(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
  if (!process.stdout.isTTY) print(renderRows(rows));
  else if (rows.length === 0) print('nothing is set\n');
  else print(renderTable(columns, wrapLastColumn(rows, process.stdout.columns || WIDTH_DEFAULT), true));
}
