import { Kafka, logLevel, Partitioners } from 'kafkajs';
import type { KafkaJsJob, LoadResult } from '../job.js';
import { measured } from './measured.js';

/** Messages of one call of `send`: kafkajs makes a request of each call, so that one message a call would be slow. */
const MESSAGES_A_CALL = 1000;
const CALLS_UNDER_WAY = 5;

const kafkaOf = ({ port }: KafkaJsJob) =>
  new Kafka({ clientId: 'bench', brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING });

/** Sends as kafkajs does best: a thousand messages a call, some calls under way. */
export async function kafkaJsProduce(job: KafkaJsJob): Promise<LoadResult> {
  const { topic, records } = job;
  const value = Buffer.alloc(job.recordBytes, 'odradek ');
  const producer = kafkaOf(job).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const result = await measured(async () => {
    const calls = new Set<Promise<void>>();
    let acknowledged = 0;
    for (let sent = 0; sent < records; sent += MESSAGES_A_CALL) {
      const count = Math.min(MESSAGES_A_CALL, records - sent);
      const messages = Array.from({ length: count }, () => ({ value }));
      const call: Promise<void> = producer.send({ topic, acks: -1, messages }).then(() => {
        acknowledged += count;
        calls.delete(call);
      });
      calls.add(call);
      if (calls.size >= CALLS_UNDER_WAY) await Promise.race(calls);
    }
    await Promise.all(calls);
    if (acknowledged !== records) throw new Error(`${acknowledged} of ${records} records were acknowledged.`);
    return { bytes: records * value.length, records };
  });
  await producer.disconnect();
  return result;
}

/** Reads all messages of the topic in a group of one member, batch by batch; the clock runs from the first batch on. */
export async function kafkaJsConsume(job: KafkaJsJob): Promise<LoadResult> {
  const consumer = kafkaOf(job).consumer({ groupId: `${job.topic}-readers-${process.pid}` });
  await consumer.connect();
  await consumer.subscribe({ topic: job.topic, fromBeginning: true });
  let begin: () => void = () => {};
  let end: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let records = 0;
  let bytes = 0;
  await consumer.run({
    eachBatch: async ({ batch, resolveOffset }) => {
      begin();
      for (const { value } of batch.messages) {
        records++;
        bytes += value?.length ?? 0;
      }
      resolveOffset(batch.lastOffset());
      if (records >= job.records) end();
    },
  });
  await begun;
  const result = await measured(async () => {
    await ended;
    if (records !== job.records || bytes !== records * job.recordBytes) {
      throw new Error(`${records} records with ${bytes} bytes came, ${job.records} were there.`);
    }
    return { bytes, records };
  });
  await consumer.disconnect();
  return result;
}
