import { type Property, property } from './property.js';

const MIB = 1024 * 1024;
const NEVER = '9223372036854775807';
const MINUTE_MS = 60 * 1000;
const HOUR_MS = 60 * MINUTE_MS;

/** A broker setting that gives topics their default. */
export interface BrokerName {
  readonly name: string;
  /** What one unit of the broker's setting is in the topic's unit, where they differ. */
  readonly factor?: number;
  readonly unit?: Property['unit'];
}

export interface TopicProperty extends Property {
  /** The broker settings that give the topics' default; the first that is set counts. */
  readonly brokerNames: readonly [BrokerName, ...BrokerName[]];
}

const topicProperty = <const Row extends TopicProperty>(row: Row): Row => property(row);

/** Every setting of a topic, by the name of its field in TopicConfig. */
export const TOPIC_PROPERTIES = {
  cleanupPolicy: topicProperty({
    name: 'cleanup.policy',
    brokerNames: [{ name: 'log.cleanup.policy' }],
    type: 'list',
    default: 'delete',
    valid: ['delete', 'compact'],
    doc: 'What happens to old segments. With delete they go when retention.ms or retention.bytes says so; with compact the newest record of each key stays, and every record needs a key; with both, what compaction leaves goes by age or size.',
    source: 'Kafka, Topic Configs',
  }),
  compressionType: topicProperty({
    name: 'compression.type',
    brokerNames: [{ name: 'compression.type' }],
    type: 'string',
    default: 'producer',
    valid: ['producer'],
    reason: 'The broker keeps each batch as its producer compressed it.',
    doc: 'How batches are compressed on disk: always as the producer sent them.',
    source: 'Kafka, Topic Configs; recompression is refused',
  }),
  deleteRetentionMs: topicProperty({
    name: 'delete.retention.ms',
    brokerNames: [{ name: 'log.cleaner.delete.retention.ms' }],
    type: 'long',
    default: '86400000',
    min: 0,
    unit: 'milliseconds',
    doc: 'How long a compacted topic keeps the deletion of a key (a record without a value) after the first compaction that came to it. A consumer that begins at the start must get to the end within this time to be sure to see it.',
    source: 'Kafka, Topic Configs; KIP-534',
  }),
  fileDeleteDelayMs: topicProperty({
    name: 'file.delete.delay.ms',
    brokerNames: [{ name: 'log.segment.delete.delay.ms' }],
    type: 'long',
    default: '60000',
    min: 0,
    unit: 'milliseconds',
    doc: 'How long a deleted file stays on disk under another name, for readers that are still in it.',
    source: 'Kafka, Topic Configs',
  }),
  flushAcks: topicProperty({
    name: 'flush.acks',
    brokerNames: [{ name: 'log.flush.acks' }],
    type: 'boolean',
    default: 'false',
    doc: 'If true, an acknowledgement waits until the records are on the disk (fdatasync, one for many producers at a time), so that acknowledged records survive a loss of power.',
    source: 'Odradek',
  }),
  flushMessages: topicProperty({
    name: 'flush.messages',
    brokerNames: [{ name: 'log.flush.interval.messages' }],
    type: 'long',
    default: NEVER,
    min: 1,
    unit: 'records',
    doc: 'After how many records they are forced to the disk. While so many are not on the disk, acknowledgements wait, so that a loss of power takes fewer than so many acknowledged records; with 1 it takes none.',
    source: 'Kafka, Topic Configs',
  }),
  flushMs: topicProperty({
    name: 'flush.ms',
    brokerNames: [{ name: 'log.flush.interval.ms' }],
    type: 'long',
    default: NEVER,
    min: 0,
    unit: 'milliseconds',
    doc: 'How long records may wait before they are forced to the disk. Acknowledgements do not wait.',
    source: 'Kafka, Topic Configs',
  }),
  indexIntervalBytes: topicProperty({
    name: 'index.interval.bytes',
    brokerNames: [{ name: 'log.index.interval.bytes' }],
    type: 'int',
    default: '4096',
    min: 0,
    unit: 'bytes',
    doc: 'At least so many bytes of the log lie between two entries of its index.',
    source: 'Kafka, Topic Configs',
  }),
  maxCompactionLagMs: topicProperty({
    name: 'max.compaction.lag.ms',
    brokerNames: [{ name: 'log.cleaner.max.compaction.lag.ms' }],
    type: 'long',
    default: NEVER,
    min: 1,
    unit: 'milliseconds',
    doc: 'A record of a compacted topic waits no longer than this until compaction takes it in, even if there is little to gain; for that a partition begins a new segment after this time at the latest.',
    source: 'KIP-354',
  }),
  maxMessageBytes: topicProperty({
    name: 'max.message.bytes',
    brokerNames: [{ name: 'message.max.bytes' }],
    type: 'int',
    default: '1048588',
    min: 0,
    max: 16 * MIB,
    unit: 'bytes',
    reason: 'The broker takes no record batch above 16 MiB, because a batch stays in memory as a whole.',
    doc: 'The largest record batch that a producer may send, as it is on the wire (compressed, with its header).',
    source: 'Kafka, Topic Configs; capped at 16 MiB',
  }),
  messageTimestampAfterMaxMs: topicProperty({
    name: 'message.timestamp.after.max.ms',
    brokerNames: [{ name: 'log.message.timestamp.after.max.ms' }],
    type: 'long',
    default: '3600000',
    min: 0,
    unit: 'milliseconds',
    doc: "How far a record's timestamp may lie ahead of the broker's clock. Of no effect with LogAppendTime.",
    source: 'KIP-937',
  }),
  messageTimestampBeforeMaxMs: topicProperty({
    name: 'message.timestamp.before.max.ms',
    brokerNames: [{ name: 'log.message.timestamp.before.max.ms' }],
    type: 'long',
    default: NEVER,
    min: 0,
    unit: 'milliseconds',
    doc: "How far a record's timestamp may lie behind the broker's clock. Of no effect with LogAppendTime.",
    source: 'KIP-937',
  }),
  messageTimestampType: topicProperty({
    name: 'message.timestamp.type',
    brokerNames: [{ name: 'log.message.timestamp.type' }],
    type: 'string',
    default: 'CreateTime',
    valid: ['CreateTime', 'LogAppendTime'],
    doc: 'Whether records keep the timestamp of their producer or get the time at which the broker appends them.',
    source: 'KIP-32',
  }),
  minCleanableDirtyRatio: topicProperty({
    name: 'min.cleanable.dirty.ratio',
    brokerNames: [{ name: 'log.cleaner.min.cleanable.ratio' }],
    type: 'double',
    default: '0.5',
    min: 0,
    max: 1,
    doc: 'A partition of a compacted topic is compacted when at least this part of its bytes came after the last compaction. Less saves disk, more saves work.',
    source: 'Kafka, Topic Configs',
  }),
  minCompactionLagMs: topicProperty({
    name: 'min.compaction.lag.ms',
    brokerNames: [{ name: 'log.cleaner.min.compaction.lag.ms' }],
    type: 'long',
    default: '0',
    min: 0,
    unit: 'milliseconds',
    doc: 'For so long at least a record of a compacted topic stays, whatever comes after it. The active segment is never compacted.',
    source: 'KIP-58',
  }),
  minInsyncReplicas: topicProperty({
    name: 'min.insync.replicas',
    brokerNames: [{ name: 'min.insync.replicas' }],
    type: 'int',
    default: '1',
    min: 1,
    max: 1,
    reason: 'There is no replication yet.',
    doc: 'How many replicas must be in sync for a produce request with acks=all to be accepted.',
    source: 'Kafka, Topic Configs',
  }),
  retentionBytes: topicProperty({
    name: 'retention.bytes',
    brokerNames: [{ name: 'log.retention.bytes' }],
    type: 'long',
    default: '-1',
    min: -1,
    unit: 'bytes',
    doc: 'The oldest segments of a partition are deleted while the rest is at least this large; -1: no limit.',
    source: 'Kafka, Topic Configs',
  }),
  retentionMs: topicProperty({
    name: 'retention.ms',
    brokerNames: [
      { name: 'log.retention.ms' },
      { name: 'log.retention.minutes', factor: MINUTE_MS, unit: 'minutes' },
      { name: 'log.retention.hours', factor: HOUR_MS, unit: 'hours' },
    ],
    type: 'long',
    default: '604800000',
    min: -1,
    unit: 'milliseconds',
    doc: 'A segment is deleted when its newest record is older than this; -1: no limit.',
    source: 'Kafka, Topic Configs',
  }),
  segmentBytes: topicProperty({
    name: 'segment.bytes',
    brokerNames: [{ name: 'log.segment.bytes' }],
    type: 'int',
    default: '1073741824',
    min: 1024,
    unit: 'bytes',
    doc: 'The size at which a partition begins a new segment file. Retention deletes whole segments. Kafka 4 asks for 1 MiB at least; less is accepted here, so that retention can be tried with little data.',
    source: 'Kafka, Topic Configs; KIP-1030',
  }),
  segmentIndexBytes: topicProperty({
    name: 'segment.index.bytes',
    brokerNames: [{ name: 'log.index.size.max.bytes' }],
    type: 'int',
    default: '10485760',
    min: 4,
    unit: 'bytes',
    doc: "The size at which a segment's index is full and a new segment begins.",
    source: 'Kafka, Topic Configs',
  }),
  segmentJitterMs: topicProperty({
    name: 'segment.jitter.ms',
    brokerNames: [
      { name: 'log.roll.jitter.ms' },
      { name: 'log.roll.jitter.hours', factor: HOUR_MS, unit: 'hours' },
    ],
    type: 'long',
    default: '0',
    min: 0,
    unit: 'milliseconds',
    doc: 'Up to so much is taken off segment.ms at random, so that partitions do not all begin new segments at once.',
    source: 'Kafka, Topic Configs',
  }),
  segmentMs: topicProperty({
    name: 'segment.ms',
    brokerNames: [{ name: 'log.roll.ms' }, { name: 'log.roll.hours', factor: HOUR_MS, unit: 'hours' }],
    type: 'long',
    default: '604800000',
    min: 1,
    unit: 'milliseconds',
    doc: 'The age at which a partition begins a new segment file even if the current one is not full.',
    source: 'Kafka, Topic Configs',
  }),
} as const satisfies Readonly<Record<string, TopicProperty>>;

/** Whether records would have to be compacted before they may be. What is not set has its default. */
export function lagsContradict(settings: Readonly<Record<string, string>>): boolean {
  const { minCompactionLagMs, maxCompactionLagMs } = TOPIC_PROPERTIES;
  const min = settings[minCompactionLagMs.name] ?? minCompactionLagMs.default;
  return BigInt(min) > BigInt(settings[maxCompactionLagMs.name] ?? maxCompactionLagMs.default);
}
