// Programs that are not ours: where they are installed, and how they are run.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program and its first arguments, or why there is none. */
export type Tool = { readonly command: readonly string[] } | { readonly missing: string };

export const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Kafka's log tool has much to say of compacted segments. */
const ERRORS_BYTES_MAX = 4_000_000;

export interface RunOptions {
  /** Called for each line of its standard output; default: they are dropped. */
  readonly onLine?: (line: string) => void;
  readonly timeoutMs?: number;
}

/** A program that runs. */
export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves, with what it wrote to standard error, when it has ended with 0; throws if it ended otherwise. */
  readonly ended: Promise<string>;
}

export function start(
  command: readonly string[],
  { onLine = () => {}, timeoutMs = 120_000 }: RunOptions = {},
): Running {
  const [file = '', ...args] = command;
  const child = spawn(file, args, {
    stdio: 'pipe',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    // No files of theirs in this repository, and no Go toolchain but the one that is there.
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', GOTOOLCHAIN: 'local' },
  });
  let errors = '';
  child.stderr.on('data', (bytes: Buffer) => {
    errors = (errors + bytes.toString()).slice(-ERRORS_BYTES_MAX);
  });
  createInterface(child.stdout).on('line', onLine);
  const ended = once(child, 'close').then(([code, signal]) => {
    if (code !== 0)
      throw new Error(`${command.join(' ')} ended with ${code ?? signal}: ${errors.slice(-10_000)}`);
    return errors;
  });
  return { child, ended };
}

export function run(command: readonly string[], options?: RunOptions): Promise<string> {
  const { child, ended } = start(command, options);
  child.stdin.end();
  return ended;
}

/** The first line that a command prints, or null if there is no such command or it fails. */
export async function firstLine(command: readonly string[]): Promise<string | null> {
  const lines: string[] = [];
  try {
    await run(command, { onLine: (line) => lines.push(line) });
  } catch {
    return null;
  }
  return lines[0] ?? '';
}

/**
 * The folder in which something is installed: made by `install` unless an earlier run did so from the same files. What
 * fails halfway is begun anew.
 */
export async function installed(
  name: string,
  files: readonly string[],
  install: (folder: string) => Promise<unknown>,
): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  const cache = process.env['INTEROP_CACHE'] ?? join(tmpdir(), 'odradek-interop');
  const folder = join(cache, `${name}-${hash.digest('hex').slice(0, 12)}`);
  const mark = join(folder, 'installed');
  if (existsSync(mark)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await install(folder);
  writeFileSync(mark, '');
  return folder;
}
