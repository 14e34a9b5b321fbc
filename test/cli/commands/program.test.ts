import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { run } from '../../../src/cli/commands/program.js';

/** Runs a command that ends by itself, and takes what it writes and its exit code. */
async function capture(args: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0);
  const before = process.exitCode;
  process.exitCode = undefined;
  await run(['node', 'odradek', ...args]);
  const code = process.exitCode ?? 0;
  process.exitCode = before;
  vi.restoreAllMocks();
  return { code, out: out.join(''), err: err.join('') };
}

afterEach(() => vi.restoreAllMocks());

describe('run', () => {
  it.each([
    [[]],
    [['broker']],
    [['topic']],
    [['topic', 'create']],
    [['topic', 'list']],
    [['topic', 'describe']],
    [['topic', 'delete']],
    [['topic', 'alter']],
    [['topic', 'delete-records']],
    [['config']],
    [['config', 'list']],
    [['config', 'describe']],
    [['completion']],
    [['produce']],
    [['consume']],
  ])('explains %j with examples', async (command) => {
    const { code, out } = await capture([...command, '--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/^Usage: odradek/);
    expect(out).toMatch(/Examples?:\n {2}odradek /);
  });

  it('tells its version', async () => {
    const { version } = JSON.parse(
      readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
    ) as {
      version: string;
    };
    expect(await capture(['--version'])).toEqual({ code: 0, out: `odradek/${version}\n`, err: '' });
  });

  it.each([
    [['brokr'], 'Did you mean broker?'],
    [['broker', '--colour'], "unknown option '--colour'"],
    [['broker', 'now'], 'too many arguments'],
    [['broker', '--node-id', 'one'], 'node.id=one is not valid: it must be a whole number'],
    [['broker', '--native-listen', '9091'], 'odradek.native.listen=9091 is not valid: it must be HOST:PORT'],
    [['broker', '--set', 'num.partition=1'], 'did you mean num.partitions?'],
    [['broker', '--config', '/does/not/exist'], 'The configuration file /does/not/exist cannot be read'],
    [['topic', 'create'], "missing required argument 'name'"],
    [['topic', 'create', 'x', '--partitions', '0'], 'It must be a whole number from 1 on'],
    [['topic', 'create', 'x', '--config', 'retention.ms'], 'It must be of the form name=value'],
    [['topic', 'list', '--brokers', 'localhost'], '"localhost" is not of the form HOST:PORT'],
    [['topic', 'alter', 'x'], 'Nothing is to be changed'],
    [['topic', 'alter', 'x', '--set', 'a=1', '--delete', 'a'], 'a is changed twice'],
    [['topic', 'delete-records', 'x'], "required option '--before <where>' not specified"],
    [['topic', 'delete-records', 'x', '--before', '7'], '--before with an offset needs --partition'],
    [['topic', 'delete-records', 'x', '--before', 'earliest'], 'nothing lies before the first record'],
    [['topic', 'delete-records', 'x', '--before', 'soon'], '--before soon: it must be'],
    [['config', 'describe', 'topic'], 'Of which topic?'],
    [['config', 'describe', 'group', 'x'], 'group has no settings'],
    [['produce', 'x', '--format', 'csv'], 'Allowed choices are lines, value-json, json'],
    [['produce', 'x', '--key-field', 'id'], '--key-field goes with --format value-json only'],
    [
      ['produce', 'x', '--key-separator', ':', '--format', 'json'],
      '--key-separator goes with --format lines only',
    ],
    [['consume', 'x', '--from', 'yesterday'], '--from yesterday: it must be earliest, latest'],
    [['consume', 'x', '--json', '--format', 'raw'], '--json and --format raw exclude each other'],
    [['consume', 'x', '--partition', 'a'], 'It must be a whole number from 0'],
  ])('ends with 2 for %j', async (args, message) => {
    const { code, out, err } = await capture(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
  });

  it('shows the commands, and ends with 2, if none is given', async () => {
    const { code, out, err } = await capture([]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('Commands:');
  });
});
