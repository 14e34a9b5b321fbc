import { describe, expect, it } from 'vitest';
import type { GroupReply, JoinedGroup } from '../../../src/coordinator/group/group-messages.js';
import { joinGroup } from '../../../src/protocol/kafka/messages/11-join-group.js';
import { heartbeat } from '../../../src/protocol/kafka/messages/12-heartbeat.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { versionsOf } from './kafka-scene.js';

const REQUEST = {
  groupId: 'a-group',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  memberId: 'a-member',
  groupInstanceId: 'an-instance',
  protocolType: 'consumer',
  protocols: [
    { name: 'range', metadata: Buffer.from('one') },
    { name: 'sticky', metadata: Buffer.alloc(0) },
  ],
  reason: 'because',
};

const JOINED: JoinedGroup = {
  type: 'joined',
  error: 'NONE',
  generation: 3,
  protocolType: 'consumer',
  protocolName: 'range',
  leader: 'a-leader',
  skipAssignment: false,
  memberId: 'a-member',
  members: [
    { memberId: 'a-member', instanceId: 'an-instance', metadata: new Uint8Array([1, 2]) },
    { memberId: 'other', instanceId: null, metadata: new Uint8Array() },
  ],
};

const FAILED: JoinedGroup = {
  ...JOINED,
  ...{ error: 'MEMBER_ID_REQUIRED', generation: -1, protocolType: null, protocolName: null, leader: '' },
  ...{ memberId: 'a-new-id', members: [] },
};

