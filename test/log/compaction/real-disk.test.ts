// Compactions on the real file system, while somebody with few descriptors of his own reads.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/base/clock.js';
import { toOffset } from '../../../src/base/ids.js';
import { seededRandom } from '../../../src/base/random.js';
import { DiskError } from '../../../src/io/disk.js';
import type { Jobs } from '../../../src/io/jobs.js';
import { NodeDisk } from '../../../src/io/node-disk.js';
import type { CompactionResult } from '../../../src/log/compaction/compaction.js';
import type { Log } from '../../../src/log/log.js';
import { LogReader } from '../../../src/log/log-reader.js';
import { openLog } from '../../../src/log/open-log.js';
import { wholeBatches } from '../../../src/log/whole-batches.js';
import { BatchReader } from '../../../src/record/batch-reader.js';
import { jobFunctions } from '../../../workers/job-functions.js';
import { LogMachine, publish } from '../log-fixture.js';
import { COMPACTED, keyed } from './log-scene.js';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const KEYS = 20;
const ROUNDS = 3;

/** Reads the log from its start to its end as a consumer does; returns the newest offset of each key, and how often a file was gone. */
async function readAll(
  log: Log,
  reader: LogReader,
  disk: NodeDisk,
): Promise<{ newest: Map<string, number>; gone: number }> {
  const newest = new Map<string, number>();
  let gone = 0;
  const { logEndOffset } = log;
  for (let offset = log.logStartOffset; offset < logEndOffset; ) {
    const located = reader.locate(offset, publish(log));
    if (located.type !== 'found') throw new Error(`offset ${offset}: ${located.type}`);
    const target = Buffer.alloc(Math.min(600, located.endPosition - located.position));
    const read = await new Promise<DiskError | number>((resolve) => {
      disk.readLater(located.file, located.position, target, (error, bytes) => resolve(error ?? bytes));
    });
    if (read instanceof DiskError) {
      expect(read.code).toBe('ENOENT');
      gone++;
      reader.forget();
      continue;
    }
    const whole = wholeBatches(target, read, logEndOffset);
    expect(whole.batches, `offset ${offset}`).toBeGreaterThan(0);
    for (const batch of new BatchReader(target, { end: whole.bytes })) {
      expect(batch.lastOffset).toBeGreaterThanOrEqual(offset);
      offset = toOffset(batch.lastOffset + 1);
      for (const record of batch.records()) newest.set(`${record.key}`, record.offset);
    }
    reader.remember(offset, located, located.position + whole.bytes);
  }
  return { newest, gone };
}

describe('A log on the real file system', () => {
  it('is compacted while it is read', async () => {
    const root = mkdtempSync(join(tmpdir(), 'odradek-compaction-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const directory = join(root, 'orders-0');
    const random = seededRandom(SEED);
    const disk = new NodeDisk();
    const readersDisk = new NodeDisk({ openFilesMax: 2 });
    const jobs: Jobs = {
      run: (name, input, done) => {
        setImmediate(() => done(null, jobFunctions[name](disk, input)));
      },
    };
    const options = new LogMachine().options({ config: { ...COMPACTED, segmentBytes: 1500 }, directory });
    const log = await new Promise<Log | Error>((resolve) => {
      openLog({ ...options, disk, jobs, clock: systemClock }, resolve);
    });
    if (log instanceof Error) throw log;
    const readers = [1, 2].map(() => new LogReader({ directory, disk: readersDisk }));
    let reads = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const newest = new Map<string, number>();
      for (let i = 0; i < 150; i++) {
        const key = `key-${i < KEYS ? i : random.below(KEYS)}`;
        newest.set(key, log.logEndOffset);
        log.append([keyed(log.logEndOffset, [key])]);
      }
      log.roll();
      await new Promise((resolve) => log.flush(resolve));
      const compaction: { result: CompactionResult | null; error: Error | null } = {
        result: null,
        error: null,
      };
      const request = { nowMs: systemClock.wallMs(), limitOffset: log.logEndOffset, keysBytesMax: 1e6 };
      log.compact({ ...request, pace: () => 0, replaced: () => {} }, (error, result) =>
        Object.assign(compaction, { error, result }),
      );
      do {
        for (const reader of readers) {
          const seen = await readAll(log, reader, readersDisk);
          expect([...seen.newest].sort(), `SEED=${SEED}, round ${round}`).toEqual([...newest].sort());
          reads++;
        }
      } while (!compaction.result && !compaction.error);
      expect(compaction.error).toBeNull();
      expect(compaction.result?.recordsRemoved).toBe(150 + (round > 0 ? KEYS : 0) - KEYS);
    }
    expect(reads).toBeGreaterThan(2 * ROUNDS);
    for (const reader of readers) reader.close();
    expect(readersDisk.openDescriptors).toBe(0);
    await new Promise((resolve) => log.close(resolve));
    expect(disk.openDescriptors).toBe(0);
    expect(disk.list(directory).filter((name) => /cleaned|swap|deleted/.test(name))).toEqual([]);
  });
});
