import { type Command, Option } from 'commander';
import { addClientOptions, type ClientOptions, parseCount, withClient } from './client-options.js';
import { type Position, parsePosition } from './position.js';
import { OUTPUT_FORMATS, type OutputFormat } from './record-formats.js';
import { UsageError } from './usage-error.js';

const EXAMPLES = `
Prints what the topic holds at the start of the command, and ends; with --follow it goes on until Ctrl-C. Records of one
partition come in their order, those of several partitions as they arrive. Nothing but records is printed on stdout.

Formats:
  value      the value and a line end
  key-value  key, separator (a tab), value and a line end
  json       one JSON object a line: {topic, partition, offset, timestamp, key, value, headers}; bytes that are not
             UTF-8 stand in base64 in keyBase64 or valueBase64
  raw        the values, with nothing between them

--from takes an offset (digits), a time (ISO 8601: local, unless it ends in Z or +01:00), earliest or latest.

Examples:
  odradek consume flights --count 10
  odradek consume flights --from 2026-01-31T08:00:00Z --format json | jq .value
  odradek consume flights --follow --from latest --format key-value
  odradek consume flights --partition 0 --partition 2 --from 1000
`;

export interface ConsumeOptions extends ClientOptions {
  readonly from: Position;
  readonly count?: number;
  readonly partition?: readonly number[];
  readonly follow: boolean;
  readonly format: OutputFormat;
  readonly keySeparator?: string;
}

/** `odradek consume` */
export function defineConsume(command: Command): void {
  const partition = parseCount(0, 2 ** 31 - 1);
  const from = new Option('--from <where>', 'where to begin').argParser(parsePosition).default('earliest');
  addClientOptions(command, 'the same as --format json')
    .argument('<topic>', 'what to print')
    .addOption(from)
    .option('--count <records>', 'end after so many records', parseCount(0))
    .option(
      '--partition <number>',
      'this partition only; may be repeated',
      (text: string, previous: readonly number[] | undefined) => [...(previous ?? []), partition(text)],
    )
    .option('--follow', 'wait for new records at the end', false)
    .addOption(
      new Option('--format <format>', 'how records are printed').choices(OUTPUT_FORMATS).default('value'),
    )
    .option('--key-separator <text>', 'of key-value: what stands between key and value (default: a tab)')
    .addHelpText('after', EXAMPLES)
    .action(async (topic: string, options: ConsumeOptions, self: Command) => {
      const checked = checkFormat(options, self.getOptionValueSource('format') !== 'default');
      const { consumeTo } = await import('./consume-actions.js');
      await withClient(checked, (client) => consumeTo(client, topic, checked));
    });
}

function checkFormat(options: ConsumeOptions, formatGiven: boolean): ConsumeOptions {
  const { format, json, keySeparator } = options;
  if (json && formatGiven && format !== 'json')
    throw new UsageError(`--json and --format ${format} exclude each other.`);
  if (keySeparator !== undefined && format !== 'key-value') {
    throw new UsageError('--key-separator goes with --format key-value only.');
  }
  return json ? { ...options, format: 'json' } : options;
}
