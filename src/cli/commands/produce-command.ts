import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  addClientOptions,
  type ClientOptions,
  collectPairs,
  parseCount,
  withClient,
} from './client-options.js';
import { INPUT_FORMATS, type InputFormat } from './record-formats.js';
import { UsageError } from './usage-error.js';

const EXAMPLES = `
Formats of the input, read from the file, or from stdin without one:
  lines       each line is a value; with --key-separator what stands before it is the key
  value-json  each JSON document is a value, as it stands; with --key-field the key is taken from a field of it
  json        each JSON document is a record: {key, value, headers, partition, timestamp}, as "consume --format json" prints
JSON documents stand one on a line, or are the elements of one array. A record takes 16 MiB at most.

Ends with 1 if a record was wrong or was not taken; what came before it is sent. A number of records is said on stderr.

Examples:
  odradek produce flights flights.ndjson --format value-json --key-field origin
  tail -F app.log | odradek produce logs --compression zstd
  echo 'berlin:12.5' | odradek produce weather --key-separator :
  odradek consume old --format json | odradek produce new --format json
`;

export const ACKS = ['all', 'leader', 'none'] as const;
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

export interface ProduceOptions extends ClientOptions {
  readonly format: InputFormat;
  readonly keySeparator?: string;
  readonly keyField?: string;
  readonly header: readonly (readonly [name: string, value: string])[];
  readonly partition?: number;
  readonly acks: (typeof ACKS)[number];
  readonly compression: (typeof COMPRESSIONS)[number];
}

/** `odradek produce` */
export function defineProduce(command: Command): void {
  addClientOptions(command, 'print what was sent as JSON on stdout')
    .argument('<topic>', 'where to; created if the broker allows it')
    .argument('[file]', 'what to send; "-" or nothing: stdin')
    .addOption(
      new Option('--format <format>', 'how the input is read').choices(INPUT_FORMATS).default('lines'),
    )
    .option('--key-separator <text>', 'of lines: what stands between key and value', notEmpty)
    .option('--key-field <name>', 'of value-json: the field that is the key')
    .option('--header <name=value>', 'header of every record; may be repeated', collectPairs, [])
    .option('--partition <number>', 'where to, instead of by key', parseCount(0, 2 ** 31 - 1))
    .addOption(new Option('--acks <who>', 'whose acknowledgement counts').choices(ACKS).default('all'))
    .addOption(new Option('--compression <codec>', 'of the batches').choices(COMPRESSIONS).default('none'))
    .addHelpText('after', EXAMPLES)
    .action(async (topic: string, file: string | undefined, options: ProduceOptions) => {
      checkFormat(options);
      const { produceFrom } = await import('./produce-actions.js');
      await withClient(options, (client) => produceFrom(client, topic, file, options));
    });
}

function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

function checkFormat({ format, keySeparator, keyField }: ProduceOptions): void {
  if (keySeparator !== undefined && format !== 'lines')
    throw new UsageError('--key-separator goes with --format lines only.');
  if (keyField !== undefined && format !== 'value-json') {
    throw new UsageError('--key-field goes with --format value-json only.');
  }
}
