import { deferred } from '../../src/client/deferred.js';
import { buildBatch, produceFrame } from './batch.js';
import { successful, WireConnection } from './wire-connection.js';

export interface ToAll {
  readonly port: number;
  readonly topic: string;
  readonly partitions: number;
  /** Default: 0. */
  readonly firstPartition?: number;
  /** To each partition, one after the other over all partitions. */
  readonly batches: number;
  readonly batchBytes: number;
  readonly recordBytes: number;
}

const WINDOW_BYTES = 8 * 1024 * 1024;
const WINDOW_MAX = 200;

/** Appends batches to every partition of a topic on one connection; returns how many bytes they were. */
export async function produceToAll(load: ToAll): Promise<number> {
  const { port, topic, partitions, firstPartition = 0, batches, batchBytes, recordBytes } = load;
  const connection = await WireConnection.open(port);
  const batch = buildBatch(batchBytes, recordBytes).bytes;
  const total = batches * partitions;
  const window = Math.min(total, WINDOW_MAX, Math.ceil(WINDOW_BYTES / batch.length));
  const done = deferred<void>();
  let sent = 0;
  let answered = 0;
  const send = () => {
    // No two unanswered requests have the same number: answers of the window's length before have come.
    const target = {
      correlationId: 1 + (sent % total),
      topic,
      partition: firstPartition + (sent % partitions),
    };
    connection.send(produceFrame(target, batch));
    sent++;
  };
  connection.listen(
    {
      answered: (header) => {
        const [result] = successful(header, 'produce').partitions;
        if (!result || result.error)
          done.reject(new Error(`A batch was refused: ${result?.error?.error ?? 'no result'}`));
        if (++answered === total) done.resolve();
        else if (sent < total) send();
      },
      payload: () => {},
    },
    done.reject,
  );
  for (let index = 0; index < window; index++) send();
  await done.promise;
  connection.close();
  return total * batch.length;
}
