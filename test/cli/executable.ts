// Starts the executable as its users do, from what `npm run build` wrote.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const executable = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const started: ChildProcess[] = [];
/** For the files of a test; gone at its end. */
export const folder = mkdtempSync(join(tmpdir(), 'odradek-cli-'));

afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

export function start(args: readonly string[], environment: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [executable, ...args], { env: { ...process.env, ...environment } });
  started.push(child);
  return child;
}

/** Runs a command to its end. */
export async function run(
  args: readonly string[],
  input = '',
  environment: Record<string, string> = {},
): Promise<Ended> {
  const child = start(args, environment);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr?.on('data', (bytes: Buffer) => err.push(bytes));
  child.stdin?.on('error', () => {}); // The command may end before it has read all.
  child.stdin?.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}

export interface StartedBroker {
  readonly child: ChildProcess;
  readonly ready: { readonly native?: string; readonly http?: string; readonly kafka?: string };
}

/** Starts a broker on free ports and waits for its line "broker ready". */
export async function startBroker(name: string, args: readonly string[] = []): Promise<StartedBroker> {
  const child = start([
    ...['broker', '--data-dir', join(folder, name), '--log-format', 'json'],
    ...['native', 'kafka', 'http'].flatMap((door) => [`--${door}-listen`, '127.0.0.1:0']),
    ...args,
  ]);
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('pipes');
  const errors: string[] = [];
  stderr.on('data', (bytes: Buffer) => errors.push(bytes.toString()));
  for await (const line of createInterface(stdout)) {
    const entry = JSON.parse(line) as { msg: string } & StartedBroker['ready'];
    if (entry.msg !== 'broker ready') continue;
    stdout.resume();
    return { child, ready: entry };
  }
  throw new Error(`the broker did not start: ${errors.join('')}`);
}

export async function stop(
  { child }: StartedBroker,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<number | null> {
  child.kill(signal);
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}
