// `odradek topic alter` and `odradek topic delete-records`: options and helps.
import { type Command, Option } from 'commander';
import {
  addClientOptions,
  type ClientOptions,
  collectPairs,
  parseCount,
  withClient,
} from './client-options.js';
import { collect } from './collect.js';
import { type Position, parsePlace } from './position.js';
import { UsageError } from './usage-error.js';

const ALTER_HELP = `
Either all settings are changed or none; they are in force when the command ends. docs/configuration.md lists their names, as
"odradek config list" does. Partitions can only be added: records stay where they are, but the records of a key may go to
another partition from then on, so that their order is kept only within each.

Examples:
  odradek topic alter flights --set retention.ms=3600000 --set segment.bytes=1048576
  odradek topic alter flights --delete retention.ms
  odradek topic alter flights --partitions 12 --dry-run
`;

const DELETE_RECORDS_HELP = `
Deletes all records before a place, for good, in the partitions named, or in all of them. --before takes latest (everything that
there is now), a time (ISO 8601: local, unless it ends in Z or +01:00; what was written before the first record that is not
older), or an offset (digits; the first that stays), for which --partition must say the partition.

Examples:
  odradek topic delete-records flights --before latest
  odradek topic delete-records flights --before 2026-01-31T08:00:00Z
  odradek topic delete-records flights --before 1200 --partition 0
`;

type Pair = readonly [name: string, value: string];

export interface AlterOptions extends ClientOptions {
  readonly set: readonly Pair[];
  readonly delete: readonly string[];
  readonly append: readonly Pair[];
  readonly subtract: readonly Pair[];
  readonly partitions?: number;
  readonly dryRun: boolean;
}

export interface DeleteRecordsOptions extends ClientOptions {
  readonly before: Exclude<Position, 'earliest'>;
  readonly partition?: readonly number[];
}

const actions = () => import('./topic-changes-actions.js');

/** Adds the subcommands to `odradek topic`. */
export function defineTopicChanges(command: Command): void {
  addClientOptions(command.command('alter'))
    .description("change a topic's settings, add partitions")
    .argument('<topic>', 'name of the topic')
    .option('--set <name=value>', 'new value of a setting; may be repeated', collectPairs, [])
    .option('--delete <name>', "back to the broker's default; may be repeated", collect, [])
    .option(
      '--append <name=items>',
      'items to add to a list, as cleanup.policy; may be repeated',
      collectPairs,
      [],
    )
    .option('--subtract <name=items>', 'items to take out of a list; may be repeated', collectPairs, [])
    .option('--partitions <count>', 'so many partitions in all, more than now', parseCount(1, 2 ** 31 - 1))
    .option('--dry-run', 'check everything, change nothing', false)
    .addHelpText('after', ALTER_HELP)
    .action(async (topic: string, options: AlterOptions) => {
      checkChanges(options);
      const { alterTopic } = await actions();
      await withClient(options, (client) => alterTopic(client, topic, options));
    });

  const partition = parseCount(0, 2 ** 31 - 1);
  addClientOptions(command.command('delete-records'))
    .description('delete the oldest records of a topic')
    .argument('<topic>', 'name of the topic')
    .addOption(
      new Option('--before <where>', 'what stays begins here').argParser(parseBefore).makeOptionMandatory(),
    )
    .option(
      '--partition <number>',
      'of this partition only; may be repeated',
      (text: string, previous: readonly number[] | undefined) => [...(previous ?? []), partition(text)],
    )
    .addHelpText('after', DELETE_RECORDS_HELP)
    .action(async (topic: string, options: DeleteRecordsOptions) => {
      const { before, partition: partitions } = options;
      if (typeof before !== 'string' && 'offset' in before && partitions === undefined)
        throw new UsageError(
          '--before with an offset needs --partition: each partition counts its own offsets.',
        );
      const { deleteRecords } = await actions();
      await withClient(options, (client) => deleteRecords(client, topic, options));
    });
}

function parseBefore(text: string): Exclude<Position, 'earliest'> {
  const position = parsePlace(text, '--before');
  if (position !== 'earliest') return position;
  throw new UsageError('--before earliest: nothing lies before the first record.');
}

function checkChanges({ set, delete: deleted, append, subtract, partitions }: AlterOptions): void {
  const names = [...[...set, ...append, ...subtract].map(([name]) => name), ...deleted];
  if (names.length === 0 && partitions === undefined)
    throw new UsageError(
      'Nothing is to be changed: give --set, --delete, --append, --subtract or --partitions.',
    );
  const repeated = names.find((name, index) => names.indexOf(name) < index);
  if (repeated !== undefined) throw new UsageError(`${repeated} is changed twice.`);
}
