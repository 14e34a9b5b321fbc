import { describe, expect, it } from 'vitest';
import { readinessOf } from '../../../src/broker/http/health.js';
import type { Inspected, ThreadReport } from '../../../src/broker/inspect-workers.js';

const thread = (name: string, report: Partial<ThreadReport> = {}): ThreadReport => ({
  thread: name,
  responding: true,
  logsOffline: 0,
  samples: [],
  ...report,
});
const inspected = (
  threads: readonly ThreadReport[],
  {
    recovering = 0,
    recoveringBytes = 0,
    directories = [],
  }: Partial<Pick<Inspected, 'recovering' | 'recoveringBytes' | 'directories'>> = {},
): Inspected => ({ type: 'inspected', threads, recovering, recoveringBytes, directories });

describe('readinessOf', () => {
  it('is ready when every thread answers and the disk takes what is written', () => {
    expect(readinessOf(null, inspected([thread('supervisor'), thread('worker-0')]))).toEqual({ ready: true });
  });

  it('says what stands in the way, the broker before its threads', () => {
    const stuck = inspected([thread('supervisor'), thread('worker-0', { responding: false })]);
    expect(readinessOf('the broker is stopping', stuck).reason).toBe('the broker is stopping');
    expect(readinessOf(null, stuck)).toEqual({ ready: false, reason: 'threads do not answer: worker-0' });
    expect(readinessOf(null, null)).toEqual({ ready: false, reason: 'the supervisor does not answer' });
  });

  it('is not ready while a log is offline', () => {
    const one = inspected([thread('supervisor'), thread('worker-0', { logsOffline: 1 })]);
    expect(readinessOf(null, one)).toMatchObject({
      ready: false,
      reason: expect.stringContaining('1 log is offline'),
    });
    const three = inspected([thread('worker-0', { logsOffline: 1 }), thread('worker-1', { logsOffline: 2 })]);
    expect(readinessOf(null, three).reason).toContain('3 logs are offline');
  });

  it('is not ready while a data directory is offline', () => {
    const directories = [
      { path: '/a', full: false, offline: null, partitions: 3 },
      { path: '/b', full: false, offline: 'cannot write (EROFS)', partitions: 2 },
    ];
    expect(readinessOf(null, inspected([thread('supervisor')], { directories }))).toEqual({
      ready: false,
      reason: 'the data directory /b is offline: cannot write (EROFS)',
    });
  });

  it('is ready while a disk is full, because it is read, and names it', () => {
    const directories = [
      { path: '/a', full: true, offline: null, partitions: 3 },
      { path: '/b', full: false, offline: null, partitions: 2 },
    ];
    expect(readinessOf(null, inspected([thread('supervisor')], { directories }))).toEqual({
      ready: true,
      full: ['/a'],
    });
  });

  it('is ready while partitions recover in the background, and says so', () => {
    const recovery = { recovering: 7, recoveringBytes: 1000 };
    expect(readinessOf(null, inspected([thread('supervisor')], recovery))).toEqual({
      ready: true,
      ...recovery,
    });
  });
});
