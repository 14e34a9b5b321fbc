import type { Command } from 'commander';
import {
  addClientOptions,
  type ClientOptions,
  collectPairs,
  parseCount,
  withClient,
} from './client-options.js';
import { defineTopicChanges } from './topic-changes-command.js';

const EXAMPLES = `
Examples:
  odradek topic create flights --partitions 3 --config retention.ms=86400000
  odradek topic list
  odradek topic describe flights --json
  odradek topic alter flights --set retention.ms=3600000 --partitions 6
  odradek topic delete flights
`;

const CREATE_EXAMPLES = `
What is not given is taken from the broker's num.partitions and default.replication.factor. docs/configuration.md lists
the names for --config.

Examples:
  odradek topic create flights
  odradek topic create flights --partitions 3 --config retention.ms=86400000 --config segment.bytes=1048576
`;

export interface CreateOptions extends ClientOptions {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly config: readonly (readonly [name: string, value: string])[];
  readonly ifNotExists: boolean;
}

export interface DeleteOptions extends ClientOptions {
  readonly ifExists: boolean;
}

const actions = () => import('./topic-actions.js');

/** `odradek topic` and its subcommands. */
export function defineTopic(command: Command): void {
  command.addHelpText('after', EXAMPLES);

  addClientOptions(command.command('create'))
    .description('create a topic')
    .argument('<name>', 'a-z, A-Z, 0-9, ".", "_" and "-", at most 249 of them')
    .option('--partitions <count>', 'number of partitions', parseCount(1))
    .option('--replication-factor <count>', 'number of replicas of each', parseCount(1))
    .option('--config <name=value>', 'setting of the topic; may be repeated', collectPairs, [])
    .option('--if-not-exists', 'succeed if there is such a topic already', false)
    .addHelpText('after', CREATE_EXAMPLES)
    .action(async (name: string, options: CreateOptions) => {
      const { createTopic } = await actions();
      await withClient(options, (client) => createTopic(client, name, options));
    });

  addClientOptions(command.command('list'))
    .description('list the topics')
    .addHelpText(
      'after',
      '\nIn a pipe the rows have tabs between the cells, and no titles.\n\nExample:\n  odradek topic list\n',
    )
    .action(async (options: ClientOptions) => {
      const { listTopics } = await actions();
      await withClient(options, (client) => listTopics(client, options));
    });

  addClientOptions(command.command('describe'))
    .description("show a topic's partitions and settings")
    .argument('<topic>', 'name of the topic')
    .addHelpText('after', '\nExample:\n  odradek topic describe flights\n')
    .action(async (name: string, options: ClientOptions) => {
      const { describeTopic } = await actions();
      await withClient(options, (client) => describeTopic(client, name, options));
    });

  addClientOptions(command.command('delete'))
    .description('delete a topic and all its records')
    .argument('<topic>', 'name of the topic')
    .option('--if-exists', 'succeed if there is no such topic', false)
    .addHelpText('after', '\nExample:\n  odradek topic delete flights\n')
    .action(async (name: string, options: DeleteOptions) => {
      const { deleteTopic } = await actions();
      await withClient(options, (client) => deleteTopic(client, name, options));
    });

  defineTopicChanges(command);
}
