// DeleteGroups: forgets groups without members, with their offsets (KIP-229).
//
// v2 flexible.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int32, list, string } from '../schema.js';
import { errorCode } from './common.js';

export const deleteGroups = new Api({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-2',
  flexible: '2+',
  request: {
    groupsNames: list(string('Ids of the groups.')),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    results: array('What became of each group.', {
      groupId: string('Id of the group.'),
      errorCode,
    }),
  },
});

export type DeleteGroupsRequest = Decoded<typeof deleteGroups.request>;
export type DeleteGroupsResponse = Encodable<typeof deleteGroups.response>;
