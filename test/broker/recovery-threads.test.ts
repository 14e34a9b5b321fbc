import { describe, expect, it } from 'vitest';
import { recoveryThreads, recoveryThreadsPerWorker } from '../../src/broker/recovery-threads.js';
import { configOf } from './supervisor-scene.js';

const settings = (perDirectory: number, directories: number, workers: number) =>
  configOf({
    'num.recovery.threads.per.data.dir': String(perDirectory),
    'log.dirs': Array.from({ length: directories }, (_, index) => `/data-${index}`).join(','),
    'odradek.workers': String(workers),
  });

describe('recoveryThreads', () => {
  it('are one for each worker, unless more are asked for', () => {
    expect(recoveryThreads(settings(0, 1, 4))).toBe(4);
    expect(recoveryThreads(settings(0, 5, 4))).toBe(4);
    expect(recoveryThreads(settings(1, 1, 4))).toBe(4);
  });

  it('are as many for each data directory as asked for, spread over the workers', () => {
    expect(recoveryThreadsPerWorker(settings(4, 2, 4))).toBe(2);
    expect(recoveryThreads(settings(4, 2, 4))).toBe(8);
    expect(recoveryThreads(settings(5, 1, 4))).toBe(8);
  });
});
