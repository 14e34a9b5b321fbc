import { describe, expect, it } from 'vitest';
import { toOffset } from '../../src/base/ids.js';
import { type SegmentScanInput, scanSegment } from '../../src/log/scan-segment.js';
import { countOpenFiles } from '../io/open-count.js';
import vectors from '../vectors/record-batches.json' with { type: 'json' };
import { batch, batches, concat, LogMachine } from './log-fixture.js';

const PATH = '/data/00000000000000000000.log';

function scan(bytes: Uint8Array, options: Partial<SegmentScanInput> = {}) {
  const { disk } = new LogMachine();
  const file = disk.open(PATH, 'write');
  disk.write(file, 0, [bytes]);
  const input: SegmentScanInput = {
    path: PATH,
    baseOffset: toOffset(0),
    fromPosition: 0,
    minOffset: toOffset(0),
    endPosition: null,
    verifyFromOffset: 0,
    verifyFromPosition: 0,
    stopAtInvalid: true,
    indexIntervalBytes: 150,
    maxTimestampMs: -1,
    maxTimestampOffset: -1,
    ...options,
  };
  return scanSegment(disk, input);
}

describe('scanSegment', () => {
  it('takes in valid batches', () => {
    const all = [
      ...batches(0, 3, { leaderEpoch: 1 }),
      batch({ baseOffset: 3, count: 5, timestampMs: 99, leaderEpoch: 2 }),
    ];
    const output = scan(concat(all));
    expect(output).toMatchObject({
      fileBytes: concat(all).length,
      validBytes: concat(all).length,
      nextOffset: 8,
      maxTimestampMs: 99,
      maxTimestampOffset: 7,
      invalid: [],
    });
    expect(output.epochs).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 3 },
    ]);
    expect(Buffer.from(output.offsetIndex).toString('hex')).toBe('0000000200000098');
    expect(Buffer.from(output.timeIndex).toString('hex')).toBe(
      '00000000000000020000000200000000000000630000' + '0007',
    );
  });

  it('has nothing to say about an empty file', () => {
    expect(scan(Buffer.alloc(0))).toMatchObject({
      validBytes: 0,
      nextOffset: 0,
      maxTimestampMs: -1,
      invalid: [],
    });
  });

  it('verifies the checksum of batches larger than its window', () => {
    const large = batch({ baseOffset: 0, valueBytes: 700_000 });
    const all = concat([large, batch({ baseOffset: 1 })]);
    expect(scan(all)).toMatchObject({ validBytes: all.length, nextOffset: 2 });
    for (const position of [100, 300_000, 699_999]) {
      const damaged = Buffer.from(all);
      damaged[position] = ~(damaged[position] ?? 0);
      expect(scan(damaged)).toMatchObject({
        validBytes: 0,
        invalid: [{ position: 0, reason: expect.stringContaining('checksum') }],
      });
    }
  });

  it('goes by the headers only where nothing is to be verified', () => {
    const all = concat([batch({ baseOffset: 0, valueBytes: 700_000 }), ...batches(1, 4)]);
    all[100] = ~(all[100] ?? 0);
    all[700_200] = ~(all[700_200] ?? 0);
    const nothing = Number.POSITIVE_INFINITY;
    expect(scan(all, { verifyFromOffset: nothing, verifyFromPosition: nothing })).toMatchObject({
      validBytes: all.length,
      invalid: [],
    });
    expect(scan(all, { verifyFromOffset: 1 })).toMatchObject({
      validBytes: all.length - 3 * 76,
      nextOffset: 2,
    });
    expect(scan(all, { verifyFromPosition: all.length - 2 * 76 })).toMatchObject({
      validBytes: all.length,
      invalid: [],
    });
  });

  it('says what is wrong with the first invalid batch', () => {
    const damage = (change: (bytes: Buffer) => Buffer) => scan(change(concat(batches(0, 3)))).invalid;
    const write = (call: (bytes: Buffer) => void) => (bytes: Buffer) => {
      call(bytes);
      return bytes;
    };
    const cases: [string, (bytes: Buffer) => Buffer][] = [
      ['magic byte 1', write((bytes) => bytes.writeInt8(1, 76 + 16))],
      ['less than its header', write((bytes) => bytes.writeInt32BE(48, 76 + 8))],
      ['only 152 are left', write((bytes) => bytes.writeInt32BE(1 << 30, 76 + 8))],
      ['base offset 0 where at least 1', write((bytes) => bytes.writeInt32BE(0, 76 + 4))],
      ['beyond 2^53', write((bytes) => bytes.writeInt32BE(0x7fffffff, 76))],
      ['base offset -', write((bytes) => bytes.writeInt32BE(-1, 76))],
      ['last offset delta -1', write((bytes) => bytes.writeInt32BE(-1, 76 + 23))],
      ['record count -1', write((bytes) => bytes.writeInt32BE(-1, 76 + 57))],
      ["behind the segment's base offset", write((bytes) => bytes.writeInt32BE(1, 76))],
      ['checksum', write((bytes) => bytes.writeInt8(9, 76 + 70))],
      ['76 bytes, but only 75', (bytes) => bytes.subarray(0, 2 * 76 - 1)],
      ['60 bytes left', (bytes) => bytes.subarray(0, 76 + 60)],
    ];
    for (const [reason, change] of cases) {
      const [first] = damage(change);
      expect(first?.position, reason).toBe(76);
      expect(first?.reason).toContain(reason);
    }
  });

  it('goes on behind an invalid batch when asked to, with the help of the index', () => {
    const machine = new LogMachine();
    const log = machine.open();
    log.append(batches(0, 12));
    machine.wait((done) => log.close(done));
    const path = '/data/orders-0/00000000000000000000.log';
    for (const position of [76 + 70, 3 * 76 + 16, 9 * 76 + 70]) machine.disk.corrupt(path, position);
    const { invalid } = scanSegment(machine.disk, {
      path,
      baseOffset: toOffset(0),
      fromPosition: 0,
      minOffset: toOffset(0),
      endPosition: 11 * 76,
      verifyFromOffset: 0,
      verifyFromPosition: 0,
      stopAtInvalid: false,
      indexIntervalBytes: 150,
      maxTimestampMs: -1,
      maxTimestampOffset: -1,
    });
    expect(invalid.map(({ position }) => position / 76)).toEqual([1, 3, 9]);
  });

  it('takes every batch for valid that Kafka clients wrote', () => {
    let count = 0;
    for (const { name, hex } of vectors.batches) {
      const bytes = Buffer.from(hex, 'hex');
      if (bytes[16] !== 2) continue;
      expect(scan(bytes).invalid, name).toEqual([]);
      count++;
    }
    expect(count).toBeGreaterThan(30);
  });

  it('closes its file', () => {
    const { disk } = new LogMachine();
    disk.close(disk.open(PATH, 'write'));
    const input = {
      path: PATH,
      baseOffset: toOffset(0),
      fromPosition: 0,
      minOffset: toOffset(0),
      endPosition: null,
      verifyFromOffset: 0,
      verifyFromPosition: 0,
      stopAtInvalid: true,
      indexIntervalBytes: 1,
      maxTimestampMs: -1,
      maxTimestampOffset: -1,
    };
    const openFiles = countOpenFiles(disk);
    disk.failNext({ operation: 'size' });
    expect(() => scanSegment(disk, input)).toThrow('EIO');
    expect(openFiles()).toBe(0);
  });
});
