import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from './judge.js';
import type { Change } from './mutant.js';

/** What one vitest runs. */
export interface Selection {
  /** From the root. */
  readonly files: readonly string[];
  /** Parts of the full names of tests; null: all tests of the files. */
  readonly names: readonly string[] | null;
  readonly environment: Readonly<Record<string, string>>;
}

export interface TestRun {
  /** Null: there is none, because vitest did not get that far. */
  readonly report: Report | null;
  /** Null: it was killed. */
  readonly exitCode: number | null;
  /** Whether the tests loaded the source that is changed; false without a change. */
  readonly loaded: boolean;
  readonly seconds: number;
  /** The end of what vitest printed. */
  readonly output: string;
}

/** A mutant may make its test hang. */
const MUTANT_TIMEOUT_MS = 90_000;
const BASELINE_TIMEOUT_MS = 600_000;
const OUTPUT_CHARACTERS = 4_000;
/** What tests, and vitest, read from the environment: only the witness says what they are. */
const SETTINGS =
  /^(VITEST.*|TEST|NODE_ENV|MUTANT|SEED|HISTORIES|ROUNDS|CONNECTS|FRAMES|FUZZ_FRAMES|BOUNDS|SNAPSHOT)$/;

/** Runs tests in a process of its own: with the change in the sources up to the first that fails, or all of them without one. */
export async function runTests(root: string, selection: Selection, change: Change | null): Promise<TestRun> {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-mutant-'));
  const startMs = performance.now();
  try {
    const mutant = join(folder, 'mutant.json');
    const loaded = join(folder, 'loaded');
    const report = join(folder, 'report.json');
    if (change) writeFileSync(mutant, JSON.stringify({ ...change, loaded }));
    const { exitCode, output } = await vitest(root, selection, { report, mutant: change ? mutant : null });
    return {
      report: existsSync(report) ? (JSON.parse(readFileSync(report, 'utf8')) as Report) : null,
      exitCode,
      loaded: existsSync(loaded),
      seconds: (performance.now() - startMs) / 1000,
      output,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function vitest(
  root: string,
  { files, names, environment }: Selection,
  { report, mutant }: { report: string; mutant: string | null },
): Promise<{ exitCode: number | null; output: string }> {
  const inherited = Object.entries(process.env).filter(([variable]) => !SETTINGS.test(variable));
  const env = { ...Object.fromEntries(inherited), ...environment };
  const child = spawn(
    process.execPath,
    [
      ...[join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', 'test/mutants/vitest.config.ts'],
      ...['--reporter=json', `--outputFile=${report}`],
      ...(mutant === null ? [] : ['--bail=1']),
      ...(names === null ? [] : ['--testNamePattern', names.map(escaped).join('|')]),
      ...files,
    ],
    {
      cwd: root,
      env: mutant === null ? env : { ...env, MUTANT: mutant },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARACTERS);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const timeoutMs = mutant === null ? BASELINE_TIMEOUT_MS : MUTANT_TIMEOUT_MS;
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  return new Promise((resolve) => {
    child.on('error', (error) => take(Buffer.from(error.message)));
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, output });
    });
  });
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
