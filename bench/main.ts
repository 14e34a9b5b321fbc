// `npm run bench`. README.md beside this file says what is measured and how to read it.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareBuilds } from './compare-builds.js';
import { comparisonTable, conclusion } from './comparison.js';
import { type Commit, describeMachine, type Machine } from './machine.js';
import { type BenchOptions, parseOptions } from './options.js';
import { procReader } from './processor-time.js';
import { startProgress } from './progress.js';
import { quietness, table } from './report.js';
import { storeResults } from './results.js';
import { prepareBuilds, type Revisions, revisionsOf } from './revisions.js';
import { type RunOptions, run, turnCount } from './run.js';
import { SUITES, selectRows } from './suites/all.js';

/** From dist/bench, where this file is compiled to. */
const root = fileURLToPath(new URL('../../', import.meta.url));
/** Of one turn's bytes: the topic, or the file, and the pages that are warmed before. */
const ROOM_FACTOR = 2.5;

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function main(options: BenchOptions): Promise<number> {
  const { suites, rows } = selectRows(SUITES, options.only);
  if (options.list) {
    process.stdout.write([...rows, ''].join('\n'));
    return 0;
  }
  checkRoom(options);
  const proc = procReader();
  const machine = describeMachine(options.directory);
  const time = new Date().toISOString();
  const node = process.version;
  const revisions = revisionsOf(root, options);
  sayWhatIsMeasured(machine, revisions, proc !== null);
  const folder = temporaryFolder(options.directory);
  const builds =
    revisions.base &&
    prepareBuilds(root, temporaryFolder(tmpdir()), revisions, (line) => process.stderr.write(`${line}\n`));
  if (options.profileDirectory !== null) mkdirSync(options.profileDirectory, { recursive: true });
  const writeJson = jsonWriter(options.jsonFile);
  const turns = builds ? 2 * suites.length * options.rounds : turnCount(suites, options.rounds);
  const progress = startProgress(turns);
  const runOptions: RunOptions = {
    ...{ options, suites, rows, folder, proc, progress },
    turnOver: (row, round, side, turn) => writeJson({ row, round, side, ...turn }),
  };
  const { reports, failed } = await (builds ? compareBuilds(runOptions, builds) : run(runOptions));
  progress.stop();
  const output = options.jsonFile === '-' ? process.stderr : process.stdout;
  if (reports.length > 0) {
    const isTerminal = output.isTTY ?? false;
    output.write(builds ? comparisonTable(reports, isTerminal) : table(reports, isTerminal));
    output.write(`\n${builds ? conclusion(reports) : ''}${quietness(reports)}`);
    const path = storeResults(join(root, options.store ? 'bench/results' : 'bench/results/local'), reports, {
      ...{ time, node, machine, options },
      commit: revisions.candidate,
      base: revisions.base,
    });
    process.stderr.write(`Appended to ${path}\n`);
  }
  if (failed.length === 0) return 0;
  process.stderr.write(`Failed: ${failed.map(({ suite }) => suite).join(', ')}\n`);
  return 1;
}

function sayWhatIsMeasured(machine: Machine, { candidate, base }: Revisions, hasProc: boolean): void {
  const { cpu, cores, memoryGib, kernel, fileSystem } = machine;
  const name = ({ commit, dirty }: Commit) => `${commit ?? 'unknown'}${dirty ? ' with changes' : ''}`;
  const isSame = base?.commit === candidate.commit && !candidate.dirty;
  process.stderr.write(
    `${cpu}, ${cores} cores, ${memoryGib} GiB; ${kernel}, ${fileSystem}; Node ${process.version}; ` +
      `commit ${name(candidate)}${base ? ` against ${name(base)}` : ''}\n` +
      (isSame ? 'Both are the same: what differs is noise.\n' : '') +
      (hasProc ? '' : 'Without Linux there is no /proc: CPU and memory of the broker are left out.\n'),
  );
}

function checkRoom({ directory, bytes }: BenchOptions): void {
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize < bytes * ROOM_FACTOR) {
    throw new Error(
      `${directory} has no room for ${ROOM_FACTOR} times --bytes. Give another --dir, or less.`,
    );
  }
}

/** A new folder that goes when this process does, whatever ends it but SIGKILL. */
function temporaryFolder(directory: string): string {
  const folder = mkdtempSync(join(directory, 'odradek-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  for (const signal of STOP_SIGNALS) process.on(signal, () => process.exit(1));
  return folder;
}

function jsonWriter(file: string | null): (line: object) => void {
  if (file === null) return () => {};
  if (file === '-') return (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  writeFileSync(file, '');
  return (line) => appendFileSync(file, `${JSON.stringify(line)}\n`);
}

// Whoever reads the output may have seen enough.
process.stdout.on('error', () => process.exit(1));

try {
  process.exitCode = await main(parseOptions(process.argv));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
