import type { JobFunctions } from '../src/io/job-functions.js';
import { compactBatches } from '../src/log/compaction/compact-batches.js';
import { indexKeys } from '../src/log/compaction/index-keys.js';
import { measureRecovery } from '../src/log/measure-recovery.js';
import { replayProducers } from '../src/log/replay-producers.js';
import { scanSegment } from '../src/log/scan-segment.js';
import { runFindByTimestamp } from '../src/record/find-by-timestamp.js';

/** Every job there is: what job threads run, and what a simulation runs later on the same thread. */
export const jobFunctions: JobFunctions = {
  'scan-segment': scanSegment,
  'replay-producers': replayProducers,
  'measure-recovery': measureRecovery,
  findByTimestamp: (_disk, input) => runFindByTimestamp(input),
  'index-keys': indexKeys,
  'compact-batches': compactBatches,
};
