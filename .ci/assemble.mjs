// The part of the build that follows the compiler, on what it wrote (dist/, or the folder that is given): copies what it does not
// take along, and makes bundles of the executable and its threads, because a start that reads four hundred small modules spends
// most of its time on that.
//
//   dist/src/cli/main.js    what starts, now with bundle/*.cjs behind it instead of commands/*.js and workers/*.js
//   dist/bundle/*.cjs       commands: what every command needs; broker: what `odradek broker` needs beyond; front: what stands
//                           between clients and partitions; supervisor, partition, jobs: the threads; others: loaded on demand
//   dist/src, dist/workers  the modules, as before: for programs that use the library
//
// The bundles are CommonJS, which Node reads without its loader of ES modules, and keep their lines and names for stack traces.
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const dist = resolve(process.argv[2] ?? join(ROOT, 'dist'));
const bundles = join(dist, 'bundle');

/** Has binaries, starts threads from files of its own, or is rarely needed: stays a package of its own. */
const EXTERNAL = [
  ...['@node-rs/crc32', 'koffi', '@toondepauw/node-zstd', 'snappy', 'lz4-napi', 'piscina'],
  ...['pino-pretty', 'prom-client', 'cli-progress'],
];

/**
 * What one chunk of the main thread holds, with all that it imports and no chunk before it has. Whatever no group takes gets
 * chunks by the imports that load it. `common` is what commands of clients share with the broker.
 */
const GROUPS = [
  ['common', /\/src\/(base|record)\/[^/]+\.ts$/],
  ['commands', /\/src\/cli\/commands\/(program|broker-command)\.ts$/],
  ['broker', /\/src\/cli\/commands\/run-broker\.ts$/],
  [
    'front',
    /\/src\/broker\/(router|read-buffer|read-pace|metrics\/broker-metrics|kafka\/(kafka-door|fetch-sessions))\.ts$/,
  ],
];

const LICENSES = 'LICENSES.txt';
const THREADS = ['supervisor', 'partition', 'jobs'];

const OUTPUT = {
  dir: bundles,
  format: 'cjs',
  entryFileNames: '[name].cjs',
  sourcemap: true,
  sourcemapExcludeSources: true, // As the compiler's.
  comments: false,
};

const withSlashes = (path) => path.replaceAll('\\', '/');

function copyBesides() {
  const generated = 'src/protocol/native/generated';
  cpSync(join(ROOT, generated), join(dist, generated), { recursive: true });
  for (const folder of ['src/cli', 'src/cli/commands'])
    cpSync(join(ROOT, folder, 'package.json'), join(dist, folder, 'package.json'));
}

/** Writes the bundle of one entry, and returns its files and the modules in them. */
async function bundle(name, file, output) {
  const build = await rolldown({
    input: { [name]: join(ROOT, file) },
    cwd: ROOT,
    platform: 'node',
    external: EXTERNAL,
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(`${file} cannot be bundled as it is: ${log.message}`);
    },
  });
  const { output: files } = await build.write({ ...OUTPUT, ...output });
  return {
    names: files.map(({ fileName }) => fileName),
    modules: files.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : [])),
  };
}

/** The compiled executable names what it starts by two paths, which lie elsewhere now. */
function pointToBundles() {
  const executable = join(dist, 'src/cli/main.js');
  let code = readFileSync(executable, 'utf8');
  for (const [module, replacement] of [
    ["'../../workers/supervisor.js'", "'../../bundle/supervisor.cjs'"],
    ["import('./commands/program.js')", "Promise.resolve(require('../../bundle/program.cjs'))"],
  ]) {
    if (code.includes(replacement)) continue; // A build beside this one was here.
    if (code.split(module).length !== 2) throw new Error(`${executable} should have ${module} once`);
    code = code.replace(module, replacement);
  }
  writeFileSync(executable, code);
  chmodSync(executable, 0o755);
}

/** The packages that were copied into the bundles, with the licenses that ask to be passed on. */
function writeLicenses(modules) {
  const folders = new Set(modules.flatMap((id) => packageFolderOf(id) ?? []));
  const texts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? `\n${readFileSync(join(folder, file), 'utf8').trim()}\n` : '';
    return `${name} ${version}, ${license}\n${text}`;
  });
  const head = 'Parts of these packages are in the files of this folder.\n';
  writeFileSync(join(bundles, LICENSES), [head, ...texts].join(`\n${'-'.repeat(80)}\n\n`));
}

/** The folder of the package that a module belongs to; null for modules of ours and of the bundler. */
function packageFolderOf(id) {
  if (!withSlashes(id).includes('/node_modules/')) return null;
  let folder = dirname(id);
  // Folders in a package may have a package.json without a name, for the kind of their modules.
  while (
    !existsSync(join(folder, 'package.json')) ||
    !readFileSync(join(folder, 'package.json'), 'utf8').includes('"version"')
  )
    folder = dirname(folder);
  return folder;
}

copyBesides();
const groups = GROUPS.map(([name, pattern], index) => ({
  name,
  test: (id) => pattern.test(withSlashes(id)),
  priority: GROUPS.length - index,
}));
const built = await Promise.all([
  bundle('program', 'src/cli/commands/program.ts', {
    chunkFileNames: '[name].cjs',
    codeSplitting: { groups },
  }),
  ...THREADS.map((name) => bundle(name, `workers/${name}.ts`, { chunkFileNames: `${name}-[name].cjs` })),
]);
writeLicenses(built.flatMap(({ modules }) => modules));
pointToBundles();
// What an earlier build left. Not before: a broker that runs from here may load more of its files at any time.
const written = new Set([LICENSES, ...built.flatMap(({ names }) => names)]);
for (const name of readdirSync(bundles)) if (!written.has(name)) rmSync(join(bundles, name));
