import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { seededRandom } from '../../src/base/random.js';
import { SimulatedClock } from '../../src/base/simulated-clock.js';
import { DiskError } from '../../src/io/disk.js';
import { SimulatedCrash, SimulatedDisk } from '../../src/io/simulated-disk.js';
import { SimulatedJobs } from '../../src/io/simulated-jobs.js';
import type { TimestampedOffset } from '../../src/record/find-by-timestamp.js';
import { jobFunctions } from '../../workers/job-functions.js';
import { sampleBatch, scanOf } from './job-samples.js';

function start(options: { jobsMax?: number } = {}) {
  const random = seededRandom(Number(process.env['SEED'] ?? 1));
  const clock = new SimulatedClock({ random });
  const disk = new SimulatedDisk({ random, scheduler: clock });
  const jobs = new SimulatedJobs({ random, scheduler: clock, disk, functions: jobFunctions, ...options });
  const outcomes: (Error | TimestampedOffset | null | undefined)[] = [];
  const find = (target: number) => {
    jobs.run('findByTimestamp', { batch: sampleBatch(), target }, (error, output) =>
      outcomes.push(error ?? output),
    );
  };
  return { clock, disk, jobs, outcomes, find };
}

describe('SimulatedJobs', () => {
  it('runs jobs later, in any order', () => {
    const { clock, outcomes, find } = start();
    for (let i = 0; i < 20; i++) find(100 + (i % 3));
    expect(outcomes).toEqual([]);
    clock.advance(1000);
    const offsets = outcomes.map((outcome) => (outcome instanceof Error ? -1 : outcome?.offset));
    const inOrder = Array.from({ length: 20 }, (_, i) => 7 + (i % 3));
    expect(offsets).not.toEqual(inOrder);
    expect(offsets.sort()).toEqual(inOrder.sort());
  });

  it('works on the simulated disk', () => {
    const { clock, disk, jobs } = start();
    const batch = sampleBatch();
    disk.write(disk.open('/log', 'write'), 0, [batch]);
    let validBytes = 0;
    jobs.run('scan-segment', scanOf('/log'), (_error, output) => {
      expect(output?.nextOffset).toBe(toOffset(10));
      validBytes = output?.validBytes ?? 0;
    });
    clock.advance(1000);
    expect(validBytes).toBe(batch.length);
  });

  it('gives the input as it was, whatever becomes of it', () => {
    const { clock, jobs } = start();
    const batch = sampleBatch();
    let found: unknown;
    jobs.run('findByTimestamp', { batch, target: 101 }, (error, output) => {
      found = error ?? output;
    });
    batch.fill(0);
    clock.advance(1000);
    expect(found).toEqual({ offset: 8, timestampMs: 101 });
  });

  it('answers with the error that a job threw', () => {
    const { clock, jobs } = start();
    const errors: (Error | null)[] = [];
    jobs.run('scan-segment', scanOf('/missing'), (error) => errors.push(error));
    clock.advance(1000);
    expect(errors[0]).toBeInstanceOf(DiskError);
    expect(errors[0]).toMatchObject({ code: 'ENOENT', path: '/missing' });
  });

  it('refuses a job more than it takes', () => {
    const { clock, outcomes, find } = start({ jobsMax: 2 });
    for (let i = 0; i < 3; i++) find(100);
    expect(outcomes).toEqual([]);
    clock.advance(1000);
    expect(outcomes.filter((outcome) => outcome instanceof Error).map(String)).toEqual([
      'Error: cannot run findByTimestamp: 2 jobs wait already',
    ]);
    find(100);
    clock.advance(1000);
    expect(outcomes.length).toBe(4);
    expect(outcomes[3]).toEqual({ offset: 7, timestampMs: 100 });
  });

  it('stops with the machine, and forgets what a dead process asked for', () => {
    const { clock, disk, jobs, outcomes, find } = start();
    disk.open('/log', 'write');
    let done = false;
    jobs.run('scan-segment', scanOf('/log'), () => {
      done = true;
    });
    disk.crashIn(1);
    expect(() => clock.advance(1000)).toThrow(SimulatedCrash);
    find(100);
    disk.crashProcess();
    jobs.crashProcess();
    clock.advance(1000);
    expect([done, outcomes]).toEqual([false, []]);
  });
});
