// Names in a partition's folder. A segment's files are named by its base offset, twenty digits with leading zeros, and a
// suffix. Source: Kafka documentation, "Implementation / Log".
import { type Offset, toOffset } from '../base/ids.js';

/** Batches, offset index, time index, aborted transactions. */
export type SegmentSuffix = 'log' | 'index' | 'timeindex' | 'txnindex';

/** Ends the name of a file that waits for its removal. */
export const DELETED_SUFFIX = '.deleted';
/** Ends the name of a file that a compaction writes. */
export const CLEANED_SUFFIX = '.cleaned';
/** Ends the name of a file that a compaction has finished and puts in its place. */
const SWAP_SUFFIX = '.swap';
/** Ends the name of a file that is being written and will be renamed over the real one. */
export const TEMPORARY_SUFFIX = '.tmp';
/** What a crash may leave behind; never part of the log. */
export const LEFTOVER_SUFFIXES = [DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX, TEMPORARY_SUFFIX] as const;

export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint';
export const PARTITION_METADATA_FILE = 'partition.metadata';

const SEGMENT_FILE = /^(\d{20})\.(log|index|timeindex|txnindex)$/;

export function segmentFileName(baseOffset: Offset, suffix: SegmentSuffix): string {
  return `${String(baseOffset).padStart(20, '0')}.${suffix}`;
}

/** The parts of a segment file's name, or null if it is none. */
export function parseSegmentFileName(name: string): { baseOffset: Offset; suffix: SegmentSuffix } | null {
  const match = SEGMENT_FILE.exec(name);
  if (!match) return null;
  const value = Number(match[1]);
  if (!Number.isSafeInteger(value)) return null;
  return { baseOffset: toOffset(value), suffix: match[2] as SegmentSuffix };
}

const SWAP_FILE = /^(\d{20})-(\d{20})\.index\.swap$/;

/** The offset index of a segment that takes the place of all segments from its base offset to the end offset. */
export function swapFileName(baseOffset: Offset, endOffset: Offset): string {
  const digits = (offset: Offset): string => String(offset).padStart(20, '0');
  return `${digits(baseOffset)}-${digits(endOffset)}.index${SWAP_SUFFIX}`;
}

/** What a swap file's name says, or null if it is none. */
export function parseSwapFileName(name: string): { baseOffset: Offset; endOffset: Offset } | null {
  const [, base, end] = SWAP_FILE.exec(name) ?? [];
  const offsets = [Number(base), Number(end)] as const;
  if (base === undefined || !offsets.every(Number.isSafeInteger)) return null;
  return { baseOffset: toOffset(offsets[0]), endOffset: toOffset(offsets[1]) };
}

/** What a Kafka broker calls the batches of a compacted segment that it is about to put in its place. */
const KAFKA_SWAP_FILE = /^(\d{20})\.log\.swap$/;

/** The base offset of a segment that Kafka was about to put in its place, or null. */
export function parseKafkaSwapFileName(name: string): Offset | null {
  const value = Number(KAFKA_SWAP_FILE.exec(name)?.[1] ?? Number.NaN);
  return Number.isSafeInteger(value) ? toOffset(value) : null;
}

const SNAPSHOT_FILE = /^(\d{20})\.snapshot$/;

/** The file that holds what was known of the producers before the offset. */
export function snapshotFileName(offset: Offset): string {
  return `${String(offset).padStart(20, '0')}.snapshot`;
}

/** The offset of a producer snapshot, or null if the name is none. */
export function parseSnapshotFileName(name: string): Offset | null {
  const value = Number(SNAPSHOT_FILE.exec(name)?.[1] ?? Number.NaN);
  return Number.isSafeInteger(value) ? toOffset(value) : null;
}

/** Ends the name of a partition's folder that waits for its removal. */
export const DELETED_FOLDER_SUFFIX = '-delete';
const FILE_NAME_MAX = 255;

/** What the folder of a deleted partition is called: `<topic>-<partition>.<32 hexadecimal digits>-delete`, as Kafka's. */
export function deletedFolderName(folderName: string, digits: string): string {
  return longerFolderName(folderName, digits, DELETED_FOLDER_SUFFIX);
}

/** What a folder is called that no topic may take for its own: the same with `-stray`, as Kafka's (KAFKA-14616). */
export function strayFolderName(folderName: string, digits: string): string {
  return longerFolderName(folderName, digits, '-stray');
}

function longerFolderName(folderName: string, digits: string, ending: string): string {
  const parting = folderName.lastIndexOf('-');
  const suffix = `${folderName.slice(parting)}.${digits}${ending}`;
  return folderName.slice(0, Math.min(parting, FILE_NAME_MAX - suffix.length)) + suffix;
}

/** Node's timers take no longer delay. Sooner is allowed for all that is timed in this folder. */
export const TIMER_MS_MAX = 2 ** 31 - 1;
