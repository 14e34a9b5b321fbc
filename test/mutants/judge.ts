// What a run of vitest says about a mutant. Only a test that looked and found something wrong has caught it: a source that does
// not load, a misuse of the language or a test that hangs would make any test fail.

import type { Witness } from './mutant.js';

/** What is read of the report that vitest's JSON reporter writes. */
export interface Report {
  readonly testResults: readonly {
    /** Of the file. */
    readonly name: string;
    /** Why the file could not be loaded, or empty. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

export type Verdict =
  /** `by`: the full name of the first test that failed by itself. */
  | { readonly type: 'caught'; readonly by: string; readonly failure: string }
  | { readonly type: 'survived' }
  /** Nothing can be said: the run itself went wrong. */
  | { readonly type: 'unclear'; readonly reason: string };

/** What the language and the runner throw, wherever in the message it is told: a history prints the stack of what ended it. */
const NO_FINDING =
  /\b(TypeError|ReferenceError|SyntaxError|RangeError)\b|(Test|Hook) timed out|Cannot find (module|package)|Failed to resolve import|Maximum call stack/;

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

/** The verdict on a run with a mutant; `exitCode` as of the process. */
export function judge(report: Report | null, exitCode: number | null): Verdict {
  if (report === null)
    return { type: 'unclear', reason: `vitest wrote no report and ended with ${exitCode}` };
  const ran = testsOf(report).filter(({ status }) => status === 'passed' || status === 'failed');
  const broken = report.testResults.find(({ message, assertionResults }) => {
    return message !== '' && assertionResults.length === 0;
  });
  if (broken) return { type: 'unclear', reason: `the tests cannot be loaded: ${firstLine(broken.message)}` };
  if (ran.length === 0) return { type: 'unclear', reason: 'there is no such test' };
  const failed = ran.filter(({ status }) => status === 'failed');
  for (const { fullName, failureMessages = [] } of failed) {
    const [failure] = failureMessages;
    if (failure !== undefined && !failureMessages.some((message) => NO_FINDING.test(message))) {
      return { type: 'caught', by: fullName, failure: firstLine(failure) };
    }
  }
  const [other] = failed;
  if (other) {
    const reason = NO_FINDING.exec(other.failureMessages?.join('\n') ?? '')?.[0] ?? 'no message';
    return { type: 'unclear', reason: `it fails, but by no finding of the test: ${reason}` };
  }
  if (exitCode !== 0)
    return { type: 'unclear', reason: `all tests passed, but vitest ended with ${exitCode}` };
  return { type: 'survived' };
}

/** Why a run without a mutant, of these and other tests, does not show that the witness can pass; null if it does. */
export function baselineProblem(report: Report | null, { file, name = '' }: Witness): string | null {
  if (report === null) return 'vitest wrote no report of a run without mutants';
  const testResults = report.testResults
    .filter((result) => result.name.replaceAll('\\', '/').endsWith(`/${file}`))
    .map(({ assertionResults, ...result }) => ({
      ...result,
      assertionResults: assertionResults.filter(({ fullName }) => fullName.includes(name)),
    }));
  const verdict = judge({ testResults }, 0);
  if (verdict.type === 'survived') return null;
  return verdict.type === 'caught' ? `${verdict.by} fails without any mutant` : verdict.reason;
}

const testsOf = ({ testResults }: Report) => testResults.flatMap(({ assertionResults }) => assertionResults);
