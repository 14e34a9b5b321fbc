import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ErrorName } from '../../src/base/errors.js';
import { toLeaderEpoch, toOffset } from '../../src/base/ids.js';
import { seededRandom } from '../../src/base/random.js';
import { BatchBuilder, type BuildOptions } from '../../src/record/batch-builder.js';
import { stampBatchCrc } from '../../src/record/batch-crc.js';
import { decodeBatch } from '../../src/record/batch-reader.js';
import { CODEC_NAMES, compress } from '../../src/record/compression/codec.js';
import type { RecordInput } from '../../src/record/record.js';
import { RecordCursor } from '../../src/record/record-cursor.js';
import { type BatchRules, stampLogAppendTime, validateBatch } from '../../src/record/validate-batch.js';
import { recordInput } from './arbitrary-record.js';

const firstSeed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const seeds = (count: number) =>
  process.env['SEED'] === undefined ? Array.from({ length: count }, (_, i) => firstSeed + i) : [firstSeed];

const NOW_MS = 1_800_000_000_000;
const RULES: BatchRules = {
  maxMessageBytes: 1_000_000,
  compacted: false,
  timestampType: 'CreateTime',
  timestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  timestampAfterMaxMs: 3_600_000,
  nowMs: NOW_MS,
};
const record = (overrides: Partial<RecordInput> = {}): RecordInput => ({
  timestampMs: NOW_MS,
  key: Buffer.from('key'),
  value: Buffer.from('some value, some value, some value, some value'),
  headers: [],
  ...overrides,
});

function batchOf(records: readonly RecordInput[], options: BuildOptions = {}): Buffer {
  const builder = new BatchBuilder();
  for (const one of records) builder.add(one);
  return Buffer.from(builder.build(options));
}

const threeRecords = (options?: BuildOptions) =>
  batchOf([record(), record(), record({ value: null })], options);
const validate = (bytes: Buffer, rules: Partial<BatchRules> = {}) =>
  validateBatch(bytes, 0, bytes.length, { ...RULES, ...rules });
const errorOf = (bytes: Buffer, rules?: Partial<BatchRules>): ErrorName | null =>
  validate(bytes, rules)?.error ?? null;

function writeCount(bytes: Buffer, count: number): void {
  bytes.writeInt32BE(count - 1, 23);
  bytes.writeInt32BE(count, 57);
}

/** What is wrong with the records, found step by step, and their greatest timestamp. */
function byCursor(bytes: Buffer, compacted: boolean): { problem: string | null; maxMs: number } {
  const cursor = new RecordCursor(bytes, 61);
  const count = bytes.readInt32BE(57);
  const base = Number(bytes.readBigInt64BE(27));
  const timestamps: number[] = [];
  const is = (problem: string) => ({ problem, maxMs: -1 });
  for (let i = 0; i < count; i++) {
    if (!cursor.next()) return is(`Record ${i} of the batch is invalid: ${cursor.problem}.`);
    if (cursor.offsetDelta !== i)
      return is(`Record ${i} of the batch has the offset delta ${cursor.offsetDelta}.`);
    if (compacted && cursor.keyLength < 0)
      return is(`Record ${i} has no key, which a compacted topic needs.`);
    timestamps.push(base + cursor.timestampDelta);
  }
  if (!cursor.isAtEnd) return is(`More bytes follow the ${count} records of the batch.`);
  const maxMs = Math.max(-1, ...timestamps);
  const isTime = timestamps.every((ms) => ms >= -1) && Number.isSafeInteger(maxMs);
  return { problem: isTime ? null : 'A timestamp of the batch is no time.', maxMs };
}

/** Changes bytes and makes the checksum right again, so that what lies behind it is reached. */
function tampered(batch: Buffer, change: (bytes: Buffer) => void): Buffer {
  change(batch);
  stampBatchCrc(batch, 0);
  return batch;
}

