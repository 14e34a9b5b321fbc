import { CLIENT_MUTANTS } from './list/client.js';
import { COMPACTION_MUTANTS } from './list/compaction.js';
import { GROUP_MUTANTS } from './list/groups.js';
import { LOG_MUTANTS } from './list/log.js';
import { METADATA_MUTANTS } from './list/metadata.js';
import { PARTITION_MUTANTS } from './list/partition.js';
import { PRODUCER_MUTANTS } from './list/producers.js';
import { RECOVERY_MUTANTS } from './list/recovery.js';
import { RETENTION_MUTANTS } from './list/retention.js';
import type { Mutant } from './mutant.js';

/** To add one, put it into the list of its subject; CONTRIBUTING.md says what makes a good one. */
export const ALL_MUTANTS: readonly Mutant[] = [
  ...LOG_MUTANTS,
  ...RECOVERY_MUTANTS,
  ...RETENTION_MUTANTS,
  ...PRODUCER_MUTANTS,
  ...PARTITION_MUTANTS,
  ...METADATA_MUTANTS,
  ...GROUP_MUTANTS,
  ...CLIENT_MUTANTS,
  ...COMPACTION_MUTANTS,
];
