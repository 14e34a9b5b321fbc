import { describe, expect, it } from 'vitest';
import type { GroupReply } from '../../../src/coordinator/group/group-messages.js';
import { syncGroup } from '../../../src/protocol/kafka/messages/14-sync-group.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { versionsOf } from './kafka-scene.js';

const REQUEST = {
  groupId: 'a-group',
  generationId: 3,
  memberId: 'a-member',
  groupInstanceId: 'an-instance',
  protocolType: 'consumer',
  protocolName: 'range',
  assignments: [{ memberId: 'a-member', assignment: Buffer.from('part') }],
};

const SYNCED: GroupReply = {
  type: 'synced',
  error: 'NONE',
  protocolType: 'consumer',
  protocolName: 'range',
  assignment: new Uint8Array([7]),
};

describe('SyncGroup', () => {
  it('brings the assignment and answers with a part of it, in every version', () => {
    const client = groupScene().connect();
    expect(versionsOf(syncGroup)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const version of versionsOf(syncGroup)) {
      const { response, commands } = client.ask(syncGroup, version, REQUEST, () => SYNCED);
      const protocol = (value: string) => (version >= 5 ? value : null);
      expect(commands, `v${version}`).toEqual([
        {
          ...{ type: 'sync', groupId: 'a-group', generation: 3, memberId: 'a-member' },
          instanceId: version >= 3 ? 'an-instance' : null,
          protocolType: protocol('consumer'),
          protocolName: protocol('range'),
          assignments: [{ memberId: 'a-member', assignment: new Uint8Array(Buffer.from('part')) }],
        },
      ]);
      expect(response, `v${version}`).toEqual({
        ...{ throttleTimeMs: 0, errorCode: 0, assignment: Buffer.from([7]) },
        ...{ protocolType: protocol('consumer'), protocolName: protocol('range') },
      });
    }
  });

  it('answers without an assignment beside an error', () => {
    const client = groupScene().connect();
    const failed: GroupReply = {
      ...{ type: 'synced', error: 'ILLEGAL_GENERATION', protocolType: null, protocolName: null },
      assignment: new Uint8Array(),
    };
    for (const version of versionsOf(syncGroup)) {
      const nothing = { protocolType: null, protocolName: null, assignment: Buffer.alloc(0) };
      expect(client.ask(syncGroup, version, REQUEST, () => failed).response).toMatchObject({
        ...{ errorCode: 22, ...nothing },
      });
      expect(client.ask(syncGroup, version, REQUEST, () => refused).response).toMatchObject({
        ...{ errorCode: LOADING, ...nothing },
      });
    }
  });

  it('insists on the protocol from v5 on, without asking the coordinator', () => {
    const client = groupScene().connect();
    for (const missing of [{ protocolType: null }, { protocolName: null }]) {
      const { response, commands } = client.ask(syncGroup, 5, { ...REQUEST, ...missing }, () => SYNCED);
      expect(response).toMatchObject({ errorCode: 23, protocolType: null, protocolName: null });
      expect(commands).toEqual([]);
    }
  });

  it('ends its wait when the broker stops', () => {
    const scene = groupScene();
    const client = scene.connect();
    client.tell(syncGroup, 5, REQUEST);
    scene.router.drain(() => {});
    expect(client.answer(syncGroup, 5, 1)).toMatchObject({ errorCode: 16, assignment: Buffer.alloc(0) });
  });
});
