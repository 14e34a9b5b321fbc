import { describe, expect, it } from 'vitest';
import type { CompactionSource } from '../../../src/log/compaction/compaction-jobs.js';
import { readBatches } from '../../../src/log/compaction/read-batches.js';
import { stampBatchCrc } from '../../../src/record/batch-crc.js';
import type { Batch } from '../../../src/record/batch-reader.js';
import { countOpenFiles } from '../../io/open-count.js';
import { batch, batches } from '../log-fixture.js';
import { PATH, simulatedDisk, writeFile } from './segment-fixture.js';

function read(
  pieces: readonly Buffer[],
  source: Partial<CompactionSource> = {},
  visit: (batch: Batch) => boolean = () => true,
) {
  const disk = simulatedDisk();
  writeFile(disk, PATH, pieces);
  const endPosition = Buffer.concat(pieces).length;
  const offsets: number[] = [];
  const nextPosition = readBatches(
    disk,
    { path: PATH, fromPosition: 0, endPosition, bytesMax: endPosition, ...source },
    (next, bytes) => {
      expect(bytes.length).toBe(next.sizeBytes);
      offsets.push(next.baseOffset);
      return visit(next);
    },
  );
  return { nextPosition, offsets };
}

const pieces = (count: number) => batches(0, count).map(({ bytes }) => bytes);

describe('readBatches', () => {
  it('reads from a position to another', () => {
    expect(read(pieces(5))).toEqual({ nextPosition: 5 * 76, offsets: [0, 1, 2, 3, 4] });
    const middle = { fromPosition: 76, endPosition: 3 * 76, bytesMax: 1000 };
    expect(read(pieces(5), middle)).toEqual({ nextPosition: 3 * 76, offsets: [1, 2] });
    expect(read(pieces(5), { fromPosition: 5 * 76 })).toEqual({ nextPosition: 5 * 76, offsets: [] });
  });

  it('ends behind the batch that reaches the size of the slice, one batch at least', () => {
    expect(read(pieces(5), { bytesMax: 1 }).offsets).toEqual([0]);
    expect(read(pieces(5), { bytesMax: 76 }).offsets).toEqual([0]);
    expect(read(pieces(5), { bytesMax: 77 })).toEqual({ nextPosition: 2 * 76, offsets: [0, 1] });
  });

  it('ends before the batch that is not taken', () => {
    expect(read(pieces(5), {}, ({ baseOffset }) => baseOffset < 2)).toEqual({
      nextPosition: 2 * 76,
      offsets: [0, 1, 2],
    });
  });

  it('reads batches larger than what it reads at a time, and small ones behind them', () => {
    const sizes = [8, 3_000_000, 8, 1_100_000, 700_000, 700_000, 8];
    const all = sizes.map((valueBytes, baseOffset) => batch({ baseOffset, valueBytes }).bytes);
    expect(read(all).offsets).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('fails at a batch that is not valid, with its file and position', () => {
    const failure = (change: (bytes: Buffer) => void, visited: number[]) => {
      const all = pieces(3);
      change(all[1] as Buffer);
      const seen: number[] = [];
      const run = () => read(all, {}, ({ baseOffset }) => seen.push(baseOffset) > 0);
      let message = '';
      try {
        run();
      } catch (error) {
        message = String(error);
      }
      expect(seen).toEqual(visited);
      return message;
    };
    const where = `${PATH}, position 76: `;
    expect(failure((bytes) => bytes.writeInt8(9, 70), [0])).toContain(
      `${where}the batch at offset 1 is corrupt: it fails its checksum`,
    );
    expect(failure((bytes) => bytes.writeInt8(1, 16), [0])).toContain(`${where}magic byte 1`);
    expect(failure((bytes) => bytes.writeInt32BE(1 << 30, 8), [0])).toContain('but only 152 are left');
    expect(failure((bytes) => bytes.writeInt32BE(0, 4), [0])).toContain('base offset 0 where at least 1');
    const unknownCodec = (bytes: Buffer) => {
      bytes.writeInt16BE(7, 21);
      stampBatchCrc(bytes, 0);
    };
    expect(failure(unknownCodec, [0])).toContain(`${where}the batch at offset 1 is compressed with codec 7`);
  });

  it('fails where the file ends early', () => {
    expect(() => read([...pieces(2), Buffer.alloc(60)])).toThrow('position 152: 60 bytes are left');
    const longer = { endPosition: 1000, bytesMax: 1000 };
    expect(() => read(pieces(2), longer)).toThrow('position 152: 848 bytes are left');
    const torn = [...pieces(1), pieces(2)[1]?.subarray(0, 70) as Buffer];
    expect(() => read(torn, longer)).toThrow('position 76: the file ends inside the batch');
  });

  it('tells the position of what only its visitor finds', () => {
    const [first, second] = pieces(2);
    second?.writeInt32BE(2, 57);
    second?.writeInt32BE(1, 23);
    stampBatchCrc(second as Buffer, 0);
    const walk = (next: Batch) => [...next.records()].length > 0;
    expect(() => read([first as Buffer, second as Buffer], {}, walk)).toThrow(
      `${PATH}, position 76: the batch`,
    );
  });

  it('closes its file', () => {
    const disk = simulatedDisk();
    writeFile(disk, PATH, pieces(1));
    const openFiles = countOpenFiles(disk);
    disk.failNext({ operation: 'read' });
    const source = { path: PATH, fromPosition: 0, endPosition: 76, bytesMax: 76 };
    expect(() => readBatches(disk, source, () => true)).toThrow('EIO');
    expect(openFiles()).toBe(0);
  });
});
