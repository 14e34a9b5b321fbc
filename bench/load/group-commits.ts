import { deferred } from '../../src/client/deferred.js';
import { decodeResponse } from '../../src/protocol/kafka/headers.js';
import { offsetCommit } from '../../src/protocol/kafka/messages/08-offset-commit.js';
import { offsetFetch } from '../../src/protocol/kafka/messages/09-offset-fetch.js';
import type { GroupCommitsJob, LoadResult } from '../job.js';
import { percentile } from '../statistics.js';
import { cpuFromNow } from './broker-cpu.js';
import { expectNone, type GroupMember, joinGroups } from './group-members.js';
import { requestFrame } from './kafka-connection.js';
import { measured } from './measured.js';
import { OFFSET_PLACEHOLDER, offsetPlaces, writeOffset } from './offset-places.js';

const COMMIT_VERSION = 7;
const FETCH_VERSION = 5;

/** A commit with the places of its offsets. */
function commitFrame(job: GroupCommitsJob, { groupId, generation, memberId }: GroupMember) {
  const frame = requestFrame(offsetCommit, COMMIT_VERSION, {
    groupId,
    generationIdOrMemberEpoch: generation,
    memberId,
    topics: [
      {
        name: job.topic,
        partitions: Array.from({ length: job.partitions }, (_, partitionIndex) => ({
          partitionIndex,
          committedOffset: OFFSET_PLACEHOLDER,
          committedMetadata: '',
        })),
      },
    ],
  });
  return { frame, places: offsetPlaces(frame, job.partitions) };
}

/** Each member commits the next offset of its partitions when the last commit is answered, until there are enough. */
export async function groupCommits(job: GroupCommitsJob): Promise<LoadResult> {
  const members = await joinGroups(job.port, job.groups, 1);
  const tookMs = new Float64Array(job.commits);
  const last = members.map(() => 0);
  const done = deferred<void>();
  let sent = 0;
  let answered = 0;

  const start = (member: GroupMember, index: number): void => {
    const { frame, places } = commitFrame(job, member);
    let sentMs = 0;
    const send = () => {
      if (sent === job.commits) return;
      sent++;
      const offset = (last[index] ?? 0) + 1;
      last[index] = offset;
      for (const place of places) writeOffset(frame, place, offset);
      sentMs = performance.now();
      member.connection.send(frame);
    };
    member.connection.listen((answer) => {
      const { topics } = decodeResponse(offsetCommit, COMMIT_VERSION, answer).response;
      for (const { partitions } of topics) {
        for (const { errorCode } of partitions) expectNone('OffsetCommit', errorCode);
      }
      tookMs[answered++] = performance.now() - sentMs;
      if (answered === job.commits) done.resolve();
      else send();
    }, done.reject);
    send();
  };

  const result = await measured(async () => {
    const cpu = cpuFromNow(job.brokerPid);
    members.forEach(start);
    await done.promise;
    return { bytes: 0, records: answered, broker: cpu() };
  });
  await Promise.all(members.map((member, index) => check(job, member, last[index] ?? 0)));
  for (const { connection } of members) connection.close();
  return { ...result, latency: { p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99) } };
}

/** What was committed last is what is there. */
async function check(
  { topic, partitions }: GroupCommitsJob,
  member: GroupMember,
  offset: number,
): Promise<void> {
  const partitionIndexes = Array.from({ length: partitions }, (_, partition) => partition);
  const { groupId, connection } = member;
  const { topics } = await connection.ask(offsetFetch, FETCH_VERSION, {
    groupId,
    topics: [{ name: topic, partitionIndexes }],
    groups: [],
  });
  const found = topics.flatMap((one) => one.partitions.map(({ committedOffset }) => committedOffset));
  if (found.length !== partitions || found.some((one) => one !== (offset || -1))) {
    throw new Error(`${groupId} committed ${offset}, and ${found} is there.`);
  }
}
