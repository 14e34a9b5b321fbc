// What comes before the supervisor can work: the data directory is identified, its checkpoints are read, the metadata log is
// opened and replayed.
import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { toPartitionIndex, toTopicId, ZERO_OFFSET } from '../base/ids.js';
import type { Logger } from '../base/log.js';
import { type Random, randomUuid } from '../base/random.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { type Disk, DiskError } from '../io/disk.js';
import type { Jobs } from '../io/jobs.js';
import {
  type MetaProperties,
  partitionFolderName,
  readMetaProperties,
  removeCleanShutdownMark,
  removeDeletedPartitions,
  writeMetaProperties,
} from '../log/data-directory.js';
import type { Log } from '../log/log.js';
import type { LogConfig } from '../log/log-config.js';
import { openLog } from '../log/open-log.js';
import { EmbeddedStore } from '../metadata/embedded-store.js';
import { MetadataImage } from '../metadata/image.js';
import { DataDirectoryState } from './data-directory-state.js';
import { SupervisorActor } from './supervisor.js';
import type { SupervisorOptions } from './supervisor-options.js';

export interface StartOptions extends Pick<SupervisorOptions, 'tell' | 'publishedBy'> {
  readonly dataDirectory: string;
  readonly config: BrokerConfig;
  readonly disk: Disk;
  readonly jobs: Jobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Started {
  readonly supervisor: SupervisorActor;
  readonly data: DataDirectoryState;
  readonly clusterId: string;
  /** Whether the last stop was clean. */
  readonly clean: boolean;
}

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
  fileDeleteDelayMs: 1000,
  flushMessages: Number.POSITIVE_INFINITY,
  flushMs: Number.POSITIVE_INFINITY,
};

/** Calls `done` once, in a later turn, with a running supervisor or with why there is none. */
export function startSupervisor(options: StartOptions, done: (result: Started | Error) => void): void {
  const { dataDirectory, disk, clock, logger, config } = options;
  const fail = (error: unknown) => {
    if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
    done(new OdradekError('ODR_START', error.message, { cause: error }));
  };
  identify(options, (identity) => {
    if (identity instanceof Error) {
      fail(identity);
      return;
    }
    let data: DataDirectoryState;
    try {
      data = new DataDirectoryState({
        path: dataDirectory,
        disk,
        clock,
        logger,
        checkpointIntervalMs: config.logFlushOffsetCheckpointIntervalMs,
        foreign: [METADATA_TOPIC],
      });
    } catch (error) {
      fail(error);
      return;
    }
    prepare(options, (problem) => {
      if (problem) {
        fail(problem);
        return;
      }
      openMetadataLog(options, data, (log, directory) => {
        if (log instanceof Error) {
          fail(log);
          return;
        }
        try {
          const supervisor = superviseWith(
            options,
            data,
            // A broker that can change nothing any more is better started again: that recovers the log.
            new EmbeddedStore({
              log,
              directory,
              disk,
              clock,
              logger,
              broken: (reason) => options.tell({ type: 'fatal', reason }),
            }),
          );
          done({ supervisor, data, clusterId: identity.clusterId, clean: data.clean });
        } catch (error) {
          fail(error);
        }
      });
    });
  });
}

/** Reads who the directory belongs to, or gives it ids that it keeps for ever. */
function identify(
  { dataDirectory, disk, random, config, logger }: StartOptions,
  done: (result: MetaProperties | Error) => void,
): void {
  try {
    disk.makeDirectory(dataDirectory);
    const existing = readMetaProperties(disk, dataDirectory);
    if (existing) {
      if (existing.nodeId !== config.nodeId) {
        const was = `belongs to node ${existing.nodeId}, but this is node ${config.nodeId}`;
        done(
          new OdradekError(
            'ODR_START',
            `The data directory ${dataDirectory} ${was}: give the right --data-dir or --node-id.`,
          ),
        );
      } else done(existing);
      return;
    }
    const created = { clusterId: randomUuid(random), nodeId: config.nodeId, directoryId: randomUuid(random) };
    // First the folder's own name: once it says whose it is, all in it survives a loss of power.
    disk.syncDirectory(dirname(dataDirectory), (problem) => {
      if (problem)
        logger.warn('the folder of the data directory cannot be synced', { reason: problem.message });
      writeMetaProperties(disk, dataDirectory, created, (error) => done(error ?? created));
    });
  } catch (error) {
    if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
    done(error);
  }
}

/** From here on a crash is not a clean stop. */
function prepare({ dataDirectory, disk, logger }: StartOptions, done: (error: Error | null) => void): void {
  removeCleanShutdownMark(disk, dataDirectory, (error) => {
    done(error);
    if (error) return;
    removeDeletedPartitions(disk, dataDirectory, (problem) => {
      if (problem)
        logger.warn('folders of deleted partitions cannot be removed', { reason: problem.message });
    });
  });
}

function openMetadataLog(
  { dataDirectory, disk, jobs, clock, random, logger }: StartOptions,
  data: DataDirectoryState,
  done: (log: Log | Error, directory: string) => void,
): void {
  const partition = toPartitionIndex(0);
  const directory = join(dataDirectory, partitionFolderName(METADATA_TOPIC, partition));
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
      recovery: data.clean ? { type: 'clean' } : { type: 'from', recoveryPoint: ZERO_OFFSET },
      logStartOffset: ZERO_OFFSET,
    },
    (log) => {
      if (log instanceof Error) done(log, directory);
      // What a crash left in the page cache is acted upon from here on: no loss of power may take it back.
      else log.flush((error) => done(error ?? log, directory));
    },
  );
}

function superviseWith(
  options: StartOptions,
  data: DataDirectoryState,
  metadata: EmbeddedStore,
): SupervisorActor {
  const { config, clock, random, logger, tell, publishedBy } = options;
  let supervisor: SupervisorActor | null = null;
  metadata.list((entries, revision) => {
    supervisor = new SupervisorActor({
      brokerId: config.nodeId,
      config,
      metadata,
      image: new MetadataImage(entries),
      revision,
      data,
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
