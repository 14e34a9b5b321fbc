// A data directory: the folders of partitions, `meta.properties` with the identity of cluster, node and directory, and the mark
// of a clean stop. All are Kafka's. Source: KIP-631, KIP-858 (directory ids), KIP-966 (the mark's content).
//
//   meta.properties        version=1, cluster.id=…, node.id=…, directory.id=…
//   .kafka_cleanshutdown   {"version":0,"brokerEpoch":-1}
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../base/clock.js';
import { OdradekError } from '../base/errors.js';
import { type BrokerId, type PartitionIndex, toBrokerId, toPartitionIndex } from '../base/ids.js';
import { type Disk, type DiskDone, DiskError } from '../io/disk.js';
import { replaceFile } from './checkpoint-file.js';
import { DELETED_FOLDER_SUFFIX, deletedFolderName, strayFolderName, TIMER_MS_MAX } from './file-names.js';
import { inTurn, type StepDone } from './in-turn.js';
import { readPartitionTopicId } from './partition-metadata.js';

const META_FILE = 'meta.properties';
const CLEAN_SHUTDOWN_FILE = '.kafka_cleanshutdown';
const CLEAN_SHUTDOWN_CONTENT = '{"version":0,"brokerEpoch":-1}';

/** Whose directory it is. */
export interface MetaProperties {
  readonly clusterId: string;
  readonly nodeId: BrokerId;
  /** 22 characters, base64url. */
  readonly directoryId: string;
}

/**
 * The identity of a data directory, null if it has none yet. Throws DiskError, or {@link OdradekError} `ODR_CORRUPT` that
 * names the file and what is wrong in it.
 */
