import type { JobFunctions } from '../src/io/job-functions.js';
import { replayProducers } from '../src/log/replay-producers.js';
import { scanSegment } from '../src/log/scan-segment.js';
import { runFindByTimestamp } from '../src/record/find-by-timestamp.js';

/** Every job there is: what job threads run, and what a simulation runs later on the same thread. */
export const jobFunctions: JobFunctions = {
  'scan-segment': scanSegment,
  'replay-producers': replayProducers,
  findByTimestamp: (_disk, input) => runFindByTimestamp(input),
};
