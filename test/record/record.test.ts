import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZERO_OFFSET } from '../../src/base/ids.js';
import {
  decodeRecord,
  type RecordContext,
  type RecordInput,
  recordBodyBytes,
  recordBytesUpperBound,
  type TextRecordInput,
  writeRecord,
} from '../../src/record/record.js';
import { RecordCursor } from '../../src/record/record-cursor.js';
import { varintBytes } from '../../src/record/varint.js';
import { recordInput } from './arbitrary-record.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };
const CREATE_TIME: RecordContext = {
  baseOffset: ZERO_OFFSET,
  baseTimestampMs: 1000,
  maxTimestampMs: 5000,
  timestampType: 'CreateTime',
};

function encode(record: TextRecordInput, timestampDelta = 0, offsetDelta = 0): Buffer {
  const bodyBytes = recordBodyBytes(record, timestampDelta, offsetDelta);
  const target = Buffer.alloc(bodyBytes + 5);
  return target.subarray(0, writeRecord(target, 0, record, timestampDelta, offsetDelta, bodyBytes));
}

function decode(bytes: Buffer, context = CREATE_TIME) {
  const cursor = new RecordCursor(bytes);
  expect(cursor.next(), cursor.problem).toBe(true);
  expect(cursor.isAtEnd).toBe(true);
  return decodeRecord(bytes, cursor, context);
}

describe('writeRecord', () => {
  it('writes the bytes of the format', () => {
    const headers = [
      { key: 'é', value: Buffer.from('x') },
      { key: '', value: null },
    ];
    const record = { timestampMs: 0, key: Buffer.from('k'), value: null, headers };
    // length 14, attributes, delta 3, offset 2, key of 1 byte, value null, 2 headers: 2 and 1 bytes, 0 bytes and null.
    expect(encode(record, 3, 2).toString('hex')).toBe('1c000604026b010404c3a902780001');
  });

  it('writes what decodes to the same, in as many bytes as foretold', () => {
    fc.assert(
      fc.property(
        recordInput,
        fc.maxSafeInteger(),
        fc.nat(2 ** 31 - 1),
        (record, timestampDelta, offsetDelta) => {
          const bytes = encode(record, timestampDelta, offsetDelta);
          const bodyBytes = recordBodyBytes(record, timestampDelta, offsetDelta);
          expect(bytes.length).toBe(varintBytes(bodyBytes) + bodyBytes);
          expect(bytes.length).toBeLessThanOrEqual(recordBytesUpperBound(record));
          const decoded = decode(bytes, { ...CREATE_TIME, baseTimestampMs: 0 });
          expect(decoded.offset).toBe(offsetDelta);
          expect(decoded.timestampMs).toBe(timestampDelta);
          expect(decoded.key).toEqual(record.key && Buffer.from(record.key));
          expect(decoded.value).toEqual(record.value && Buffer.from(record.value));
          expect(decoded.headers).toEqual(
            record.headers.map(({ key, value }) => ({ key, value: value && Buffer.from(value) })),
          );
        },
      ),
      seed,
    );
  });
});

describe('writeRecord, with text', () => {
  // All that a string can hold, halves of surrogate pairs too.
  const text = fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 60 }),
    fc.array(fc.nat(0xffff), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
  );
  const bytesOf = (field: string | null) => (field === null ? null : Buffer.from(field));

  it('writes what it writes of the same text as bytes', () => {
    const field = fc.option(text, { nil: null });
    const headers = fc.array(fc.record({ key: text, value: field }), { maxLength: 3 });
    fc.assert(
      fc.property(field, field, headers, (key, value, headers) => {
        const asText: TextRecordInput = { timestampMs: 0, key, value, headers };
        const asBytes: RecordInput = {
          timestampMs: 0,
          key: bytesOf(key),
          value: bytesOf(value),
          headers: headers.map((header) => ({ key: header.key, value: bytesOf(header.value) })),
        };
        expect(encode(asText)).toEqual(encode(asBytes));
        expect(recordBytesUpperBound(asText)).toBe(recordBytesUpperBound(asBytes));
      }),
      seed,
    );
  });
});

describe('decodeRecord', () => {
  const record = { timestampMs: 0, key: null, value: Buffer.from('v'), headers: [] };

  it('counts the timestamp from the base of the batch', () => {
    expect(decode(encode(record, -400))).toMatchObject({ timestampMs: 600, timestampType: 'CreateTime' });
  });

  it('takes the time of the batch with LogAppendTime', () => {
    const context = { ...CREATE_TIME, timestampType: 'LogAppendTime' } as const;
    expect(decode(encode(record, -400), context)).toMatchObject({
      timestampMs: 5000,
      timestampType: 'LogAppendTime',
    });
  });

  it('tells null from empty', () => {
    expect(decode(encode({ ...record, key: Buffer.alloc(0), value: null }))).toMatchObject({
      key: Buffer.alloc(0),
      value: null,
    });
  });
});
