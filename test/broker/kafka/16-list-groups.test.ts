import { describe, expect, it } from 'vitest';
import type { GroupReply } from '../../../src/coordinator/group/group-messages.js';
import { listGroups } from '../../../src/protocol/kafka/messages/16-list-groups.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { versionsOf } from './kafka-scene.js';

const LISTED: GroupReply = {
  type: 'listed',
  error: 'NONE',
  groups: [
    { groupId: 'a', protocolType: 'consumer', state: 'Stable', groupType: 'classic' },
    { groupId: 'b', protocolType: '', state: 'Empty', groupType: 'classic' },
  ],
};

describe('ListGroups', () => {
  it('passes on what each version can ask, and says what it can say', () => {
    const client = groupScene().connect();
    expect(versionsOf(listGroups)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const version of versionsOf(listGroups)) {
      const request = { statesFilter: ['empty', 'Stable'], typesFilter: ['classic'] };
      const { response, commands } = client.ask(listGroups, version, request, () => LISTED);
      expect(commands, `v${version}`).toEqual([
        {
          type: 'list',
          states: version >= 4 ? ['empty', 'Stable'] : [],
          types: version >= 5 ? ['classic'] : [],
        },
      ]);
      const known = (groupState: string) => ({
        groupState: version >= 4 ? groupState : '',
        groupType: version >= 5 ? 'classic' : '',
      });
      expect(response, `v${version}`).toEqual({
        ...{ throttleTimeMs: 0, errorCode: 0 },
        groups: [
          { groupId: 'a', protocolType: 'consumer', ...known('Stable') },
          { groupId: 'b', protocolType: '', ...known('Empty') },
        ],
      });
    }
  });

  it('says what it knows beside an error', () => {
    const client = groupScene().connect();
    const partial: GroupReply = { ...LISTED, error: 'COORDINATOR_LOAD_IN_PROGRESS' };
    const request = { statesFilter: [], typesFilter: [] };
    const { response } = client.ask(listGroups, 5, request, () => partial);
    expect(response.errorCode).toBe(LOADING);
    expect(response.groups).toHaveLength(2);
    expect(client.ask(listGroups, 5, request, () => refused).response).toMatchObject({
      ...{ errorCode: LOADING, groups: [] },
    });
  });
});
