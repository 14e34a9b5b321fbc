import { describe, expect, it } from 'vitest';
import type { ErrorName } from '../../../src/base/errors.js';
import { deleteGroups } from '../../../src/protocol/kafka/messages/42-delete-groups.js';
import { groupScene, LOADING, refused } from './group-scene.js';
import { versionsOf } from './kafka-scene.js';

describe('DeleteGroups', () => {
  it('deletes each group by itself, in every version', () => {
    const client = groupScene().connect();
    const errors: Readonly<Record<string, ErrorName>> = { b: 'NON_EMPTY_GROUP', c: 'GROUP_ID_NOT_FOUND' };
    expect(versionsOf(deleteGroups)).toEqual([0, 1, 2]);
    for (const version of versionsOf(deleteGroups)) {
      const request = { groupsNames: ['a', 'b', 'a', 'c', 'd'] };
      const { response, commands } = client.ask(deleteGroups, version, request, (command) => {
        const groupId = command.type === 'delete' ? command.groupId : '';
        return groupId === 'd' ? refused : { type: 'deleted', error: errors[groupId] ?? 'NONE' };
      });
      expect(commands).toEqual(['a', 'b', 'c', 'd'].map((groupId) => ({ type: 'delete', groupId })));
      expect(response.results).toEqual([
        { groupId: 'a', errorCode: 0 },
        { groupId: 'b', errorCode: 68 },
        { groupId: 'c', errorCode: 69 },
        { groupId: 'd', errorCode: LOADING },
      ]);
    }
  });

  it('asks for some at a time', () => {
    const scene = groupScene();
    const client = scene.connect();
    const groupsNames = Array.from({ length: 250 }, (_, index) => `g${index}`);
    client.tell(deleteGroups, 2, { groupsNames });
    expect(scene.asked).toHaveLength(100);
    for (const { reply } of scene.asked.splice(0, 50)) reply({ type: 'deleted', error: 'NONE' });
    expect(scene.asked).toHaveLength(100);
    for (let next = scene.asked.shift(); next; next = scene.asked.shift())
      next.reply({ type: 'deleted', error: 'NONE' });
    expect(client.answer(deleteGroups, 2, 1).results).toEqual(
      groupsNames.map((groupId) => ({ groupId, errorCode: 0 })),
    );
  });
});
