import { once } from 'node:events';
import type { Client } from '../../client/index.js';
import type { ConsumeOptions } from './consume-command.js';
import { recordFormatter } from './record-output.js';

/** Prints records on stdout until the end, so many of them, or Ctrl-C. */
export async function consumeTo(client: Client, topic: string, options: ConsumeOptions): Promise<void> {
  const { from, partition: partitions, follow, format, keySeparator = '\t' } = options;
  let left = options.count ?? Number.POSITIVE_INFINITY;
  const append = recordFormatter(format, keySeparator);
  // Says at once that no broker can be reached, which a consumer would go on trying.
  await client.admin().metadata();
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  process.once('SIGINT', interrupt);
  const { signal } = interruption;
  const consumer = client.consumer({ topic, partitions, from, until: follow ? undefined : 'end', signal });
  try {
    for await (const { messages } of consumer.batches()) {
      const pieces: Uint8Array[] = [];
      for (const message of messages) {
        if (left === 0) break;
        append(message, pieces);
        left--;
      }
      await print(pieces);
      if (left === 0) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error; // Ctrl-C is how one stops to follow: no failure.
  } finally {
    process.off('SIGINT', interrupt);
    await consumer.close();
  }
}

/** Waits while the reader of stdout is slower than the broker. */
async function print(pieces: readonly Uint8Array[]): Promise<void> {
  if (!process.stdout.write(Buffer.concat(pieces))) await once(process.stdout, 'drain');
}
