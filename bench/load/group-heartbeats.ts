import { deferred } from '../../src/client/deferred.js';
import { heartbeat } from '../../src/protocol/kafka/messages/12-heartbeat.js';
import type { GroupHeartbeatsJob, LoadResult } from '../job.js';
import { cpuFromNow } from './broker-cpu.js';
import { expectNone, type GroupMember, joinGroups } from './group-members.js';
import { requestFrame } from './kafka-connection.js';
import { measured } from './measured.js';

const HEARTBEAT_VERSION = 3;
/** Correlation id and throttle time stand before it. */
const ERROR_AT = 8;
const TICK_MS = 10;

/** Each member tells that it lives every `intervalMs`, all of them evenly spread, for `seconds`. */
export async function groupHeartbeats(job: GroupHeartbeatsJob): Promise<LoadResult> {
  const members = await joinGroups(job.port, job.groups, job.members);
  const frames = members.map(({ groupId, generation, memberId }) =>
    requestFrame(heartbeat, HEARTBEAT_VERSION, { groupId, generationId: generation, memberId }),
  );
  const count = Math.round((members.length * job.seconds * 1000) / job.intervalMs);
  const result = await measured(async () => {
    const cpu = cpuFromNow(job.brokerPid);
    await beat(members, frames, count, job.intervalMs);
    return { bytes: 0, records: count, broker: cpu() };
  });
  for (const { connection } of members) connection.close();
  return result;
}

function beat(
  members: readonly GroupMember[],
  frames: readonly Buffer[],
  count: number,
  intervalMs: number,
): Promise<void> {
  const done = deferred<void>();
  const startMs = performance.now();
  let sent = 0;
  let answered = 0;
  for (const { connection } of members) {
    connection.listen((answer) => {
      expectNone('Heartbeat', answer.readInt16BE(ERROR_AT));
      if (++answered === count) done.resolve();
    }, done.reject);
  }
  const timer = setInterval(() => {
    const due = Math.min(count, ((performance.now() - startMs) / intervalMs) * members.length);
    for (; sent < due; sent++) {
      const index = sent % members.length;
      members[index]?.connection.send(frames[index] ?? Buffer.alloc(0));
    }
  }, TICK_MS);
  return done.promise.finally(() => clearInterval(timer));
}
