// The records of the test that kills a broker while it compacts and deletes. A record says which key it has and as the
// how-manieth of that key's records it was sent; all else of it follows from that, so that whoever reads it can check it to the
// last byte. python/cleaning.py makes the same.
import { createHash } from 'node:crypto';

export const PARTITIONS = 3;

/** A topic, and what becomes of its records. */
export interface CleanedTopic {
  readonly name: string;
  /** Superseded records and old tombstones go. */
  readonly isCompacted: boolean;
  /** Old segments go. */
  readonly isDeleted: boolean;
  readonly configs: Readonly<Record<string, string>>;
}

const SEGMENT = { 'segment.bytes': String(24 * 1024), 'file.delete.delay.ms': '0' };
const COMPACTION = { 'min.cleanable.dirty.ratio': '0.01', 'delete.retention.ms': '400' };

export const TOPICS: readonly CleanedTopic[] = [
  {
    name: 'compacted',
    isCompacted: true,
    isDeleted: false,
    configs: { ...SEGMENT, ...COMPACTION, 'cleanup.policy': 'compact' },
  },
  {
    name: 'compacted-and-deleted',
    isCompacted: true,
    isDeleted: true,
    configs: { ...SEGMENT, ...COMPACTION, 'cleanup.policy': 'compact,delete', 'retention.ms': '10000' },
  },
  {
    name: 'deleted',
    isCompacted: false,
    isDeleted: true,
    configs: { ...SEGMENT, 'cleanup.policy': 'delete', 'retention.bytes': String(160 * 1024) },
  },
];

export interface CleanedRecord {
  readonly key: string;
  /** Among the records of its key, from 0 on. */
  readonly sequence: number;
  readonly isTombstone: boolean;
}

/** The header that bears the sequence: a tombstone has no value to bear it. */
export const SEQUENCE_HEADER = 'n';

export const partitionOf = (keyIndex: number): number => keyIndex % PARTITIONS;

/** The value of a record that is no tombstone. */
export function valueFor({ key, sequence }: CleanedRecord): string {
  const text = `${key}/${sequence}/${'0123456789abcdef'.repeat((sequence * 7) % 19)}/`;
  return text + createHash('md5').update(text).digest('hex');
}
