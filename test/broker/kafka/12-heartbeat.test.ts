import { describe, expect, it } from 'vitest';
import { heartbeat } from '../../../src/protocol/kafka/messages/12-heartbeat.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { versionsOf } from './kafka-scene.js';

const REQUEST = { groupId: 'a-group', generationId: 7, memberId: 'a-member', groupInstanceId: 'an-instance' };

describe('Heartbeat', () => {
  it('tells the coordinator, in every version, with the instance from v3 on', () => {
    const client = groupScene().connect();
    expect(versionsOf(heartbeat)).toEqual([0, 1, 2, 3, 4]);
    for (const version of versionsOf(heartbeat)) {
      const { response, commands } = client.ask(heartbeat, version, REQUEST, () => ({
        ...{ type: 'heartbeat', error: 'REBALANCE_IN_PROGRESS' },
      }));
      expect(response, `v${version}`).toEqual({ throttleTimeMs: 0, errorCode: 27 });
      const instanceId = version >= 3 ? 'an-instance' : null;
      expect(commands, `v${version}`).toEqual([
        { type: 'heartbeat', groupId: 'a-group', generation: 7, memberId: 'a-member', instanceId },
      ]);
    }
  });

  it('answers as the coordinator does, also when it cannot', () => {
    const client = groupScene().connect();
    const ask = (error: 'NONE' | 'ILLEGAL_GENERATION') =>
      client.ask(heartbeat, 4, REQUEST, () => ({ type: 'heartbeat', error })).response.errorCode;
    expect([ask('NONE'), ask('ILLEGAL_GENERATION')]).toEqual([0, 22]);
    expect(client.ask(heartbeat, 4, REQUEST, () => refused).response.errorCode).toBe(LOADING);
  });
});
