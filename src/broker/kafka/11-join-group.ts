// JoinGroup: is answered when the group's members have come together, or at once with an error.
//
// Below v4 a new member joins without being told its id first (KIP-394). Below v1 there is no rebalance timeout: the session's
// counts. Below v7 the protocol's name is empty beside an error, later null.
import { ERRORS } from '../../base/errors.js';
import { joinGroup } from '../../protocol/kafka/messages/11-join-group.js';
import { coordinate, copyOf } from '../coordinate.js';
import { serveAtOnce } from './context.js';
import { clientOf, ENDED_WAIT } from './groups.js';
import { refuseTooMany } from './limits.js';

const KNOWN_MEMBER_ID_VERSION = 4;
const PROTOCOL_TYPE_VERSION = 7;
const SKIP_ASSIGNMENT_VERSION = 9;
/** Protocols that one member offers. Kafka's clients offer two or three. */
const PROTOCOLS_MAX = 1000;

export const serveJoinGroup = serveAtOnce(
  joinGroup,
  ({ router, connection, version, clientId, body }, answer) => {
    refuseTooMany(body.protocols, PROTOCOLS_MAX, 'protocols');
    const { groupId, memberId, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs } = body;
    const text = (value: string | null) => (version < PROTOCOL_TYPE_VERSION ? (value ?? '') : value);
    const refuse = (errorCode: number) =>
      answer.reply({ errorCode, protocolName: text(null), leader: '', memberId, members: [] });
    answer.onCancel(
      () => refuse(ENDED_WAIT),
      () => {},
    );
    coordinate(
      router,
      {
        type: 'join',
        ...clientOf(connection, clientId),
        groupId,
        memberId,
        instanceId: groupInstanceId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        protocolType: body.protocolType,
        protocols: body.protocols.map(({ name, metadata }) => ({ name, metadata: copyOf(metadata) })),
        requireKnownMemberId: version >= KNOWN_MEMBER_ID_VERSION,
        canSkipAssignment: version >= SKIP_ASSIGNMENT_VERSION,
        reason: body.reason,
      },
      (joined) => {
        const { code } = ERRORS[joined.error];
        if (joined.type === 'refused') {
          refuse(code);
          return;
        }
        answer.reply({
          errorCode: code,
          generationId: joined.generation,
          protocolType: joined.protocolType,
          protocolName: text(joined.protocolName),
          leader: joined.leader,
          skipAssignment: joined.skipAssignment,
          memberId: joined.memberId,
          members: joined.members.map(({ memberId: id, instanceId, metadata }) => ({
            memberId: id,
            groupInstanceId: instanceId,
            metadata,
          })),
        });
      },
    );
  },
);
