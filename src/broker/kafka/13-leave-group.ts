// LeaveGroup: below v3 one member, whose error is that of the answer; later many, each with an error of its own (KIP-345).
import { ERRORS } from '../../base/errors.js';
import { leaveGroup } from '../../protocol/kafka/messages/13-leave-group.js';
import { coordinate } from '../coordinate.js';
import { serveAtOnce } from './context.js';
import { refuseTooMany } from './limits.js';

const MANY_MEMBERS_VERSION = 3;
/** Members that leave by one request. */
const MEMBERS_MAX = 10_000;

export const serveLeaveGroup = serveAtOnce(leaveGroup, ({ router, version, body }, answer) => {
  refuseTooMany(body.members, MEMBERS_MAX, 'members');
  const members =
    version >= MANY_MEMBERS_VERSION
      ? body.members.map(({ memberId, groupInstanceId, reason }) => ({
          memberId,
          instanceId: groupInstanceId,
          reason,
        }))
      : [{ memberId: body.memberId, instanceId: null, reason: null }];
  coordinate(router, { type: 'leave', groupId: body.groupId, members }, (left) => {
    const results = left.type === 'left' && left.error === 'NONE' ? left.members : [];
    const only = version >= MANY_MEMBERS_VERSION ? undefined : results[0];
    answer.reply({
      errorCode: ERRORS[only?.error ?? left.error].code,
      members: results.map(({ memberId, instanceId, error }) => ({
        memberId,
        groupInstanceId: instanceId,
        errorCode: ERRORS[error].code,
      })),
    });
  });
});
