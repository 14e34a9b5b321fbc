// The completion scripts, where the shells are: bash is asked as it asks itself.
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { folder, run, startBroker } from './executable.js';

const executable = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const has = (shell: string) => spawnSync(shell, ['--version']).status === 0;

/** What bash would offer for the last of the words. */
async function completed(
  words: readonly string[],
  environment: Record<string, string> = {},
): Promise<string[]> {
  const script = `
    source "$0"
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _odradek 2>/dev/null
    printf '%s\\n' "\${COMPREPLY[@]}"
  `;
  const args = ['-c', script, join(folder, 'odradek.bash'), 'odradek', ...words];
  const { stdout } = await promisify(execFile)('bash', args, { env: { ...process.env, ...environment } });
  return stdout.split('\n').filter((line) => line !== '');
}

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, out, err } = await run(['completion', shell]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    writeFileSync(join(folder, `odradek.${shell}`), out);
  }
});

describe('odradek completion', () => {
  it('knows no other shells', async () => {
    const { code, err } = await run(['completion', 'tcsh']);
    expect(code).toBe(2);
    expect(err).toContain('bash, zsh, fish');
  });

  it.each(['bash', 'zsh', 'fish'].filter(has))('is a script that %s can read', (shell) => {
    const { status, stderr } = spawnSync(shell, ['-n', join(folder, `odradek.${shell}`)]);
    expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' });
  });
});

describe.skipIf(!has('bash'))('odradek completion in bash', () => {
  it('offers commands', async () => {
    expect(await completed([''])).toEqual(
      expect.arrayContaining(['broker', 'topic', 'config', 'completion']),
    );
    expect(await completed(['to'])).toEqual(['topic']);
    expect(await completed(['topic', 'de'])).toEqual(['describe', 'delete', 'delete-records']);
    expect(await completed(['completion', ''])).toEqual(['bash', 'zsh', 'fish']);
  });

  it('offers options and their values', async () => {
    expect(await completed(['topic', 'create', 'x', '--part'])).toEqual(['--partitions']);
    expect(await completed(['produce', 'x', '--compression', ''])).toEqual([
      ...['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    ]);
    expect(await completed(['produce', '--acks', 'l'])).toEqual(['leader']);
    expect(await completed(['topic', 'alter', 'x', '--set', 'retention.m'])).toEqual(['retention.ms=']);
    expect(await completed(['topic', 'alter', 'x', '--delete', 'retention.b'])).toEqual(['retention.bytes']);
    expect(await completed(['broker', '--node-id', ''])).toEqual([]);
  });

  it('is not led astray by values that look like commands', async () => {
    expect(await completed(['topic', 'create', 'topic', '--partitions', '3', '--if'])).toEqual([
      '--if-not-exists',
    ]);
    expect(await completed(['--version', 'con'])).toEqual(['config', 'consume']);
    expect(await completed(['consume', '--from', 'topic', '--fol'])).toEqual(['--follow']);
  });

  it('offers the topics of the broker, and nothing without one', async () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'odradek'), `#!/bin/sh\nexec '${process.execPath}' '${executable}' "$@"\n`);
    chmodSync(join(bin, 'odradek'), 0o755);
    const PATH = `${bin}:${process.env['PATH']}`;
    const { ready } = await startBroker('completion');
    const environment = { PATH, ODRADEK_BROKERS: ready.native ?? '' };
    for (const name of ['flights', 'fares', 'weather'])
      expect((await run(['topic', 'create', name], '', environment)).code).toBe(0);
    expect(await completed(['topic', 'describe', 'f'], environment)).toEqual(['fares', 'flights']);
    expect(await completed(['consume', '--follow', ''], environment)).toEqual([
      'fares',
      'flights',
      'weather',
    ]);
    expect(await completed(['consume', 'f'], { PATH, ODRADEK_BROKERS: '127.0.0.1:1' })).toEqual([]);
  });
});
