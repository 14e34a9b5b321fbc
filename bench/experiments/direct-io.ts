// Which way of writing segments is the cheapest: buffered, in one call a drain or cut into pieces, or past the page cache? And
// what do readers pay for it? No part of the broker; what came out is in docs/performance.md. To run it again:
//
//   npm run -s build && npx tsc -p bench && node dist/bench/experiments/direct-io.js --dir /mnt/ext4 --dir /dev/shm
//
// Each turn is a process of its own, and in each round every case has a turn. Costs are CPU seconds of that process per 10^9
// bytes. What the kernel does later, writing dirty pages back, is in `sync`: an fdatasync after the last append does it in the
// process that asks. On tmpfs, which is nothing but page cache, direct writes and reads are left out.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { type Column, renderTable } from '../../src/cli/commands/table.js';
import { LineProcess } from '../child-process.js';
import { describeMachine } from '../machine.js';
import { MIB } from '../metrics.js';
import { parseBytes, parseCount } from '../options.js';
import { formatSpread } from '../report.js';
import { spread } from '../statistics.js';
import type { Way } from './append-files.js';
import { type Cost, type TurnJob, type TurnResult, takeTurn } from './direct-io-turn.js';

const KIB = 1024;
const DRAINS = [16 * KIB, 256 * KIB, MIB];
const PIECES = [16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB];
/** What the broker does. */
const BROKER_WAY: Way = { type: 'cut-aligned', pieceBytes: 64 * KIB };
const PARTS: readonly string[] = ['pieces', 'direct'];
const TURN_DEADLINE_MS = 120_000;

interface Case {
  readonly name: string;
  readonly job: TurnJob;
}

interface Options {
  readonly folders: readonly string[];
  readonly parts: readonly string[];
  readonly rounds: number;
  readonly bytes: number;
  readonly segmentBytes: number;
  readonly jsonFile: string | null;
}