export function readMetaProperties(disk: Disk, dataDirectory: string): MetaProperties | null {
  const path = join(dataDirectory, META_FILE);
  const bytes = disk.readFile(path);
  if (!bytes) return null;
  const values = new Map<string, string>();
  for (const line of bytes.toString().split(/\r?\n/)) {
    if (/^\s*([#!]|$)/.test(line)) continue;
    const [, key, value] = /^\s*([^=:\s]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) {
      throw new OdradekError('ODR_CORRUPT', `${path}: malformed line "${line}"`);
    }
    values.set(key, value);
  }
  const required = (key: string): string => {
    const value = values.get(key);
    if (!value) throw new OdradekError('ODR_CORRUPT', `${path}: ${key} is missing`);
    return value;
  };
  const version = required('version');
  if (version !== '1') throw new OdradekError('ODR_CORRUPT', `${path}: version ${version}, only 1 is known`);
  const nodeId = Number(required('node.id'));
  if (!Number.isInteger(nodeId) || nodeId < 0 || nodeId > 0x7fffffff) {
    throw new OdradekError('ODR_CORRUPT', `${path}: node.id "${values.get('node.id')}" is not a node id`);
  }
  return {
    clusterId: required('cluster.id'),
    nodeId: toBrokerId(nodeId),
    directoryId: required('directory.id'),
  };
}

/** Writes the identity, durably. */
export function writeMetaProperties(
  disk: Disk,
  dataDirectory: string,
  meta: MetaProperties,
  done: DiskDone,
): void {
  const { clusterId, nodeId, directoryId } = meta;
  const lines = [`version=1`, `cluster.id=${clusterId}`, `node.id=${nodeId}`, `directory.id=${directoryId}`];
  replaceFile(disk, join(dataDirectory, META_FILE), `${lines.join('\n')}\n`, done);
}

/** Whether the last broker that used the directory stopped in good order. Throws DiskError. */
export function hasCleanShutdownMark(disk: Disk, dataDirectory: string): boolean {
  return disk.readFile(join(dataDirectory, CLEAN_SHUTDOWN_FILE)) !== null;
}

/** Sets the mark, durably: the last thing that a broker does. */
export function markCleanShutdown(disk: Disk, dataDirectory: string, done: DiskDone): void {
  replaceFile(disk, join(dataDirectory, CLEAN_SHUTDOWN_FILE), CLEAN_SHUTDOWN_CONTENT, done);
}

/** Takes the mark away, durably: before anything is written. */
export function removeCleanShutdownMark(disk: Disk, dataDirectory: string, done: DiskDone): void {
  disk.remove(join(dataDirectory, CLEAN_SHUTDOWN_FILE), (error) => {
    if (error) done(error);
    else disk.syncDirectory(dataDirectory, done);
  });
}

export interface PartitionFolder {
  readonly topic: string;
  readonly partition: PartitionIndex;
  readonly directory: string;
}

const PARTITION_FOLDER = /^([A-Za-z0-9._-]{1,249})-(0|[1-9]\d{0,9})$/;

/** What a partition's folder is called. The topic name may hold dashes and dots: the last dash parts it from the number. */
export function partitionFolderName(topic: string, partition: PartitionIndex): string {
  return `${topic}-${partition}`;
}

/** The folders of partitions, sorted by name. Anything else in the directory is passed over. Throws DiskError. */
export function listPartitionFolders(disk: Disk, dataDirectory: string): PartitionFolder[] {
  return disk.list(dataDirectory).flatMap((name) => {
    const [, topic, index] = PARTITION_FOLDER.exec(name) ?? [];
    if (topic === undefined || Number(index) > 0x7fffffff) return [];
    return [{ topic, partition: toPartitionIndex(Number(index)), directory: join(dataDirectory, name) }];
  });
}

const DELETED_FOLDER = new RegExp(`^.+-\\d+\\.[0-9a-f]{32}${DELETED_FOLDER_SUFFIX}$`);

/** Removes the folders of partitions whose deletion an earlier process did not finish. */
export function removeDeletedPartitions(disk: Disk, dataDirectory: string, done: StepDone): void {
  const leftovers = disk.list(dataDirectory).filter((name) => DELETED_FOLDER.test(name));
  const steps = [...leftovers, null];
  inTurn(
    steps,
    (name, next) => {
      if (name === null) disk.syncDirectory(dataDirectory, next);
      else disk.remove(join(dataDirectory, name), next);
    },
    done,
  );
}

/**
 * Renames a partition's folder out of the way, calls `done`, and removes it after the delay. What a process that ends earlier
 * leaves behind, {@link removeDeletedPartitions} finds. Nothing to do if there is no such folder.
 */
export function deletePartitionFolder(
  disk: Disk,
  clock: Clock,
  directory: string,
  delayMs: number,
  done: DiskDone,
): void {
  const parent = dirname(directory);
  const target = join(parent, deletedFolderName(basename(directory), uniqueDigits(disk, directory)));
  disk.rename(directory, target, (error) => {
    if (error) {
      done(error.code === 'ENOENT' ? null : error);
      return;
    }
    // An error here leaves a folder that the next start removes.
    clock.after(Math.min(delayMs, TIMER_MS_MAX), () => disk.remove(target, () => {}));
    disk.syncDirectory(parent, done);
  });
}

/**
 * Renames a folder that bears a partition's name and is not its own, so that nothing takes it for the partition's. Nobody removes
 * it. `done` gets its new path when that survives a loss of power; null if there is no such folder. Throws DiskError.
 */
export function setFolderAside(
  disk: Disk,
  directory: string,
  done: (result: DiskError | string | null) => void,
): void {
  const parent = dirname(directory);
  const taken = new Set(disk.list(parent));
  const first = BigInt(`0x${uniqueDigits(disk, directory)}`);
  // Several may say that they are of the same topic, or of none.
  const names = (count: bigint): string => {
    const name = strayFolderName(basename(directory), (first + count).toString(16).padStart(32, '0'));
    return taken.has(name) ? names(count + 1n) : name;
  };
  const target = join(parent, names(0n));
  disk.rename(directory, target, (error) => {
    const isGone = error?.code === 'ENOENT';
    if (error && !isGone) done(error);
    // One that is gone may have been renamed by an attempt that could not be synced.
    else disk.syncDirectory(parent, (problem) => done(problem ?? (isGone ? null : target)));
  });
}

/** The topic id as 32 hexadecimal digits: it tells the topics apart that had the same name. */
function uniqueDigits(disk: Disk, directory: string): string {
  try {
    const topicId = readPartitionTopicId(disk, directory);
    if (topicId) return Buffer.from(topicId, 'base64url').toString('hex');
  } catch (error) {
    if (!(error instanceof DiskError || error instanceof OdradekError)) throw error;
  }
  return '0'.repeat(32);
}
