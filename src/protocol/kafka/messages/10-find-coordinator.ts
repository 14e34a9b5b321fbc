// FindCoordinator: the broker that coordinates a group or a transaction.
//
// v1 transactions; v3 flexible; v4 many keys at once (KIP-699), in fields of their own; v5 TRANSACTION_ABORTABLE; v6 share
// groups (KIP-932).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int8, int16, int32, list, string } from '../schema.js';
import { errorCode } from './common.js';

export const findCoordinator = new Api({
  key: 10,
  name: 'FindCoordinator',
  versions: '0-6',
  flexible: '3+',
  request: {
    key: string('Id of the group or the transaction.', { versions: '0-3' }),
    keyType: int8('0 group, 1 transaction, 2 share group.', { versions: '1+', default: 0 }),
    coordinatorKeys: list(string('Ids of groups or transactions.'), { versions: '4+' }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '1+', default: 0 }),
    errorCode: int16('A code of base/errors.ts; 0 means success.', { versions: '0-3' }),
    errorMessage: string('What is wrong, or null.', { versions: '1-3', nullable: '1-3' }),
    nodeId: int32('Id of the broker, or -1.', { versions: '0-3' }),
    host: string('Host that clients reach it at.', { versions: '0-3' }),
    port: int32('Port that clients reach it at.', { versions: '0-3' }),
    coordinators: array(
      'An entry for each key.',
      {
        key: string('The key.'),
        nodeId: int32('Id of the broker, or -1.'),
        host: string('Host that clients reach it at.'),
        port: int32('Port that clients reach it at.'),
        errorCode,
        errorMessage: string('What is wrong, or null.', { nullable: true }),
      },
      { versions: '4+' },
    ),
  },
});

export type FindCoordinatorRequest = Decoded<typeof findCoordinator.request>;
export type FindCoordinatorResponse = Encodable<typeof findCoordinator.response>;