const size = (bytes: number) => (bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`);

function nameOf(way: Way): string {
  switch (way.type) {
    case 'whole':
      return 'whole';
    case 'cut':
      return `pieces of ${size(way.pieceBytes)}`;
    case 'cut-aligned':
      return `pieces to multiples of ${size(way.pieceBytes)}`;
    case 'direct':
      return `direct, copied by ${way.copies}`;
  }
}

/** How large should a buffered write be? */
function pieceCases(base: TurnJob, label: string): Case[] {
  const upTo = (most: number) => PIECES.filter((pieceBytes) => pieceBytes <= most);
  const ways: Way[] = [
    { type: 'whole' },
    ...upTo(base.drainBytes / 2).map((pieceBytes): Way => ({ type: 'cut', pieceBytes })),
    ...upTo(base.drainBytes).map((pieceBytes): Way => ({ type: 'cut-aligned', pieceBytes })),
  ];
  return ways.map((way) => ({ name: `${label}, ${nameOf(way)}`, job: { ...base, way } }));
}

/** Does direct I/O pay, for those who produce and those who consume together? */
function directCases(base: TurnJob, label: string): Case[] {
  const buffered: Way = BROKER_WAY;
  const bySet: Way = { type: 'direct', copies: 'set' };
  const byWasm: Way = { type: 'direct', copies: 'wasm' };
  const cases: readonly [string, Pick<TurnJob, 'way' | 'tail' | 'fromStart'>][] = [
    ['buffered, tail from memory, start buffered', { way: buffered, tail: null, fromStart: 'buffered' }],
    ['buffered, tail buffered, start buffered', { way: buffered, tail: 'buffered', fromStart: 'buffered' }],
    ['direct (set), tail from memory, start direct', { way: bySet, tail: null, fromStart: 'direct' }],
    ['direct (wasm), tail from memory, start direct', { way: byWasm, tail: null, fromStart: 'direct' }],
    ['direct (wasm), tail direct, start direct', { way: byWasm, tail: 'direct', fromStart: 'direct' }],
    ['direct (wasm), tail from memory, start buffered', { way: byWasm, tail: null, fromStart: 'buffered' }],
  ];
  return cases.map(([name, job]) => ({ name: `${label}, ${name}`, job: { ...base, ...job } }));
}

function casesOf(options: Options, folder: string): Case[] {
  const { fileSystem } = describeMachine(folder);
  return DRAINS.flatMap((drainBytes) => {
    const { bytes, segmentBytes } = options;
    const base: TurnJob = {
      ...{ folder, bytes, segmentBytes, drainBytes, way: BROKER_WAY },
      ...{ tail: null, syncs: true, fromStart: null },
    };
    const label = `${fileSystem}, drains of ${size(drainBytes)}`;
    return [
      ...(options.parts.includes('pieces') ? pieceCases(base, label) : []),
      ...(options.parts.includes('direct') && fileSystem !== 'tmpfs' ? directCases(base, label) : []),
    ];
  });
}

/** In a process of its own. */
async function turn(job: TurnJob): Promise<TurnResult> {
  const lines: string[] = [];
  const child = new LineProcess([fileURLToPath(import.meta.url), '--turn', JSON.stringify(job)], (line) =>
    lines.push(line),
  );
  const timer = setTimeout(() => child.kill('SIGKILL'), TURN_DEADLINE_MS);
  const { code, signal } = await child.ended;
  clearTimeout(timer);
  const [line] = lines;
  if (code !== 0 || line === undefined)
    throw new Error(child.stderr || `A turn ended with ${signal ?? code}.`);
  // The process on the other end is this program, too.
  return JSON.parse(line) as TurnResult;
}

const COLUMNS: readonly Column[] = [
  { title: 'case' },
  ...[
    'append CPU s/GB',
    'user',
    'MiB/s',
    'sync CPU s/GB',
    'from start CPU s/GB',
    'MiB/s',
    'all CPU s/GB',
  ].map((title): Column => ({ title, align: 'right' })),
];

const cpuPerGb = ({ userSeconds, systemSeconds, bytes }: Cost) =>
  (userSeconds + systemSeconds) / (bytes / 1e9);
const mibPerSecond = ({ bytes, seconds }: Cost) => bytes / MIB / seconds;

function rowOf(name: string, results: readonly TurnResult[]): string[] {
  const cell = (of: (result: TurnResult) => number | undefined): string => {
    const values = results.map(of).filter((value) => value !== undefined);
    return values.length === 0 ? '' : formatSpread(spread(values));
  };
  return [
    name,
    cell(({ append }) => cpuPerGb(append)),
    cell(({ append }) => append.userSeconds / (append.bytes / 1e9)),
    cell(({ append }) => mibPerSecond(append)),
    cell(({ sync }) => sync && cpuPerGb(sync)),
    cell(({ fromStart }) => fromStart && cpuPerGb(fromStart)),
    cell(({ fromStart }) => fromStart && mibPerSecond(fromStart)),
    cell(({ append, sync, fromStart }) =>
      [append, sync, fromStart].reduce((sum, cost) => sum + (cost ? cpuPerGb(cost) : 0), 0),
    ),
  ];
}

function parseArguments(): Options {
  const collect = (value: string, before: readonly string[]) => [...before, value];
  const collectParts = (value: string, before: readonly string[]) => {
    if (!PARTS.includes(value)) throw new InvalidArgumentError(`Give ${PARTS.join(' or ')}.`);
    return [...before, value];
  };
  const given = new Command('direct-io')
    .option('--dir <folder>', 'where to write; may be repeated', collect, [])
    .option('--part <name>', `${PARTS.join(' or ')}; may be repeated`, collectParts, [])
    .option('--rounds <count>', 'turns of each case', parseCount, 5)
    .option('--bytes <size>', 'what a turn appends', parseBytes, 256 * MIB)
    .option('--segment-bytes <size>', 'where a file ends', parseBytes, 128 * MIB)
    .option('--json <file>', 'append a JSON line per turn')
    .allowExcessArguments(false)
    .parse()
    // What commander returns is typed as any.
    .opts() as {
    readonly dir: string[];
    readonly part: string[];
    readonly rounds: number;
    readonly bytes: number;
    readonly segmentBytes: number;
    readonly json?: string;
  };
  const { dir, part, rounds, bytes, segmentBytes, json } = given;
  return {
    folders: dir.length > 0 ? dir : [tmpdir()],
    parts: part.length > 0 ? part : PARTS,
    ...{ rounds, bytes, segmentBytes, jsonFile: json ?? null },
  };
}

async function main(options: Options): Promise<void> {
  const folders = options.folders.map((folder) => mkdtempSync(join(folder, 'odradek-direct-io-')));
  process.on('exit', () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  for (const stop of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(stop, () => process.exit(1));
  const cases = folders.flatMap((folder) => casesOf(options, folder));
  const results = new Map<string, TurnResult[]>(cases.map(({ name }) => [name, []]));
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name, job } of cases) {
      const result = await turn(job);
      results.get(name)?.push(result);
      if (options.jsonFile)
        appendFileSync(options.jsonFile, `${JSON.stringify({ name, round, ...result })}\n`);
    }
    process.stderr.write(`round ${round} of ${options.rounds}\n`);
  }
  const rows = [...results].map(([name, ofCase]) => rowOf(name, ofCase));
  process.stdout.write(renderTable(COLUMNS, rows, false));
}

const [, , first, second] = process.argv;
if (first === '--turn' && second !== undefined) {
  process.stdout.write(`${JSON.stringify(takeTurn(JSON.parse(second) as TurnJob))}\n`);
} else await main(parseArguments());
