// `npm run mutants [-- [--list] [PART OF A NAME OR FILE …]]`: plants the errors of all-mutants.ts in the sources, one at a time, and
// shows which test catches each. Exit code 0 if all are caught, 1 if one is not, 2 if there is nothing to do.
import { fileURLToPath } from 'node:url';
import { ALL_MUTANTS } from './all-mutants.js';
import type { Verdict } from './judge.js';
import type { Mutant } from './mutant.js';
import { runMutants } from './run-mutants.js';

/** From dist/test/mutants, where this file is compiled to. */
const root = fileURLToPath(new URL('../../../', import.meta.url));

const words = process.argv.slice(2);
const wanted = words.filter((word) => !word.startsWith('--')).map((word) => word.toLowerCase());
const unknown = words.filter((word) => word.startsWith('--') && word !== '--list');

const isWanted = ({ name, file }: Mutant): boolean =>
  wanted.length === 0 || wanted.some((part) => `${name} ${file}`.toLowerCase().includes(part));

function told(verdict: Verdict): string {
  if (verdict.type === 'caught') return verdict.by;
  return verdict.type === 'survived' ? 'NOTHING: it survived' : `NOTHING: ${verdict.reason}`;
}

async function main(): Promise<number> {
  const mutants = ALL_MUTANTS.filter(isWanted);
  if (unknown.length > 0 || mutants.length === 0) {
    const reason =
      unknown.length > 0 ? `Unknown option ${unknown[0]}.` : `No mutant is named like ${wanted}.`;
    process.stderr.write(`${reason} Usage: npm run mutants [-- [--list] [PART OF A NAME OR FILE …]]\n`);
    return 2;
  }
  const width = Math.max(...mutants.map(({ name }) => name.length));
  if (words.includes('--list')) {
    for (const { name, wrong } of mutants) process.stdout.write(`${name.padEnd(width)}  ${wrong}\n`);
    return 0;
  }
  const row = (name: string, seconds: string, by: string) =>
    process.stdout.write(`${name.padEnd(width)} | ${seconds.padStart(7)} | ${by}\n`);
  row('mutant', 'seconds', 'caught by');
  const { caught, survived } = await runMutants(root, mutants, ({ mutant, verdict, seconds }) => {
    row(mutant.name, seconds.toFixed(1), told(verdict));
  });
  process.stdout.write(`${caught} caught, ${survived} survived\n`);
  return survived === 0 ? 0 : 1;
}

process.exitCode = await main();
