import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { BATCH_HEADER_BYTES, readRecordCount } from '../../src/record/batch-header.js';
import { RecordCursor } from '../../src/record/record-cursor.js';
import { USUAL_DELTA_MAX_MS, type UsualWalk, walkUsualRecords } from '../../src/record/walk-usual-records.js';
import { recordInput } from './arbitrary-record.js';

const firstSeed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const seeds = (count: number) =>
  process.env['SEED'] === undefined ? Array.from({ length: count }, (_, i) => firstSeed + i) : [firstSeed];

interface Passed extends UsualWalk {
  /** Whether records are left. */
  readonly stopped: boolean;
}

const start = (position: number, count = 0): UsualWalk => ({
  position,
  count,
  minDeltaMs: USUAL_DELTA_MAX_MS,
  maxDeltaMs: -USUAL_DELTA_MAX_MS,
});

/** What the walk passes over of the records in `bytes`, from the one numbered `first` on. */
function usual(bytes: Buffer, recordCount: number, needsKeys = false, first = 0): Passed {
  const walk = start(0, first);
  walkUsualRecords(bytes, bytes.length, recordCount, needsKeys, walk);
  return { ...walk, stopped: walk.count < recordCount };
}

/** The same by the cursor, for so many records as the walk did; null if the cursor refuses one of them. */
function byCursor(bytes: Buffer, until: number, needsKeys: boolean, first = 0): UsualWalk | null {
  const cursor = new RecordCursor(bytes);
  const walk = start(0, first);
  for (; walk.count < until; walk.count++) {
    if (!cursor.next() || cursor.offsetDelta !== walk.count) return null;
    if (needsKeys && cursor.keyLength < 0) return null;
    walk.minDeltaMs = Math.min(walk.minDeltaMs, cursor.timestampDelta);
    walk.maxDeltaMs = Math.max(walk.maxDeltaMs, cursor.timestampDelta);
    walk.position = cursor.recordEnd;
  }
  return walk;
}

function expectAsCursor(bytes: Buffer, recordCount: number, needsKeys: boolean, first = 0): Passed {
  const { stopped, ...walk } = usual(bytes, recordCount, needsKeys, first);
  expect(walk).toEqual(byCursor(bytes, walk.count, needsKeys, first));
  return { stopped, ...walk };
}

const T = 1_800_000_000_000;
interface Shape {
  readonly timestampMs?: number;
  readonly key?: Buffer | null;
  readonly value?: Buffer | null;
  readonly headers?: { key: string; value: Buffer | null }[];
}

/** The records of a batch, without its header. */
function recordsOf(shapes: readonly Shape[]): Buffer {
  const builder = new BatchBuilder();
  for (const { timestampMs = T, key = null, value = Buffer.alloc(90, 'v'), headers = [] } of shapes)
    builder.add({ timestampMs, key, value, headers });
  const batch = Buffer.from(builder.build({}));
  expect(readRecordCount(batch, 0)).toBe(shapes.length);
  return batch.subarray(BATCH_HEADER_BYTES);
}

const many = (count: number, shape: (index: number) => Shape = () => ({})) =>
  recordsOf(Array.from({ length: count }, (_, index) => shape(index)));

