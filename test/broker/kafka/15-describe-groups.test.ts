import { describe, expect, it } from 'vitest';
import type { GroupDescription } from '../../../src/coordinator/group/group-messages.js';
import { describeGroups } from '../../../src/protocol/kafka/messages/15-describe-groups.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { versionsOf } from './kafka-scene.js';

const NO_OPERATIONS = -2147483648;

const STABLE: GroupDescription = {
  type: 'described',
  error: 'NONE',
  groupId: 'a',
  state: 'Stable',
  protocolType: 'consumer',
  protocol: 'range',
  members: [
    {
      ...{ memberId: 'm', instanceId: 'i', clientId: 'c', clientHost: '127.0.0.1' },
      metadata: new Uint8Array([1]),
      assignment: new Uint8Array([2, 3]),
    },
  ],
};

const UNKNOWN: GroupDescription = {
  ...{ type: 'described', error: 'GROUP_ID_NOT_FOUND', groupId: 'x', state: 'Dead' },
  ...{ protocolType: '', protocol: '', members: [] },
};

describe('DescribeGroups', () => {
  it('describes members as each version can', () => {
    const client = groupScene().connect();
    expect(versionsOf(describeGroups)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const version of versionsOf(describeGroups)) {
      const { response, commands } = client.ask(
        describeGroups,
        version,
        { groups: ['a', 'a'] },
        () => STABLE,
      );
      expect(commands).toEqual([{ type: 'describe', groupId: 'a' }]);
      expect(response.groups, `v${version}`).toEqual([
        {
          ...{ errorCode: 0, errorMessage: null, groupId: 'a', groupState: 'Stable' },
          ...{ protocolType: 'consumer', protocolData: 'range', authorizedOperations: NO_OPERATIONS },
          members: [
            {
              ...{ memberId: 'm', groupInstanceId: version >= 4 ? 'i' : null, clientId: 'c' },
              clientHost: '/127.0.0.1',
              memberMetadata: Buffer.from([1]),
              memberAssignment: Buffer.from([2, 3]),
            },
          ],
        },
      ]);
    }
  });

  it('has a group that does not exist dead: without an error below v6, with one later', () => {
    const client = groupScene().connect();
    for (const version of versionsOf(describeGroups)) {
      const { groups } = client.ask(describeGroups, version, { groups: ['x'] }, () => UNKNOWN).response;
      expect(groups, `v${version}`).toMatchObject([
        {
          ...{ groupId: 'x', groupState: 'Dead', protocolType: '', protocolData: '', members: [] },
          errorCode: version >= 6 ? 69 : 0,
          errorMessage: version >= 6 ? 'Group x not found.' : null,
        },
      ]);
    }
  });

  it('lists what may be done only where it is asked and there is such a group', () => {
    const client = groupScene().connect();
    const request = { groups: ['a', 'x', 'l'], includeAuthorizedOperations: true };
    const operations = (version: number) =>
      client
        .ask(describeGroups, version, request, (command) => {
          const groupId = command.type === 'describe' ? command.groupId : '';
          return groupId === 'a' ? STABLE : groupId === 'x' ? UNKNOWN : refused;
        })
        .response.groups.map(({ authorizedOperations }) => authorizedOperations);
    expect(operations(5)).toEqual([3400, 3400, NO_OPERATIONS]);
    expect(operations(6)).toEqual([3400, NO_OPERATIONS, NO_OPERATIONS]);
    expect(operations(2)).toEqual([NO_OPERATIONS, NO_OPERATIONS, NO_OPERATIONS]);
  });

  it('says nothing of a group whose coordinator cannot', () => {
    const client = groupScene().connect();
    expect(client.ask(describeGroups, 6, { groups: ['a'] }, () => refused).response.groups).toMatchObject([
      {
        errorCode: LOADING,
        errorMessage: 'The coordinator is still reading its log.',
        groupState: '',
        members: [],
      },
    ]);
  });
});
