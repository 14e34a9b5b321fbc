// Reads the sources and holds them to the rules of the house: who may import whom, who may touch clocks, files and sockets,
// how long files and functions get. What cannot follow a rule is declared here, with its reason; an exception that is no
// longer needed fails too, so that the lists only ever shrink.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Layer → the layers that it may import. Type-only imports count too. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  config: ['base'],
  actor: ['base', 'config'],
  io: ['base'],
  record: ['base'],
  protocol: ['base', 'record'],
  log: ['base', 'config', 'io', 'record'],
  partition: ['base', 'config', 'actor', 'io', 'record', 'log'],
  metadata: ['base', 'config', 'io', 'record', 'log'],
  coordinator: ['base', 'config', 'io', 'record', 'protocol', 'log', 'partition'],
  broker: [
    'base',
    'config',
    'actor',
    'io',
    'record',
    'protocol',
    'log',
    'partition',
    'metadata',
    'coordinator',
  ],
  client: ['base', 'record', 'protocol'],
  testing: ['base', 'config', 'broker'],
  cli: ['base', 'config', 'client'],
};

/** Files that import what their layer may not. */
const LAYER_EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  // The one command that is the broker.
  'src/cli/commands/run-broker.ts': ['broker'],
  // Only the version, which is the package's.
  'src/cli/commands/program.ts': ['broker'],
};

/** Circles of two files, where one takes only the type of the other's options. */
const CIRCLES: readonly string[] = ['config', 'consume', 'produce', 'topic', 'topic-changes'].flatMap(
  (name) => [
    `src/cli/commands/${name}-actions.ts → src/cli/commands/${name}-command.ts`,
    `src/cli/commands/${name}-command.ts → src/cli/commands/${name}-actions.ts`,
  ],
);

/** What only ports may touch: actors get it as arguments, so that they run in a simulation. */
const EFFECTS = {
  'node:fs': /['"]node:fs(\/promises)?['"]/,
  'node:net': /['"]node:(net|tls|dgram|http|https)['"]/,
  'Date.now': /\bDate\.now\b|\bnew Date\(\)/,
  'performance.now': /\bperformance\.now\b|\bprocess\.hrtime\b/,
  'Math.random': /\bMath\.random\b/,
  timers: /\b(setTimeout|setInterval|setImmediate)\b/,
  microtasks: /\b(queueMicrotask|process\.nextTick)\b/,
} as const;

/** Whole folders and files that are ports. */
const PORTS = [/^src\/io\//, /^src\/base\/clock\.ts$/, /^src\/base\/random\.ts$/];

/** Thin edges: what production code passes to the actors, and programs around them. */
const EDGES: Readonly<Record<string, readonly (keyof typeof EFFECTS)[]>> = {
  // The bell between threads wakes in a turn of its own.
  'src/actor/doorbell.ts': ['timers'],
  // Finds the compiled entry of a thread.
  'src/base/worker-entry.ts': ['node:fs'],
  // The composition root: the end of a turn, and the bound of a stop.
  'src/broker/broker.ts': ['timers', 'microtasks'],
  'src/broker/http/http-door.ts': ['node:net'],
  'workers/partition.ts': ['timers'],
  // What coordinators append in a turn goes together, and so do their replies.
  'workers/supervisor.ts': ['timers', 'microtasks'],
  // The client is a library for programs that live in real time; its sockets and its ends of turns are its own.
  'src/client/connection.ts': ['node:net', 'microtasks'],
  'src/client/batch-sender.ts': ['microtasks'],
  'src/client/broker-feed.ts': ['microtasks'],
  'src/client/metadata-batcher.ts': ['microtasks'],
  'src/client/producer.ts': ['microtasks'],
  'src/client/turn.ts': ['timers'],
  // Commands read and write files, and the terminal.
  'src/cli/commands/broker-command.ts': ['node:fs'],
  'src/cli/commands/produce-actions.ts': ['node:fs'],
  'src/cli/commands/background-writer.ts': ['node:fs'],
  'src/testing/start-broker.ts': ['node:fs'],
};

const LINE_LENGTH_MAX = 140;
const FILE_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;

/** Files above the limit, with how long they may be. */
const LONG_FILES: Readonly<Record<string, number>> = {
  'src/log/log.ts': 700,
};

/** Functions above the limit, as `file function`, with how long they may be. */
const LONG_FUNCTIONS: Readonly<Record<string, number>> = {
  // The loop that every consumed record goes through: calls in it would cost more than the decoding.
  'src/record/record-cursor.ts next': 90,
  // The same for every record that is produced.
  'src/record/walk-usual-records.ts walkUsualRecords': 90,
};

/** Beyond ASCII: dashes, dots and arrows in comments and messages, and the blocks of a progress bar. */
const CHARACTERS = new Set('…→←↔≤≥≠–—·×±°─│┌┐└┘├┤┬┴┼▲▼►◄░█µ');

interface Source {
  readonly path: string;
  readonly text: string;
  /** The text without comments and without what strings say; as long, line by line, as if they were empty. */
  readonly code: string;
}

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name).replaceAll('\\', '/'))
    .filter((path) => /\.(ts|mjs)$/.test(path) && !path.includes('/generated/'))
    .sort();
}

