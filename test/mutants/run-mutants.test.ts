// Runs the real runner on a sample: each verdict is that of a vitest of its own.
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Mutant } from './mutant.js';
import { runMutants } from './run-mutants.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SAMPLE = 'test/mutants/sample/add.sample.ts';

const mutant = (name: string, replacement: string, changes: Partial<Mutant> = {}): Mutant => ({
  name,
  wrong: 'The sum is wrong.',
  file: 'test/mutants/sample/add.ts',
  piece: 'return a + b;',
  replacement,
  caughtBy: { file: SAMPLE, name: 'add adds' },
  ...changes,
});

describe('runMutants', () => {
  it('tells mutants that a test catches from those that survive, and from those of which nothing can be said', async () => {
    const said = new Map<string, string>();
    const mutants = [
      mutant('caught', 'return a - b;'),
      mutant('survives', 'return b + a;'),
      mutant('misuses the language', 'return (undefined as unknown as number[]).length;'),
      mutant('does not parse', 'return a +;'),
      mutant('is not loaded', '/* */', {
        file: 'test/mutants/judge.ts',
        piece: "return { type: 'survived' };",
      }),
      mutant('has a test that fails anyway', 'return a - b;', {
        caughtBy: { file: SAMPLE, name: 'fails always' },
      }),
    ];
    const summary = await runMutants(root, mutants, ({ mutant: { name }, verdict }) => {
      said.set(
        name,
        verdict.type === 'caught' ? verdict.by : verdict.type === 'unclear' ? verdict.reason : '',
      );
    });
    expect(summary).toEqual({ caught: 1, survived: 5 });
    expect(said.get('caught')).toBe('add adds small numbers');
    expect(said.get('survives')).toBe('');
    expect(said.get('misuses the language')).toContain('TypeError');
    expect(said.get('does not parse')).toContain('cannot be loaded');
    expect(said.get('is not loaded')).toContain('does not load test/mutants/judge.ts');
    expect(said.get('has a test that fails anyway')).toContain('fails without any mutant');
  });
});
