import { createReadStream, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { systemClock } from '../../base/clock.js';
import { OdradekError } from '../../base/errors.js';
import type { Client } from '../../client/index.js';
import type { ProduceOptions } from './produce-command.js';
import { type Progress, startProgress } from './progress.js';
import { RecordInput } from './record-input.js';
import { SendWindow } from './send-window.js';
import { formatBytes } from './table.js';

const READ_BYTES = 256 * 1024;
/** Memory for records that are not acknowledged yet. */
const WINDOW_BYTES = 32 * 1024 * 1024;

/**
 * Sends what the file or stdin holds. Memory stays bounded however much that is: reading waits for acknowledgements.
 *
 * @throws what made a record fail, after the records before it were sent
 */
export async function produceFrom(
  client: Client,
  topic: string,
  file: string | undefined,
  options: ProduceOptions,
): Promise<void> {
  const { stream, bytesTotal } = openSource(file);
  // Says at once that no broker can be reached, which a producer would go on trying for minutes.
  await client.admin().metadata();
  const startMs = systemClock.monotonicMs();
  const window = new SendWindow(WINDOW_BYTES);
  const progress = await startProgress(bytesTotal);
  let failure: unknown = null;
  try {
    await sendAll({ client, topic, options, stream, window, progress });
  } catch (error) {
    failure = error;
  } finally {
    progress.stop();
  }
  const { records, partitions } = window.tally;
  const { bytes } = window;
  if (options.json) process.stdout.write(`${JSON.stringify({ topic, records, bytes, partitions })}\n`);
  const seconds = ((systemClock.monotonicMs() - startMs) / 1000).toFixed(1);
  process.stderr.write(
    `${topic}: ${records} ${records === 1 ? 'record' : 'records'} sent (${formatBytes(bytes)} read) in ${seconds} s\n`,
  );
  if (failure !== null) throw failure;
}

interface Source {
  readonly stream: Readable;
  readonly bytesTotal: number | null;
}

function openSource(file: string | undefined): Source {
  if (file === undefined || file === '-') return { stream: process.stdin, bytesTotal: null };
  const stats = statSync(file);
  const stream = createReadStream(file, { highWaterMark: READ_BYTES });
  return { stream, bytesTotal: stats.isFile() ? stats.size : null };
}

interface Run {
  readonly client: Client;
  readonly topic: string;
  readonly options: ProduceOptions;
  readonly stream: Readable;
  readonly window: SendWindow;
  readonly progress: Progress;
}

async function sendAll({ client, topic, options, stream, window, progress }: Run): Promise<void> {
  const { acks, compression, header: headers, format, keySeparator, keyField, partition } = options;
  const input = new RecordInput({ format, keySeparator, keyField, headers, partition });
  const producer = client.producer({ acks, compression });
  const interruption = new OdradekError('ODR_CLOSED', 'Interrupted before the end of the input.');
  const interrupt = () => stream.destroy(interruption);
  process.once('SIGINT', interrupt);
  const send = async (bytes: number, messages: ReturnType<RecordInput['push']>): Promise<void> => {
    await window.room();
    window.add(bytes, messages.length, producer.send({ topic, messages }));
    if (input.failure !== null) throw input.failure;
  };
  try {
    const chunks: AsyncIterable<Buffer> = stream;
    for await (const chunk of chunks) {
      await send(chunk.length, input.push(chunk));
      progress.update(window.bytes, window.tally.records);
    }
    await send(0, input.end());
  } finally {
    process.off('SIGINT', interrupt);
    await producer.close();
  }
  await window.drained();
}