describe('walkUsualRecords', () => {
  it.each<[string, number, (index: number) => Shape]>([
    ['of one byte a number', 60, () => ({ value: Buffer.from('short') })],
    ['with lengths of two bytes', 60, () => ({ key: Buffer.alloc(200), value: Buffer.alloc(7000) })],
    ['with offsets of two bytes', 3000, () => ({})],
    ['with offsets of three bytes', 9000, () => ({ value: Buffer.from('a value') })],
    ['with timestamps of two bytes', 50, (index) => ({ timestampMs: T + index * 100 })],
    ['with timestamps of three bytes', 50, (index) => ({ timestampMs: T + index * 20_000 })],
    ['with timestamps of four bytes', 50, (index) => ({ timestampMs: T + index * 2_600_000 })],
    ['in no order of time', 50, (index) => ({ timestampMs: T - (index % 7) * 50_000 })],
    ['with null values', 50, () => ({ key: Buffer.alloc(20), value: null })],
    ['with empty keys and values', 50, () => ({ key: Buffer.alloc(0), value: Buffer.alloc(9) })],
    ['with a header', 50, () => ({ headers: [{ key: 'trace', value: Buffer.from('1234567890abcdef') }] })],
    ['with an empty header at the end', 50, () => ({ headers: [{ key: 'a', value: Buffer.alloc(0) }] })],
    ['with a null header at the end', 50, () => ({ headers: [{ key: '', value: null }] })],
    [
      'with long headers',
      50,
      () => ({ headers: [1, 2, 3].map((n) => ({ key: 'k'.repeat(n * 50), value: Buffer.alloc(n * 100) })) }),
    ],
  ])('passes over records %s, all of them', (_, count, shape) => {
    const bytes = many(count, shape);
    expect(expectAsCursor(bytes, count, false)).toMatchObject({ position: bytes.length, stopped: false });
  });

  it('leaves a last record to the cursor that is shorter than what it reads at once', () => {
    const bytes = many(3, () => ({ value: Buffer.from('v') }));
    expect(expectAsCursor(bytes, 3, false)).toMatchObject({ count: 2, stopped: true });
  });

  it('stops before a record of another shape, and goes on behind it', () => {
    const bytes = many(5, (index) => ({ value: Buffer.alloc(index === 2 ? 10_000 : 50) }));
    const before = usual(bytes, 5);
    expect(before).toMatchObject({ count: 2, stopped: true });
    const cursor = new RecordCursor(bytes, before.position);
    expect(cursor.next()).toBe(true);
    expect(expectAsCursor(bytes.subarray(cursor.recordEnd), 5, false, 3)).toMatchObject({ stopped: false });
  });

  it('stops before a record that is cut off', () => {
    const bytes = many(2);
    const first = usual(bytes, 1).position;
    for (let end = first; end < bytes.length; end++) {
      expect(usual(bytes.subarray(0, end), 2), `${end}`).toMatchObject({ count: 1, position: first });
    }
  });

  it('stops before a record without a key, if keys are needed', () => {
    const bytes = many(4, (index) => ({ key: index === 2 ? null : Buffer.alloc(index) }));
    expect(expectAsCursor(bytes, 4, true)).toMatchObject({ count: 2, stopped: true });
    expect(expectAsCursor(bytes, 4, false)).toMatchObject({ count: 4, stopped: false });
  });

  it.each<[string, string]>([
    ['a length beyond the end', '7e000000010100' + '00'.repeat(20)],
    ['a negative length', '0d000000010100' + '00'.repeat(20)],
    ['another offset', '0c000002010100' + '00'.repeat(20)],
    ['a negative offset', '0c000001010100' + '00'.repeat(20)],
    ['a key of length -2', '0c000000030100' + '00'.repeat(20)],
    ['a key beyond the record', '0c000000280100' + '00'.repeat(40)],
    ['a value of length -2', '0c000000010300' + '00'.repeat(20)],
    ['a value beyond the record', '0c000000010e00' + '00'.repeat(20)],
    ['a value cut off in its length', '0c0000000180' + '00'.repeat(20)],
    ['fewer bytes than its length', '0e000000010100' + '00'.repeat(20)],
    ['a negative number of headers', '0c000000010101' + '00'.repeat(20)],
    ['headers that are not there', '0c000000010102' + '00'.repeat(20)],
    ['a header without a key', '10000000010102' + '0100' + '00'.repeat(20)],
    ['a header value of length -2', '10000000010102' + '0003' + '00'.repeat(20)],
    ['a header beyond the record', '10000000010102' + '0008' + '00'.repeat(20)],
    ['bytes behind its headers', '12000000010102' + '000000' + '00'.repeat(20)],
  ])('stops before a record with %s', (_, hex) => {
    const bytes = Buffer.from(hex, 'hex');
    const cursor = new RecordCursor(bytes);
    expect(cursor.next() && cursor.offsetDelta === 0).toBe(false);
    expect(usual(bytes, 1)).toMatchObject({ count: 0, position: 0, stopped: true });
  });

  it('takes numbers that are longer than they need be, as the cursor does', () => {
    // Length, timestamp, offset, key and value with a needless second byte.
    const bytes = Buffer.from(
      '9400' + '00' + '8000' + '8000' + '8100' + '8100' + '00' + '00'.repeat(20),
      'hex',
    );
    expect(expectAsCursor(bytes, 1, false)).toMatchObject({ count: 1, position: 12 });
  });

  it('passes over nothing that the cursor refuses, whatever the records', () => {
    fc.assert(
      fc.property(
        fc.array(recordInput, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (records, needsKeys) => {
          const builder = new BatchBuilder();
          for (const record of records) builder.add(record);
          const bytes = Buffer.from(builder.build({})).subarray(BATCH_HEADER_BYTES);
          expectAsCursor(bytes, records.length, needsKeys);
        },
      ),
      { ...(process.env['SEED'] === undefined ? {} : { seed: firstSeed }), numRuns: 300 },
    );
  });

  it('passes over nothing that the cursor refuses, whatever became of the bytes', () => {
    const originals = [
      many(20, (index) => ({ timestampMs: T + index, headers: [{ key: 'h', value: Buffer.from('v') }] })),
      many(90, (index) => ({ key: Buffer.alloc(index), value: index % 3 === 0 ? null : Buffer.alloc(3) })),
      many(9, (index) => ({ timestampMs: T + index * 200, value: Buffer.alloc(200 * index) })),
    ];
    let passed = 0;
    for (const seed of seeds(4000)) {
      const random = seededRandom(seed);
      const original = originals[random.below(originals.length)] ?? Buffer.alloc(0);
      const bytes = Buffer.from(original.subarray(0, original.length - random.below(3)));
      const count = [20, 90, 9][originals.indexOf(original)] ?? 0;
      for (let changes = random.below(4); changes > 0; changes--) {
        bytes.writeUInt8(
          random.below(4) === 0 ? random.below(256) : random.below(4),
          random.below(bytes.length),
        );
      }
      try {
        passed += expectAsCursor(bytes, count, random.below(2) === 0).count;
      } catch (error) {
        throw new Error(`SEED=${seed}`, { cause: error });
      }
    }
    if (process.env['SEED'] === undefined) expect(passed).toBeGreaterThan(10_000);
  });
});
