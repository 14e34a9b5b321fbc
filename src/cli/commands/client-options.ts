import { type Command, InvalidArgumentError, Option } from 'commander';
import { OdradekError } from '../../base/errors.js';
import type { Client } from '../../client/index.js';
import { parseAddress } from '../../config/address.js';
import { EXIT_CODE } from './exit-code.js';
import { reportFailure } from './report-failure.js';

/** Options of every command that talks to a broker. */
export interface ClientOptions {
  readonly brokers: readonly string[];
  /** Prints JSON, for scripts. */
  readonly json: boolean;
}

const DEFAULT_BROKERS = ['127.0.0.1:9091'];

/** Adds {@link ClientOptions} to a command. `json` says what that option does there. */
export function addClientOptions(command: Command, json = 'print JSON, for scripts'): Command {
  const brokers = new Option('--brokers <host:port,...>', 'native doors of one or more brokers')
    .env('ODRADEK_BROKERS')
    .argParser(parseBrokers)
    .default(DEFAULT_BROKERS, DEFAULT_BROKERS.join());
  return command.addOption(brokers).option('--json', json, false).allowExcessArguments(false);
}

function parseBrokers(text: string): readonly string[] {
  const brokers = text.split(',').map((broker) => broker.trim());
  const wrong = brokers.find((broker) => (parseAddress(broker)?.port ?? 0) === 0);
  if (wrong === undefined) return brokers;
  throw new InvalidArgumentError(
    `${JSON.stringify(wrong)} is not of the form HOST:PORT (IPv6 as [::1]:PORT).`,
  );
}

/** Does something with a client, and closes it whatever happens. */
export async function withClient<Result>(
  { brokers }: ClientOptions,
  use: (client: Client) => Promise<Result>,
): Promise<Result> {
  endWithReader();
  const { Client } = await import('../../client/index.js');
  const client = new Client({ brokers, clientId: 'odradek-cli' });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Whoever reads stdout may stop (`| head`): then the command is done, and that is no failure. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_CODE.clean);
    reportFailure(new OdradekError('ODR_USAGE', `The output cannot be written: ${error.message}`));
    process.exit(EXIT_CODE.failed);
  });
}

/** Parses a whole number from `min` on, for commander. */
export function parseCount(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      `It must be a whole number from ${min} ${max === Number.MAX_SAFE_INTEGER ? 'on' : `to ${max}`}.`,
    );
  };
}

/** Parses `name=value` for an option that may be repeated. */
export function collectPairs(
  text: string,
  previous: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('It must be of the form name=value.');
  return [...previous, [text.slice(0, equals), text.slice(equals + 1)]];
}
