import { describe, expect, it } from 'vitest';
import { findCoordinator } from '../../../src/protocol/kafka/messages/10-find-coordinator.js';
import { groupScene } from './group-scene.js';
import { versionsOf } from './kafka-scene.js';

const HERE = { nodeId: 1, host: '127.0.0.1', port: 9091 };
const NOWHERE = { nodeId: -1, host: '', port: -1 };

describe('FindCoordinator', () => {
  const client = groupScene().connect();

  function ask(version: number, keyType: number, ...coordinatorKeys: readonly string[]) {
    const { response, commands } = client.ask(
      findCoordinator,
      version,
      { key: coordinatorKeys[0] ?? '', keyType, coordinatorKeys },
      () => expect.unreachable(),
    );
    expect(commands).toEqual([]);
    return response;
  }

  it('names this broker for any group, one by one below v4', () => {
    expect(versionsOf(findCoordinator)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const version of [0, 1, 2, 3]) {
      expect(ask(version, 0, 'a-group'), `v${version}`).toMatchObject({
        ...{ ...HERE, errorCode: 0, errorMessage: version >= 1 ? 'NONE' : '' },
      });
    }
  });

  it('answers each of many keys from v4 on, however often it is named', () => {
    for (const version of [4, 5, 6]) {
      expect(ask(version, 0, 'a', 'a', '').coordinators, `v${version}`).toEqual(
        ['a', 'a', ''].map((key) => ({ key, ...HERE, errorCode: 0, errorMessage: '' })),
      );
      expect(ask(version, 0).coordinators).toEqual([]);
    }
  });

  it('knows no other types of keys, but for v0, which has none', () => {
    expect(ask(0, 9, 'a')).toMatchObject({ ...HERE, errorCode: 0 });
    for (const type of [2, 9, -1]) {
      for (const version of [1, 2, 3])
        expect(ask(version, type, 'a'), `v${version}`).toMatchObject({ ...NOWHERE, errorCode: 42 });
      for (const version of [4, 5, 6]) {
        const codes = ask(version, type, 'a', 'b').coordinators.map(({ errorCode, nodeId }) => [
          errorCode,
          nodeId,
        ]);
        expect(codes, `v${version}`).toEqual([
          [42, -1],
          [42, -1],
        ]);
      }
    }
  });

  it('says for good that it has no transactions', () => {
    expect(ask(1, 1, 'tx')).toMatchObject({
      ...NOWHERE,
      errorCode: 53,
      errorMessage: 'Transactions are not served.',
    });
    expect(ask(6, 1, 'tx').coordinators).toMatchObject([{ ...NOWHERE, errorCode: 53 }]);
  });
});
