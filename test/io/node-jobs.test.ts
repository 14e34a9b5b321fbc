import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OdradekError } from '../../src/base/errors.js';
import { DiskError } from '../../src/io/disk.js';
import type { JobInput, JobName } from '../../src/io/jobs.js';
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
