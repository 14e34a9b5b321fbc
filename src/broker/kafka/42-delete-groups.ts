// DeleteGroups: each group succeeds or fails by itself (KIP-229). What is named twice is answered once.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { deleteGroups } from '../../protocol/kafka/messages/42-delete-groups.js';
import { coordinate } from '../coordinate.js';
import { atATime } from './at-a-time.js';
import { serveAtOnce } from './context.js';
import { GROUPS_AT_A_TIME, GROUPS_MAX } from './groups.js';
import { refuseTooMany } from './limits.js';

export const serveDeleteGroups = serveAtOnce(deleteGroups, ({ router, body }, answer) => {
  refuseTooMany(body.groupsNames, GROUPS_MAX, 'groups');
  const groupIds = [...new Set(body.groupsNames)];
  const errors: ErrorName[] = new Array(groupIds.length);
  const remove = (groupId: string, index: number, ended: () => void) => {
    coordinate(router, { type: 'delete', groupId }, ({ error }) => {
      errors[index] = error;
      ended();
    });
  };
  atATime(groupIds, GROUPS_AT_A_TIME, remove, () => {
    const results = groupIds.map((groupId, index) => ({
      groupId,
      errorCode: ERRORS[errors[index] ?? 'UNKNOWN_SERVER_ERROR'].code,
    }));
    answer.reply({ results });
  });
});
