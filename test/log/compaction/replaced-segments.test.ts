// Readers of a log whose segments are replaced under them, with as few descriptors as there can be.
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/base/crc32c.js';
import { toOffset } from '../../../src/base/ids.js';
import type { Log } from '../../../src/log/log.js';
import { type Found, LogReader } from '../../../src/log/log-reader.js';
import { BATCH_HEADER_BYTES, CRC_START, readBaseOffset } from '../../../src/record/batch-header.js';
import { type Batch, decodeBatch } from '../../../src/record/batch-reader.js';
import { ReaderDisk } from '../histories/reader-disk.js';
import { DIRECTORY, LogMachine, publish } from '../log-fixture.js';
import { appendKeys, COMPACTED, compact, keyed, recordsIn, seal, startCompaction } from './log-scene.js';
import { keyedBatch } from './segment-fixture.js';

const config = { ...COMPACTED, segmentBytes: 4000 };
const SEALED = `${DIRECTORY}/00000000000000000000`;

const keyOf = (batch: Batch): string | undefined => [...batch.records()][0]?.key?.toString();

function find(reader: LogReader, log: Log, offset: number): Found {
  const located = reader.locate(toOffset(offset), publish(log));
  if (located.type !== 'found') throw new Error(`offset ${offset}: ${located.type}`);
  return located;
}

/** Three batches: the first goes, and in the third, where the second began, lies what looks like it. */
function withImpostor(): { machine: LogMachine; log: Log; position: number } {
  const first = keyedBatch({ records: [{ offset: 0, key: 'a', value: 'x'.repeat(500) }] });
  const second = keyed(1, ['b']);
  const impostor = keyedBatch({ records: [{ offset: 1, key: 'evil' }] }).toString('latin1');
  const position = first.length;
  let third: Buffer = Buffer.alloc(0);
  for (let filler = 0; second.bytes.length + third.indexOf(impostor, 0, 'latin1') < position; filler++) {
    const value = Buffer.from('y'.repeat(filler) + impostor, 'latin1');
    third = keyedBatch({ records: [{ offset: 2, key: 'a', value: 'z'.repeat(value.length) }] });
    const at = third.indexOf('zzzz');
    value.copy(third, at);
    third = sealed(third);
  }
  const machine = new LogMachine();
  const log = machine.open({ config });
  const common = { maxTimestampMs: 1000, leaderEpoch: second.leaderEpoch };
  log.append([
    { ...common, bytes: first, baseOffset: toOffset(0), lastOffset: toOffset(0) },
    second,
    { ...common, bytes: third, baseOffset: toOffset(2), lastOffset: toOffset(2) },
  ]);
  seal(machine, log);
  return { machine, log, position };
}

/** The batch with the checksum of what it holds. */
function sealed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_START)), 17);
  return batch;
}

describe('LogReader, while segments are replaced', () => {
  it('never takes what a record holds for a batch, by a position that it remembers', () => {
    const { machine, log, position } = withImpostor();
    const disk = new ReaderDisk(machine.disk, 1);
    const reader = new LogReader({ directory: DIRECTORY, disk });
    reader.remember(toOffset(1), find(reader, log, 0), position);
    expect(find(reader, log, 1).position).toBe(position);
    const outcome = startCompaction(machine, log);
    while (!outcome.isOver) {
      machine.clock.runNext();
      // Others use descriptors too.
      disk.close(disk.open(`${DIRECTORY}/partition.metadata`, 'read'));
      const { file, position: at, endPosition } = find(reader, log, 1);
      const bytes = Buffer.alloc(endPosition - at);
      let read = 0;
      try {
        read = disk.read(file, at, bytes);
      } catch (error) {
        // The file that was found is gone since: to be looked for again.
        expect(error).toMatchObject({ code: 'ENOENT' });
        continue;
      }
      expect(read).toBe(bytes.length);
      expect(keyOf(decodeBatch(bytes))).toBe('b');
    }
    // It was there to be found.
    const replaced = machine.disk.contents(`${SEALED}.log`);
    expect(keyOf(decodeBatch(replaced, position))).toBe('evil');
  });

  it('finds no old batch by a new index, nor the other way round', () => {
    const { machine, log } = withImpostor();
    const reader = new LogReader({ directory: DIRECTORY, disk: machine.disk });
    // The segment is open, its index is not yet.
    expect(machine.wait((done) => machine.disk.remove(`${SEALED}.index`, done))).toBeNull();
    const { file } = find(reader, log, 0);
    compact(machine, log);
    const stale = { ...publish(log), replacements: 0 };
    const index = machine.disk.open(`${SEALED}.index`, 'write');
    const entry = Buffer.alloc(8);
    entry.writeInt32BE(1, 0);
    machine.disk.write(index, 0, [entry]);
    const located = reader.locate(toOffset(1), stale);
    if (located.type !== 'found') throw new Error(located.type);
    expect(located.file).not.toBe(file);
    const header = Buffer.alloc(BATCH_HEADER_BYTES);
    machine.disk.read(located.file, located.position, header);
    expect(readBaseOffset(header, 0)).toBe(1);
  });

  it('finds no old segment between the first replacement of a swap and the removal of the others, and holds on to none', () => {
    const machine = new LogMachine();
    const log = machine.open({ config });
    for (let segment = 0; segment < 3; segment++) {
      appendKeys(log, ['a', 'b', 'c', 'd']);
      seal(machine, log);
    }
    const reader = new LogReader({ directory: DIRECTORY, disk: machine.disk });
    const seen: number[] = [];
    const replaced = (): void => void seen.push(find(reader, log, 5).segmentBaseOffset);
    const outcome = startCompaction(machine, log, { replaced });
    machine.clock.runUntil(() => outcome.isOver);
    expect(log.segmentCount).toBe(2);
    expect(seen).toEqual([0]);
    const { file, segmentBaseOffset } = find(reader, log, 5);
    expect(segmentBaseOffset).toBe(0);
    expect(machine.disk.isCurrent(file)).toBe(true);
  });

  it('remembers nothing of a file that it has let go', () => {
    const { machine, log, position } = withImpostor();
    const reader = new LogReader({ directory: DIRECTORY, disk: machine.disk });
    const before = find(reader, log, 0);
    compact(machine, log);
    find(reader, log, 0);
    reader.remember(toOffset(1), before, position);
    expect(find(reader, log, 1).position).toBe(0);
  });

  it('lets go of replaced files once it hears of it, but for those that it has just handed out', () => {
    const machine = new LogMachine();
    const log = machine.open({ config });
    const reader = new LogReader({ directory: DIRECTORY, disk: machine.disk });
    const rounds = 5;
    for (let round = 0; round < rounds; round++) {
      appendKeys(
        log,
        Array.from({ length: 40 }, (_, i) => `k${i % 7}`),
      );
      seal(machine, log);
      const { file, position, endPosition } = find(reader, log, log.logStartOffset);
      compact(machine, log);
      find(reader, log, log.logEndOffset - 1);
      expect(machine.disk.read(file, position, Buffer.alloc(endPosition - position))).toBeGreaterThan(0);
    }
    reader.close();
    expect(recordsIn(machine, log)).toHaveLength(7);
  });
});
