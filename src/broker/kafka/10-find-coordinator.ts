// FindCoordinator: there is one broker, and it coordinates all groups. Its internal topic is created when a group first needs
// it, so that no client is told to come again, as Kafka does.
//
// v0 knows groups only; v4 asks for many at once (KIP-699). The message of a success is "NONE" below v4 and empty later, as
// with Kafka. Transactions are not served: whoever looks for their coordinator hears what Produce and InitProducerId would
// say too, which all clients take for final, while COORDINATOR_NOT_AVAILABLE would have them ask until their time is up.
// Idempotent producers do not ask. Nor are share groups: their key type is as unknown as any other.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { findCoordinator } from '../../protocol/kafka/messages/10-find-coordinator.js';
import { serveAtOnce } from './context.js';
import { GROUPS_MAX } from './groups.js';
import { refuseTooMany } from './limits.js';

const GROUP = 0;
const TRANSACTION = 1;
const KEY_TYPE_VERSION = 1;
const NOBODY = { nodeId: -1, host: '', port: -1 };

export const serveFindCoordinator = serveAtOnce(
  findCoordinator,
  ({ router, connection, version, body }, answer) => {
    refuseTooMany(body.coordinatorKeys, GROUPS_MAX, 'keys');
    const keyType = version < KEY_TYPE_VERSION ? GROUP : body.keyType;
    const error = errorOf(keyType);
    const { code, message } = ERRORS[error];
    const { host, port } = router.addressFor('kafka', connection.localAddress);
    const node = error === 'NONE' ? { nodeId: router.options.brokerId, host, port } : NOBODY;
    answer.reply({
      ...node,
      errorCode: code,
      errorMessage: error === 'NONE' ? 'NONE' : message,
      coordinators: body.coordinatorKeys.map((key) => ({
        ...node,
        key,
        errorCode: code,
        errorMessage: message,
      })),
    });
  },
);

function errorOf(keyType: number): ErrorName {
  if (keyType === GROUP) return 'NONE';
  return keyType === TRANSACTION ? 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED' : 'INVALID_REQUEST';
}
