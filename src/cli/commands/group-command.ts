import { type Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from './client-options.js';
import type { ListOptions, ResetOptions } from './group-actions.js';
import { collectTopics, parseResetTarget } from './reset-target.js';

const EXAMPLES = `
Examples:
  odradek group list
  odradek group describe billing
  odradek group reset billing --to earliest
  odradek group reset billing --to earliest --execute
  odradek group delete billing
`;

const LIST_HELP = `
In a pipe the rows have tabs between the cells, and no titles.

Example:
  odradek group list --state Stable
`;

const DESCRIBE_HELP = `
LAG is how many records the group has still to read: END, which is behind the last record that can be read, less
COMMITTED.

Example:
  odradek group describe billing --json
`;

const RESET_HELP = `
Without --execute it shows what would be done, and changes nothing. The members of the group have to be stopped first.

--to takes earliest, latest, an offset (digits), a time (ISO 8601: local, unless it ends in Z or +01:00; the group goes on
at the first record that is not older), or +N and -N to go so many records forth or back from what is committed. What
lies outside of the log is moved to its start or its end.

Without --topic it is about everything that the group has committed.

Examples:
  odradek group reset billing --to earliest
  odradek group reset billing --to 2026-01-31T08:00:00Z --topic orders --execute
  odradek group reset billing --to -100 --topic orders:0,2 --execute
`;

const actions = () => import('./group-actions.js');

/** `odradek group` and its subcommands. */
export function defineGroup(command: Command): void {
  command.addHelpText('after', EXAMPLES);

  addClientOptions(command.command('list'))
    .description('list the consumer groups')
    .option(
      '--state <state>',
      'only groups in this state (Stable, Empty, PreparingRebalance, CompletingRebalance); may be repeated',
      (text: string, previous: readonly string[]) => [...previous, text],
      [],
    )
    .addHelpText('after', LIST_HELP)
    .action(async (options: ListOptions) => {
      const { listGroups } = await actions();
      await withClient(options, (client) => listGroups(client, options));
    });

  addClientOptions(command.command('describe'))
    .description("show a group's members, offsets and lag")
    .argument('<group>', 'id of the group')
    .addHelpText('after', DESCRIBE_HELP)
    .action(async (groupId: string, options: ClientOptions) => {
      const { describeGroup } = await actions();
      await withClient(options, (client) => describeGroup(client, groupId, options));
    });

  addClientOptions(command.command('reset'))
    .description('move the committed offsets of a group that has no members')
    .argument('<group>', 'id of the group')
    .addOption(
      new Option('--to <where>', 'where the group reads on')
        .argParser(parseResetTarget)
        .makeOptionMandatory(),
    )
    .option(
      '--topic <topic[:partitions]>',
      'this topic, or some of its partitions; may be repeated',
      collectTopics,
    )
    .addOption(new Option('--execute', 'do it').default(false).conflicts('dryRun'))
    .addOption(new Option('--dry-run', 'only show what would be done, as without --execute'))
    .addHelpText('after', RESET_HELP)
    .action(async (groupId: string, options: ResetOptions) => {
      const { resetGroup } = await actions();
      await withClient(options, (client) => resetGroup(client, groupId, options));
    });

  addClientOptions(command.command('delete'))
    .description('forget a group that has no members, with its offsets')
    .argument('<group>', 'id of the group')
    .addHelpText('after', '\nExample:\n  odradek group delete billing\n')
    .action(async (groupId: string, options: ClientOptions) => {
      const { deleteGroup } = await actions();
      await withClient(options, (client) => deleteGroup(client, groupId, options));
    });
}
