// Members of groups: how they come together, and what they then know.
import { setTimeout as wait } from 'node:timers/promises';
import { findCoordinator } from '../../src/protocol/kafka/messages/10-find-coordinator.js';
import { joinGroup } from '../../src/protocol/kafka/messages/11-join-group.js';
import { syncGroup } from '../../src/protocol/kafka/messages/14-sync-group.js';
import { KafkaConnection } from './kafka-connection.js';

/** The last version in which a new member joins with one request. */
const JOIN_VERSION = 3;
const SYNC_VERSION = 3;
const FIND_VERSION = 2;
/** What it takes to load a coordinator, or to make its topic. */
const FIND_TRIES = 500;
const FIND_AGAIN_MS = 20;
const COORDINATOR_NOT_AVAILABLE = 15;
/** While groups come together, those that did so first have nothing to say. */
const SESSION_TIMEOUT_MS = 120_000;
const GROUPS_AT_A_TIME = 100;
/** Of groups that this process brought together: each time they are others. */
let flocks = 0;

export interface GroupMember {
  readonly connection: KafkaConnection;
  readonly groupId: string;
  readonly memberId: string;
  readonly generation: number;
}

/** Throws for anything but 0. */
export function expectNone(what: string, errorCode: number): void {
  if (errorCode !== 0) throw new Error(`${what} failed with error ${errorCode}.`);
}

/** Waits until the broker coordinates groups: the first to ask has it make the topic for them. */
export async function coordinatorFound(connection: KafkaConnection, groupId: string): Promise<void> {
  for (let tries = 0; tries < FIND_TRIES; tries++) {
    const { errorCode } = await connection.ask(findCoordinator, FIND_VERSION, { key: groupId, keyType: 0 });
    if (errorCode === 0) return;
    if (errorCode !== COORDINATOR_NOT_AVAILABLE) expectNone('FindCoordinator', errorCode);
    await wait(FIND_AGAIN_MS);
  }
  throw new Error('There is no coordinator.');
}

/** Brings groups together, with a connection to each member. They must join within `group.initial.rebalance.delay.ms`. */
export async function joinGroups(port: number, groups: number, members: number): Promise<GroupMember[]> {
  const flock = `${process.pid}-${++flocks}`;
  const first = await KafkaConnection.open(port);
  await coordinatorFound(first, flock);
  first.close();
  const all: GroupMember[] = [];
  for (let from = 0; from < groups; from += GROUPS_AT_A_TIME) {
    const some = Array.from({ length: Math.min(GROUPS_AT_A_TIME, groups - from) }, (_, index) =>
      joinOne(port, `${flock}-${from + index}`, members),
    );
    all.push(...(await Promise.all(some)).flat());
  }
  return all;
}

async function joinOne(port: number, groupId: string, members: number): Promise<GroupMember[]> {
  const connections = await Promise.all(Array.from({ length: members }, () => KafkaConnection.open(port)));
  const joined = await Promise.all(
    connections.map((connection) =>
      connection.ask(joinGroup, JOIN_VERSION, {
        groupId,
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        rebalanceTimeoutMs: SESSION_TIMEOUT_MS,
        memberId: '',
        protocolType: 'bench',
        protocols: [{ name: 'none', metadata: Buffer.from('nothing') }],
      }),
    ),
  );
  const assignments = joined.map(({ memberId }) => ({ memberId, assignment: Buffer.from(memberId) }));
  return Promise.all(
    connections.map(async (connection, index) => {
      const { errorCode, memberId = '', generationId = -1, leader } = joined[index] ?? {};
      expectNone('JoinGroup', errorCode ?? -1);
      const synced = await connection.ask(syncGroup, SYNC_VERSION, {
        groupId,
        generationId,
        memberId,
        assignments: memberId === leader ? assignments : [],
      });
      expectNone('SyncGroup', synced.errorCode);
      if (synced.assignment.toString() !== memberId) throw new Error(`${groupId} did not come together.`);
      return { connection, groupId, memberId, generation: generationId };
    }),
  );
}
