// Heartbeat: the hot path of groups.
import { ERRORS } from '../../base/errors.js';
import { heartbeat } from '../../protocol/kafka/messages/12-heartbeat.js';
import { coordinate } from '../coordinate.js';
import { serveAtOnce } from './context.js';

export const serveHeartbeat = serveAtOnce(heartbeat, ({ router, body }, answer) => {
  const { groupId, generationId, memberId, groupInstanceId } = body;
  coordinate(
    router,
    { type: 'heartbeat', groupId, generation: generationId, memberId, instanceId: groupInstanceId },
    ({ error }) => answer.reply({ errorCode: ERRORS[error].code }),
  );
});
