import { type Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, withClient } from './client-options.js';
import { UsageError } from './usage-error.js';

const EXAMPLES = `
Settings of topics are changed by "odradek topic alter", those of the broker by starting it anew.

Examples:
  odradek config list
  odradek config describe broker
  odradek config describe topic flights --json
`;

const LIST_HELP = `
Asks no broker. In a pipe the rows have tabs between the cells, and no titles: name, of what, default, allowed values,
meaning.

Examples:
  odradek config list --of topic
  odradek config list --json
`;

const DESCRIBE_HELP = `
In a pipe the rows have tabs between the cells, and no titles: name, value, where the value is from, meaning.

Examples:
  odradek config describe broker
  odradek config describe topic flights
  odradek config describe topic flights --set-only
`;

export const SCOPES = ['topic', 'broker'] as const;
export type Scope = (typeof SCOPES)[number];

export interface ListConfigsOptions {
  readonly of?: Scope;
  readonly json: boolean;
}

export interface DescribeConfigsOptions extends ClientOptions {
  readonly setOnly: boolean;
}

const actions = () => import('./config-actions.js');

/** `odradek config` and its subcommands. */
export function defineConfig(command: Command): void {
  command.addHelpText('after', EXAMPLES);

  command
    .command('list')
    .description('list all settings that there are, with their defaults and what they mean')
    .addOption(new Option('--of <what>', 'of topics, or of the broker, only').choices(SCOPES))
    .option('--json', 'print JSON, for scripts', false)
    .allowExcessArguments(false)
    .addHelpText('after', LIST_HELP)
    .action(async (options: ListConfigsOptions) => (await actions()).listConfigs(options));

  addClientOptions(command.command('describe'))
    .description('show the settings that are in force, and where they come from')
    .argument('<what>', SCOPES.join(' or '))
    .argument('[topic]', 'name of the topic')
    .option('--set-only', 'leave out what has its default', false)
    .addHelpText('after', DESCRIBE_HELP)
    .action(async (what: string, topic: string | undefined, options: DescribeConfigsOptions) => {
      const resource = resourceOf(what, topic);
      const { describeConfigs } = await actions();
      await withClient(options, (client) => describeConfigs(client, resource, options));
    });
}

function resourceOf(what: string, topic: string | undefined): { readonly topic: string } | 'broker' {
  if (what === 'broker' && topic === undefined) return 'broker';
  if (what === 'topic' && topic !== undefined) return { topic };
  if (what === 'topic') throw new UsageError('Of which topic? Give its name: config describe topic NAME');
  if (what === 'broker')
    throw new UsageError('The settings of the broker have no name: config describe broker');
  throw new UsageError(`${what} has no settings: it must be topic or broker.`);
}
