// The open loop. Node's timers are as fine as a millisecond, which is far more than an acknowledgement takes; so a thread of
// its own sleeps until a request is due, to some 60 µs, and writes it to the socket's descriptor. This thread only reads.
import { Worker } from 'node:worker_threads';
import { deferred } from '../../src/client/deferred.js';
import type { LoadResult, PacedJob } from '../job.js';
import { percentile } from '../statistics.js';
import { buildRecord, produceFrame } from './batch.js';
import { endOffsets } from './end-offsets.js';
import { measured } from './measured.js';
import { nowMs, type PacerData, UNANSWERED_MAX } from './pacer-data.js';
import { successful, WireConnection } from './wire-connection.js';

/** From here on correlation ids take two bytes, up to 16,383: a pump wants requests of one size. */
const FIRST_CORRELATION_ID = 128;
/** Until the thread runs. */
const LEAD_MS = 200;
/** What is measured: the rest lets the peer warm up. */
const MEASURED_SHARE = 2 / 3;

export function pacedRequest(job: Omit<PacedJob, 'port'>, slot: number): Buffer {
  return produceFrame(
    { correlationId: FIRST_CORRELATION_ID + slot, topic: job.topic, partition: 0 },
    buildRecord(job.recordBytes).bytes,
  );
}

export async function paced(job: PacedJob): Promise<LoadResult> {
  const connection = await WireConnection.open(job.port, job.pump ? 'pump' : 'broker');
  const { descriptor } = connection;
  if (descriptor === null)
    throw new Error('Sockets have no descriptors here: latency can be measured on Linux only.');
  const count = job.requestsPerSecond * job.seconds;
  const batchBytes = buildRecord(job.recordBytes).bytes.length;
  const intervalMs = 1000 / job.requestsPerSecond;
  const answeredMs = new Float64Array(count);
  const done = deferred<void>();
  let answered = 0;
  const data: PacerData = {
    descriptor,
    frames: Array.from({ length: UNANSWERED_MAX }, (_, slot) => pacedRequest(job, slot)),
    count,
    intervalMs,
    startMs: nowMs() + LEAD_MS,
    sentMs: new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT)),
    answered: new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
  };
  connection.listen(
    {
      answered: (header) => {
        const [result] = successful(header, 'produce').partitions;
        if (!result || result.error)
          throw new Error(`A request failed: ${result?.error?.error ?? 'no result'}`);
        // One partition, one record each: the offset is the number of the request.
        const request = job.pump ? answered : result.baseOffset;
        if (answeredMs[request] !== 0) throw new Error(`Request ${request} was not to be answered.`);
        answeredMs[request] = nowMs();
        Atomics.store(data.answered, 0, ++answered);
        if (answered === count) done.resolve();
      },
      payload: () => {},
    },
    done.reject,
  );
  const result = await measured(async () => {
    const pacer = new Worker(new URL('./pacer.js', import.meta.url), { workerData: data });
    pacer.on('error', done.reject);
    await done.promise;
    return { bytes: answered * batchBytes, records: answered };
  });
  if (!job.pump) {
    const ends = await endOffsets(connection, job.topic, 1);
    if (ends[0] !== count) throw new Error(`${count} records were acknowledged, and ${ends[0]} are there.`);
  }
  connection.close();
  const first = Math.floor(count * (1 - MEASURED_SHARE));
  const dueMs = (request: number) => data.startMs + request * intervalMs;
  const since = (momentsMs: Float64Array) =>
    Float64Array.from(momentsMs.subarray(first), (momentMs, index) => momentMs - dueMs(first + index));
  const tookMs = since(answeredMs);
  return {
    ...result,
    latency: {
      p50Ms: percentile(tookMs, 0.5),
      p99Ms: percentile(tookMs, 0.99),
      lateP50Ms: percentile(since(data.sentMs), 0.5),
    },
  };
}
