import type { LoadResult, PacedJob } from '../job.js';
import { buildRecord, produceFrame } from './batch.js';
import { endOffsets } from './end-offsets.js';
import { measured } from './measured.js';
import { OpenLoop } from './open-loop.js';
import { successful, WireConnection } from './wire-connection.js';

/** From here on correlation ids take two bytes, up to 16,383: a pump wants requests of one size. */
const FIRST_CORRELATION_ID = 128;

export function pacedRequest(job: Omit<PacedJob, 'port'>, slot: number): Buffer {
  return produceFrame(
    { correlationId: FIRST_CORRELATION_ID + slot, topic: job.topic, partition: 0 },
    buildRecord(job.recordBytes).bytes,
  );
}

export async function paced(job: PacedJob): Promise<LoadResult> {
  const connection = await WireConnection.open(job.port, job.pump ? 'pump' : 'broker');
  const batchBytes = buildRecord(job.recordBytes).bytes.length;
  const loop = new OpenLoop({
    descriptor: connection.descriptor,
    frame: (slot) => pacedRequest(job, slot),
    requestsPerSecond: job.requestsPerSecond,
    seconds: job.seconds,
  });
  const acknowledged = loop.moments();
  connection.listen(
    {
      answered: (header) => {
        const [result] = successful(header, 'produce').partitions;
        if (!result || result.error)
          throw new Error(`A request failed: ${result?.error?.error ?? 'no result'}`);
        // One partition, one record each: the offset is the number of the request.
        acknowledged.note(job.pump ? loop.answered : result.baseOffset);
        loop.answer();
      },
      payload: () => {},
    },
    loop.fail,
  );
  const result = await measured(async () => {
    await loop.run();
    return { bytes: loop.answered * batchBytes, records: loop.answered };
  });
  if (!job.pump) {
    const ends = await endOffsets(connection, job.topic, 1);
    if (ends[0] !== loop.count)
      throw new Error(`${loop.count} records were acknowledged, and ${ends[0]} are there.`);
  }
  connection.close();
  return { ...result, latency: loop.latency(acknowledged) };
}
