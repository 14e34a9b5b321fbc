import { describe, expect, it } from 'vitest';
import { toLeaderEpoch, toOffset, ZERO_OFFSET } from '../../../src/base/ids.js';
import { KeyOffsets } from '../../../src/log/compaction/key-offsets.js';
import { type RetainedRecords, retainRecords } from '../../../src/log/compaction/retain-records.js';
import { emptyBatch, rewriteBatch, rewriteWithHorizon } from '../../../src/log/compaction/rewrite-batch.js';
import { type Batch, decodeBatch } from '../../../src/record/batch-reader.js';
import { CODEC_NAMES } from '../../../src/record/compression/codec.js';
import { MAX_RECORDS_BYTES } from '../../../src/record/limits.js';
import { writeVarint, writeVarlong } from '../../../src/record/varint.js';
import { type KeyedRecord, keyedBatch, newKeys } from './segment-fixture.js';

const HEADER = {
  baseOffset: toOffset(100),
  lastOffsetDelta: 90,
  leaderEpoch: toLeaderEpoch(4),
  producerId: 12,
  producerEpoch: 3,
  baseSequence: 2 ** 31 - 1,
  isTransactional: true,
};
/** Records whose lengths, deltas and headers take from one to five bytes. */
const RECORDS: readonly KeyedRecord[] = [
  { offset: 100, key: 'first', timestampMs: 1_700_000_000_000 },
  { offset: 101, key: 'gone', timestampMs: 5 },
  { offset: 103, key: '', value: null, timestampMs: 1_699_999_999_999 },
  { offset: 150, key: 'k'.repeat(70), value: 'v'.repeat(20_000), timestampMs: -1 },
  {
    offset: 170,
    key: 'é',
    timestampMs: 4_000_000_000_000,
    headers: [{ key: 'h', value: Buffer.alloc(300, 1) }],
  },
  { offset: 190, key: 'x', value: '', timestampMs: 0, headers: [{ key: '', value: null }] },
];
const KEPT = RECORDS.filter(({ key }) => key !== 'gone');

/** The batch and what stays of it when the record `gone` has been deleted. */
function retained(bytes: Buffer): { batch: Batch; records: RetainedRecords } {
  const keys = new KeyOffsets(newKeys());
  keys.put(Buffer.from('gone'), 0, 4, toOffset(500));
  const batch = decodeBatch(bytes);
  const rules = { indexedTo: toOffset(1000), logStartOffset: ZERO_OFFSET, nowMs: 0 };
  return { batch, records: retainRecords(batch, keys, rules) };
}

describe('rewriteBatch', () => {
  it.each(CODEC_NAMES)(
    'makes of %s what a producer would have written without the records that went',
    (codec) => {
      const original = keyedBatch({ records: RECORDS, codec, ...HEADER });
      const { batch, records } = retained(original);
      const { header, records: written, maxTimestampMs } = rewriteBatch(original, batch, records);
      const expected = keyedBatch({ records: KEPT, codec, ...HEADER });
      expect(Buffer.concat([header, written]).equals(expected)).toBe(true);
      expect(maxTimestampMs).toBe(4_000_000_000_000);
    },
  );

  it('leaves a delete horizon where it is', () => {
    const deleteHorizonMs = 1_800_000_000_000;
    const original = keyedBatch({ records: RECORDS, ...HEADER, deleteHorizonMs });
    const { batch, records } = retained(original);
    const rewritten = rewriteBatch(original, batch, records);
    const expected = keyedBatch({ records: KEPT, ...HEADER, deleteHorizonMs });
    expect(Buffer.concat([rewritten.header, rewritten.records]).equals(expected)).toBe(true);
  });
});

describe('rewriteWithHorizon', () => {
  it.each(CODEC_NAMES)('makes of %s what is built with the horizon', (codec) => {
    const deleteHorizonMs = 1_800_000_000_123;
    const original = keyedBatch({ records: RECORDS, codec, ...HEADER });
    const { batch, records } = retained(original);
    const marked = rewriteWithHorizon(original, batch, records, deleteHorizonMs);
    const expected = keyedBatch({ records: KEPT, codec, ...HEADER, deleteHorizonMs });
    expect(Buffer.concat([marked?.header ?? original, marked?.records ?? original]).equals(expected)).toBe(
      true,
    );
    expect(marked?.maxTimestampMs).toBe(4_000_000_000_000);
  });

  it('keeps what it does not know: attributes of records, and numbers longer than they need be', () => {
    const original = keyedBatch({ records: [{ offset: 0, key: 'a', value: null, timestampMs: 7 }] });
    // length 8 in two bytes | attributes 0x55 | timestamp delta 1 in two bytes | offset delta, key, value, headers
    const bytes = Buffer.from([0x90, 0x00, 0x55, 0x82, 0x00, 0x00, 0x02, 0x61, 0x01, 0x00]);
    const batch = decodeBatch(original);
    const records = { bytes, count: 1, maxTimestampMs: 8, hasSettledTombstones: true };
    const marked = rewriteWithHorizon(original, batch, records, 10);
    expect(marked?.records).toEqual(Buffer.from([0x0e, 0x55, 0x03, 0x00, 0x02, 0x61, 0x01, 0x00]));
  });

  it('refuses a horizon so far from a timestamp that their difference would not be exact', () => {
    const original = keyedBatch({ records: [{ offset: 0, key: null, value: null, timestampMs: 7 }] });
    // attributes | a timestamp delta in eight bytes | offset delta, key, value, headers
    const bytes = Buffer.from([0x1a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]);
    expect(writeVarlong(bytes, 2, -(2 ** 52))).toBe(10);
    const records = { bytes, count: 1, maxTimestampMs: -1, hasSettledTombstones: true };
    const rewrite = (horizonMs: number) =>
      rewriteWithHorizon(original, decodeBatch(original), records, horizonMs);
    expect(rewrite(2 ** 51)).not.toBeNull();
    expect(rewrite(Number.MAX_SAFE_INTEGER)).toBeNull();
  });

  it('refuses what could not be read any more', () => {
    const original = keyedBatch({ records: [{ offset: 0, key: null, value: null, timestampMs: 7 }] });
    // One record that takes all that a batch may: nine bytes behind its length, and a value of zeroes.
    const bytes = Buffer.alloc(MAX_RECORDS_BYTES);
    const valueBytes = MAX_RECORDS_BYTES - 13;
    let at = writeVarint(bytes, 0, MAX_RECORDS_BYTES - 4) + 3;
    at = writeVarint(bytes, writeVarint(bytes, at, -1), valueBytes);
    expect(at + valueBytes).toBe(MAX_RECORDS_BYTES - 1);
    const records = { bytes, count: 1, maxTimestampMs: 7, hasSettledTombstones: true };
    expect(rewriteWithHorizon(original, decodeBatch(original), records, 2 ** 45)).toBeNull();
  });
});

describe('emptyBatch', () => {
  it('keeps what tells of the producer, and the greatest timestamp', () => {
    const original = keyedBatch({ records: RECORDS, codec: 'zstd', ...HEADER, deleteHorizonMs: 99 });
    const { header, records, maxTimestampMs } = emptyBatch(original, decodeBatch(original));
    const expected = keyedBatch({ records: [], ...HEADER, maxTimestampMs: 4_000_000_000_000 });
    expect(header.equals(expected)).toBe(true);
    expect(records.length).toBe(0);
    expect(maxTimestampMs).toBe(4_000_000_000_000);
  });
});
