// What documents and examples show is compiled and run, against a real broker: every fenced block of JavaScript or TypeScript
// that imports from 'odradek' is a whole program, and so is every file of examples/.
import { type ExecFileException, execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBroker, type TestBroker } from 'odradek/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiPages } from '../../docs/api-docs.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM_MS_MAX = 30_000;

interface Program {
  /** `docs/client.md:12`: the document and the line at which the block begins. */
  readonly place: string;
  readonly file: string;
  readonly text: string;
}

const documents = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

function programsIn(document: string): Program[] {
  const text = readFileSync(join(ROOT, document), 'utf8');
  return [...text.matchAll(/^```(js|ts)\n([\s\S]*?)^```$/gm)].flatMap(
    ({ 1: language, 2: code = '', index }) => {
      if (!/\b(from|import\()\s*'odradek/.test(code)) return [];
      const line = text.slice(0, index).split('\n').length;
      // import() is for CommonJS.
      const ending = language === 'js' && !/^import /m.test(code) ? 'cjs' : language === 'js' ? 'mjs' : 'mts';
      return [
        { place: `${document}:${line}`, file: `${basename(document, '.md')}-${line}.${ending}`, text: code },
      ];
    },
  );
}

/** Runs a program to its end; `code` is 0 if it went well. */
function run(command: string, args: readonly string[], environment: Record<string, string> = {}) {
  return new Promise<{ code: unknown; output: string }>((resolve) => {
    const options = { env: { ...process.env, ...environment }, timeout: PROGRAM_MS_MAX, cwd: ROOT };
    execFile(command, args, options, (error: ExecFileException | null, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? error.signal) : 0, output: stdout + stderr });
    });
  });
}

/** The examples of docstrings are parts of programs: they are compiled, each in a function of its own, with what they take as given. */
function examplesOfTheApi(): string {
  const examples = [...apiPages().values()].flatMap((page) =>
    [...page.matchAll(/^Example:\n\n```ts\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code),
  );
  const prelude = [
    "import { Readable } from 'node:stream';",
    "import { pipeline } from 'node:stream/promises';",
    "import { type Admin, adviceFor, Client, type Consumer, json, OdradekError, type Producer, UnreadableError } from 'odradek';",
    "import { startBroker } from 'odradek/testing';",
    'declare const admin: Admin, client: Client, consumer: Consumer, producer: Producer, error: unknown, order: object;',
  ];
  return [...prelude, ...examples.map((code, i) => `export async function example${i}() {\n${code}}`)].join(
    '\n',
  );
}

const expectSuccess = async (ended: Promise<{ code: unknown; output: string }>) => {
  const { code, output } = await ended;
  expect(code, output).toBe(0);
  return output;
};

const programs = documents.flatMap(programsIn);
const examples = readdirSync(join(ROOT, 'examples')).filter((name) => /\.(mjs|cjs)$/.test(name));

describe('Documents and examples', () => {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-documents-'));
  let broker: TestBroker;
  let compiled: { code: unknown; output: string };

  beforeAll(async () => {
    broker = await startBroker({ workers: 1 });
    const modules = join(folder, 'node_modules');
    mkdirSync(join(modules, '@types'), { recursive: true });
    symlinkSync(ROOT, join(modules, 'odradek'), 'dir');
    symlinkSync(join(ROOT, 'node_modules/@types/node'), join(modules, '@types/node'), 'dir');
    for (const { file, text } of programs) {
      writeFileSync(join(folder, file), text.replaceAll('127.0.0.1:9091', broker.native));
    }
    writeFileSync(join(folder, 'api.mts'), examplesOfTheApi());
    const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'));
    const own = { declaration: false, sourceMap: false, rootDir: folder, outDir: join(folder, 'out') };
    // A block may leave a result unused and a catch unnamed, but it must be right.
    const options = { ...compilerOptions, ...own, verbatimModuleSyntax: false, allowJs: true, checkJs: true };
    const configuration = {
      compilerOptions: options,
      files: ['api.mts', ...programs.map(({ file }) => file)],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(configuration));
    compiled = await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder]);
    symlinkSync(modules, join(folder, 'out/node_modules'), 'dir');
  });

  afterAll(async () => {
    await broker.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are found', () => {
    expect(programs.length).toBeGreaterThan(10);
    expect(examples).toContain('flights.mjs');
    expect(examplesOfTheApi().match(/function example/g)?.length).toBeGreaterThan(5);
  });

  it('compile', () => {
    expect(compiled.output).toBe('');
    expect(compiled.code).toBe(0);
  });

  it.each(programs)('$place runs', async ({ file }) => {
    await expectSuccess(run(process.execPath, [join(folder, 'out', file.replace(/\.mts$/, '.mjs'))]));
  });

  it.each(examples)('examples/%s runs, twice', async (name) => {
    const command = [join(ROOT, 'examples', name)];
    const environment = { ODRADEK_BROKERS: broker.native };
    expect(await expectSuccess(run(process.execPath, command, environment))).not.toBe('');
    await expectSuccess(run(process.execPath, command, environment));
  });
});

describe('docs/api', () => {
  it('is what the docstrings say: npm run docs', () => {
    const folder = join(ROOT, 'docs/api');
    const there = Object.fromEntries(
      readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
    );
    expect(there).toEqual(Object.fromEntries(apiPages()));
  });
});
