// A topic of 1,000 partitions: all of them work, with no more open files than a few partitions may have.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker } from 'odradek/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BatchReader } from '../../src/record/batch-reader.js';
import { NativeConnection } from '../chaos/native-connection.js';

const PARTITIONS = 1000;
const TOPIC = 'wide';
const WORKERS = 2;
/** Each thread keeps at most so many files open, whatever the number of partitions. */
const OPEN_FILES_PER_THREAD = 512;
const FILES_MAX = (WORKERS + 1) * OPEN_FILES_PER_THREAD + 100;

const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const openFiles = () => readdirSync('/proc/self/fd').length;

function batchFor(partition: number, round: number): Buffer {
  const builder = new BatchBuilder();
  const value = Buffer.from(`${partition}/${round}`);
  builder.add({ timestampMs: 1_700_000_000_000, key: null, value, headers: [] });
  return builder.build();
}

async function readAll(connection: NativeConnection): Promise<string[][]> {
  const fetch = all.map((partition) => ({ topic: TOPIC, partition, offset: 0, maxBytes: 0 }));
  const values: string[][] = all.map(() => []);
  // An answer has a part of the partitions if the broker's memory for answers is short: ask for the rest again.
  for (let missing = fetch; missing.length > 0; ) {
    const { body, payload } = await connection.fetch(missing);
    let position = 0;
    for (const { partition, recordsBytes, error } of body.partitions) {
      expect(error).toBeNull();
      for (const batch of new BatchReader(payload, { start: position, end: position + recordsBytes })) {
        for (const { value } of batch.records()) values[partition]?.push(String(value));
      }
      position += recordsBytes;
    }
    expect(position).toBeGreaterThan(0);
    missing = missing.filter(({ partition }) => values[partition]?.length === 0);
  }
  return values;
}

describe.runIf(process.platform === 'linux')('A topic of 1,000 partitions', () => {
  const folder = mkdtempSync(join(tmpdir(), 'odradek-wide-'));
  const options = { dataDirectory: folder, workers: WORKERS };

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('takes records in each and gives them back, with a bounded number of open files', async () => {
    const filesBefore = openFiles();
    const broker = await startBroker(options);
    const connection = await NativeConnection.open(broker.native);
    await connection.must({
      ...{ type: 'createTopic', name: TOPIC, partitions: PARTITIONS, replicationFactor: 0, configs: [] },
      validateOnly: false,
    });
    for (const round of [0, 1]) {
      const results = await connection.produce(
        all.map((partition) => ({ topic: TOPIC, partition, batch: batchFor(partition, round) })),
      );
      expect(results.map(({ error, baseOffset }) => error?.error ?? baseOffset)).toEqual(
        all.map(() => round),
      );
    }
    expect(await readAll(connection)).toEqual(all.map((partition) => [`${partition}/0`, `${partition}/1`]));
    const filesUsed = openFiles() - filesBefore;
    console.log(`${PARTITIONS} partitions in use: ${filesUsed} more open files`);
    expect(filesUsed).toBeLessThan(FILES_MAX);
    await connection.close();
    await broker.close();
    expect(openFiles()).toBeLessThanOrEqual(filesBefore + 10);
  });

  it('opens a partition when it is first used, after a restart, and the others behind it', async () => {
    const filesBefore = openFiles();
    const broker = await startBroker(options);
    const connection = await NativeConnection.open(broker.native);
    const { body } = await connection.fetch([{ topic: TOPIC, partition: 777, offset: 0, maxBytes: 0 }]);
    expect(body.partitions).toMatchObject([{ error: null, highWatermark: 2, logStartOffset: 0 }]);
    expect(await readAll(connection)).toEqual(all.map((partition) => [`${partition}/0`, `${partition}/1`]));
    expect(broker.partitionWorkers).toHaveLength(WORKERS);
    const filesUsed = openFiles() - filesBefore;
    console.log(`all of ${PARTITIONS} partitions in use after a restart: ${filesUsed} more open files`);
    expect(filesUsed).toBeLessThan(FILES_MAX);
    await connection.close();
    await broker.close();
  });
});
