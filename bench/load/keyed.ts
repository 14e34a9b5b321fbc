import { deferred } from '../../src/client/deferred.js';
import { Client } from '../../src/client/index.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import type { KeyedJob, LoadResult } from '../job.js';
import { produceFrame } from './batch.js';
import { measured } from './measured.js';
import { successful, WireConnection } from './wire-connection.js';

const BATCH_BYTES = 64 * 1024;
const WINDOW = 8;

/** The key of a record, as a number: each one once, then any of them. */
export function keyOf(record: number, keys: number): number {
  if (record < keys) return record;
  let mixed = Math.imul(record ^ (record >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  return ((mixed ^ (mixed >>> 16)) >>> 0) % keys;
}

const keyBytes = (key: number) => Buffer.from(`key-${key}`);

/** The offsets that a compaction leaves, in order: below `compactedTo` the newest of each key, and all from there on. */
export function* keptOffsets(
  records: number,
  keys: number,
  compactedTo: number,
): Generator<number, void, undefined> {
  const newest = new Int32Array(keys);
  for (let record = 0; record < compactedTo; record++) newest[keyOf(record, keys)] = record;
  for (let record = 0; record < records; record++)
    if (record >= compactedTo || newest[keyOf(record, keys)] === record) yield record;
}

/** Fills one partition, with some requests unanswered at any time. */
export async function keyedProduce(job: KeyedJob): Promise<LoadResult> {
  const { topic, records, keys } = job;
  const connection = await WireConnection.open(job.port);
  const value = Buffer.alloc(job.valueBytes, 'odradek ');
  const builder = new BatchBuilder();
  const done = deferred<void>();
  let sent = 0;
  let batches = 0;
  let unanswered = 0;
  let bytes = 0;
  const sendNext = (): void => {
    const timestampMs = Date.now();
    do builder.add({ timestampMs, key: keyBytes(keyOf(sent++, keys)), value, headers: [] });
    while (sent < records && builder.bytes < BATCH_BYTES);
    const batch = builder.build();
    bytes += batch.length;
    unanswered++;
    connection.send(produceFrame({ correlationId: ++batches, topic, partition: 0 }, batch));
  };
  const result = await measured(async () => {
    connection.listen(
      {
        answered: (header) => {
          const [answer] = successful(header, 'produce').partitions;
          if (!answer || answer.error)
            throw new Error(`A batch was refused: ${answer?.error?.error ?? 'no result'}`);
          unanswered--;
          if (sent < records) sendNext();
          else if (unanswered === 0) done.resolve();
        },
        payload: () => {},
      },
      done.reject,
    );
    while (sent < records && unanswered < WINDOW) sendNext();
    await done.promise;
    return { bytes, records };
  });
  connection.close();
  return result;
}

/** Reads the partition from its start; fails unless it holds exactly the records that must be left. */
export async function keyedCheck(job: KeyedJob): Promise<LoadResult> {
  await using client = new Client({ brokers: [`127.0.0.1:${job.port}`] });
  await client.connect();
  return await measured(async () => {
    const expected = keptOffsets(job.records, job.keys, job.compactedTo);
    let records = 0;
    let bytes = 0;
    for await (const { offset, key, value } of client.consumer({ topic: job.topic, until: 'end' })) {
      const next = expected.next().value;
      if (offset !== next) throw new Error(`Offset ${offset} came where ${next ?? 'the end'} was to come.`);
      if (!key?.equals(keyBytes(keyOf(offset, job.keys))) || value?.length !== job.valueBytes)
        throw new Error(`The record at offset ${offset} is not the one that was produced.`);
      records++;
      bytes += value.length;
    }
    const missing = expected.next().value;
    if (missing !== undefined) throw new Error(`The record at offset ${missing} is missing.`);
    return { bytes, records };
  });
}
