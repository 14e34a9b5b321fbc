// Heartbeat: a member of a classic group lives.
//
// v3 static members (KIP-345); v4 flexible.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { int32, string } from '../schema.js';
import { errorCode } from './common.js';

export const heartbeat = new Api({
  key: 12,
  name: 'Heartbeat',
  versions: '0-4',
  flexible: '4+',
  request: {
    groupId: string('Id of the group.'),
    generationId: int32('Generation that the member knows.'),
    memberId: string('Id of the member.'),
    groupInstanceId: string('Id of the static member, or null.', {
      versions: '3+',
      nullable: '3+',
      default: null,
    }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '1+', default: 0 }),
    errorCode,
  },
});

export type HeartbeatRequest = Decoded<typeof heartbeat.request>;
export type HeartbeatResponse = Encodable<typeof heartbeat.response>;
