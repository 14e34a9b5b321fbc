// What .ci/assemble.mjs made of the last build, and what of it a broker loads: Node tells, thread by thread, when it is asked
// for the coverage of its run.
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { folder, run, start } from './executable.js';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const bundles = join(dist, 'bundle');
/** With code of their own: others only pass on what those export. */
const chunks = readdirSync(bundles).filter((name) => existsSync(join(bundles, `${name}.map`)));

/** Of the threads of one run, the files below dist/ that each has loaded; threads by their first file. */
function loadedIn(coverage: string): Record<string, string[]> {
  const threads = readdirSync(coverage).map((name) => {
    const { result } = JSON.parse(readFileSync(join(coverage, name), 'utf8')) as {
      result: { url: string }[];
    };
    return result.flatMap(({ url }) => {
      const path = url.startsWith('file:') ? fileURLToPath(url) : '';
      return path.startsWith(dist) ? [path.slice(dist.length)] : [];
    });
  });
  return Object.fromEntries(threads.map((files) => [files[0] ?? '', files.sort()]));
}

const newFolder = (): string => mkdtempSync(join(folder, 'coverage-'));

/** Runs a broker, and what is to be done with it, to a clean end; returns what its threads have loaded. */
async function loadedByBroker(native: boolean, use: (brokers: string) => Promise<void>) {
  const coverage = newFolder();
  const doors = ['--kafka-listen', '127.0.0.1:0', '--http-listen', 'off', '--native-listen'];
  const child = start(
    ['broker', '--data-dir', newFolder(), '--log-format', 'json', ...doors, native ? '127.0.0.1:0' : 'off'],
    { NODE_V8_COVERAGE: coverage },
  );
  const exited = once(child, 'exit');
  if (!child.stdout) throw new Error('there is no pipe');
  for await (const line of createInterface(child.stdout)) {
    const entry = JSON.parse(line) as { msg: string; native?: string };
    if (entry.msg !== 'broker ready') continue;
    child.stdout.resume();
    await use(entry.native ?? '');
    child.kill('SIGTERM');
    break;
  }
  expect(await exited).toEqual([0, null]);
  return loadedIn(coverage);
}

/** The sources of a chunk: files of ours by their path from the root, others by that of their package. */
function sourcesOf(chunk: string): string[] {
  const { sources } = JSON.parse(readFileSync(join(bundles, `${chunk}.map`), 'utf8')) as {
    sources: string[];
  };
  return sources.filter((source) => source.startsWith('..')).map((source) => join(bundles, source));
}

const BROKER = ['broker', 'commands', 'common', 'front', 'program', 'rolldown-runtime'];
const inBundle = (names: readonly string[]) => names.map((name) => `bundle/${name}.cjs`);

describe('The executable', () => {
  it('starts a broker from few files, and loads the native protocol only if its door is open', async () => {
    const loaded = await loadedByBroker(false, async () => {});
    expect(loaded['src/cli/main.js'] ?? []).toEqual([...inBundle(BROKER), 'src/cli/main.js']);
    expect(Object.keys(loaded).sort()).toEqual(['bundle/supervisor.cjs', 'src/cli/main.js']);
  });

  it('starts every thread from a bundle, and commands of clients without the code of the broker', async () => {
    const client = newFolder();
    const loaded = await loadedByBroker(true, async (brokers) => {
      const produce = ['produce', 'greetings', '--brokers', brokers];
      expect(await run(produce, 'hello\n', { NODE_V8_COVERAGE: client })).toMatchObject({ code: 0 });
    });
    const native = [...BROKER, 'messages', 'native-door'].sort();
    expect(loaded['src/cli/main.js'] ?? []).toEqual([...inBundle(native), 'src/cli/main.js']);
    expect(loaded['bundle/partition.cjs'] ?? []).toEqual(['bundle/partition.cjs']);
    const files = loadedIn(client)['src/cli/main.js'] ?? [];
    expect(files).toContain('bundle/client.cjs');
    expect(files.filter((file) => !file.startsWith('bundle/'))).toEqual(['src/cli/main.js']);
    expect(files.filter((file) => /(broker|front|native-door|supervisor)\.cjs$/.test(file))).toEqual([]);
  });
});

describe('The bundles', () => {
  it('hold no module twice in what one thread loads', () => {
    const mainThread = chunks.filter((name) => !/^(supervisor|partition|jobs)\b/.test(name));
    for (const thread of [mainThread, chunks.filter((name) => name.startsWith('supervisor'))]) {
      const sources = thread.flatMap(sourcesOf);
      expect(sources.length).toBeGreaterThan(100);
      expect(sources.filter((source, index) => sources.indexOf(source) !== index)).toEqual([]);
    }
  });

  it('tell where each line came from', () => {
    expect(chunks.length).toBeGreaterThan(10);
    for (const chunk of chunks) {
      expect(readFileSync(join(bundles, chunk), 'utf8')).toContain(`//# sourceMappingURL=${chunk}.map`);
      expect(sourcesOf(chunk).filter((source) => !existsSync(source))).toEqual([]);
    }
  });

  it('name the packages whose code they hold', () => {
    const licenses = readFileSync(join(bundles, 'LICENSES.txt'), 'utf8');
    const packages = chunks.flatMap(sourcesOf).flatMap((source) => {
      const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source) ?? [];
      return name === undefined ? [] : [name];
    });
    expect(packages).toContain('pino');
    expect(packages).toContain('protobufjs');
    const missing = packages.filter((name) => !new RegExp(`^${name} \\d`, 'm').test(licenses));
    expect(missing).toEqual([]);
  });
});
