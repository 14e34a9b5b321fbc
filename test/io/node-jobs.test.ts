import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OdradekError } from '../../src/base/errors.js';
import { DiskError } from '../../src/io/disk.js';
import type { JobInput, JobName, JobUrgency } from '../../src/io/jobs.js';
import { NodeJobs, type NodeJobsOptions } from '../../src/io/node-jobs.js';
import { sampleBatch, scanOf } from './job-samples.js';

describe('NodeJobs', () => {
  let folder: string;
  const pools: NodeJobs[] = [];
  const pool = (options: NodeJobsOptions = {}) => {
    const jobs = new NodeJobs(options);
    pools.push(jobs);
    return jobs;
  };
  /** The job's error or output. */
  const outcome = <Name extends JobName>(jobs: NodeJobs, name: Name, input: JobInput<Name>) =>
    new Promise((resolve) => {
      let returned = false;
      jobs.run(name, input, (error, output) => resolve(returned ? (error ?? output) : 'too early'));
      returned = true;
    });
  const entry = (source: string) => {
    const path = join(folder, 'entry.mjs');
    fs.writeFileSync(path, source);
    return pathToFileURL(path);
  };

  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'odradek-jobs-'));
  });
  afterEach(async () => {
    await Promise.all(pools.splice(0).map((jobs) => jobs.close()));
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it('runs jobs on a thread, in the entry that the build wrote', async () => {
    const jobs = pool();
    const found = [101, 102, 103].map((target) =>
      outcome(jobs, 'findByTimestamp', { batch: sampleBatch(), target }),
    );
    expect(await Promise.all(found)).toEqual([
      { offset: 8, timestampMs: 101 },
      { offset: 9, timestampMs: 102 },
      null,
    ]);
    const path = join(folder, 'log');
    fs.writeFileSync(path, sampleBatch());
    expect(await outcome(jobs, 'scan-segment', scanOf(path))).toMatchObject({
      validBytes: sampleBatch().length,
      nextOffset: 10,
    });
  });

  it('brings errors back as what they were', async () => {
    const jobs = pool();
    const missing = join(folder, 'missing');
    const error = await outcome(jobs, 'scan-segment', scanOf(missing));
    expect(error).toBeInstanceOf(DiskError);
    expect(error).toMatchObject({
      code: 'ENOENT',
      path: missing,
      stack: expect.stringContaining('scan-segment'),
    });
    expect(String(error)).toMatch(/^DiskError: cannot open for reading \(ENOENT.*missing$/);
    const torn = await outcome(jobs, 'findByTimestamp', { batch: sampleBatch().subarray(0, 30), target: 0 });
    expect(torn).toBeInstanceOf(OdradekError);
    expect(torn).toMatchObject({ code: 'ODR_CORRUPT' });
  });

  it('refuses a job more than it takes, and takes one again when another is done', async () => {
    const jobs = pool({ jobsMax: 2 });
    const run = () => outcome(jobs, 'findByTimestamp', { batch: sampleBatch(), target: 100 });
    const found = { offset: 7, timestampMs: 100 };
    const all = await Promise.all([run(), run(), run()]);
    expect(all.slice(0, 2)).toEqual([found, found]);
    expect(String(all[2])).toBe('Error: cannot run findByTimestamp: 2 jobs wait already');
    expect(await run()).toEqual(found);
  });

  it('answers with an error when the thread dies, and goes on with another one', async () => {
    const jobs = pool({
      entry: entry(
        'export default ({ input }) => (input.target === 0 ? process.exit(3) : { type: "succeeded", output: 5 });',
      ),
    });
    const died = await outcome(jobs, 'findByTimestamp', { batch: new Uint8Array(1), target: 0 });
    expect(String(died)).toMatch(/findByTimestamp failed: .*exit/);
    expect(await outcome(jobs, 'findByTimestamp', { batch: new Uint8Array(1), target: 1 })).toBe(5);
  });

  it('answers with an error when its threads cannot start', async () => {
    const jobs = pool({ entry: pathToFileURL(join(folder, 'missing.mjs')) });
    const error = await outcome(jobs, 'findByTimestamp', { batch: new Uint8Array(1), target: 0 });
    expect(String(error)).toMatch(/findByTimestamp failed: .*missing\.mjs/);
  });

  it('lets awaited jobs go first, and background jobs have a thread of their own', async () => {
    // Each job tells in shared memory when it begins, and ends when it is told to.
    const source = `
      export default async ({ input: { shared, index } }) => {
        const words = new Int32Array(shared);
        words[1 + Atomics.add(words, 0, 1)] = index;
        while (Atomics.load(words, 20 + index) === 0) await new Promise((r) => setTimeout(r, 1));
        return { type: 'succeeded', output: index };
      };`;
    const jobs = pool({ entry: entry(source), threads: 1 });
    const shared = new SharedArrayBuffer(200);
    const words = new Int32Array(shared);
    const begun = () => [...words.subarray(1, 1 + Atomics.load(words, 0))];
    const ended: Promise<unknown>[] = [];
    const run = (index: number, urgency: JobUrgency) =>
      ended.push(
        new Promise((resolve) => {
          // The entry above takes any input; the job's name does not matter to it.
          const input = { shared, index } as unknown as JobInput<'findByTimestamp'>;
          jobs.run('findByTimestamp', input, (error, output) => resolve(error ?? output), urgency);
        }),
      );
    const end = (index: number) => Atomics.store(words, 20 + index, 1);
    const beginning = (count: number) => vi.waitUntil(() => begun().length === count, { timeout: 10_000 });

    run(0, 'awaited');
    run(1, 'background');
    await beginning(2);
    for (const index of [2, 3]) run(index, 'background');
    for (const index of [4, 5]) run(index, 'awaited');
    end(1); // A background thread is free, but awaited jobs wait.
    await expect(ended[1]).resolves.toBe(1);
    expect(begun().length).toBe(2);
    end(0);
    await beginning(3);
    end(4);
    await beginning(5); // The last awaited job, and beside it a background job.
    expect(begun().slice(2, 3)).toEqual([4]);
    expect(begun().slice(3).sort()).toEqual([2, 5]);
    for (const index of [2, 3, 5]) end(index);
    expect(await Promise.all(ended)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('lets a background job begin in time, however many awaited jobs come', async () => {
    const jobs = pool({
      entry: entry('export default ({ input }) => ({ type: "succeeded", output: input.target });'),
    });
    const order: number[] = [];
    const ends: Promise<void>[] = [];
    const run = (target: number, urgency: JobUrgency) =>
      ends.push(
        new Promise((resolve) => {
          const input = { batch: new Uint8Array(1), target };
          const done = () => {
            order.push(target);
            resolve();
          };
          jobs.run('findByTimestamp', input, done, urgency);
        }),
      );
    run(0, 'awaited');
    for (let index = 1; index <= 3; index++) run(-index, 'background');
    // So many that the start of threads does not matter.
    for (let index = 1; index <= 1000; index++) run(index, 'awaited');
    await Promise.all(ends);
    expect(order).toHaveLength(1004);
    expect(order.indexOf(-2)).toBeLessThan(700);
    expect(order.filter((target) => target > 0)).toEqual(
      Array.from({ length: 1000 }, (_, index) => index + 1),
    );
  });

  it('counts background jobs apart', async () => {
    const jobs = pool({ jobsMax: 1, backgroundJobsMax: 1 });
    const input = { batch: sampleBatch(), target: 100 };
    const run = (urgency: JobUrgency) =>
      new Promise((resolve) => {
        jobs.run('findByTimestamp', input, (error, output) => resolve(error?.message ?? output), urgency);
      });
    const refused = 'cannot run findByTimestamp: 1 jobs wait already';
    const found = { offset: 7, timestampMs: 100 };
    const urgencies = ['awaited', 'awaited', 'background', 'background'] as const;
    expect(await Promise.all(urgencies.map(run))).toEqual([found, refused, found, refused]);
  });

  it('refuses what it does not know', async () => {
    const { default: runJob } = await import('../../workers/jobs.js');
    expect(runJob({ name: 'toString', input: null })).toMatchObject({
      type: 'failed',
      message: 'there is no job toString',
    });
  });

  it('ends jobs that wait or run when it is closed, and takes no more', async () => {
    const jobs = pool({ entry: entry('export default () => new Promise(() => {});') });
    const waiting = [1, 2, 3].map((target) =>
      outcome(jobs, 'findByTimestamp', { batch: new Uint8Array(1), target }),
    );
    await jobs.close();
    for (const error of await Promise.all(waiting)) expect(error).toBeInstanceOf(Error);
    const late = await outcome(jobs, 'findByTimestamp', { batch: new Uint8Array(1), target: 0 });
    expect(String(late)).toContain('the job threads were stopped');
  });

  it('starts nothing before the first job', async () => {
    const jobs = pool({ entry: pathToFileURL(join(folder, 'missing.mjs')) });
    await jobs.close();
  });
});
