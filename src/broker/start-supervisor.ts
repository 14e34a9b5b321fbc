// What comes before the supervisor can work: the data directories are identified, their checkpoints are read, the metadata log
// is opened and replayed.
import { join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { toPartitionIndex, toTopicId, ZERO_OFFSET } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import {
  partitionFolderName,
  removeCleanShutdownMark,
  removeDeletedPartitions,
} from '../log/data-directory.js';
import { inTurn, runSteps, type StepDone } from '../log/in-turn.js';
import type { Log } from '../log/log.js';
import type { LogConfig } from '../log/log-config.js';
import { openLog } from '../log/open-log.js';
import { EmbeddedStore, METADATA_COMPACTION } from '../metadata/embedded-store.js';
import { MetadataImage } from '../metadata/image.js';
import { type AbsentDirectory, DataDirectories, type PartitionToMiss } from './data-directories.js';
import { DataDirectoryState } from './data-directory-state.js';
import {
  type IdentifiedDirectories,
  type IdentifiedDirectory,
  identifyDirectories,
} from './identify-directories.js';
import { SupervisorActor } from './supervisor.js';
import type { SupervisorOptions } from './supervisor-options.js';

export interface StartOptions extends Pick<SupervisorOptions, 'tell' | 'publishedBy'> {
  /** The first holds the metadata. */
  readonly dataDirectories: readonly string[];
  /** Others that could not even be locked. */
  readonly absent?: readonly AbsentDirectory[];
  readonly config: BrokerConfig;
  readonly disk: Disk;
  readonly jobs: Jobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Started {
  readonly supervisor: SupervisorActor;
  readonly data: DataDirectories;
  readonly clusterId: string;
  /** Whether the last stop was clean. */
  readonly clean: boolean;
}

const UNUSABLE = 'a data directory cannot be used, its partitions are offline';

/** The metadata log: an internal partition that no client sees. */
const METADATA_TOPIC = '__odradek_metadata';
const METADATA_TOPIC_ID = toTopicId('AAAAAAAAAAAAAAAAAAAAAQ');
const METADATA_LOG_CONFIG: LogConfig = {
  segmentBytes: 64 * 1024 * 1024,
  segmentMs: Number.MAX_SAFE_INTEGER,
  segmentJitterMs: 0,
  segmentIndexBytes: 1024 * 1024,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  deletes: true,
  compaction: METADATA_COMPACTION,
  fileDeleteDelayMs: 1000,
  flushMessages: Number.POSITIVE_INFINITY,
  flushMs: Number.POSITIVE_INFINITY,
};

/** Calls `done` once, in a later turn, with a running supervisor or with why there is none. */
export function startSupervisor(options: StartOptions, done: (result: Started | Error) => void): void {
  const { dataDirectories: paths, disk, logger, random, config } = options;
  const fail = (error: unknown) => {
    if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
    done(new OdradekError('ODR_START', error.message, { cause: error }));
  };
  const identification = {
    ...{ paths, nodeId: config.nodeId, metadataTopic: METADATA_TOPIC, disk, random, logger },
  };
  identifyDirectories(identification, (identified) => {
    if (identified instanceof Error) {
      fail(identified);
      return;
    }
    prepare(options, identified, (data) => {
      if (data instanceof Error) fail(data);
      else
        supervise(options, data, (result) => {
          if (result instanceof Error) fail(result);
          else done({ supervisor: result, data, clusterId: identified.clusterId, clean: data.clean });
        });
    });
  });
}

/** Reads what the directories remember. From here on a crash is not a clean stop. */
function prepare(
  options: StartOptions,
  { directories, absent }: IdentifiedDirectories,
  done: (result: DataDirectories | Error) => void,
): void {
  const { disk, clock, logger, config, absent: alreadyAbsent = [] } = options;
  const missing = [...alreadyAbsent, ...absent];
  const states: DataDirectoryState[] = [];
  const take = ({ path, directoryId }: IdentifiedDirectory, next: StepDone): void => {
    const state = new DataDirectoryState({
      ...{ path, directoryId, disk, clock, logger, foreign: [METADATA_TOPIC] },
      checkpointIntervalMs: config.logFlushOffsetCheckpointIntervalMs,
    });
    removeCleanShutdownMark(disk, path, (error) => {
      if (!error) {
        states.push(state);
        removeLeftovers(options, path);
      }
      next(error);
    });
  };
  const takeOrMiss = (directory: IdentifiedDirectory, next: StepDone): void => {
    runSteps(clock, [(then) => take(directory, then)], (error) => {
      if (error && directory !== directories[0])
        missing.push({ path: directory.path, reason: error.message });
      next(directory === directories[0] ? error : null);
    });
  };
  inTurn(directories, takeOrMiss, (error) => {
    const [first, ...others] = states;
    for (const { path, reason } of missing) logger.error(UNUSABLE, { directory: path, reason });
    if (error || !first) done(error ?? new OdradekError('ODR_START', 'There is no data directory.'));
    else done(new DataDirectories([first, ...others], missing));
  });
}

function removeLeftovers({ disk, logger }: StartOptions, path: string): void {
  removeDeletedPartitions(disk, path, (problem) => {
    if (problem) logger.warn('folders of deleted partitions cannot be removed', { reason: problem.message });
  });
}

function supervise(
  options: StartOptions,
  data: DataDirectories,
  done: (result: SupervisorActor | Error) => void,
): void {
  const { disk, clock, logger, tell } = options;
  openMetadataLog(options, data, (log, directory) => {
    if (log instanceof Error) {
      done(log);
      return;
    }
    let supervisor: SupervisorActor;
    try {
      supervisor = superviseWith(
        options,
        data,
        new EmbeddedStore({
          ...{ log, directory, disk, clock, logger },
          makeRoom: (error) => data.first.makeRoom(error),
          // A broker that can change nothing any more is better started again: that recovers the log.
          broken: (reason) => tell({ type: 'fatal', reason }),
        }),
      );
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
      done(error);
      return;
    }
    done(supervisor);
  });
}

function openMetadataLog(
  { disk, jobs, clock, random, logger }: StartOptions,
  data: DataDirectories,
  done: (log: Log | Error, directory: string) => void,
): void {
  const partition = toPartitionIndex(0);
  const directory = join(data.first.path, partitionFolderName(METADATA_TOPIC, partition));
  openLog(
    {
      directory,
      topic: METADATA_TOPIC,
      topicId: METADATA_TOPIC_ID,
      partition,
      disk,
      jobs,
      clock,
      random,
      logger,
      config: METADATA_LOG_CONFIG,
      recovery: data.first.clean ? { type: 'clean' } : { type: 'from', recoveryPoint: ZERO_OFFSET },
      logStartOffset: ZERO_OFFSET,
      firstDirtyOffset: ZERO_OFFSET,
    },
    (log) => {
      if (log instanceof Error) done(log, directory);
      // What a crash left in the page cache is acted upon from here on: no loss of power may take it back.
      // On a full disk the checkpoint of its epochs may be left, which the next flush writes.
      else log.flush((error) => done(error && (log.offline ?? !isFull(error)) ? error : log, directory));
    },
  );
}

const isFull = (error: Error): boolean => error instanceof DiskError && error.isFull;

function superviseWith(
  options: StartOptions,
  data: DataDirectories,
  metadata: EmbeddedStore,
): SupervisorActor {
  const { config, jobs, clock, random, logger, tell, publishedBy } = options;
  let supervisor: SupervisorActor | null = null;
  metadata.list((entries, revision) => {
    const image = new MetadataImage(entries);
    data.takeOverMoved(placesIn(image));
    for (const { path, reason, partitions } of data.miss(placesIn(image)))
      logger.error(UNUSABLE, { directory: path, reason, partitions });
    supervisor = new SupervisorActor({
      brokerId: config.nodeId,
      config,
      metadata,
      image,
      revision,
      data,
      jobs,
      clock,
      random,
      logger,
      tell,
      publishedBy,
    });
  });
  if (!supervisor) throw new OdradekError('ODR_START', 'The metadata could not be read.');
  return supervisor;
}

/** All partitions that were opened before, with the directories that they lay in then. */
function* placesIn(image: MetadataImage): Iterable<PartitionToMiss> {
  for (const [topic, { topicId, replicas }] of image.topics) {
    for (let index = 0; index < replicas.length; index++) {
      const directoryId = image.partition(topicId, index)?.directoryId ?? null;
      yield { topic, topicId, partition: toPartitionIndex(index), directoryId };
    }
  }
}
