import { setTimeout as wait } from 'node:timers/promises';
import { offsetCommit } from '../../src/protocol/kafka/messages/08-offset-commit.js';
import { offsetFetch } from '../../src/protocol/kafka/messages/09-offset-fetch.js';
import { createTopics } from '../../src/protocol/kafka/messages/19-create-topics.js';
import type { GroupOffsetsJob, LoadResult } from '../job.js';
import { coordinatorFound, expectNone } from './group-members.js';
import { KafkaConnection } from './kafka-connection.js';
import { measured } from './measured.js';

const CONNECTIONS = 16;
const CREATE_VERSION = 4;
const CREATE_TIMEOUT_MS = 10_000;
const COMMIT_VERSION = 7;
/** The first in which several groups are asked for. */
const FETCH_VERSION = 8;
const GROUPS_PER_FETCH = 100;
/** Groups that surely lie on all partitions of the topic for offsets. */
const SAMPLE = 1_000;
const AGAIN_MS = 10;
const TRIES = 6_000;
/** COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: ask again. */
const NOT_YET: readonly number[] = [14, 15, 16];

const groupName = (group: number) => `offsets-${group}`;
const offsetOf = (group: number, partition: number) => group * 1_000 + partition;

/** Creates the topic, and commits for all groups, from outside of them, one request each. */
export async function groupOffsets(job: GroupOffsetsJob): Promise<LoadResult> {
  const connections = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => KafkaConnection.open(job.port)),
  );
  const [first] = connections;
  if (first) {
    await coordinatorFound(first, groupName(0));
    await createTopic(job, first);
  }
  let next = 0;
  const result = await measured(async () => {
    await Promise.all(
      connections.map(async (connection) => {
        while (next < job.groups) await commit(job, connection, next++);
      }),
    );
    return { bytes: 0, records: job.groups * job.partitions };
  });
  for (const connection of connections) connection.close();
  return result;
}

async function createTopic(
  { topic, partitions }: GroupOffsetsJob,
  connection: KafkaConnection,
): Promise<void> {
  const { topics } = await connection.ask(createTopics, CREATE_VERSION, {
    topics: [{ name: topic, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: CREATE_TIMEOUT_MS,
    validateOnly: false,
  });
  for (const { errorCode } of topics) expectNone('CreateTopics', errorCode);
}

async function commit(
  { topic, partitions }: GroupOffsetsJob,
  connection: KafkaConnection,
  group: number,
): Promise<void> {
  const answer = await connection.ask(offsetCommit, COMMIT_VERSION, {
    groupId: groupName(group),
    topics: [
      {
        name: topic,
        partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
          partitionIndex,
          committedOffset: offsetOf(group, partitionIndex),
          committedMetadata: '',
        })),
      },
    ],
  });
  for (const one of answer.topics) {
    for (const { errorCode } of one.partitions) expectNone('OffsetCommit', errorCode);
  }
}

/** Waits until groups on all partitions of the topic for offsets are answered. */
export async function offsetsLoaded({ port, groups }: GroupOffsetsJob): Promise<void> {
  const connection = await KafkaConnection.open(port);
  const sample = Array.from({ length: Math.min(SAMPLE, groups) }, (_, group) => group);
  for (let tries = 0; tries < TRIES; tries++) {
    const answers = await fetch(connection, sample, []);
    const errors = answers.map(({ errorCode }) => errorCode).filter((code) => code !== 0);
    const fatal = errors.find((code) => !NOT_YET.includes(code));
    if (fatal !== undefined) expectNone('OffsetFetch', fatal);
    if (errors.length === 0) {
      connection.close();
      return;
    }
    await wait(AGAIN_MS);
  }
  throw new Error('The offsets are not there in time.');
}

/** Reads all offsets and compares them. Returns how many there are. */
export async function checkOffsets({ port, groups, partitions }: GroupOffsetsJob): Promise<number> {
  const connection = await KafkaConnection.open(port);
  let count = 0;
  for (let from = 0; from < groups; from += GROUPS_PER_FETCH) {
    const some = Array.from(
      { length: Math.min(GROUPS_PER_FETCH, groups - from) },
      (_, index) => from + index,
    );
    for (const [index, answer] of (await fetch(connection, some, null)).entries()) {
      expectNone('OffsetFetch', answer.errorCode);
      for (const { partitionIndex, committedOffset } of answer.topics.flatMap((one) => one.partitions)) {
        if (committedOffset !== offsetOf(from + index, partitionIndex)) {
          throw new Error(`${answer.groupId} has ${committedOffset} for partition ${partitionIndex}.`);
        }
        count++;
      }
    }
  }
  connection.close();
  if (count !== groups * partitions) throw new Error(`${count} offsets of ${groups * partitions} are there.`);
  return count;
}

async function fetch(connection: KafkaConnection, groups: readonly number[], topics: [] | null) {
  const answer = await connection.ask(offsetFetch, FETCH_VERSION, {
    groupId: '',
    topics: [],
    groups: groups.map((group) => ({ groupId: groupName(group), topics })),
  });
  return answer.groups;
}
