// Keeps the list from rotting: `npm run mutants` takes minutes, this does not.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseAst } from 'vitest/node';
import { ALL_MUTANTS } from './all-mutants.js';
import { type Mutant, plant } from './mutant.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** What is wrong with each mutant that has something wrong, as `name: problem`. */
function problems(problemOf: (mutant: Mutant) => string | null): string[] {
  return ALL_MUTANTS.flatMap((mutant) => {
    const problem = problemOf(mutant);
    return problem === null ? [] : [`${mutant.name}: ${problem}`];
  });
}

describe('The mutants', () => {
  it('are many, with names of their own and a sentence each', () => {
    expect(ALL_MUTANTS.length).toBeGreaterThan(100);
    expect(new Set(ALL_MUTANTS.map(({ name }) => name)).size).toBe(ALL_MUTANTS.length);
    for (const { name, wrong } of ALL_MUTANTS) {
      expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)+$/);
      expect(wrong).toMatch(/^[A-Z].*\.$/);
    }
  });

  it('can be planted: each piece is in its file once, and the file can still be parsed', () => {
    const unsuitable = problems((mutant) => {
      try {
        parseAst(plant(read(mutant.file), mutant), { lang: 'ts' });
        return null;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    });
    expect(unsuitable).toEqual([]);
  });

  it('name a test that is there', () => {
    const unknown = problems(({ caughtBy: { file, name } }) => {
      if (!/^test\/.*\.test\.ts$/.test(file) || !existsSync(join(root, file))) return `no test ${file}`;
      return name === undefined || read(file).includes(name) ? null : `${file} has no test '${name}'`;
    });
    expect(unknown).toEqual([]);
  });
});

describe('plant', () => {
  const change = { file: 'a.ts', piece: 'one', replacement: '$& two' };

  it('replaces the piece, taking nothing of the replacement for a pattern', () => {
    expect(plant('zero one three', change)).toBe('zero $& two three');
  });

  it('fails if the piece is missing, or there twice, or nothing would change', () => {
    expect(() => plant('zero', change)).toThrow('a.ts has 0 times: one');
    expect(() => plant('one one', change)).toThrow('a.ts has 2 times: one');
    expect(() => plant('one', { ...change, replacement: 'one' })).toThrow('nothing changes in a.ts');
  });
});
