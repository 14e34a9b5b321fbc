import { writeInt64 } from '../base/int64.js';
import { stampBatchCrc } from './batch-crc.js';

/** Whose batches these are: those of one id and epoch are numbered without gaps in each partition. Source: KIP-98. */
export interface ProducerIdentity {
  readonly producerId: number;
  /** [0, {@link PRODUCER_EPOCH_MAX}]; a partition refuses batches of an older epoch than the newest it has. */
  readonly producerEpoch: number;
}

export const PRODUCER_EPOCH_MAX = 32_767;

/** The sequence number that follows `count` records that begin with `sequence`: after 2^31 - 1 comes 0. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % 2 ** 31;
}

/** Makes the batch this producer's, with a new checksum. O(bytes). */
export function stampProducer(
  bytes: Buffer,
  at: number,
  producer: ProducerIdentity,
  baseSequence: number,
): void {
  writeInt64(bytes, at + 43, producer.producerId);
  bytes.writeInt16BE(producer.producerEpoch, at + 51);
  bytes.writeInt32BE(baseSequence, at + 53);
  stampBatchCrc(bytes, at);
}