describe('JoinGroup', () => {
  it('tells the coordinator what each version says', () => {
    const client = groupScene().connect();
    expect(versionsOf(joinGroup)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const version of versionsOf(joinGroup)) {
      const { commands } = client.ask(joinGroup, version, REQUEST, () => JOINED);
      expect(commands, `v${version}`).toEqual([
        {
          type: 'join',
          ...{ clientId: 'a-client', clientHost: '127.0.0.1', groupId: 'a-group', memberId: 'a-member' },
          instanceId: version >= 5 ? 'an-instance' : null,
          sessionTimeoutMs: 10_000,
          rebalanceTimeoutMs: version >= 1 ? 60_000 : -1,
          protocolType: 'consumer',
          protocols: [
            { name: 'range', metadata: new Uint8Array(Buffer.from('one')) },
            { name: 'sticky', metadata: new Uint8Array() },
          ],
          requireKnownMemberId: version >= 4,
          canSkipAssignment: version >= 9,
          reason: version >= 8 ? 'because' : null,
        },
      ]);
    }
  });

  it('answers with all members, in every version', () => {
    const client = groupScene().connect();
    for (const version of versionsOf(joinGroup)) {
      const { response } = client.ask(joinGroup, version, REQUEST, () => JOINED);
      expect(response, `v${version}`).toEqual({
        ...{ throttleTimeMs: 0, errorCode: 0, generationId: 3, protocolName: 'range', leader: 'a-leader' },
        protocolType: version >= 7 ? 'consumer' : null,
        skipAssignment: false,
        memberId: 'a-member',
        members: [
          {
            memberId: 'a-member',
            groupInstanceId: version >= 5 ? 'an-instance' : null,
            metadata: Buffer.from([1, 2]),
          },
          { memberId: 'other', groupInstanceId: null, metadata: Buffer.alloc(0) },
        ],
      });
    }
    const skipping: GroupReply = { ...JOINED, skipAssignment: true };
    expect(client.ask(joinGroup, 9, REQUEST, () => skipping).response.skipAssignment).toBe(true);
  });

  it('says no protocol beside an error: empty below v7, null later', () => {
    const client = groupScene().connect();
    for (const version of versionsOf(joinGroup)) {
      const failed = {
        ...{ generationId: -1, protocolType: null, protocolName: version >= 7 ? null : '', leader: '' },
        members: [],
      };
      expect(client.ask(joinGroup, version, REQUEST, () => FAILED).response, `v${version}`).toMatchObject({
        ...failed,
        ...{ errorCode: 79, memberId: 'a-new-id' },
      });
      expect(client.ask(joinGroup, version, REQUEST, () => refused).response, `v${version}`).toMatchObject({
        ...failed,
        ...{ errorCode: LOADING, memberId: 'a-member' },
      });
    }
  });

  it('hands on bytes of its own, not those of the receive buffer', () => {
    const scene = groupScene();
    const client = scene.connect();
    client.tell(joinGroup, 5, REQUEST);
    const command = scene.asked[0]?.command;
    // What comes next lies where the first request lay.
    client.tell(heartbeat, 0, { groupId: 'x'.repeat(300), generationId: 1, memberId: '' });
    const metadata = command?.type === 'join' ? command.protocols[0]?.metadata : undefined;
    expect(String(Buffer.from(metadata ?? []))).toBe('one');
    // Sent to another thread, a view takes all its memory along.
    expect(metadata?.buffer.byteLength).toBe(3);
  });

  it('waits without keeping others from being handled, and answers in their order', () => {
    const scene = groupScene();
    const client = scene.connect();
    const join = client.tell(joinGroup, 9, REQUEST);
    const beat = client.tell(heartbeat, 4, { groupId: 'a-group', generationId: 1, memberId: 'a-member' });
    expect(scene.asked.map(({ command }) => command.type)).toEqual(['join', 'heartbeat']);
    scene.asked[1]?.reply({ type: 'heartbeat', error: 'NONE' });
    scene.turn();
    expect(client.transport.read).toEqual([]);
    scene.asked[0]?.reply(JOINED);
    expect(client.answer(joinGroup, 9, join).errorCode).toBe(0);
    expect(client.answer(heartbeat, 4, beat).errorCode).toBe(0);
  });

  it('lets so many joins of a connection wait; one more ends the wait of the oldest', () => {
    const scene = groupScene();
    const client = scene.connect();
    const { requestsMax } = scene.router.options.config;
    for (let count = 1; count < requestsMax; count++) client.tell(joinGroup, 9, REQUEST);
    expect(client.transport.read).toEqual([]);
    for (let count = 1; count <= 20; count++) {
      client.tell(joinGroup, 9, REQUEST);
      expect(client.answer(joinGroup, 9, count)).toMatchObject({ errorCode: 16, memberId: 'a-member' });
      expect(client.transport.read).toEqual([]);
    }
    // The coordinator's own reply to it comes too late, and hurts nobody.
    scene.asked[0]?.reply(JOINED);
    scene.asked[20]?.reply(JOINED);
    expect(client.answer(joinGroup, 9, 21)).toMatchObject({ errorCode: 0, generationId: 3 });
  });

  it('ends its wait when the broker stops', () => {
    const scene = groupScene();
    const client = scene.connect();
    client.tell(joinGroup, 9, REQUEST);
    let drained = false;
    scene.router.drain(() => {
      drained = true;
    });
    expect(client.answer(joinGroup, 9, 1).errorCode).toBe(16);
    scene.turn();
    expect(drained).toBe(true);
  });

  it('is forgotten when its client leaves', () => {
    const scene = groupScene();
    const client = scene.connect();
    client.tell(joinGroup, 9, REQUEST);
    client.transport.close();
    expect(scene.router.connectionCount).toBe(0);
    scene.asked[0]?.reply(JOINED);
    scene.turn();
    expect(client.transport.read).toEqual([]);
  });

  it('names a client without an id, and refuses to read thousands of protocols', () => {
    const scene = groupScene();
    const client = scene.connect();
    client.tell(joinGroup, 0, REQUEST, null);
    expect(scene.asked[0]?.command).toMatchObject({ clientId: '', clientHost: '127.0.0.1' });
    const protocols = Array.from({ length: 1001 }, () => ({ name: 'x', metadata: Buffer.alloc(0) }));
    client.tell(joinGroup, 0, { ...REQUEST, protocols });
    expect(client.transport.ended).toBe(true);
    expect(scene.asked).toHaveLength(1);
  });
});
