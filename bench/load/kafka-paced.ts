// The open loop at Kafka's door: records that are due at a fixed rate, to their acknowledgement; or to their arrival at a consumer
// whose fetch waits for them on a connection of its own.
import { decodeResponse } from '../../src/protocol/kafka/headers.js';
import { produce } from '../../src/protocol/kafka/messages/00-produce.js';
import type { KafkaPacedJob, LoadResult } from '../job.js';
import { buildRecord } from './batch.js';
import { cpuFromNow } from './broker-cpu.js';
import { expectNone } from './group-members.js';
import { KafkaConnection, requestFrame } from './kafka-connection.js';
import { measured } from './measured.js';
import { OpenLoop } from './open-loop.js';
import { PacedConsumer } from './paced-consumer.js';

const PRODUCE_VERSION = 9;
const ACKS_ALL = -1;
const TIMEOUT_MS = 30_000;

export async function kafkaPaced(job: KafkaPacedJob): Promise<LoadResult> {
  const record = buildRecord(job.recordBytes);
  const producer = await KafkaConnection.open(job.port);
  const consumer = job.consumes ? await KafkaConnection.open(job.port) : null;
  const frame = requestFrame(produce, PRODUCE_VERSION, {
    acks: ACKS_ALL,
    timeoutMs: TIMEOUT_MS,
    topicData: [{ name: job.topic, partitionData: [{ index: 0, records: record.bytes }] }],
  });
  const loop = new OpenLoop({
    descriptor: producer.descriptor,
    // Answers come in the order of the requests, so that all may have the same number.
    frame: () => frame,
    requestsPerSecond: job.requestsPerSecond,
    seconds: job.seconds,
  });
  const acknowledged = loop.moments();
  const arrived = loop.moments();
  producer.listen((answer) => {
    const { responses } = decodeResponse(produce, PRODUCE_VERSION, answer).response;
    const result = responses[0]?.partitionResponses[0];
    expectNone('Produce', result?.errorCode ?? -1);
    // One partition, one record each: the offset is the number of the request.
    acknowledged.note(result?.baseOffset ?? -1);
    loop.answer();
  }, loop.fail);
  const result = await measured(async () => {
    const cpu = cpuFromNow(job.brokerPid);
    const read =
      consumer && new PacedConsumer(consumer, { topic: job.topic, record, arrived }).read(loop.count);
    await Promise.all([loop.run(), read]);
    return { bytes: loop.count * record.bytes.length, records: loop.count, broker: cpu() };
  });
  producer.close();
  consumer?.close();
  return { ...result, latency: loop.latency(job.consumes ? arrived : acknowledged) };
}
