// The command line: names and helps of all commands. A command's options and code are loaded when its name is given, so that
// `odradek topic list` does not wait for the broker's code, nor the broker for the client's.
import type { Worker } from 'node:worker_threads';
import { Command, CommanderError } from 'commander';
import { SOFTWARE } from '../../broker/version.js';
import { EXIT_CODE } from './exit-code.js';
import { reportFailure } from './report-failure.js';
import { UsageError } from './usage-error.js';

interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** Adds options, arguments, subcommands and the action. */
  readonly load: () => Promise<(command: Command, supervisor?: Worker) => void>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'broker',
    description: 'run a broker',
    load: async () => (await import('./broker-command.js')).defineBroker,
  },
  {
    name: 'topic',
    description: 'create, list, describe, alter and delete topics',
    load: async () => (await import('./topic-command.js')).defineTopic,
  },
  {
    name: 'group',
    description: 'list, describe, reset and delete consumer groups',
    load: async () => (await import('./group-command.js')).defineGroup,
  },
  {
    name: 'config',
    description: 'list settings, show those of a topic or the broker',
    load: async () => (await import('./config-command.js')).defineConfig,
  },
  {
    name: 'produce',
    description: 'send lines or JSON documents to a topic',
    load: async () => (await import('./produce-command.js')).defineProduce,
  },
  {
    name: 'consume',
    description: 'print the records of a topic',
    load: async () => (await import('./consume-command.js')).defineConsume,
  },
  {
    name: 'completion',
    description: 'print a script that completes commands in a shell',
    load: async () => {
      const { defineCompletion } = await import('./completion-command.js');
      return (command) => defineCompletion(command, () => buildProgram(COMMANDS.map(({ name }) => name)));
    },
  },
];

const EXAMPLES = `
Examples:
  odradek broker                                     a broker on 127.0.0.1, its data in ./data
  odradek topic create flights --partitions 3
  odradek produce flights flights.ndjson --format value-json --key-field origin
  odradek consume flights --count 10
`;

/**
 * Runs what the arguments (of the form of `process.argv`) ask for, and sets the exit code of the process. `supervisor` is a thread
 * that was started already for the broker to be run.
 */
export async function run(argv: readonly string[], supervisor?: Worker): Promise<void> {
  try {
    const program = await buildProgram(argv.slice(2), supervisor);
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

/** The program with the options of those commands whose names occur among the arguments. */
export async function buildProgram(args: readonly string[], supervisor?: Worker): Promise<Command> {
  const program = new Command('odradek')
    .description('An event streaming platform for Node.js.')
    .version(SOFTWARE, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .configureHelp({ showGlobalOptions: false })
    .showHelpAfterError('Add --help for usage and examples.')
    .addHelpText('after', EXAMPLES)
    .exitOverride();
  for (const { name, description, load } of COMMANDS) {
    const command = program.command(name).description(description);
    if (args.includes(name)) (await load())(command, supervisor);
  }
  return program;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODE.clean : EXIT_CODE.usage; // It has said why.
  reportFailure(error);
  return error instanceof UsageError ? EXIT_CODE.usage : EXIT_CODE.failed;
}
