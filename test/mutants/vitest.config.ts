// Runs tests with a mutant in the sources: only the module that vitest loads is changed, never a file. Environment:
//
//   MUTANT   a JSON file with a Change, and in `loaded` the path of a file to make when its source is loaded; absent: no mutant
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vitest/config';
import ordinary from '../../vitest.config.js';
import { type Change, plant } from './mutant.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

function planting(path: string) {
  const { loaded, ...change } = JSON.parse(readFileSync(path, 'utf8')) as Change & { loaded: string };
  const target = resolve(root, change.file);
  return {
    name: 'odradek-mutant',
    enforce: 'pre' as const,
    transform(code: string, id: string) {
      if (resolve(id.split('?')[0] ?? '') !== target) return null;
      writeFileSync(loaded, '');
      return { code: plant(code, change), map: null };
    },
  };
}

const path = process.env['MUTANT'];

export default mergeConfig(ordinary, {
  root,
  plugins: path === undefined ? [] : [planting(path)],
  test: {
    include: ['test/**/*.test.ts', 'test/mutants/sample/*.sample.ts'],
    // Threads end with their process, whatever a mutant makes them do.
    pool: 'threads',
    maxWorkers: 1,
  },
});