const load = (path: string): Source => {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return { path, text, code: codeOf(text) };
};

const sources = [...filesIn('src'), ...filesIn('workers')].map(load);
const tests = filesIn('test').map(load);

/** Takes comments and the insides of strings, templates and regular expressions out. */
function codeOf(text: string): string {
  const literals =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|(?<=[=(,:;!&|?{}[\n]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g;
  return text.replace(literals, (literal) => {
    const lines = literal.replace(/[^\n]/g, '');
    return literal.startsWith('/') ? lines : `${literal[0]}${lines}${literal[0]}`;
  });
}

/** The files of ours that a file imports, as paths from the root. */
function importsOf({ path, text }: Source): string[] {
  const withoutComments = text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const specifiers = [...withoutComments.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]+)['"]/g)];
  return specifiers.map(([, specifier]) => {
    const target = normalize(join(dirname(path), specifier ?? '')).replaceAll('\\', '/');
    return target.replace(/\.js$/, '.ts');
  });
}

const layerOf = (path: string): string => path.split('/')[1] ?? '';

/** Functions with more than a line: their names, as they are declared, and their lengths. Relies on the formatter. */
function functionsOf({ path, code }: Source): { readonly name: string; readonly lines: number }[] {
  const lines = code.split('\n');
  const found: { name: string; lines: number }[] = [];
  const header =
    /^(\s*)(?:(?:export |default |async |static |override |private |get |set )*(?:function\b\s*)?(#?[\w$]+)\s*(?:<[^>]*>)?\(|.*?(?:const |readonly )?(#?[\w$]+)(?:: [^=]+)? = (?:async )?\()/;
  lines.forEach((line, start) => {
    const [, indent, method, constant] = header.exec(line) ?? [];
    const name = method ?? constant;
    if (
      indent === undefined ||
      name === undefined ||
      /^(if|for|while|switch|catch|return|do|describe|it)$/.test(name)
    )
      return;
    const opens = lines.findIndex(
      (other, index) => index >= start && other.startsWith(indent) && /[{]$/.test(other),
    );
    // The header ends where its own indentation ends with a brace.
    if (opens < 0 || (opens !== start && !new RegExp(`^${indent}\\)`).test(lines[opens] ?? ''))) return;
    const end = lines.findIndex((other, index) => index > opens && new RegExp(`^${indent}\\}`).test(other));
    if (end > 0) found.push({ name: `${path} ${name}`, lines: end - start + 1 });
  });
  return found;
}

describe('codeOf', () => {
  it('takes comments and the insides of strings out', () => {
    expect(codeOf("a('// b'); // c\n/* d\n */ e = `f g\n`; h(/[/'\"]/g, 'i');")).toBe(
      "a(''); \n\n e = `\n`; h(, '');",
    );
  });
});

describe('functionsOf', () => {
  it('finds functions, methods and arrow functions, wrapped headers too', () => {
    const text = [
      'export function one(): void {',
      '  if (a) {',
      '  }',
      '}',
      'class A {',
      '  #two(',
      '    a: number,',
      '  ): void {',
      '    b();',
      '  }',
      '  readonly three = (a) => {',
      '    c();',
      '  };',
      '}',
    ].join('\n');
    expect(functionsOf({ path: 'x', text, code: text })).toEqual([
      { name: 'x one', lines: 4 },
      { name: 'x #two', lines: 5 },
      { name: 'x three', lines: 3 },
    ]);
  });
});

describe('the sources', () => {
  it('are there', () => {
    expect(sources.length).toBeGreaterThan(100);
    expect(tests.length).toBeGreaterThan(50);
  });

  it('import downwards only', () => {
    const wrong: string[] = [];
    const used = new Set<string>();
    for (const source of sources.filter(({ path }) => path.startsWith('src/'))) {
      const from = layerOf(source.path);
      const allowed = LAYERS[from];
      if (!allowed) wrong.push(`${source.path}: the layer ${from} is not declared`);
      for (const target of importsOf(source)) {
        const to = layerOf(target);
        if (!target.startsWith('src/')) wrong.push(`${source.path} imports ${target}`);
        else if (to === from || allowed?.includes(to)) continue;
        else if (LAYER_EXCEPTIONS[source.path]?.includes(to)) used.add(`${source.path} ${to}`);
        else wrong.push(`${source.path} (${from}) imports ${target} (${to})`);
      }
    }
    expect(wrong).toEqual([]);
    const declared = Object.entries(LAYER_EXCEPTIONS).flatMap(([path, layers]) =>
      layers.map((layer) => `${path} ${layer}`),
    );
    expect(declared.filter((exception) => !used.has(exception))).toEqual([]);
  });

  it('import what exists, and never in a circle', () => {
    const imports = new Map(sources.map((source) => [source.path, importsOf(source)]));
    const state = new Map<string, 'under way' | 'done'>();
    const problems: string[] = [];
    const visit = (path: string, way: readonly string[]): void => {
      if (state.get(path) === 'done' || path.includes('/generated/') || path.endsWith('.json')) return;
      if (state.get(path) === 'under way') {
        const circle = [...way.slice(way.indexOf(path)), path];
        if (circle.length > 3 || !CIRCLES.includes(circle.slice(1).join(' → ')))
          problems.push(circle.join(' → '));
        return;
      }
      const targets = imports.get(path);
      if (!targets) {
        problems.push(`${way.at(-1)} imports ${path}, which is not there`);
        return;
      }
      state.set(path, 'under way');
      for (const target of targets) visit(target, [...way, path]);
      state.set(path, 'done');
    };
    for (const { path } of sources) visit(path, []);
    expect(problems).toEqual([]);
  });

  it('leave clocks, chance, files and sockets to the ports', () => {
    const wrong: string[] = [];
    const used = new Set<string>();
    for (const { path, text, code } of sources) {
      if (PORTS.some((port) => port.test(path))) continue;
      const imports = text.split('\n').filter((line) => /^\s*(import|export|\} from)\b/.test(line));
      for (const [effect, pattern] of Object.entries(EFFECTS)) {
        const found = effect.startsWith('node:')
          ? imports.some((line) => pattern.test(line))
          : pattern.test(code);
        if (!found) continue;
        if (EDGES[path]?.some((allowed) => allowed === effect)) used.add(`${path} ${effect}`);
        else wrong.push(`${path} uses ${effect}`);
      }
    }
    expect(wrong).toEqual([]);
    const declared = Object.entries(EDGES).flatMap(([path, effects]) =>
      effects.map((effect) => `${path} ${effect}`),
    );
    expect(declared.filter((exception) => !used.has(exception))).toEqual([]);
  });

  it('have files and functions that can be read', () => {
    const tooLong: string[] = [];
    const long = new Set<string>();
    const check = (
      name: string,
      lines: number,
      limit: number,
      declared: Readonly<Record<string, number>>,
    ) => {
      if (lines <= limit) return;
      long.add(name);
      if (lines > (declared[name] ?? 0)) tooLong.push(`${name}: ${lines} lines`);
    };
    for (const source of sources) {
      check(source.path, source.text.trimEnd().split('\n').length, FILE_LINES_MAX, LONG_FILES);
      for (const { name, lines } of functionsOf(source))
        check(name, lines, FUNCTION_LINES_MAX, LONG_FUNCTIONS);
    }
    expect(tooLong).toEqual([]);
    const declared = [...Object.keys(LONG_FILES), ...Object.keys(LONG_FUNCTIONS)];
    expect(declared.filter((name) => !long.has(name))).toEqual([]);
  });
});

describe('sources and tests', () => {
  const all = [...sources, ...tests];
  /** `path:line` of each line that matches. */
  const places = (
    matches: (source: Source) => (line: string, index: number) => boolean,
    files = all,
  ): string[] =>
    files.flatMap((source) => {
      const test = matches(source);
      return source.text
        .split('\n')
        .flatMap((line, index) => (test(line, index) ? [`${source.path}:${index + 1}`] : []));
    });

  it('leave nothing undone', () => {
    // Taken apart, so that this line is none of them.
    const marks = new RegExp(
      `\\b(${['TO-DO', 'FIX-ME', 'X-XX'].map((mark) => mark.replace('-', '')).join('|')})\\b`,
    );
    expect(places(() => (line) => marks.test(line))).toEqual([]);
  });

  it('run all tests', () => {
    const left = /\b(describe|it|test)\.(only|skip|todo|fails)\b|\b(xit|xdescribe|fit|fdescribe)\(/;
    expect(
      places(
        ({ code }) =>
          (_line, index) =>
            left.test(code.split('\n')[index] ?? ''),
        tests,
      ),
    ).toEqual([]);
  });

  it('have lines that fit, but for what strings say', () => {
    expect(
      places(({ text, code }) => {
        const lines = code.split('\n');
        const comments = text.split('\n');
        return (line, index) => {
          const isComment = /^\s*(\/\/|\*|\/\*)/.test(line);
          return (isComment ? (comments[index] ?? '') : (lines[index] ?? '')).length > LINE_LENGTH_MAX;
        };
      }),
    ).toEqual([]);
  });

  it('hold no characters but ASCII and a few signs', () => {
    const strange = (line: string) =>
      [...line].some((character) => character > '~' && !CHARACTERS.has(character));
    expect(places(() => strange, sources)).toEqual([]);
    const control = (line: string) =>
      [...line].some((character) => character < ' ' && character !== '\t' && character !== '\r');
    expect(places(() => control)).toEqual([]);
  });
});
