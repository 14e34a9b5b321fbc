import { describe, expect, it } from 'vitest';
import { toOffset } from '../../../src/base/ids.js';
import { compactBatches } from '../../../src/log/compaction/compact-batches.js';
import { stampBatchCrc } from '../../../src/record/batch-crc.js';
import { CODEC_NAMES } from '../../../src/record/compression/codec.js';
import { countOpenFiles } from '../../io/open-count.js';
import {
  batchesOfKeys,
  compacted,
  compactInput,
  indexed,
  keyedBatch,
  keysOf,
  NO_PROGRESS,
  newKeys,
  PATH,
  simulatedDisk,
  TARGET,
  writeFile,
} from './segment-fixture.js';

const HOUR_MS = 3_600_000;

describe('compactBatches', () => {
  it('keeps the newest record of each key, and leaves out what has none', () => {
    const batches = batchesOfKeys(['a', 'b', 'c'], ['a', 'a'], ['c', 'a']);
    const output = compacted(batches);
    expect(keysOf(output.batches)).toEqual([['b'], ['c', 'a']]);
    expect([...(output.batches[0]?.records() ?? [])].map(({ offset }) => offset)).toEqual([1]);
    expect(output).toMatchObject({
      nextPosition: Buffer.concat(batches).length,
      recordsRead: 7,
      recordsKept: 3,
      bytesRead: Buffer.concat(batches).length,
      nextDeleteHorizonMs: null,
      progress: { bytes: output.bytes.length, nextOffset: 7 },
    });
  });

  it('copies a batch byte for byte if nothing goes', () => {
    for (const codec of CODEC_NAMES) {
      const records = Array.from({ length: 50 }, (_, offset) => ({ offset, key: `${offset}` }));
      const batch = keyedBatch({ records, codec, producerId: 9, producerEpoch: 1, baseSequence: 3 });
      expect(compacted([batch]).bytes.equals(batch), codec).toBe(true);
    }
  });

  it.each(CODEC_NAMES)(
    'leaves a batch of %s what it was, but for its records and their greatest timestamp',
    (codec) => {
      const records = Array.from({ length: 100 }, (_, i) => ({
        offset: 10 + i,
        key: i === 90 ? 'rare' : `key ${i % 10}`,
        timestampMs: 5000 - i,
        headers: [{ key: 'h', value: Buffer.from(`${i}`) }],
      }));
      const batch = keyedBatch({
        records,
        codec,
        baseOffset: toOffset(8),
        lastOffsetDelta: 110,
        producerId: 77,
        producerEpoch: 3,
        baseSequence: 1234,
        isTransactional: true,
      });
      const [result, ...rest] = compacted([batch]).batches;
      expect(rest).toEqual([]);
      expect(result).toMatchObject({
        baseOffset: 8,
        lastOffset: 118,
        codec,
        timestampType: 'CreateTime',
        maxTimestampMs: 5000 - 80,
        producerId: 77,
        producerEpoch: 3,
        baseSequence: 1234,
        recordCount: 11,
        isTransactional: true,
        isControl: false,
        deleteHorizonMs: null,
      });
      expect(
        [...(result?.records() ?? [])].map(({ offset, timestampMs, headers }) => [
          offset,
          timestampMs,
          headers,
        ]),
      ).toEqual(
        records
          .filter((_, i) => i === 80 || i >= 90)
          .map((record) => [record.offset, record.timestampMs, record.headers]),
      );
    },
  );

  it('keeps the time that a broker gave to a batch', () => {
    const records = [
      { offset: 0, key: 'a' },
      { offset: 1, key: 'b' },
      { offset: 2, key: 'a' },
    ];
    const batch = keyedBatch({ records, logAppendTimeMs: 777_777 });
    const [result] = compacted([batch]).batches;
    expect(result).toMatchObject({ timestampType: 'LogAppendTime', maxTimestampMs: 777_777, recordCount: 2 });
    expect([...(result?.records() ?? [])].map(({ timestampMs }) => timestampMs)).toEqual([777_777, 777_777]);
  });

  it('drops records without a key that the map has passed', () => {
    const records = [
      { offset: 0, key: null },
      { offset: 1, key: 'a' },
      { offset: 2, key: null },
    ];
    const { batches } = compacted([keyedBatch({ records })], { indexedTo: toOffset(2) });
    expect([...(batches[0]?.records() ?? [])].map(({ offset }) => offset)).toEqual([1, 2]);
  });

  it('drops records below the log start offset, with or without a newer one of their key', () => {
    const batches = batchesOfKeys(['a', 'b'], ['c', 'd'], ['e']);
    const output = compacted(batches, { logStartOffset: toOffset(3) });
    expect(keysOf(output.batches)).toEqual([['d'], ['e']]);
    expect(output).toMatchObject({ recordsRead: 5, recordsKept: 2 });
    // Also where the map knows nothing yet.
    const unknown = { logStartOffset: toOffset(3), indexedTo: toOffset(0) };
    expect(keysOf(compacted(batches, unknown).batches)).toEqual([['d'], ['e']]);
  });

  it('leaves records as they are from where the map ends', () => {
    const batches = batchesOfKeys(['a', 'a'], ['a', 'b', 'b!'], ['a', 'a']);
    const keys = newKeys();
    const disk = simulatedDisk();
    writeFile(disk, PATH, batches.slice(0, 1));
    indexed(disk, PATH, keys);
    const output = compacted(batches, { keys, indexedTo: toOffset(2) });
    expect(keysOf(output.batches)).toEqual([['a'], ['a', 'b', 'b!'], ['a', 'a']]);
    expect(output.nextDeleteHorizonMs).toBeNull();
    expect(output.recordsKept).toBe(6);
    // Byte for byte, and no tombstone got its time yet.
    expect(
      output.bytes.subarray(-Buffer.concat(batches.slice(1)).length).equals(Buffer.concat(batches.slice(1))),
    ).toBe(true);
  });

  it('goes on in a target slice by slice, and cuts what a slice left behind that failed', () => {
    const batches = batchesOfKeys(['a', 'b', 'c'], ['a', 'd'], ['b', 'e'], ['d', 'f']);
    const whole = compacted(batches);
    const disk = simulatedDisk();
    writeFile(disk, PATH, batches);
    for (const path of [TARGET.logPath, TARGET.offsetIndexPath, TARGET.timeIndexPath])
      writeFile(disk, path, [Buffer.alloc(5000, 1)]);
    let progress = NO_PROGRESS;
    let position = 0;
    let kept = 0;
    for (let slices = 0; slices < 4; slices++) {
      const input = compactInput(disk, { fromPosition: position, bytesMax: 1, progress, last: slices === 3 });
      compactBatches(disk, input);
      const output = compactBatches(disk, input);
      position = output.nextPosition;
      progress = output.progress;
      kept += output.recordsKept;
    }
    expect(position).toBe(whole.nextPosition);
    expect(progress).toEqual(whole.progress);
    expect(kept).toBe(whole.recordsKept);
    expect(disk.contents(TARGET.logPath).equals(whole.bytes)).toBe(true);
  });

  it('makes the files, even if nothing is left', () => {
    const disk = simulatedDisk();
    const output = compacted(batchesOfKeys(['a', 'b']), { logStartOffset: toOffset(9) }, disk);
    expect(output).toMatchObject({ batches: [], recordsKept: 0, progress: NO_PROGRESS });
    for (const path of [TARGET.logPath, TARGET.offsetIndexPath, TARGET.timeIndexPath])
      expect(disk.contents(path).length, path).toBe(0);
  });

  it('copies what was written for a transaction', () => {
    const data = keyedBatch({ records: [{ offset: 0, key: 'a' }], isTransactional: true, producerId: 1 });
    const marker = keyedBatch({ records: [{ offset: 1, key: 'm' }], isTransactional: true, isControl: true });
    const newer = keyedBatch({ records: [{ offset: 2, key: 'a' }] });
    const output = compacted([data, marker, newer]);
    expect(output.bytes.equals(Buffer.concat([marker, newer]))).toBe(true);
    expect(compacted([data, marker, newer], { logStartOffset: toOffset(2) }).bytes.equals(newer)).toBe(true);
  });

  it('fails at a batch that is not valid, and at records that are not', () => {
    const keys = newKeys();
    const where = (first: Buffer) => `${PATH}, position ${first.length}: `;
    const [first, second] = batchesOfKeys(['a'], ['b']) as [Buffer, Buffer];
    second.writeInt8(~(second.at(-3) ?? 0), second.length - 3);
    expect(() => compacted([first, second], { keys })).toThrow(
      `${where(first)}the batch at offset 1 is corrupt: it fails its checksum`,
    );
    stampBatchCrc(second, 0);
    second.writeInt32BE(2, 57);
    second.writeInt32BE(1, 23);
    stampBatchCrc(second, 0);
    expect(() => compacted([first, second], { keys })).toThrow(
      `${where(first)}the batch at offset 1 is corrupt`,
    );
    for (const codec of CODEC_NAMES.slice(1)) {
      const records = [{ offset: 1, key: 'b', value: 'b'.repeat(500) }];
      const damaged = keyedBatch({ records, codec });
      damaged.fill(0xee, 61);
      stampBatchCrc(damaged, 0);
      expect(() => compacted([first, damaged], { keys })).toThrow(`${where(first)}${codec} data is invalid`);
    }
  });

  it('closes its files when the disk fails', () => {
    for (const operation of ['read', 'write'] as const) {
      const disk = simulatedDisk();
      writeFile(disk, PATH, batchesOfKeys(['a']));
      const input = compactInput(disk);
      const openFiles = countOpenFiles(disk);
      disk.failNext({ operation });
      expect(() => compactBatches(disk, input), operation).toThrow('EIO');
      expect(openFiles(), operation).toBe(0);
    }
  });
});

