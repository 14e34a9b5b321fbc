import type { Disk } from './disk.js';
import type { JobInput, JobName, JobOutput } from './jobs.js';

/** What runs each job: plain functions of their input and of the disk, which may throw. */
export type JobFunctions = {
  readonly [Name in JobName]: (disk: Disk, input: JobInput<Name>) => JobOutput<Name>;
};
