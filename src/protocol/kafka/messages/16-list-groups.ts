// ListGroups: the groups that this broker coordinates.
//
// v3 flexible; v4 states (KIP-518); v5 types (KIP-848).
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { array, int32, list, string } from '../schema.js';
import { errorCode } from './common.js';

export const listGroups = new Api({
  key: 16,
  name: 'ListGroups',
  versions: '0-5',
  flexible: '3+',
  request: {
    statesFilter: list(string('Only groups in these states; none for all.'), { versions: '4+' }),
    typesFilter: list(string('Only groups of these types; none for all.'), { versions: '5+' }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { versions: '1+', default: 0 }),
    errorCode,
    groups: array('Groups.', {
      groupId: string('Id of the group.'),
      protocolType: string('Kind of the group, or empty.'),
      groupState: string('State of the group.', { versions: '4+' }),
      groupType: string('Type of the group: classic, consumer …', { versions: '5+' }),
    }),
  },
});

export type ListGroupsRequest = Decoded<typeof listGroups.request>;
export type ListGroupsResponse = Encodable<typeof listGroups.response>;
