import type { CompactionSettings } from '../../src/partition/compaction-settings.js';

/** For hosts whose logs are to stay as they are. */
export const NO_COMPACTION: CompactionSettings = {
  isEnabled: false,
  backoffMs: 15_000,
  keysBytesMax: 0,
  bytesPerSecondMax: Number.POSITIVE_INFINITY,
};
