// What a consumer takes that is far behind, in a process of its own.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startBroker } from 'odradek/testing';
import { expect, it } from 'vitest';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { NativeConnection } from '../chaos/native-connection.js';

const MIB = 1024 * 1024;
const PREFETCH_BYTES = 4 * MIB;
/** Above what was granted: garbage that is not collected yet, mostly. */
const ABOVE_CREDIT_BYTES = 64 * MIB;
const BATCHES = 120;
const RECORDS = 4000;
const VALUE_BYTES = 250;
const CHILD = fileURLToPath(new URL('reads-far-behind.mjs', import.meta.url));

it('a consumer far behind takes what was granted, and little more', { timeout: 120_000 }, async () => {
  await using broker = await startBroker();
  const connection = await NativeConnection.open(broker.native);
  const topic = { name: 'backlog', partitions: 2, replicationFactor: 1, configs: [], validateOnly: false };
  await connection.must({ type: 'createTopic', ...topic });
  const builder = new BatchBuilder();
  for (let i = 0; i < RECORDS; i++) {
    const value = Buffer.alloc(VALUE_BYTES, i);
    builder.add({ timestampMs: 1_700_000_000_000, key: null, value, headers: [] });
  }
  const batch = builder.build();
  for (let i = 0; i < BATCHES; i++) await connection.produce([{ topic: 'backlog', partition: i % 2, batch }]);
  await connection.close();

  const boundBytes = PREFETCH_BYTES + ABOVE_CREDIT_BYTES;
  const heap = `--max-old-space-size=${boundBytes / MIB}`;
  const args = [heap, CHILD, broker.native, 'backlog', String(PREFETCH_BYTES)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { records, valueBytes, peakBytes } = JSON.parse(stdout);
  console.log(
    `${Math.round((BATCHES * batch.length) / MIB)} MiB behind, ${PREFETCH_BYTES / MIB} MiB granted: ${Math.round(peakBytes / MIB)} MiB at most`,
  );
  expect([records, valueBytes]).toEqual([BATCHES * RECORDS, BATCHES * RECORDS * VALUE_BYTES]);
  expect(peakBytes).toBeLessThan(boundBytes);
});