describe('validateBatch', () => {
  it('accepts what producers send, and leaves it as it is', () => {
    const file = new URL('../vectors/record-batches.json', import.meta.url);
    const vectors: { name: string; hex: string }[] = JSON.parse(readFileSync(file, 'utf8')).batches;
    const produced = vectors.filter(({ name }) => name.startsWith('codec-') || name.startsWith('captured-'));
    expect(produced.length).toBeGreaterThan(15);
    for (const { name, hex } of produced) {
      const bytes = Buffer.from(hex, 'hex');
      expect(validate(bytes), name).toBe(null);
      expect(bytes.toString('hex')).toBe(hex);
    }
  });

  it.each(CODEC_NAMES)('accepts any records with codec %s, wherever they lie', (codec) => {
    fc.assert(
      fc.property(fc.array(recordInput, { minLength: 1, maxLength: 6 }), fc.nat(9), (records, at) => {
        const batch = batchOf(records, { codec, producerId: 7, producerEpoch: 0, baseSequence: 0 });
        const bytes = Buffer.concat([Buffer.alloc(at, 0xff), batch, Buffer.alloc(5, 0xff)]);
        const rules = { ...RULES, nowMs: 2 ** 41 };
        expect(validateBatch(bytes, at, batch.length, rules)).toBe(null);
        expect(bytes.subarray(at, at + batch.length)).toEqual(batch);
      }),
      { ...(process.env['SEED'] === undefined ? {} : { seed: firstSeed }), numRuns: 40 },
    );
  });

  it('works on shared memory', () => {
    const batch = threeRecords();
    const shared = Buffer.from(new SharedArrayBuffer(batch.length));
    batch.copy(shared);
    expect(validate(shared)).toBe(null);
  });

  it.each<[string, ErrorName, (bytes: Buffer) => void]>([
    ['format 1', 'INVALID_RECORD', (bytes) => bytes.writeInt8(1, 16)],
    ['format 0', 'INVALID_RECORD', (bytes) => bytes.writeInt8(0, 16)],
    ['an unknown format', 'CORRUPT_MESSAGE', (bytes) => bytes.writeInt8(3, 16)],
    ['a length below that of a header', 'CORRUPT_MESSAGE', (bytes) => bytes.writeInt32BE(48, 8)],
    ['a negative length', 'CORRUPT_MESSAGE', (bytes) => bytes.writeInt32BE(-1, 8)],
    ['a length beyond its bytes', 'INVALID_RECORD', (bytes) => bytes.writeInt32BE(bytes.length - 11, 8)],
    ['bytes behind it', 'INVALID_RECORD', (bytes) => bytes.writeInt32BE(bytes.length - 13, 8)],
    ['a base offset', 'INVALID_RECORD', (bytes) => bytes.writeInt32BE(1, 4)],
    ['a wrong checksum', 'CORRUPT_MESSAGE', (bytes) => bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20)],
  ])('refuses %s', (_, error, change) => {
    const bytes = threeRecords();
    change(bytes);
    expect(errorOf(bytes)).toBe(error);
  });

  it.each<[string, ErrorName, (bytes: Buffer) => void]>([
    ['the control bit', 'INVALID_RECORD', (bytes) => bytes.writeInt16BE(0x20, 21)],
    ['the delete horizon bit', 'INVALID_RECORD', (bytes) => bytes.writeInt16BE(0x40, 21)],
    ['a reserved bit', 'INVALID_RECORD', (bytes) => bytes.writeInt16BE(-0x8000, 21)],
    ['LogAppendTime', 'INVALID_TIMESTAMP', (bytes) => bytes.writeInt16BE(0x08, 21)],
    ['an unknown codec', 'UNSUPPORTED_COMPRESSION_TYPE', (bytes) => bytes.writeInt16BE(5, 21)],
    ['no records', 'INVALID_RECORD', (bytes) => bytes.writeInt32BE(0, 57)],
    ['a negative count', 'INVALID_RECORD', (bytes) => bytes.writeInt32BE(-1, 57)],
    ['a last offset delta that is not count - 1', 'INVALID_RECORD', (bytes) => bytes.writeInt32BE(3, 23)],
    ['fewer records than it says', 'INVALID_RECORD', (bytes) => writeCount(bytes, 4)],
    ['more records than it says', 'INVALID_RECORD', (bytes) => writeCount(bytes, 2)],
    ['a gap in the offsets', 'INVALID_RECORD', (bytes) => bytes.writeUInt8(2, 61 + 3)],
    ['a record length that does not fit', 'INVALID_RECORD', (bytes) => bytes.writeUInt8(0x40, 61)],
    ['an impossible producer id', 'INVALID_RECORD', (bytes) => bytes.writeBigInt64BE(-2n, 43)],
    ['an unsafe producer id', 'INVALID_RECORD', (bytes) => bytes.writeBigInt64BE(2n ** 53n, 43)],
    ['a producer id without epoch', 'INVALID_RECORD', (bytes) => bytes.writeBigInt64BE(5n, 43)],
    ['a producer id without sequence', 'INVALID_RECORD', (bytes) => bytes.fill(0, 43, 53)],
    ['an unsafe base timestamp', 'INVALID_TIMESTAMP', (bytes) => bytes.writeBigInt64BE(2n ** 60n, 27)],
    ['a negative base timestamp', 'INVALID_TIMESTAMP', (bytes) => bytes.writeBigInt64BE(-2n, 27)],
  ])('refuses %s behind a valid checksum', (_, error, change) => {
    expect(errorOf(tampered(threeRecords(), change))).toBe(error);
  });

  it('refuses nothing, and less than a batch', () => {
    const batch = threeRecords();
    expect(validateBatch(batch, 0, 0, RULES)).toEqual({
      error: 'INVALID_RECORD',
      detail: 'The request holds no record batch.',
    });
    for (const length of [1, 16, 17, 60, batch.length - 1]) {
      expect(validateBatch(batch, 0, length, RULES)?.error, `${length}`).toBe('INVALID_RECORD');
    }
  });

  it('refuses two batches', () => {
    const two = Buffer.concat([threeRecords(), threeRecords()]);
    expect(validate(two)).toMatchObject({
      error: 'INVALID_RECORD',
      detail: expect.stringContaining('one batch'),
    });
  });

  it('measures max.message.bytes on the batch as it came', () => {
    const bytes = threeRecords();
    expect(errorOf(bytes, { maxMessageBytes: bytes.length })).toBe(null);
    expect(validate(bytes, { maxMessageBytes: bytes.length - 1 })).toEqual({
      error: 'MESSAGE_TOO_LARGE',
      detail: `The batch has ${bytes.length} bytes; max.message.bytes is ${bytes.length - 1}.`,
    });
  });

  it.each(CODEC_NAMES)('wants keys in a compacted topic, with codec %s', (codec) => {
    const withKeys = threeRecords({ codec });
    expect(decodeBatch(withKeys).codec).toBe(codec);
    expect(errorOf(withKeys, { compacted: true })).toBe(null);
    const without = batchOf([record(), record(), record({ key: null }), record()], { codec });
    expect(errorOf(without)).toBe(null);
    expect(validate(without, { compacted: true })).toEqual({
      error: 'INVALID_RECORD',
      detail: 'Record 2 has no key, which a compacted topic needs.',
    });
    expect(errorOf(batchOf([record({ key: Buffer.alloc(0) })], { codec }), { compacted: true })).toBe(null);
  });

  it('looks into compressed batches of compacted topics only', () => {
    for (const codec of CODEC_NAMES.filter((name) => name !== 'none')) {
      const bytes = tampered(threeRecords({ codec }), (batch) => batch.fill(0x11, 61));
      expect(errorOf(bytes), codec).toBe(null);
      expect(validate(bytes, { compacted: true }), codec).toMatchObject({
        error: 'INVALID_RECORD',
        detail: expect.stringContaining('cannot be read'),
      });
    }
  });

  it('refuses a bomb in a compacted topic', () => {
    const bomb = compress('gzip', Buffer.alloc(33 * 2 ** 20));
    const bytes = tampered(Buffer.concat([threeRecords().subarray(0, 61), bomb]), (batch) => {
      batch.writeInt32BE(batch.length - 12, 8);
      batch.writeInt16BE(1, 21);
    });
    expect(validate(bytes)).toBe(null);
    expect(validate(bytes, { compacted: true })).toMatchObject({
      error: 'MESSAGE_TOO_LARGE',
      detail: expect.stringContaining('inflates to more than 33554432 bytes'),
    });
  });

  describe.each(CODEC_NAMES)('timestamps, with codec %s', (codec) => {
    const at = (...timestamps: number[]) =>
      batchOf(
        timestamps.map((timestampMs) => record({ timestampMs })),
        { codec },
      );
    const before = { timestampBeforeMaxMs: 1000 };

    it('may not be too old', () => {
      expect(errorOf(at(NOW_MS - 1000, NOW_MS), before)).toBe(null);
      expect(validate(at(NOW_MS - 1001, NOW_MS), before)).toMatchObject({
        error: 'INVALID_TIMESTAMP',
        detail: expect.stringContaining('message.timestamp.before.max.ms'),
      });
      expect(errorOf(at(0, NOW_MS))).toBe(null);
    });

    it('may not lie too far ahead', () => {
      expect(errorOf(at(NOW_MS, NOW_MS + 3_600_000))).toBe(null);
      expect(validate(at(NOW_MS, NOW_MS + 3_600_001))).toMatchObject({
        error: 'INVALID_TIMESTAMP',
        detail: expect.stringContaining('message.timestamp.after.max.ms'),
      });
    });

    it('may be missing', () => {
      expect(errorOf(at(-1, -1), before)).toBe(null);
      expect(errorOf(at(-1, NOW_MS), before)).toBe(null);
    });

    it('do not matter with LogAppendTime', () => {
      expect(errorOf(at(0, NOW_MS + 1e9), { ...before, timestampType: 'LogAppendTime' })).toBe(null);
    });
  });

  it('finds the old record in the middle of an uncompressed batch', () => {
    const bytes = batchOf([record(), record({ timestampMs: NOW_MS - 5000 }), record()]);
    expect(errorOf(bytes, { timestampBeforeMaxMs: 4999 })).toBe('INVALID_TIMESTAMP');
    expect(errorOf(bytes, { timestampBeforeMaxMs: 5000 })).toBe(null);
  });

  it('corrects a maximum timestamp that is not that of the records', () => {
    const right = batchOf([record({ timestampMs: NOW_MS - 9 }), record({ timestampMs: NOW_MS - 4 })]);
    for (const wrong of [0n, -1n, 2n ** 62n, BigInt(NOW_MS)]) {
      const bytes = tampered(Buffer.from(right), (batch) => batch.writeBigInt64BE(wrong, 35));
      expect(validate(bytes)).toBe(null);
      expect(bytes).toEqual(right);
    }
  });

  it.each([0, 1, 2])('takes the times of all records into account, of whatever shape: %s', (newest) => {
    // A value of so many bytes is left to the cursor.
    const shapes = [{}, { value: Buffer.alloc(10_000) }, {}];
    const right = batchOf(
      shapes.map((shape, i) => ({ ...record(shape), timestampMs: NOW_MS - 50 + (i === newest ? 40 : 0) })),
    );
    const bytes = tampered(Buffer.from(right), (batch) => batch.writeBigInt64BE(0n, 35));
    expect(validate(bytes)).toBe(null);
    expect(bytes).toEqual(right);
    const oldest = batchOf(
      shapes.map((shape, i) => ({ ...record(shape), timestampMs: NOW_MS - (i === newest ? 40 : 0) })),
    );
    expect(errorOf(oldest, { timestampBeforeMaxMs: 40 })).toBe(null);
    expect(errorOf(oldest, { timestampBeforeMaxMs: 39 })).toBe('INVALID_TIMESTAMP');
  });

  it('says of records what a walk with the cursor alone would say', () => {
    const originals = [NOW_MS, 5, -1].map((baseMs) =>
      batchOf(
        Array.from({ length: 70 }, (_, i) =>
          record({
            timestampMs: baseMs + (i % 5),
            key: i % 9 === 8 ? null : Buffer.from('key'),
            headers: i % 7 === 0 ? [{ key: 'trace', value: Buffer.from('abc') }] : [],
          }),
        ),
      ),
    );
    let accepted = 0;
    for (const seed of seeds(3000)) {
      const random = seededRandom(seed);
      const bytes = Buffer.from(originals[random.below(originals.length)] ?? '');
      for (let changes = random.below(3); changes > 0; changes--) {
        const value = random.below(3) === 0 ? random.below(256) : random.below(4);
        bytes.writeUInt8(value, 61 + random.below(bytes.length - 61));
      }
      if (random.below(8) === 0) writeCount(bytes, 68 + random.below(5));
      stampBatchCrc(bytes, 0);
      const compacted = random.below(4) === 0;
      const expected = byCursor(bytes, compacted);
      try {
        const failed = validate(bytes, { compacted, timestampType: 'LogAppendTime' });
        expect(failed?.detail ?? null).toBe(expected.problem);
        if (failed) continue;
        expect(Number(bytes.readBigInt64BE(35))).toBe(expected.maxMs);
        accepted++;
      } catch (error) {
        throw new Error(`SEED=${seed}`, { cause: error });
      }
    }
    if (process.env['SEED'] === undefined) expect(accepted).toBeGreaterThan(500);
  });

  it('always answers, whatever the bytes, and accepts only what can be read', () => {
    const originals = CODEC_NAMES.map((codec) => threeRecords({ codec }));
    let accepted = 0;
    for (const seed of seeds(2000)) {
      const random = seededRandom(seed);
      const bytes = Buffer.from(originals[random.below(originals.length)] ?? '');
      for (let changes = random.below(3); changes >= 0; changes--) {
        bytes.writeUInt8(random.below(256), 17 + random.below(bytes.length - 17));
      }
      stampBatchCrc(bytes, 0);
      try {
        if (validate(bytes, { compacted: true }) !== null) continue;
        accepted++;
        const records = [...decodeBatch(bytes).records()];
        expect(records.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
        expect(records.every(({ key }) => key !== null)).toBe(true);
      } catch (error) {
        throw new Error(`SEED=${seed}`, { cause: error });
      }
    }
    if (process.env['SEED'] === undefined) expect(accepted).toBeGreaterThan(100);
  });
});