describe('compactBatches, tombstones', () => {
  const lists = [
    ['a', 'b'],
    ['b!', 'c', 'a!'],
  ];

  it('gives their batch the time from when on they may go, on the first pass that sees them', () => {
    for (const codec of CODEC_NAMES) {
      const records = [
        { offset: 0, key: 'a', value: null, timestampMs: 123 },
        { offset: 1, key: 'b', timestampMs: -1 },
        { offset: 2, key: 'c', timestampMs: 2_000_000, headers: [{ key: 'é', value: null }] },
        { offset: 3, key: 'b', value: 'compressible '.repeat(20), timestampMs: -1 },
      ];
      const batch = keyedBatch({ records, codec });
      const output = compacted([batch], { nowMs: 1_000_000, deleteRetentionMs: HOUR_MS });
      expect(output.nextDeleteHorizonMs).toBe(1_000_000 + HOUR_MS);
      const [result] = output.batches;
      expect(result).toMatchObject({
        deleteHorizonMs: 1_000_000 + HOUR_MS,
        baseTimestampMs: 1_000_000 + HOUR_MS,
        maxTimestampMs: 2_000_000,
        codec,
        recordCount: 3,
      });
      expect([...(result?.records() ?? [])]).toMatchObject([
        { offset: 0, key: Buffer.from('a'), value: null, timestampMs: 123 },
        { offset: 2, key: Buffer.from('c'), timestampMs: 2_000_000, headers: [{ key: 'é', value: null }] },
        { offset: 3, key: Buffer.from('b'), timestampMs: -1 },
      ]);
    }
  });

  it('keeps them and their time on later passes, until it has come', () => {
    const first = compacted(batchesOfKeys(...lists));
    expect(keysOf(first.batches)).toEqual([['b!', 'c', 'a!']]);
    const early = compacted([first.bytes], { nowMs: 1_004_999 });
    expect(early.bytes.equals(first.bytes)).toBe(true);
    expect(early.nextDeleteHorizonMs).toBe(1_005_000);
    const late = compacted([first.bytes], { nowMs: 1_005_000 });
    expect(keysOf(late.batches)).toEqual([['c']]);
    expect(late.nextDeleteHorizonMs).toBeNull();
    expect(late.batches[0]).toMatchObject({ deleteHorizonMs: 1_005_000, maxTimestampMs: 1003 });
    expect([...(late.batches[0]?.records() ?? [])][0]?.timestampMs).toBe(1003);
  });

  it('tells the earliest of their times', () => {
    const batches = [
      keyedBatch({ records: [{ offset: 0, key: 'a', value: null }], deleteHorizonMs: 1_000_300 }),
      keyedBatch({ records: [{ offset: 1, key: 'b', value: null }], deleteHorizonMs: 1_000_200 }),
      keyedBatch({ records: [{ offset: 2, key: 'c', value: null }] }),
      keyedBatch({ records: [{ offset: 3, key: 'd' }], deleteHorizonMs: 1_000_100 }),
    ];
    expect(compacted(batches).nextDeleteHorizonMs).toBe(1_000_200);
  });

  it('gives no time to a batch that has one the map has not passed yet', () => {
    const batch = keyedBatch({
      records: [
        { offset: 0, key: 'a', value: null },
        { offset: 1, key: 'b', value: null },
      ],
    });
    const output = compacted([batch], { indexedTo: toOffset(1) });
    expect(output.bytes.equals(batch)).toBe(true);
    expect(output.nextDeleteHorizonMs).toBeNull();
  });

  it('gives no time to a batch that would outgrow the limit by it', () => {
    const records = Array.from({ length: 50 }, (_, offset) => ({
      offset,
      key: `${offset % 49}`,
      value: null,
    }));
    const batch = keyedBatch({ records });
    const marked = compacted([batch], { maxMessageBytes: 1_000_000 });
    expect(marked.bytes.length).toBeGreaterThan(batch.length);
    for (const [maxMessageBytes, fits] of [
      [marked.bytes.length, true],
      [marked.bytes.length - 1, false],
      [100, false],
    ] as const) {
      const [result] = compacted([batch], { maxMessageBytes }).batches;
      expect(result?.recordCount).toBe(49);
      expect(result?.deleteHorizonMs).toBe(fits ? 1_005_000 : null);
    }
  });

  it('takes a retention without end', () => {
    const output = compacted(batchesOfKeys(['a!']), { deleteRetentionMs: Number.MAX_SAFE_INTEGER });
    expect(output.nextDeleteHorizonMs).toBe(Number.MAX_SAFE_INTEGER);
    expect([...(output.batches[0]?.records() ?? [])]).toMatchObject([{ timestampMs: 1000, value: null }]);
  });
});

