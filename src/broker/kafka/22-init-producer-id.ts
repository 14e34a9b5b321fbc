// InitProducerId: a new id with epoch 0 for an idempotent producer. What id it had does not matter: without a transactional id
// Kafka gives a new one each time, and clients raise their epoch themselves (KIP-360). Transactions are not served.
import { ERRORS, type ErrorName } from '../../base/errors.js';
import { initProducerId } from '../../protocol/kafka/messages/22-init-producer-id.js';
import { serveAtOnce } from './context.js';

export const serveInitProducerId = serveAtOnce(initProducerId, ({ router, body }, answer) => {
  const refuse = (error: ErrorName) =>
    answer.reply({ errorCode: ERRORS[error].code, producerId: -1, producerEpoch: -1 });
  const { transactionalId } = body;
  if (transactionalId !== null) {
    refuse(transactionalId === '' ? 'INVALID_REQUEST' : 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED');
    return;
  }
  router.initProducerId(null, (result) => {
    if ('error' in result) refuse(result.error);
    else answer.reply({ errorCode: 0, ...result });
  });
});