describe('stampLogAppendTime', () => {
  it('gives all records one time, and a valid checksum', () => {
    for (const codec of CODEC_NAMES) {
      const batch = threeRecords({ codec, baseOffset: toOffset(9), isTransactional: true });
      const bytes = Buffer.concat([Buffer.from('ab'), batch]);
      stampLogAppendTime(bytes, 2, 42);
      const stamped = decodeBatch(bytes, 2);
      expect(stamped).toMatchObject({
        timestampType: 'LogAppendTime',
        maxTimestampMs: 42,
        codec,
        isTransactional: true,
      });
      expect([...stamped.records()].map(({ timestampMs }) => timestampMs)).toEqual([42, 42, 42]);
    }
  });

  it('makes what Kafka makes', () => {
    const hex =
      '00000000000000050000003a0000000002a716b5bf0008000000000000018bcfe56800000001a1fc91379affffffffffffffffffffffffffff0000000110000000026b027600';
    const builder = new BatchBuilder();
    builder.add({ timestampMs: 1700000000000, key: Buffer.from('k'), value: Buffer.from('v'), headers: [] });
    const bytes = builder.build({ baseOffset: toOffset(5), leaderEpoch: toLeaderEpoch(0) });
    stampLogAppendTime(bytes, 0, 1795238737818);
    expect(bytes.toString('hex')).toBe(hex);
  });
});
