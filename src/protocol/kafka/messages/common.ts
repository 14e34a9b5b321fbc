// Fields that many messages share.
import { array, int16, int32, string } from '../schema.js';

export const errorCode = int16('A code of base/errors.ts; 0 means success.');

export const NODE_ENDPOINTS = {
  nodeId: int32('Id of the broker.'),
  host: string('Host that clients reach it at.'),
  port: int32('Port that clients reach it at.'),
  rack: string('Its rack, or null.', { nullable: true, default: null }),
};

/** Where the leaders live that `currentLeader` names (KIP-951). */
export const nodeEndpoints = {
  sinceVersion10: array('Brokers named in this answer.', NODE_ENDPOINTS, { versions: '10+', tag: 0 }),
  sinceVersion16: array('Brokers named in this answer.', NODE_ENDPOINTS, { versions: '16+', tag: 0 }),
};

export const LEADER_ID_AND_EPOCH = {
  leaderId: int32('Id of the leader, or -1 if unknown.', { default: -1 }),
  leaderEpoch: int32('Epoch of the leader, or -1 if unknown.', { default: -1 }),
};

/** Bits of the operations a client may do where it did not ask for them. */
export const NO_OPERATIONS = -2147483648;
