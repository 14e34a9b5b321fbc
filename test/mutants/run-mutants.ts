import { baselineProblem, judge, type Report, type Verdict } from './judge.js';
import type { Mutant, Witness } from './mutant.js';
import { runTests, type Selection } from './run-tests.js';

export interface Result {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
  readonly seconds: number;
}

export interface Summary {
  readonly caught: number;
  /** Mutants that no test is known to catch: those that survived, and those of which nothing can be said. */
  readonly survived: number;
}

/** So many processes at a time: a vitest with one worker keeps about one core busy. */
const AT_ONCE = 2;
const ENVIRONMENT = { SEED: '1' } as const;

/**
 * Runs all witnesses once without a mutant, then each with each of its mutants. `ended` is called for each mutant as soon as its
 * verdict is known. A mutant whose witness does not pass by itself is not planted.
 */
export async function runMutants(
  root: string,
  mutants: readonly Mutant[],
  ended: (result: Result) => void,
): Promise<Summary> {
  const reports = await baselines(root, mutants);
  let caught = 0;
  await atOnce(mutants, async (mutant) => {
    const problem = baselineProblem(reports.get(mutant.caughtBy) ?? null, mutant.caughtBy);
    const result = await runMutant(root, mutant, problem);
    if (result.verdict.type === 'caught') caught++;
    ended(result);
  });
  return { caught, survived: mutants.length - caught };
}

/** Reports of runs without a mutant, each of which has many of the witnesses: a process takes longer to start than a test. */
async function baselines(root: string, mutants: readonly Mutant[]): Promise<Map<Witness, Report | null>> {
  const shares = new Map<string, Witness[]>();
  const files = [...new Set(mutants.map(({ caughtBy }) => caughtBy.file))];
  for (const { caughtBy } of mutants) {
    const { file, name, environment = ENVIRONMENT } = caughtBy;
    const key = JSON.stringify([environment, name === undefined, files.indexOf(file) % AT_ONCE]);
    shares.set(key, [...(shares.get(key) ?? []), caughtBy]);
  }
  const reports = new Map<Witness, Report | null>();
  await atOnce([...shares.values()], async (witnesses) => {
    const { report } = await runTests(root, selectionOf(witnesses), null);
    for (const witness of witnesses) reports.set(witness, report);
  });
  return reports;
}

/** Witnesses of one environment, which all have a name, or none. */
function selectionOf(witnesses: readonly Witness[]): Selection {
  const names = new Set(witnesses.flatMap(({ name }) => name ?? []));
  return {
    files: [...new Set(witnesses.map(({ file }) => file))],
    names: names.size === 0 ? null : [...names],
    environment: witnesses[0]?.environment ?? ENVIRONMENT,
  };
}

async function runMutant(root: string, mutant: Mutant, problem: string | null): Promise<Result> {
  if (problem !== null) return { mutant, verdict: { type: 'unclear', reason: problem }, seconds: 0 };
  const run = await runTests(root, selectionOf([mutant.caughtBy]), mutant);
  const { report, exitCode, loaded, seconds, output } = run;
  if (!loaded) {
    const reason = report === null ? output : `${mutant.caughtBy.file} does not load ${mutant.file}`;
    return { mutant, verdict: { type: 'unclear', reason }, seconds };
  }
  return { mutant, verdict: judge(report, exitCode), seconds };
}

/** Does something to all items, some at a time. */
async function atOnce<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
