import { deferred } from '../../src/client/deferred.js';
import type { LoadResult, ProduceJob } from '../job.js';
import { buildBatch, type LoadBatch, produceFrame } from './batch.js';
import { endOffsets } from './end-offsets.js';
import { measured } from './measured.js';
import { successful, WireConnection } from './wire-connection.js';

/** One connection that fills one partition. Its requests were encoded before the first one is sent. */
class Lane {
  readonly connection: WireConnection;
  readonly #records: number;
  readonly #batches: number;
  /** By slot; the slot is the correlation id less 1. */
  readonly #frames: readonly Buffer[];
  /** Which batch of the partition the slot's request is. */
  readonly #sequences: number[];
  readonly #done = deferred<void>();
  #sent = 0;
  #answered = 0;

  constructor(connection: WireConnection, job: ProduceJob, partition: number, batch: LoadBatch) {
    this.connection = connection;
    this.#records = batch.records;
    this.#batches = job.batchesPerPartition;
    const slots = Array.from({ length: Math.min(job.window, job.batchesPerPartition) }, (_, slot) => slot);
    this.#frames = slots.map((slot) =>
      produceFrame({ correlationId: slot + 1, topic: job.topic, partition }, batch.bytes),
    );
    this.#sequences = slots.map(() => -1);
  }

  run(): Promise<void> {
    this.connection.listen(
      {
        answered: (header) => {
          const [result] = successful(header, 'produce').partitions;
          this.#acknowledged(header.correlationId - 1, result?.error?.error ?? null, result?.baseOffset);
        },
        payload: () => {
          throw new Error('An acknowledgement has no payload.');
        },
      },
      this.#done.reject,
    );
    for (const slot of this.#frames.keys()) this.#send(slot);
    return this.#done.promise;
  }

  #send(slot: number): void {
    const frame = this.#frames[slot];
    if (!frame || this.#sent === this.#batches) return;
    this.#sequences[slot] = this.#sent++;
    this.connection.send(frame);
  }

  #acknowledged(slot: number, error: string | null, baseOffset: number | undefined): void {
    if (error !== null) throw new Error(`The broker refused a batch: ${error}`);
    const expected = (this.#sequences[slot] ?? Number.NaN) * this.#records;
    if (baseOffset !== expected) throw new Error(`A batch got offset ${baseOffset}, expected ${expected}.`);
    this.#send(slot);
    if (++this.#answered === this.#batches) this.#done.resolve();
  }
}

export async function produce(job: ProduceJob): Promise<LoadResult> {
  const batch = buildBatch(job.batchBytes, job.recordBytes);
  const lanes = await Promise.all(
    Array.from({ length: job.partitions }, async (_, partition) => {
      return new Lane(await WireConnection.open(job.port), job, partition, batch);
    }),
  );
  const batches = job.batchesPerPartition * job.partitions;
  const result = await measured(async () => {
    await Promise.all(lanes.map((lane) => lane.run()));
    return { bytes: batches * batch.bytes.length, records: batches * batch.records };
  });
  const [first] = lanes;
  const ends = first ? await endOffsets(first.connection, job.topic, job.partitions) : [];
  const expected = job.batchesPerPartition * batch.records;
  if (ends.some((end) => end !== expected))
    throw new Error(`The partitions end at ${ends}, expected ${expected}.`);
  for (const { connection } of lanes) connection.close();
  return result;
}
