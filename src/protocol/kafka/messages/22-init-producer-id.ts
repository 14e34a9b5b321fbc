// InitProducerId: an id for an idempotent or transactional producer.
//
// v2 flexible; v3 the producer's own id and epoch, to go on with them (KIP-360); v4 PRODUCER_FENCED; v5 TRANSACTION_ABORTABLE
// (KIP-890). v6 (KIP-939) is not stable in Kafka 4.
import { Api } from '../api.js';
import type { Decoded, Encodable } from '../message.js';
import { int16, int32, int64, string } from '../schema.js';
import { errorCode } from './common.js';

export const initProducerId = new Api({
  key: 22,
  name: 'InitProducerId',
  versions: '0-5',
  flexible: '2+',
  request: {
    transactionalId: string('Transactional id, or null for an idempotent producer.', { nullable: true }),
    transactionTimeoutMs: int32('After this time the broker aborts an open transaction.'),
    producerId: int64('Id that the producer has, or -1.', { versions: '3+', default: -1 }),
    producerEpoch: int16('Epoch that the producer has, or -1.', { versions: '3+', default: -1 }),
  },
  response: {
    throttleTimeMs: int32('How long the client is held back.', { default: 0 }),
    errorCode,
    producerId: int64('Id of the producer, or -1.', { default: -1 }),
    producerEpoch: int16('Epoch of the producer.', { default: 0 }),
  },
});

export type InitProducerIdRequest = Decoded<typeof initProducerId.request>;
export type InitProducerIdResponse = Encodable<typeof initProducerId.response>;
