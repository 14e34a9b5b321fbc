import { OdradekError } from '../base/errors.js';
import type { Acks } from '../protocol/native/messages.js';
import { CODEC_NAMES, type CodecName } from '../record/compression/codec.js';
import type { Encoder } from './format.js';
import type { MessageBytes } from './message.js';
import { oneOf, wholeNumber } from './option-check.js';
import { defaultPartitioner, type Partitioner } from './partitioner.js';

/** Batches of a producer, header included, and room in `bufferBytesMax` for one. */
const BATCH_BYTES_CAP = 16 * 1024 * 1024;
/** A partition remembers so many batches of a producer (KIP-98). */
const IDEMPOTENT_IN_FLIGHT_MAX = 5;
/** As long as a timer can run. */
const TIME_CAP_MS = 2 ** 31 - 1;

export interface ProducerOptions<Key = MessageBytes, Value = MessageBytes> {
  /** What keys are, and how they become bytes: `text()`, `json<Order>()` … Default: strings and bytes, as they are. */
  readonly key?: Encoder<Key> | undefined;
  /** What values are, and how they become bytes. Default: strings and bytes, as they are. */
  readonly value?: Encoder<Value> | undefined;
  /**
   * When a message counts as sent: all in-sync replicas have it, the leader has it, or it left this machine. Default
   * `all`.
   */
  readonly acks?: Acks | undefined;
  /** Of batches that get smaller by it. Default `none`. */
  readonly compression?: CodecName | undefined;
  /** How long a message may wait for others to share its batch with. Default 5. 0: for those of the same turn only. */
  readonly lingerMs?: number | undefined;
  /**
   * A batch this large is sent at once. Default 256 KiB: larger ones cost the broker no less per byte, and a topic
   * takes up to 1 MiB unless its max.message.bytes says otherwise.
   */
  readonly batchBytes?: number | undefined;
  /** Bound on messages in memory, about; `send` waits for room. Default 32 MiB. */
  readonly bufferBytesMax?: number | undefined;
  /** Default: Kafka's for messages with a key; those without go to one partition after the other, a batch to each. */
  readonly partitioner?: Partitioner | undefined;
  /** How long a message is tried to be delivered, from the moment it has room. Default 120,000. */
  readonly deliveryTimeoutMs?: number | undefined;
  /**
   * Whether the broker is to tell a batch that comes again from a new one, by numbers that the producer gives its batches: then
   * a lost answer leads to no message twice, and to no other order. Needs `acks: 'all'` and at most 5
   * `requestsInFlightMax`. Default: true where these allow it.
   */
  readonly idempotent?: boolean | undefined;
  /**
   * How often a batch is sent again after an error that may pass, within `deliveryTimeoutMs`. Default: without limit.
   * Unless `idempotent`, a retry after an error that leaves in doubt whether the broker has the batch (a lost connection,
   * a timeout) can append it twice; 0 excludes that, and loses messages instead.
   */
  readonly retries?: number | undefined;
  /**
   * Batches of one partition under way at a time. Default 5 if `idempotent`, else 1: without it more keep the order only as
   * long as nothing is retried.
   */
  readonly requestsInFlightMax?: number | undefined;
}

export type CheckedProducerOptions = {
  readonly [Name in keyof Omit<ProducerOptions, 'key' | 'value'>]-?: NonNullable<ProducerOptions[Name]>;
};

/**
 * The options with their defaults.
 *
 * @throws OdradekError ODR_USAGE for a value that is out of range
 */
export function checkProducerOptions(
  options: Omit<ProducerOptions, 'key' | 'value'>,
): CheckedProducerOptions {
  const acks = oneOf('acks', options.acks ?? 'all', ['all', 'leader', 'none']);
  const inFlightMax = wholeNumber('requestsInFlightMax', options.requestsInFlightMax ?? 1, 1, 1000);
  const isPossible = acks === 'all' && inFlightMax <= IDEMPOTENT_IN_FLIGHT_MAX;
  const idempotent = options.idempotent ?? isPossible;
  if (idempotent && !isPossible) {
    const needs = `acks 'all' and at most ${IDEMPOTENT_IN_FLIGHT_MAX} requestsInFlightMax`;
    throw new OdradekError('ODR_USAGE', `An idempotent producer needs ${needs}.`);
  }
  const batchBytes = wholeNumber('batchBytes', options.batchBytes ?? 256 * 1024, 1, BATCH_BYTES_CAP);
  return {
    acks,
    idempotent,
    compression: oneOf('compression', options.compression ?? 'none', CODEC_NAMES),
    lingerMs: wholeNumber('lingerMs', options.lingerMs ?? 5, 0, TIME_CAP_MS),
    batchBytes,
    bufferBytesMax: wholeNumber('bufferBytesMax', options.bufferBytesMax ?? 32 * 1024 * 1024, 1),
    partitioner: options.partitioner ?? defaultPartitioner,
    deliveryTimeoutMs: wholeNumber('deliveryTimeoutMs', options.deliveryTimeoutMs ?? 120_000, 1, TIME_CAP_MS),
    retries: wholeNumber('retries', options.retries ?? Number.MAX_SAFE_INTEGER, 0),
    requestsInFlightMax: options.requestsInFlightMax ?? (idempotent ? IDEMPOTENT_IN_FLIGHT_MAX : 1),
  };
}
