import { deferred } from '../../src/client/deferred.js';
import type { ResponseHeader } from '../../src/protocol/native/messages.js';
import type { ConsumeJob, LoadResult } from '../job.js';
import { buildBatch, type LoadBatch, requestFrame } from './batch.js';
import { BatchStream } from './batch-stream.js';
import { measured } from './measured.js';
import { successful, WireConnection } from './wire-connection.js';

const MAX_WAIT_MS = 5_000;

/**
 * One connection that reads one partition from its start. All batches are of one size, so that the header of an answer tells
 * where it ends: the next fetch is sent while the payload is still coming.
 */
class Lane {
  readonly #connection: WireConnection;
  readonly #job: ConsumeJob;
  readonly #partition: number;
  readonly #batch: LoadBatch;
  readonly #stream: BatchStream;
  readonly #endOffset: number;
  readonly #done = deferred<void>();
  #fetchOffset = 0;
  #correlationId = 0;
  bytes = 0;

  constructor(connection: WireConnection, job: ConsumeJob, partition: number, batch: LoadBatch) {
    this.#connection = connection;
    this.#job = job;
    this.#partition = partition;
    this.#batch = batch;
    this.#stream = new BatchStream(batch);
    this.#endOffset = job.batchesPerPartition * batch.records;
  }

  get records(): number {
    return this.#stream.endOffset;
  }

  run(): Promise<void> {
    this.#connection.listen(
      {
        answered: (header, payloadBytes) => this.#answered(header, payloadBytes),
        payload: (piece) => {
          this.bytes += piece.length;
          this.#stream.received(piece);
          if (this.#stream.endOffset === this.#endOffset) this.#done.resolve();
        },
      },
      this.#done.reject,
    );
    this.#fetch();
    return this.#done.promise;
  }

  close(): void {
    this.#connection.close();
  }

  #fetch(): void {
    const { topic, fetchBytes: maxBytes } = this.#job;
    this.#connection.send(
      requestFrame(++this.#correlationId, {
        type: 'fetch',
        minBytes: 1,
        maxWaitMs: MAX_WAIT_MS,
        maxBytes,
        partitions: [{ topic, partition: this.#partition, offset: this.#fetchOffset, maxBytes }],
      }),
    );
  }

  #answered(header: ResponseHeader, payloadBytes: number): void {
    const [result] = successful(header, 'fetch').partitions;
    if (!result || result.error)
      throw new Error(`A fetch failed: ${result?.error?.error ?? 'no such partition'}`);
    const batches = payloadBytes / this.#batch.bytes.length;
    if (result.recordsBytes !== payloadBytes || !Number.isInteger(batches)) {
      throw new Error(`An answer with ${payloadBytes} bytes does not consist of whole batches.`);
    }
    this.#fetchOffset += batches * this.#batch.records;
    if (this.#fetchOffset < this.#endOffset) this.#fetch();
  }
}

export async function consume(job: ConsumeJob): Promise<LoadResult> {
  const batch = buildBatch(job.batchBytes, job.recordBytes);
  const lanes = await Promise.all(
    Array.from({ length: job.partitions }, async (_, partition) => {
      return new Lane(await WireConnection.open(job.port), job, partition, batch);
    }),
  );
  const result = await measured(async () => {
    await Promise.all(lanes.map((lane) => lane.run()));
    const total = (of: (lane: Lane) => number) => lanes.reduce((sum, lane) => sum + of(lane), 0);
    return { bytes: total(({ bytes }) => bytes), records: total(({ records }) => records) };
  });
  for (const lane of lanes) lane.close();
  return result;
}
