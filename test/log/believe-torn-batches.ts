import type { JobFunctions } from '../../src/io/job-functions.js';

/** Jobs of which the scan of a segment computes no checksum. */
export const believeTornBatches = (functions: JobFunctions): JobFunctions => ({
  ...functions,
  'scan-segment': (disk, input) =>
    functions['scan-segment'](disk, {
      ...input,
      verifyFromOffset: Number.POSITIVE_INFINITY,
      verifyFromPosition: Number.POSITIVE_INFINITY,
    }),
});
