// What a log is made of: its place, its ports, and what was found on disk.
import type { Clock } from '../base/clock.js';
import type { Offset, PartitionIndex, TopicId } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { Disk, DiskError } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import type { LeaderEpochs } from './leader-epochs.js';
import type { LogConfig } from './log-config.js';
import type { MaintenanceTask } from './maintenance.js';
import type { ProducerSnapshotFiles } from './producer-snapshot-files.js';
import type { ProducerStates } from './producer-states.js';
import type { Segment } from './segment.js';

export interface LogOptions {
  /** The partition's folder. */
  readonly directory: string;
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly topicId: TopicId;
  readonly disk: Disk;
  readonly clock: Clock;
  /** For the jitter of rolling. */
  readonly random: Random;
  readonly jobs: Jobs;
  readonly logger: Logger;
  readonly config: LogConfig;
  /** `producer.id.expiration.ms`: a producer that is silent for so long is forgotten. Default: a day. */
  readonly producerIdExpirationMs?: number;
  /** The log takes nothing more. Called once at most, in the midst of what failed. */
  readonly wentOffline?: (error: DiskError) => void;
}

export const PRODUCER_ID_EXPIRATION_MS = 24 * 60 * 60 * 1000;

/** What was found on disk; made by `openLog`. */
export interface LogContent {
  /** Ascending, at least one. */
  readonly segments: readonly Segment[];
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly recoveryPoint: Offset;
  readonly firstDirtyOffset: Offset;
  readonly epochs: LeaderEpochs;
  readonly epochsUnsaved: boolean;
  /** The folder's name, what is in it by name, and whose it is may not survive a loss of power. */
  readonly folderUnsynced: boolean;
  readonly producers: ProducerStates;
  readonly snapshots: ProducerSnapshotFiles;
  readonly maintenance: readonly MaintenanceTask[];
}
