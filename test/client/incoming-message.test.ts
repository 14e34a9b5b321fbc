import { describe, expect, it } from 'vitest';
import { decodersOf, incomingMessage } from '../../src/client/incoming-message.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import { decodeBatch } from '../../src/record/batch-reader.js';
import type { RecordInput } from '../../src/record/record.js';

const READER = { topic: 'orders', partition: 3 };

/** A walk that stands on the record. */
function walkOn(record: Partial<RecordInput>) {
  const builder = new BatchBuilder();
  builder.add({ timestampMs: 7, key: null, value: null, headers: [], ...record });
  const walk = decodeBatch(builder.build()).walk();
  walk.next();
  return walk;
}

const upperCase = { decode: (bytes: Buffer) => String(bytes).toUpperCase() };

describe('incomingMessage', () => {
  it('has views of keys and values where there is no decoder', () => {
    const headers = [{ key: 'h', value: Buffer.from('x') }];
    const walk = walkOn({ key: Buffer.from('k'), value: Buffer.alloc(0), headers });
    const message = incomingMessage(READER, walk, decodersOf({}));
    expect(message).toEqual({
      ...{ topic: 'orders', partition: 3, offset: 0, timestampMs: 7 },
      ...{ key: Buffer.from('k'), value: Buffer.alloc(0), headers },
    });
    const { key } = message;
    expect(Buffer.isBuffer(key) && key.buffer === walk.bytes.buffer).toBe(true);
  });

  it('leaves null to no decoder', () => {
    const message = incomingMessage(READER, walkOn({}), decodersOf({ key: upperCase, value: upperCase }));
    expect(message).toMatchObject({ key: null, value: null, headers: [] });
  });

  it('decodes, and says which field of which message does not have its format', () => {
    const walk = walkOn({ key: Buffer.from('key'), value: Buffer.from('value') });
    expect(incomingMessage(READER, walk, decodersOf({ key: upperCase })).key).toBe('KEY');
    const value = {
      decode: () => {
        throw new Error('not today');
      },
    };
    expect(() => incomingMessage(READER, walk, decodersOf({ value }))).toThrow(
      expect.objectContaining({
        code: 'ODR_FORMAT',
        message: expect.stringContaining('value of orders-3 at offset 0 does not have its format: not today'),
      }),
    );
  });
});
