import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.js';
import { OdradekError } from '../../src/base/errors.js';
import { toLeaderEpoch, toOffset } from '../../src/base/ids.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { decodeBatch } from '../../src/record/batch-reader.js';
import { CODEC_NAMES } from '../../src/record/compression/codec.js';
import { MAX_RECORDS_BYTES } from '../../src/record/limits.js';
import type { RecordInput } from '../../src/record/record.js';
import { recordInput } from './arbitrary-record.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

const input = (value: string, timestampMs = 1000): RecordInput => ({
  timestampMs,
  key: null,
  value: Buffer.from(value),
  headers: [],
});
const plain = ({ timestampMs, key, value, headers }: RecordInput) => ({
  timestampMs,
  key: key && Buffer.from(key),
  value: value && Buffer.from(value),
  headers: headers.map((header) => ({ key: header.key, value: header.value && Buffer.from(header.value) })),
});

describe('BatchBuilder', () => {
  it('writes the bytes that Kafka writes', () => {
    // The vector v2-idempotent-pid4242-epoch3-seq17, with the place in the log that it has there.
    const builder = new BatchBuilder();
    builder.add({ timestampMs: 1700000000000, key: Buffer.from('a'), value: Buffer.from('1'), headers: [] });
    builder.add({ timestampMs: 1700000000001, key: Buffer.from('b'), value: Buffer.from('2'), headers: [] });
    const batch = builder.build({
      producerId: 4242,
      producerEpoch: 3,
      baseSequence: 17,
      baseOffset: toOffset(200),
      leaderEpoch: toLeaderEpoch(7),
    });
    expect(batch.toString('hex')).toBe(
      '00000000000000c8000000430000000702a632f5f50000000000010000018bcfe568000000018bcfe56801000000000000109200030000001100000002100000000261023100100002020262023200',
    );
  });

  it('makes batches of any records with any codec that decode to the same', () => {
    fc.assert(
      fc.property(
        fc.array(recordInput, { minLength: 1, maxLength: 8 }),
        fc.constantFrom(...CODEC_NAMES),
        (records, codec) => {
          const builder = new BatchBuilder();
          for (const record of records) {
            const foretold = builder.bytesWith(record);
            const before = builder.bytes;
            expect(builder.add(record)).toBe(foretold - before);
            expect(builder.bytes).toBe(foretold);
          }
          const { bytes } = builder;
          const encoded = builder.build({ codec });
          expect(encoded.length).toBeLessThanOrEqual(bytes);
          const batch = decodeBatch(encoded);
          if (encoded.length === bytes) expect(batch.codec).toBe('none');
          else expect(batch.codec).toBe(codec);
          expect(batch).toMatchObject({
            baseOffset: 0,
            leaderEpoch: -1,
            lastOffset: records.length - 1,
            recordCount: records.length,
            sizeBytes: encoded.length,
            baseTimestampMs: records[0]?.timestampMs,
            maxTimestampMs: Math.max(...records.map(({ timestampMs }) => timestampMs)),
            producerId: -1,
            producerEpoch: -1,
            baseSequence: -1,
          });
          const decoded = [...batch.records()];
          expect(decoded.map(({ offset }) => offset)).toEqual(records.map((_, i) => i));
          expect(decoded.map(plain)).toEqual(records.map(plain));
        },
      ),
      seed,
    );
  });

  it('compresses when that helps', () => {
    for (const codec of CODEC_NAMES) {
      const builder = new BatchBuilder();
      builder.add(input('so it goes, '.repeat(500)));
      expect(decodeBatch(builder.build({ codec })).codec).toBe(codec);
      builder.add(input('x'));
      expect(decodeBatch(builder.build({ codec })).codec).toBe('none');
    }
  });

  it('is empty after a build, and does not touch the batch that it gave away', () => {
    const builder = new BatchBuilder();
    for (const count of [1, 2000, 3, 1]) {
      for (let i = 0; i < count; i++) builder.add(input(`first ${i}`));
      expect(builder.recordCount).toBe(count);
      const batch = builder.build();
      const copy = Buffer.from(batch);
      expect(builder).toMatchObject({ recordCount: 0, bytes: 61 });
      for (let i = 0; i < 3000; i++) builder.add(input('another', 5000));
      expect(batch).toEqual(copy);
      builder.reset();
    }
    builder.add(input('last', 7));
    expect(decodeBatch(builder.build())).toMatchObject({
      recordCount: 1,
      baseTimestampMs: 7,
      maxTimestampMs: 7,
    });
  });

  it('refuses a record beyond its bound and keeps those before', () => {
    const builder = new BatchBuilder({ maxBytes: 200 });
    builder.add(input('a'.repeat(80)));
    const { bytes } = builder;
    expect(() => builder.add(input('b'.repeat(100)))).toThrow(/would take \d+ bytes, and 200 are allowed/);
    expect(builder).toMatchObject({ recordCount: 1, bytes });
    const roomBytes = 200 - builder.bytesWith(input(''));
    expect(() => builder.add(input('c'.repeat(roomBytes + 1)))).toThrow(OdradekError);
    builder.add(input('c'.repeat(roomBytes)));
    expect(builder.build()).toHaveLength(200);
    expect(() => new BatchBuilder({ maxBytes: MAX_RECORDS_BYTES + 1 })).toThrow(AssertionError);
  });

  it('refuses what is no timestamp', () => {
    for (const timestampMs of [-2, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      const builder = new BatchBuilder();
      expect(() => builder.add(input('x', timestampMs))).toThrow(`not ${timestampMs}`);
      expect(builder.recordCount).toBe(0);
    }
  });

  it('keeps offsets that compaction left, and a batch that it emptied', () => {
    const builder = new BatchBuilder();
    builder.add(input('kept'), 3);
    builder.add(input('kept too'), 7);
    const batch = decodeBatch(builder.build({ baseOffset: toOffset(100), lastOffsetDelta: 9 }));
    expect(batch).toMatchObject({ baseOffset: 100, lastOffset: 109, recordCount: 2 });
    expect([...batch.records()].map(({ offset }) => offset)).toEqual([103, 107]);

    const empty = decodeBatch(builder.build({ lastOffsetDelta: 2, maxTimestampMs: 77, codec: 'lz4' }));
    expect(empty).toMatchObject({
      recordCount: 0,
      lastOffset: 2,
      baseTimestampMs: -1,
      maxTimestampMs: 77,
      codec: 'none',
    });
    expect([...empty.records()]).toEqual([]);
  });

  it('refuses offsets that go back', () => {
    const builder = new BatchBuilder();
    expect(() => builder.build()).toThrow(AssertionError);
    builder.add(input('x'), 5);
    expect(() => builder.add(input('x'), 5)).toThrow(AssertionError);
    expect(() => builder.build({ lastOffsetDelta: 4 })).toThrow(AssertionError);
  });

  it('sets the attributes that it is asked for', () => {
    const make = (options: Parameters<BatchBuilder['build']>[0], deleteHorizonMs?: number) => {
      const builder = new BatchBuilder({ deleteHorizonMs });
      builder.add(input('x', 1234));
      builder.add(input('y', 1300));
      return decodeBatch(builder.build(options));
    };
    expect(make({})).toMatchObject({ isControl: false, isTransactional: false, deleteHorizonMs: null });
    expect(make({ isControl: true })).toMatchObject({ isControl: true, isTransactional: false });
    expect(make({ isTransactional: true })).toMatchObject({ isControl: false, isTransactional: true });
    const appended = make({ logAppendTimeMs: 9999 });
    expect(appended).toMatchObject({ timestampType: 'LogAppendTime', maxTimestampMs: 9999 });
    expect([...appended.records()].map(({ timestampMs }) => timestampMs)).toEqual([9999, 9999]);
    const withHorizon = make({}, 5000);
    expect(withHorizon).toMatchObject({ deleteHorizonMs: 5000, maxTimestampMs: 1300 });
    expect([...withHorizon.records()].map(({ timestampMs }) => timestampMs)).toEqual([1234, 1300]);
  });
});
