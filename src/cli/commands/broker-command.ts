import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { type Command, Option } from 'commander';
import { BROKER_FLAGS } from './broker-flags.js';
import { loadBrokerConfig } from './broker-settings.js';
import { collect } from './collect.js';

const EXAMPLES = `
Each option can also be given as the variable named beside it; ODRADEK_SET takes several name=value with ; between them.
Precedence: command line, variable, configuration file, default. docs/configuration.md describes every setting.

SIGTERM and SIGINT stop the broker cleanly, a second one at once.
Exit codes: 0 stopped cleanly, 1 failed to start or died, 2 wrong usage.

Examples:
  odradek broker
  odradek broker --data-dir /var/lib/odradek --native-listen 0.0.0.0:9091
  odradek broker --config broker.properties --set log.retention.hours=24
  odradek broker --native-listen 127.0.0.1:0 --http-listen off --log-format json
`;

/** `odradek broker`; `supervisor` is a thread that was started for it already. */
export function defineBroker(command: Command, supervisor?: Worker): void {
  for (const { flags, environment, setting, description, repeatable } of BROKER_FLAGS) {
    const option = new Option(flags, `${description} (default: ${setting.default}, ${environment})`);
    command.addOption(repeatable === true ? option.argParser(collect) : option);
  }
  command
    .option('--config <file>', 'file of name=value lines (ODRADEK_CONFIG)')
    .option(
      '--set <name=value>',
      'any setting by its name, as in the file; may be repeated (ODRADEK_SET)',
      collect,
    )
    .allowExcessArguments(false)
    .addHelpText('after', EXAMPLES)
    .action(async (options: Record<string, string | readonly string[] | undefined>) => {
      const config = loadBrokerConfig({
        options,
        environment: process.env,
        readFile: (path) => readFileSync(path, 'utf8'),
      });
      const { runBroker } = await import('./run-broker.js');
      process.exit(await runBroker(config, supervisor));
    });
}
