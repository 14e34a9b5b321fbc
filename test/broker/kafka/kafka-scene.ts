// What the tests of the Kafka door share: topics, batches, and requests with most of their fields filled in.
import { expect } from 'vitest';
import type { TopicId } from '../../../src/base/ids.js';
import type { Api } from '../../../src/protocol/kafka/api.js';
import { produce } from '../../../src/protocol/kafka/messages/00-produce.js';
import { type FetchRequest, fetch } from '../../../src/protocol/kafka/messages/01-fetch.js';
import { listOffsets } from '../../../src/protocol/kafka/messages/02-list-offsets.js';
import { metadata } from '../../../src/protocol/kafka/messages/03-metadata.js';
import { createTopics } from '../../../src/protocol/kafka/messages/19-create-topics.js';
import type { RecordsSlice } from '../../../src/protocol/kafka/schema.js';
import { BatchBuilder, type BuildOptions } from '../../../src/record/batch-builder.js';
import { BatchReader } from '../../../src/record/batch-reader.js';
import type { KafkaConnection } from './kafka-connection.js';

export const TIMESTAMP_MS = 1_700_000_000_000;

/** An id that no topic has. */
export const UNKNOWN_ID = 'o_EPBDsTQkm1Ua--nqUtaQ' as TopicId;

/** A topic by both its names: each version of a request takes the one that it knows. */
export interface TopicName {
  readonly name: string;
  readonly topicId: TopicId;
}

export function versionsOf({ request: { versions } }: Api): number[] {
  return Array.from({ length: versions.last - versions.first + 1 }, (_, index) => versions.first + index);
}

/** A batch of these values, each a millisecond after the one before. */
export function batchOf(
  values: readonly (string | Buffer)[],
  { timestampMs = TIMESTAMP_MS, ...options }: BuildOptions & { readonly timestampMs?: number } = {},
): Buffer {
  const builder = new BatchBuilder();
  values.forEach((value, index) => {
    builder.add({
      timestampMs: timestampMs + index,
      key: null,
      value: Buffer.from(value as string),
      headers: [],
    });
  });
  return builder.build(options);
}

export function valuesOf(records: RecordsSlice | null | undefined): string[] {
  if (!records) return [];
  const bytes = records.bytes.subarray(records.start, records.start + records.length);
  return [...new BatchReader(bytes)].flatMap((batch) =>
    [...batch.records()].map(({ value }) => String(value)),
  );
}

export const newTopic = (
  name: string,
  numPartitions = 1,
  configs: Readonly<Record<string, string>> = {},
) => ({
  name,
  numPartitions,
  replicationFactor: 1,
  assignments: [],
  configs: Object.entries(configs).map(([setting, value]) => ({ name: setting, value })),
});

export async function createTopic(
  connection: KafkaConnection,
  ...topic: Parameters<typeof newTopic>
): Promise<TopicName> {
  const { topics } = await connection.ask(createTopics, 7, { topics: [newTopic(...topic)] });
  const [created] = topics;
  expect(created).toMatchObject({ name: topic[0], errorCode: 0, errorMessage: null });
  return { name: topic[0], topicId: created?.topicId ?? UNKNOWN_ID };
}

const LATEST_PRODUCE = produce.request.versions.last;

/** Produces one batch, or none, and returns what became of it. */
export async function append(
  connection: KafkaConnection,
  topic: TopicName,
  records: Uint8Array | null,
  { version = LATEST_PRODUCE, index = 0, acks = -1, transactionalId = null as string | null } = {},
) {
  const { responses } = await connection.ask(produce, version, {
    acks,
    timeoutMs: 30_000,
    transactionalId,
    topicData: [{ ...topic, partitionData: [{ index, records }] }],
  });
  expect(responses).toHaveLength(1);
  const [partition] = responses[0]?.partitionResponses ?? [];
  if (!partition) throw new Error('an answer without the partition');
  expect(partition.index).toBe(index);
  return partition;
}

export interface FetchOptions {
  readonly version?: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly isolationLevel?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
  readonly forgottenTopicsData?: FetchRequest['forgottenTopicsData'];
}

export interface FetchFrom {
  readonly partition?: number;
  readonly offset?: number;
  readonly maxBytes?: number;
  readonly currentLeaderEpoch?: number;
  readonly lastFetchedEpoch?: number;
}

export const LATEST_FETCH = fetch.request.versions.last;

/** A Fetch of some partitions of one topic. */
export const fetchOf = (topic: TopicName, partitions: readonly FetchFrom[], options: FetchOptions = {}) => ({
  maxWaitMs: 0,
  minBytes: 1,
  ...options,
  topics:
    partitions.length === 0
      ? []
      : [
          {
            topic: topic.name,
            topicId: topic.topicId,
            partitions: partitions.map(
              ({ partition = 0, offset = 0, maxBytes = 1024 * 1024, ...epochs }) => ({
                ...epochs,
                partition,
                fetchOffset: offset,
                partitionMaxBytes: maxBytes,
              }),
            ),
          },
        ],
});

export function fetchFrom(
  connection: KafkaConnection,
  topic: TopicName,
  partitions: readonly FetchFrom[],
  { version = LATEST_FETCH, ...options }: FetchOptions = {},
) {
  return connection.ask(fetch, version, fetchOf(topic, partitions, options));
}

/** Fetches from one partition and returns its part of the answer. */
export async function fetchOne(
  connection: KafkaConnection,
  topic: TopicName,
  from: FetchFrom = {},
  options: FetchOptions = {},
) {
  const { errorCode, responses } = await fetchFrom(connection, topic, [from], options);
  expect(errorCode).toBe(0);
  const partition = responses[0]?.partitions[0];
  if (!partition) throw new Error('an answer without the partition');
  return partition;
}

/** The offset of a special place of a partition, or of a time. */
export async function offsetOf(
  connection: KafkaConnection,
  name: string,
  timestamp: number,
  partitionIndex = 0,
) {
  const { topics } = await connection.ask(listOffsets, 11, {
    replicaId: -1,
    topics: [{ name, partitions: [{ partitionIndex, timestamp }] }],
  });
  const partition = topics[0]?.partitions[0];
  if (!partition) throw new Error('an answer without the partition');
  return partition;
}

/** What Metadata says of a topic. */
export async function describeTopic(connection: KafkaConnection, name: string) {
  const { topics } = await connection.ask(metadata, 13, {
    topics: [{ name }],
    allowAutoTopicCreation: false,
  });
  const [topic] = topics;
  if (!topic) throw new Error('an answer without the topic');
  return topic;
}
