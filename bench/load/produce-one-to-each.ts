import { produce } from '../../src/protocol/kafka/messages/00-produce.js';
import type { LoadBatch } from './batch.js';
import { expectNone } from './group-members.js';
import type { KafkaConnection } from './kafka-connection.js';

const PRODUCE_VERSION = 9;
const ACKS_ALL = -1;
const TIMEOUT_MS = 30_000;
/** Partitions of one request: as many as the broker surely takes. */
const PARTITIONS_AT_A_TIME = 1_000;

/** Appends the batch of one record to each of the partitions, at Kafka's door. Returns its offsets, in their order. */
export async function produceOneToEach(
  connection: KafkaConnection,
  topic: string,
  partitions: readonly number[],
  { bytes: records }: LoadBatch,
): Promise<number[]> {
  const offsets = new Map<number, number>();
  for (let from = 0; from < partitions.length; from += PARTITIONS_AT_A_TIME) {
    const some = partitions.slice(from, from + PARTITIONS_AT_A_TIME);
    const { responses } = await connection.ask(produce, PRODUCE_VERSION, {
      acks: ACKS_ALL,
      timeoutMs: TIMEOUT_MS,
      topicData: [{ name: topic, partitionData: some.map((index) => ({ index, records })) }],
    });
    for (const { index, errorCode, baseOffset } of responses.flatMap((one) => one.partitionResponses)) {
      expectNone('Produce', errorCode);
      offsets.set(index, baseOffset);
    }
  }
  return partitions.map((partition) => {
    const offset = offsets.get(partition);
    if (offset === undefined) throw new Error(`There is no answer for partition ${partition}.`);
    return offset;
  });
}
