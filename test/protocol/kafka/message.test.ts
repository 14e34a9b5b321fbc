import { describe, expect, it } from 'vitest';
import { Message } from '../../../src/protocol/kafka/message.js';
import { int8 } from '../../../src/protocol/kafka/schema.js';

const message = new Message({ name: 'Sample', versions: '2-4', flexible: '3+' }, { a: int8('A.') });

describe('Message', () => {
  it('knows which versions are flexible, served or not', () => {
    expect([0, 2, 3, 9].map((version) => message.isFlexible(version))).toEqual([false, false, true, true]);
  });

  it.each([1, 5, -1, 2.5, Number.NaN])('refuses version %d', (version) => {
    const refusal = expect.objectContaining({
      code: 'ODR_PROTOCOL',
      message: expect.stringMatching(/only v2 to v4/),
    });
    expect(() => message.decode(version, Buffer.alloc(9))).toThrow(refusal);
    expect(() => message.encode(version, { a: 1 })).toThrow(refusal);
  });

  it('encodes and decodes each version in its own way', () => {
    expect(Buffer.concat(message.encode(2, { a: 1 })).toString('hex')).toBe('01');
    expect(Buffer.concat(message.encode(3, { a: 1 })).toString('hex')).toBe('0100');
    expect(message.decode(4, Buffer.from('0500', 'hex'))).toEqual({ a: 5 });
  });

  it('needs an end of its versions', () => {
    expect(() => new Message({ name: 'Sample', versions: '2+', flexible: null }, {})).toThrow('have an end');
  });
});
