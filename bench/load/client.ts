import { Client, type Producer, type ReceivedMessage } from '../../src/client/index.js';
import type { ClientJob, LoadResult } from '../job.js';
import { failing, measured } from './measured.js';

/** Messages of one call of `send`, of a job with batches, and how many calls are under way. */
const MESSAGES_A_CALL = 1000;
const CALLS_UNDER_WAY = 5;

/** Sends one message after the other, as a program would, or batches of them, until all are acknowledged. */
export async function clientProduce(job: ClientJob): Promise<LoadResult> {
  const { topic, records } = job;
  const value = Buffer.alloc(job.recordBytes, 'odradek ');
  await using client = new Client({ brokers: [`127.0.0.1:${job.port}`] });
  await client.connect();
  const producer = client.producer();
  return await measured(() =>
    failing(async (fail) => {
      let acknowledged = 0;
      if (job.batches) {
        acknowledged = await sendBatches(producer, job, value);
      } else {
        const count = () => {
          acknowledged++;
        };
        for (let sent = 0; sent < records; sent++) {
          producer.send({ topic, value }).then(count, fail);
          await producer.ready();
        }
        await producer.flush();
      }
      if (acknowledged !== records)
        throw new Error(`${acknowledged} of ${records} records were acknowledged.`);
      return { bytes: records * value.length, records };
    }),
  );
}

/** As kafkajs does it in the other rows. Returns how many were acknowledged. */
async function sendBatches(
  producer: Producer,
  { topic, records }: ClientJob,
  value: Buffer,
): Promise<number> {
  const calls = new Set<Promise<void>>();
  let acknowledged = 0;
  for (let sent = 0; sent < records; sent += MESSAGES_A_CALL) {
    const count = Math.min(MESSAGES_A_CALL, records - sent);
    const messages = Array.from({ length: count }, () => ({ value }));
    const call: Promise<void> = producer.send({ topic, messages }).then((results) => {
      acknowledged += results.length;
      calls.delete(call);
    });
    calls.add(call);
    if (calls.size >= CALLS_UNDER_WAY) await Promise.race(calls);
  }
  await Promise.all(calls);
  return acknowledged;
}

/** Reads all messages of the topic, one after the other or batch by batch. */
export async function clientConsume(job: ClientJob): Promise<LoadResult> {
  await using client = new Client({ brokers: [`127.0.0.1:${job.port}`] });
  await client.connect();
  return await measured(async () => {
    const next = Array.from({ length: job.partitions }, () => 0);
    let records = 0;
    let bytes = 0;
    const count = ({ partition, offset, value }: ReceivedMessage) => {
      if (offset !== next[partition]) {
        throw new Error(
          `Offset ${offset} came where ${next[partition]} of partition ${partition} was to come.`,
        );
      }
      next[partition] = offset + 1;
      records++;
      bytes += value?.length ?? 0;
    };
    const consumer = client.consumer({ topic: job.topic, until: 'end' });
    if (job.batches) {
      for await (const { messages } of consumer.batches()) for (const message of messages) count(message);
    } else {
      for await (const message of consumer) count(message);
    }
    if (records !== job.records || bytes !== records * job.recordBytes) {
      throw new Error(`${records} records with ${bytes} bytes came, ${job.records} were there.`);
    }
    return { bytes, records };
  });
}
