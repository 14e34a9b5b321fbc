import { describe, expect, it } from 'vitest';
import { baselineProblem, judge, type Report } from './judge.js';

type Outcome = readonly [fullName: string, status: string, ...failureMessages: string[]];

const report = (outcomes: readonly Outcome[], message = ''): Report => ({
  testResults: [
    {
      name: '/test/a.test.ts',
      message,
      assertionResults: outcomes.map(([fullName, status, ...failureMessages]) => ({
        fullName,
        status,
        failureMessages,
      })),
    },
  ],
});

describe('judge', () => {
  it('takes a test that found something for the one that caught the mutant', () => {
    const outcomes: Outcome[] = [
      ['log a', 'passed'],
      ['log b', 'failed', 'AssertionError: expected 1 to be 2\n    at somewhere'],
      ['log c', 'skipped'],
    ];
    expect(judge(report(outcomes), 1)).toEqual({
      type: 'caught',
      by: 'log b',
      failure: 'AssertionError: expected 1 to be 2',
    });
  });

  it('knows a survivor', () => {
    expect(judge(report([['log a', 'passed']]), 0)).toEqual({ type: 'survived' });
  });

  it.each([
    'TypeError: log.append is not a function',
    'AssertionError: SEED=1 fails: ReferenceError: present is not defined',
    'Error: Test timed out in 60000ms.',
  ])('does not take what is no finding for one: %s', (message) => {
    expect(judge(report([['log a', 'failed', message]]), 1).type).toBe('unclear');
    const found: Outcome = ['log b', 'failed', 'Verdict: record 7 is lost'];
    expect(judge(report([['log a', 'failed', message], found]), 1)).toMatchObject({ by: 'log b' });
  });

  it('says when nothing can be said', () => {
    const reasons = [
      judge(null, null),
      judge(report([], 'Error: Parse failed\n at 1:1'), 1),
      judge(report([['log a', 'skipped']]), 0),
      judge(report([['log a', 'passed']]), 1),
    ].map((verdict) => (verdict.type === 'unclear' ? verdict.reason : verdict.type));
    expect(reasons).toEqual([
      'vitest wrote no report and ended with null',
      'the tests cannot be loaded: Error: Parse failed',
      'there is no such test',
      'all tests passed, but vitest ended with 1',
    ]);
  });
});

describe('baselineProblem', () => {
  const passed: Outcome = ['log a', 'passed'];
  const failed: Outcome = ['log b', 'failed', 'AssertionError: no'];

  it('is null for tests that pass without a mutant only, whatever others do', () => {
    const both = report([passed, failed]);
    expect(baselineProblem(both, { file: 'test/a.test.ts', name: 'log a' })).toBeNull();
    expect(baselineProblem(both, { file: 'test/a.test.ts' })).toBe('log b fails without any mutant');
    expect(baselineProblem(both, { file: 'test/a.test.ts', name: 'log c' })).toBe('there is no such test');
    expect(baselineProblem(both, { file: 'test/b.test.ts' })).toBe('there is no such test');
    expect(baselineProblem(null, { file: 'test/a.test.ts' })).toContain('no report');
  });
});
