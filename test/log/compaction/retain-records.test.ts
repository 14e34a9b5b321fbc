import { describe, expect, it } from 'vitest';
import { toOffset, ZERO_OFFSET } from '../../../src/base/ids.js';
import { KeyOffsets } from '../../../src/log/compaction/key-offsets.js';
import { type RetentionRules, retainRecords } from '../../../src/log/compaction/retain-records.js';
import { decodeBatch } from '../../../src/record/batch-reader.js';
import { RecordCursor } from '../../../src/record/record-cursor.js';
import { type KeyedBatch, keyedBatch, newKeys } from './segment-fixture.js';

const RULES: RetentionRules = { indexedTo: toOffset(100), logStartOffset: ZERO_OFFSET, nowMs: 1000 };

/** Offset deltas of what stays if the map has these keys. */
function retain(
  batch: KeyedBatch,
  newest: Readonly<Record<string, number>>,
  rules: Partial<RetentionRules> = {},
) {
  const keys = new KeyOffsets(newKeys());
  for (const [key, offset] of Object.entries(newest))
    keys.put(Buffer.from(key), 0, Buffer.byteLength(key), toOffset(offset));
  const { bytes, ...retained } = retainRecords(decodeBatch(keyedBatch(batch)), keys, { ...RULES, ...rules });
  const cursor = new RecordCursor(bytes);
  const deltas: number[] = [];
  while (cursor.next()) deltas.push(cursor.offsetDelta);
  expect(cursor.isAtEnd).toBe(true);
  expect(deltas.length).toBe(retained.count);
  return { ...retained, deltas };
}

const of = (keys: string): KeyedBatch => ({
  records: [...keys].map((key, offset) => ({ offset, key, timestampMs: 100 - offset })),
});

describe('retainRecords', () => {
  it.each([
    ['abcdef', {}, [0, 1, 2, 3, 4, 5]],
    ['abcdef', { a: 9 }, [1, 2, 3, 4, 5]],
    ['abcdef', { f: 9 }, [0, 1, 2, 3, 4]],
    ['abcdef', { b: 9, c: 9, e: 9 }, [0, 3, 5]],
    ['abcdef', { a: 0, b: 1, c: 9, d: 9, e: 9, f: 5 }, [0, 1, 5]],
    ['aabbaa', { a: 5, b: 3 }, [3, 5]],
    ['ab', { a: 7, b: 7 }, []],
  ])('of %s with %o in the map keeps %j', (keys, newest, expected) => {
    expect(retain(of(keys), newest).deltas).toEqual(expected);
  });

  it('tells the greatest timestamp of what stays', () => {
    expect(retain(of('abc'), {}).maxTimestampMs).toBe(100);
    expect(retain(of('abc'), { a: 9 }).maxTimestampMs).toBe(99);
    expect(retain(of('abc'), { a: 9, b: 9, c: 9 }).maxTimestampMs).toBe(-1);
    expect(retain({ ...of('abc'), logAppendTimeMs: 7 }, { a: 9 }).maxTimestampMs).toBe(7);
  });

  it('keeps tombstones up to the horizon of their batch, and knows whether the map has passed them all', () => {
    const tombstones: KeyedBatch = {
      records: [
        { offset: 0, key: 'a', value: null },
        { offset: 1, key: 'b' },
        { offset: 2, key: 'c', value: null },
      ],
    };
    const due = { ...tombstones, deleteHorizonMs: 1000 };
    const notDue = { ...tombstones, deleteHorizonMs: 1001 };
    expect(retain(tombstones, {})).toMatchObject({ deltas: [0, 1, 2], hasSettledTombstones: true });
    expect(retain(notDue, {})).toMatchObject({ deltas: [0, 1, 2], hasSettledTombstones: true });
    expect(retain(due, {})).toMatchObject({ deltas: [1], hasSettledTombstones: false });
    const partly = { indexedTo: toOffset(2) };
    expect(retain(tombstones, {}, partly)).toMatchObject({ deltas: [0, 1, 2], hasSettledTombstones: false });
    expect(retain(due, {}, partly)).toMatchObject({ deltas: [1, 2], hasSettledTombstones: false });
    expect(retain(of('abc'), {})).toMatchObject({ hasSettledTombstones: false });
  });
});
