import { describe, expect, it } from 'vitest';
import { Message } from '../../../src/protocol/kafka/message.js';
import { decodePrefixed, encodePrefixed, readPrefix } from '../../../src/protocol/kafka/prefixed.js';
import { int8, records } from '../../../src/protocol/kafka/schema.js';

const protocolError = expect.objectContaining({ code: 'ODR_PROTOCOL' });
const message = new Message({ name: 'Sample', versions: '0-1', flexible: '1+' }, { a: int8('A.') });

describe('encodePrefixed', () => {
  it('puts the version before the message, or another number', () => {
    expect(Buffer.from(encodePrefixed(message, 1, { a: 5 })).toString('hex')).toBe('00010500');
    expect(Buffer.from(encodePrefixed(message, 0, { a: 5 }, 2)).toString('hex')).toBe('000205');
  });

  it('takes no records', () => {
    const withRecords = new Message(
      { name: 'Sample', versions: '0', flexible: null },
      { batches: records('Batches.') },
    );
    expect(() => encodePrefixed(withRecords, 0, { batches: Buffer.from('x') })).toThrow('in pieces');
  });
});

describe('decodePrefixed', () => {
  it('reads what follows the prefix', () => {
    const bytes = Buffer.from('00010500ff', 'hex');
    expect(readPrefix(bytes)).toBe(1);
    expect(decodePrefixed(message, 1, bytes)).toEqual({ a: 5 });
  });

  it('refuses bytes that are too short, and versions that are not known', () => {
    expect(() => readPrefix(Buffer.alloc(1))).toThrow(protocolError);
    expect(() => decodePrefixed(message, 0, Buffer.alloc(2))).toThrow(protocolError);
    expect(() => decodePrefixed(message, 0, Buffer.alloc(0))).toThrow(protocolError);
    expect(() => decodePrefixed(message, 2, Buffer.alloc(9))).toThrow(protocolError);
  });
});
