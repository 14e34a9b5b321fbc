// DescribeGroups: a group that does not exist is Dead without an error below v6, and GROUP_ID_NOT_FOUND later (KIP-1043).
// What is asked for twice is answered once.
import { ERRORS } from '../../base/errors.js';
import { describeGroups } from '../../protocol/kafka/messages/15-describe-groups.js';
import { NO_OPERATIONS } from '../../protocol/kafka/messages/common.js';
import { type AnswerTo, coordinate, type RefusedCommand } from '../coordinate.js';
import { atATime } from './at-a-time.js';
import { serveAtOnce } from './context.js';
import { GROUPS_AT_A_TIME, GROUPS_MAX } from './groups.js';
import { refuseTooMany } from './limits.js';

const NOT_FOUND_VERSION = 6;
/** Read, delete, describe, describe configs, alter configs: all that there is to do to a group. Source: AclOperation's codes. */
const ALL_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);

type Reply = AnswerTo<'describe'> | RefusedCommand;

export const serveDescribeGroups = serveAtOnce(describeGroups, ({ router, version, body }, answer) => {
  refuseTooMany(body.groups, GROUPS_MAX, 'groups');
  const groupIds = [...new Set(body.groups)];
  const groups: ReturnType<typeof describe>[] = new Array(groupIds.length);
  const ask = (groupId: string, index: number, ended: () => void) => {
    coordinate(router, { type: 'describe', groupId }, (reply) => {
      groups[index] = describe(groupId, reply, version, body.includeAuthorizedOperations);
      ended();
    });
  };
  atATime(groupIds, GROUPS_AT_A_TIME, ask, () => answer.reply({ groups }));
});

function describe(groupId: string, reply: Reply, version: number, withOperations: boolean) {
  const isUnknown = reply.error === 'GROUP_ID_NOT_FOUND';
  const error = isUnknown && version < NOT_FOUND_VERSION ? 'NONE' : reply.error;
  const group = reply.type === 'described' && (reply.error === 'NONE' || isUnknown) ? reply : null;
  return {
    errorCode: ERRORS[error].code,
    errorMessage: error === 'NONE' ? null : isUnknown ? `Group ${groupId} not found.` : ERRORS[error].message,
    groupId,
    groupState: group?.state ?? '',
    protocolType: group?.protocolType ?? '',
    protocolData: group?.protocol ?? '',
    members: (group?.members ?? []).map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      // As Kafka's InetAddress prints it.
      clientHost: `/${member.clientHost.replace(/^\//, '')}`,
      memberMetadata: member.metadata,
      memberAssignment: member.assignment,
    })),
    authorizedOperations: withOperations && error === 'NONE' ? ALL_OPERATIONS : NO_OPERATIONS,
  };
}
