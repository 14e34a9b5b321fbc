// `partition.metadata`: which topic a partition's folder belongs to, so that a topic that was deleted and made again under the
// same name is told apart. Two lines of text, `version: 0` and `topic_id: <22 characters>`. Source: KIP-516.
import { join } from 'node:path';
import { OdradekError } from '../base/errors.js';
import { type TopicId, toTopicId } from '../base/ids.js';
import type { Disk, DiskDone } from '../io/disk.js';
import { replaceFile } from './checkpoint-file.js';
import { PARTITION_METADATA_FILE } from './file-names.js';

const CONTENT = /^version: (\d+)\r?\ntopic_id: ([A-Za-z0-9_-]{22})\s*$/;

/** The topic id of a partition's folder, null if it has none. Throws DiskError, or {@link OdradekError} `ODR_CORRUPT`. */
export function readPartitionTopicId(disk: Disk, directory: string): TopicId | null {
  const path = join(directory, PARTITION_METADATA_FILE);
  const bytes = disk.readFile(path);
  if (!bytes) return null;
  const match = CONTENT.exec(bytes.toString());
  if (!match?.[2]) throw new OdradekError('ODR_CORRUPT', `${path}: not the metadata of a partition`);
  if (match[1] !== '0')
    throw new OdradekError('ODR_CORRUPT', `${path}: version ${match[1]}, only 0 is known`);
  return toTopicId(match[2]);
}

export function writePartitionTopicId(disk: Disk, directory: string, topicId: TopicId, done: DiskDone): void {
  replaceFile(disk, join(directory, PARTITION_METADATA_FILE), `version: 0\ntopic_id: ${topicId}`, done);
}
