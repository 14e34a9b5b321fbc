/**
 * What a log needs to know of its topic's configs; plain data, replaced as a whole by `Log.updateConfig`. Source: Kafka
 * documentation, "Topic Configs"; the names are Kafka's with the unit at the end.
 */
export interface LogConfig {
  /** `segment.bytes`: a batch that would make the segment larger goes to a new one. At most 2^31 - 1. */
  readonly segmentBytes: number;
  /** `segment.ms`: age, counted between record timestamps, at which a segment is closed. */
  readonly segmentMs: number;
  /** `segment.jitter.ms`: up to so much is taken off `segmentMs`, so that partitions do not roll all at once. */
  readonly segmentJitterMs: number;
  /** `segment.index.bytes`: size at which an index is full and the segment is closed. */
  readonly segmentIndexBytes: number;
  /** `index.interval.bytes`: bytes of batches between two index entries. */
  readonly indexIntervalBytes: number;
  /** `retention.ms`; -1: no limit. */
  readonly retentionMs: number;
  /** `retention.bytes`; -1: no limit. */
  readonly retentionBytes: number;
  /**
   * Whether `cleanup.policy` has `delete`: then segments go by age and size. Without it only those go that lie below the log
   * start offset.
   */
  readonly deletes: boolean;
  /** How the log is compacted; null if `cleanup.policy` does not have `compact`. */
  readonly compaction: CompactionConfig | null;
  /** `file.delete.delay.ms`: time between the renaming of a file to `.deleted` and its removal. */
  readonly fileDeleteDelayMs: number;
  /** `flush.messages`: records behind the recovery point that start a flush; `Infinity`: none. */
  readonly flushMessages: number;
  /** `flush.ms`: age of the oldest unflushed append that starts a flush; `Infinity`: none. */
  readonly flushMs: number;
}

/** What a log needs to know to be compacted. */
export interface CompactionConfig {
  /** `min.cleanable.dirty.ratio`, in [0, 1]: the part of the log that must be new before a compaction is worth its while. */
  readonly minDirtyRatio: number;
  /** `min.compaction.lag.ms`: for so long at least records stay as they are. */
  readonly minLagMs: number;
  /** `max.compaction.lag.ms`: no record waits longer for its compaction; `Infinity`, or anything as large: no limit. KIP-354. */
  readonly maxLagMs: number;
  /** `delete.retention.ms`: a tombstone stays for so long after the first compaction that saw it. KIP-534. */
  readonly deleteRetentionMs: number;
  /** `max.message.bytes`: no batch is made larger than this. */
  readonly maxMessageBytes: number;
}
