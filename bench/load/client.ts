import { Client } from '../../src/client/index.js';
import type { ClientJob, LoadResult } from '../job.js';
import { failing, measured } from './measured.js';

/** Sends one message after the other, as a program would, until all are acknowledged. */
export async function clientProduce(job: ClientJob): Promise<LoadResult> {
  const { topic, records } = job;
  const value = Buffer.alloc(job.recordBytes, 'odradek ');
  await using client = new Client({ brokers: [`127.0.0.1:${job.port}`] });
  await client.connect();
  const producer = client.producer();
  return await measured(() =>
    failing(async (fail) => {
      let acknowledged = 0;
      const count = () => {
        acknowledged++;
      };
      for (let sent = 0; sent < records; sent++) {
        producer.send({ topic, value }).then(count, fail);
        await producer.ready();
      }
      await producer.flush();
      if (acknowledged !== records)
        throw new Error(`${acknowledged} of ${records} records were acknowledged.`);
      return { bytes: records * value.length, records };
    }),
  );
}

/** Reads all messages of the topic, one after the other. */
export async function clientConsume(job: ClientJob): Promise<LoadResult> {
  await using client = new Client({ brokers: [`127.0.0.1:${job.port}`] });
  await client.connect();
  return await measured(async () => {
    const next = Array.from({ length: job.partitions }, () => 0);
    let records = 0;
    let bytes = 0;
    for await (const { partition, offset, value } of client.consumer({ topic: job.topic, until: 'end' })) {
      if (offset !== next[partition]) {
        throw new Error(
          `Offset ${offset} came where ${next[partition]} of partition ${partition} was to come.`,
        );
      }
      next[partition] = offset + 1;
      records++;
      bytes += value?.length ?? 0;
    }
    if (records !== job.records || bytes !== records * job.recordBytes) {
      throw new Error(`${records} records with ${bytes} bytes came, ${job.records} were there.`);
    }
    return { bytes, records };
  });
}