describe('compactBatches, producers', () => {
  const producer = { producerId: 5, producerEpoch: 2, baseSequence: 40 };

  it('keeps the last batch of a producer, without records if it must', () => {
    for (const codec of CODEC_NAMES) {
      const records = Array.from({ length: 9 }, (_, offset) => ({ offset, key: 'a' }));
      const old = keyedBatch({ records, ...producer, codec });
      const newer = keyedBatch({ records: [{ offset: 9, key: 'a' }] });
      expect(keysOf(compacted([old, newer]).batches)).toEqual([['a']]);
      const output = compacted([old, newer], { producersLastOffsets: new Set([toOffset(8)]) });
      expect(output.recordsKept).toBe(1);
      expect(output.batches[0]).toMatchObject({
        ...producer,
        baseOffset: 0,
        lastOffset: 8,
        recordCount: 0,
        sizeBytes: 61,
        codec: 'none',
        baseTimestampMs: -1,
        maxTimestampMs: 1008,
        deleteHorizonMs: null,
      });
      expect([...(output.batches[0]?.records() ?? [])]).toEqual([]);
      // Again, and then the producer is forgotten, or has written since.
      const again = { producersLastOffsets: new Set([toOffset(8)]) };
      expect(compacted([output.bytes], again).bytes.equals(output.bytes)).toBe(true);
      expect(compacted([output.bytes]).bytes.equals(newer)).toBe(true);
    }
  });

  it('keeps it also below the log start offset', () => {
    const batch = keyedBatch({ records: [{ offset: 0, key: 'a' }], ...producer });
    const { batches } = compacted([batch], {
      logStartOffset: toOffset(5),
      producersLastOffsets: new Set([toOffset(0)]),
    });
    expect(batches[0]).toMatchObject({ ...producer, recordCount: 0, lastOffset: 0 });
  });
});
