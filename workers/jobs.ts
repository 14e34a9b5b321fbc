// The entry of a job thread: piscina calls the default export for each job.
import { type JobOutcome, jobOutcome } from '../src/io/job-outcome.js';
import type { JobName } from '../src/io/jobs.js';
import { NodeDisk } from '../src/io/node-disk.js';
import type { JobRequest } from '../src/io/node-jobs.js';
import { jobFunctions } from './job-functions.js';

/** Jobs open few files at a time; the descriptors belong to the whole process. */
const disk = new NodeDisk({ openFilesMax: 16 });

function isJob(name: string): name is JobName {
  return Object.hasOwn(jobFunctions, name);
}

export default function runJob({ name, input }: JobRequest): JobOutcome {
  return jobOutcome(() => {
    if (!isJob(name)) throw new Error(`there is no job ${name}`);
    // The name tells the input's type: the caller's signature tied them together.
    const run = jobFunctions[name] as (disk: NodeDisk, input: unknown) => unknown;
    return run(disk, input);
  });
}
