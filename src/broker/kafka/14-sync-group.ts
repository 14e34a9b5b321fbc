// SyncGroup: is answered when the leader has brought the assignment. From v5 on it must say the group's protocol (KIP-559).
import { ERRORS } from '../../base/errors.js';
import { syncGroup } from '../../protocol/kafka/messages/14-sync-group.js';
import { coordinate, copyOf } from '../coordinate.js';
import { serveAtOnce } from './context.js';
import { ENDED_WAIT, NO_BYTES } from './groups.js';
import { refuseTooMany } from './limits.js';

const PROTOCOL_VERSION = 5;
/** Members that an assignment names. */
const ASSIGNMENTS_MAX = 10_000;

export const serveSyncGroup = serveAtOnce(syncGroup, ({ router, version, body }, answer) => {
  refuseTooMany(body.assignments, ASSIGNMENTS_MAX, 'assignments');
  const { groupId, generationId, memberId, groupInstanceId, protocolType, protocolName } = body;
  const refuse = (errorCode: number) => answer.reply({ errorCode, assignment: NO_BYTES });
  if (version >= PROTOCOL_VERSION && (protocolType === null || protocolName === null)) {
    refuse(ERRORS.INCONSISTENT_GROUP_PROTOCOL.code);
    return;
  }
  answer.onCancel(
    () => refuse(ENDED_WAIT),
    () => {},
  );
  coordinate(
    router,
    {
      type: 'sync',
      groupId,
      generation: generationId,
      memberId,
      instanceId: groupInstanceId,
      protocolType,
      protocolName,
      assignments: body.assignments.map(({ memberId: id, assignment }) => ({
        memberId: id,
        assignment: copyOf(assignment),
      })),
    },
    (synced) => {
      const { code } = ERRORS[synced.error];
      if (synced.type === 'refused') refuse(code);
      else {
        answer.reply({
          errorCode: code,
          protocolType: synced.protocolType,
          protocolName: synced.protocolName,
          assignment: synced.assignment,
        });
      }
    },
  );
});
