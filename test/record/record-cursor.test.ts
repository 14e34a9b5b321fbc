import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordCursor } from '../../src/record/record-cursor.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

const problemOf = (text: string) => {
  const cursor = new RecordCursor(Buffer.from(text, 'hex'));
  expect(cursor.next(), text).toBe(false);
  return cursor.problem;
};

describe('RecordCursor', () => {
  it('stands on each record in turn', () => {
    // Two records: key "k", value null, no headers; null key, value "vv", one header "h" with an empty value.
    const bytes = Buffer.from('ffff' + '0e000000026b0100' + '160002020104767602026800', 'hex');
    const cursor = new RecordCursor(bytes, 2);
    expect(cursor.next()).toBe(true);
    expect(cursor).toMatchObject({
      offsetDelta: 0,
      keyStart: 7,
      keyLength: 1,
      valueLength: -1,
      headerCount: 0,
    });
    expect(cursor).toMatchObject({ recordStart: 2, recordEnd: 10, isAtEnd: false });
    expect(cursor.next()).toBe(true);
    expect(cursor).toMatchObject({
      timestampDelta: 1,
      offsetDelta: 1,
      keyLength: -1,
      valueStart: 16,
      valueLength: 2,
    });
    expect(cursor).toMatchObject({
      headerCount: 1,
      headersStart: 19,
      recordEnd: bytes.length,
      isAtEnd: true,
    });
    expect(cursor.next()).toBe(false);
  });

  it('says what is wrong', () => {
    expect(problemOf('')).toContain('length is cut off');
    expect(problemOf('80')).toContain('length is cut off');
    expect(problemOf('ffffffff7f')).toContain('length is cut off');
    expect(problemOf('0e0000000101')).toContain('past the end of the batch');
    expect(problemOf('01')).toContain('past the end of the batch');
    expect(problemOf('00')).toContain('malformed');
    expect(problemOf('0c008080808080')).toContain('malformed');
    expect(problemOf('0c000000030100')).toContain('negative length');
    expect(problemOf('0c000000010300')).toContain('negative length');
    expect(problemOf('0c000000780100')).toContain('malformed');
    expect(problemOf('0e00000001010000')).toContain('do not add up');
    expect(problemOf('0c000000010101')).toContain('header count');
    expect(problemOf('1000000001010e0001')).toContain('header count');
    expect(problemOf('100000000101020100')).toContain('header key has a negative length');
    expect(problemOf('100000000101020003')).toContain('header value has a negative length');
    expect(problemOf('100000000101020008')).toContain('past the end of the record');
    expect(problemOf('12000000010102000000')).toContain('do not add up');
  });

  it('does not believe a length that reaches past the record into the next', () => {
    // The value of the first record claims 7 bytes: its own last byte and all of the second record.
    expect(problemOf('0c000000010e00' + '0c000002010100')).toContain('do not add up');
  });

  it('never throws nor leaves its bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(8), (bytes, start) => {
        const from = Math.min(start, bytes.length);
        const cursor = new RecordCursor(bytes, from);
        let last = from;
        while (cursor.next()) {
          expect(cursor.recordStart).toBe(last);
          expect(cursor.recordEnd).toBeGreaterThan(last);
          expect(cursor.recordEnd).toBeLessThanOrEqual(bytes.length);
          expect(cursor.keyStart + Math.max(0, cursor.keyLength)).toBeLessThan(cursor.valueStart);
          expect(cursor.valueStart + Math.max(0, cursor.valueLength)).toBeLessThan(cursor.headersStart);
          last = cursor.recordEnd;
        }
        expect(cursor.problem).not.toBe('');
      }),
      { ...seed, numRuns: 2000 },
    );
  });

  it('starts over after a failure', () => {
    const cursor = new RecordCursor(Buffer.from('80', 'hex'));
    expect(cursor.next()).toBe(false);
    const good = Buffer.from('0c000000010100', 'hex');
    cursor.reset(good, 0, good.length);
    expect(cursor.next()).toBe(true);
    expect(cursor.problem).toBe('');
  });
});
