import { tmpdir } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { MIB } from './metrics.js';

export interface BenchOptions {
  /** Where the data go, in a folder of their own that is removed. */
  readonly directory: string;
  readonly rounds: number;
  /** Of record batches in one turn of a throughput row. */
  readonly bytes: number;
  readonly requests: number;
  /** What the logs of the recovery rows hold together, and how many they are. */
  readonly recoveryBytes: number;
  readonly recoveryPartitions: number;
  readonly latencySeconds: number;
  readonly idleSeconds: number;
  readonly fetchBytes: number;
  readonly pumpPieceBytes: number;
  /** Names, or beginnings of names, of rows; empty: all. */
  readonly only: readonly string[];
  readonly brokerSettings: readonly string[];
  /** File for one JSON line per turn; `-` is stdout. */
  readonly jsonFile: string | null;
  /** Whether the JSON lines go to the results that are committed; else to those of this clone only. */
  readonly store: boolean;
  readonly profileDirectory: string | null;
  readonly list: boolean;
  /** The revision to compare with, in git's words; null: the pump stands beside the broker. */
  readonly against: string | null;
  /** The revision whose broker is compared with that of `against`; null: the working tree as it is. */
  readonly candidate: string | null;
  readonly quick: boolean;
}

const FULL = {
  ...{ rounds: 5, bytes: 512 * MIB, requests: 50_000, latencySeconds: 12, idleSeconds: 2 },
  ...{ recoveryBytes: 1024 * MIB, recoveryPartitions: 1000 },
};
const QUICK = {
  ...{ rounds: 2, bytes: 48 * MIB, requests: 8_000, latencySeconds: 3, idleSeconds: 1 },
  ...{ recoveryBytes: 128 * MIB, recoveryPartitions: 100 },
};

/** Enough for a verdict (comparison.ts), and even, so that both sides are first equally often. */
const COMPARISON_ROUNDS = 8;
/** What a quick comparison takes if no rows are named: each kind of load that is not a library. */
const QUICK_COMPARISON_ROWS = ['startup', 'produce.256KiB.p1', 'consume.256KiB.p1', 'requests'];

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** `512MiB`, `1GiB` or a plain number of bytes. */
export function parseBytes(text: string): number {
  const [, digits, unit] = /^(\d+)(KiB|MiB|GiB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new InvalidArgumentError('Give bytes, as 512MiB or 1GiB.');
  return bytes;
}

export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Give a whole number of at least 1.');
  return Number(text);
}

const collect = (value: string, before: readonly string[]) => [...before, value];
const collectNames = (value: string, before: readonly string[]) => [
  ...before,
  ...value.split(',').map((name) => name.trim()),
];

/** The options of a command line, `process.argv` as it is. Prints help or what is wrong with it, and exits, where that is due. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const command = new Command('bench')
    .description(
      'Measures the broker beside the raw limit of one Node process. bench/README.md says how to read it.',
    )
    .option('--dir <folder>', 'where the data go while it runs', tmpdir())
    .option('--only <row,...>', 'rows to measure, or beginnings of their names', collectNames, [])
    .option(
      '--rounds <count>',
      `turns of each side (default: ${FULL.rounds}; with --against ${COMPARISON_ROUNDS})`,
      parseCount,
    )
    .option('--against <revision>', 'compare with the broker of that commit, in turns, instead of the pump')
    .option('--candidate <revision>', 'what to compare with it (default: the working tree)')
    .option('--bytes <size>', 'record batches in a turn of a throughput row (default: 512MiB)', parseBytes)
    .option('--recovery-bytes <size>', 'what the logs of a recovery row hold (default: 1GiB)', parseBytes)
    .option('--recovery-partitions <count>', 'how many logs they are (default: 1000)', parseCount)
    .option('--quick', 'few rounds with little data: shows that it works, not how fast it is')
    .option('--fetch-bytes <size>', 'what one fetch of a load generator asks for', parseBytes, MIB)
    .option('--pump-bytes <size>', 'one write of the pump', parseBytes, MIB)
    .option('--set <name=value>', 'a setting of the broker; may be repeated', collect, [])
    .option('--profile <folder>', 'keep a CPU profile of each thread of the broker there, by row')
    .option('--json <file>', 'write a JSON line per turn there; - is stdout')
    .option('--results', 'store in bench/results, to be committed, and not in bench/results/local')
    .option('--list', 'print the names of the rows')
    .allowExcessArguments(false);
  // What commander returns is typed as any.
  const given = command.parse([...argv]).opts() as {
    readonly dir: string;
    readonly only: string[];
    readonly rounds?: number;
    readonly bytes?: number;
    readonly recoveryBytes?: number;
    readonly recoveryPartitions?: number;
    readonly against?: string;
    readonly candidate?: string;
    readonly quick?: boolean;
    readonly fetchBytes: number;
    readonly pumpBytes: number;
    readonly set: string[];
    readonly profile?: string;
    readonly json?: string;
    readonly results?: boolean;
    readonly list?: boolean;
  };
  const { quick = false, against = null, candidate = null, results: store = false } = given;
  if (candidate !== null && against === null) command.error('error: --candidate needs --against');
  if (store && quick) command.error('error: what --quick gives is not worth committing: leave --results out');
  const amounts = quick ? QUICK : FULL;
  const isQuickComparison = quick && against !== null;
  return {
    ...amounts,
    rounds: given.rounds ?? (against !== null && !quick ? COMPARISON_ROUNDS : amounts.rounds),
    bytes: given.bytes ?? amounts.bytes,
    recoveryBytes: given.recoveryBytes ?? amounts.recoveryBytes,
    recoveryPartitions: given.recoveryPartitions ?? amounts.recoveryPartitions,
    directory: given.dir,
    fetchBytes: given.fetchBytes,
    pumpPieceBytes: given.pumpBytes,
    only: isQuickComparison && given.only.length === 0 ? QUICK_COMPARISON_ROWS : given.only,
    brokerSettings: given.set,
    jsonFile: given.json ?? null,
    profileDirectory: given.profile ?? null,
    list: given.list ?? false,
    ...{ store, quick, against, candidate },
  };
}
