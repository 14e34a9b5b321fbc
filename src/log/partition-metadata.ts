// `partition.metadata`: which topic a partition's folder belongs to, so that a topic that was deleted and made again under the
// same name is told apart. Two lines of text, `version: 0` and `topic_id: <22 characters>`. Source: KIP-516.
//
// The file is written when the folder is made and synced by the first flush of the log: before that nothing in the folder is
// promised, and a loss of power may leave anything of it.
import { join } from 'node:path';
import { OdradekError } from '../base/errors.js';
import { type TopicId, toTopicId } from '../base/ids.js';
import type { Disk, DiskDone, DiskFile } from '../io/disk.js';
import { PARTITION_METADATA_FILE } from './file-names.js';

const CONTENT = /^version: (\d+)\r?\ntopic_id: ([A-Za-z0-9_-]{22})\s*$/;

/**
 * The topic id of a partition's folder; null if it has none, or holds what is no metadata though `mayBeUnsynced`. Throws
 * DiskError, or {@link OdradekError} `ODR_CORRUPT`.
 */
export function readPartitionTopicId(
  disk: Disk,
  directory: string,
  mayBeUnsynced: () => boolean = () => false,
): TopicId | null {
  const path = join(directory, PARTITION_METADATA_FILE);
  const bytes = disk.readFile(path);
  if (!bytes) return null;
  const match = CONTENT.exec(bytes.toString());
  if (!match?.[2] && mayBeUnsynced()) return null;
  if (!match?.[2]) throw new OdradekError('ODR_CORRUPT', `${path}: not the metadata of a partition`);
  if (match[1] !== '0')
    throw new OdradekError('ODR_CORRUPT', `${path}: version ${match[1]}, only 0 is known`);
  return toTopicId(match[2]);
}

/** Writes it down for every process; {@link syncPartitionTopicId} has it survive a loss of power. Throws DiskError. */
export function writePartitionTopicId(disk: Disk, directory: string, topicId: TopicId): void {
  disk.close(openWritten(disk, directory, topicId));
}

function openWritten(disk: Disk, directory: string, topicId: TopicId): DiskFile {
  const file = disk.open(join(directory, PARTITION_METADATA_FILE), 'write');
  const content = Buffer.from(`version: 0\ntopic_id: ${topicId}`);
  try {
    disk.write(file, 0, [content]);
    disk.truncate(file, content.length);
    return file;
  } catch (error) {
    disk.close(file);
    throw error;
  }
}

/** Has it survive a loss of power, if the names of the file and of the folder do. Throws DiskError. */
export function syncPartitionTopicId(disk: Disk, directory: string, topicId: TopicId, done: DiskDone): void {
  // Anew: of a sync that failed before, nobody knows what became of the bytes.
  const file = openWritten(disk, directory, topicId);
  disk.sync(file, (error) => {
    disk.close(file);
    done(error);
  });
}
