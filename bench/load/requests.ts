import { deferred } from '../../src/client/deferred.js';
import type { LoadResult, RequestsJob } from '../job.js';
import { percentile } from '../statistics.js';
import { buildRecord, produceFrame } from './batch.js';
import { endOffsets } from './end-offsets.js';
import { measured } from './measured.js';
import { successful, WireConnection } from './wire-connection.js';

/** A pump takes every request for one like any other, so they must be equally long: partition 0 is not written out. */
const PUMP_PARTITION = 1;
const CORRELATION_ID = 1;

/** The request that each connection sends; the one for a pump tells how large all of them are. */
export function requestOf(job: Omit<RequestsJob, 'port'>, connection: number): Buffer {
  const partition = job.pump ? PUMP_PARTITION : connection % job.partitions;
  return produceFrame(
    { correlationId: CORRELATION_ID, topic: job.topic, partition },
    buildRecord(job.recordBytes).bytes,
  );
}

export async function requests(job: RequestsJob): Promise<LoadResult> {
  const connections = await Promise.all(
    Array.from({ length: job.connections }, () =>
      WireConnection.open(job.port, job.pump ? 'pump' : 'broker'),
    ),
  );
  const batchBytes = buildRecord(job.recordBytes).bytes.length;
  const tookMs = new Float64Array(job.requests);
  const done = deferred<void>();
  let sent = 0;
  let answered = 0;

  const start = (connection: WireConnection, index: number): void => {
    const frame = requestOf(job, index);
    let sentMs = 0;
    let lastOffset = -1;
    const send = () => {
      if (sent === job.requests) return;
      sent++;
      sentMs = performance.now();
      connection.send(frame);
    };
    connection.listen(
      {
        answered: (header) => {
          const [result] = successful(header, 'produce').partitions;
          if (!result || result.error)
            throw new Error(`A request failed: ${result?.error?.error ?? 'no result'}`);
          if (!job.pump && result.baseOffset <= lastOffset) {
            throw new Error(`Offset ${result.baseOffset} came after ${lastOffset}.`);
          }
          lastOffset = result.baseOffset;
          tookMs[answered++] = performance.now() - sentMs;
          if (answered === job.requests) done.resolve();
          else send();
        },
        payload: () => {},
      },
      done.reject,
    );
    send();
  };

  const result = await measured(async () => {
    connections.forEach(start);
    await done.promise;
    return { bytes: answered * batchBytes, records: answered };
  });
  const [first] = connections;
  if (first && !job.pump) await checkEnds(first, job);
  for (const connection of connections) connection.close();
  return { ...result, latency: { p50Ms: percentile(tookMs, 0.5), p99Ms: percentile(tookMs, 0.99) } };
}

async function checkEnds(
  connection: WireConnection,
  { topic, partitions, requests }: RequestsJob,
): Promise<void> {
  const ends = await endOffsets(connection, topic, partitions);
  const records = ends.reduce((sum, end) => sum + end, 0);
  if (records !== requests)
    throw new Error(`${requests} records were acknowledged, and ${records} are there.`);
}
