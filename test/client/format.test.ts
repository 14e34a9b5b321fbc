import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes, type Format, int64, json, text, validated } from '../../src/client/format.js';
import type { StandardSchema } from '../../src/client/standard-schema.js';

/** SEED= draws the same again; fast-check prints it when something fails. */
const given = process.env['SEED'];
if (given) fc.configureGlobal({ seed: Number(given) });

const bufferOf = (encoded: Uint8Array | string): Buffer => Buffer.from(encoded);
const through = <Input, Output>(format: Format<Input, Output>, value: Input): Output =>
  format.decode(bufferOf(format.encode(value)));

interface Order {
  readonly id: string;
  readonly placedAt: string;
}

/** A validator as libraries make them: takes a time as text, makes a Date of it, and leaves out what it does not know. */
const orderSchema: StandardSchema<Order, { id: string; placedAt: Date }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate(value) {
      const { id, placedAt } = (value ?? {}) as Partial<Order>;
      if (typeof id !== 'string') return { issues: [{ message: 'must be text', path: ['id'] }] };
      const time = new Date(String(placedAt));
      if (Number.isNaN(time.getTime()))
        return {
          issues: [{ message: 'must be a time', path: [{ key: 'placedAt' }, 0] }, { message: 'no order' }],
        };
      return { value: { id, placedAt: time } };
    },
  },
};

describe('text', () => {
  it('carries all strings that UTF-8 has', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (value) => through(text(), value) === value));
  });

  it('keeps a byte order mark, and takes nothing but UTF-8', () => {
    expect(through(text(), '\ufeffa')).toBe('\ufeffa');
    expect(() => text().decode(Buffer.from([0xff]))).toThrow(TypeError);
  });
});

describe('bytes', () => {
  it('leaves bytes as they are', () => {
    const value = Buffer.from([0, 255, 1]);
    expect(bytes().decode(value)).toBe(value);
    expect(bytes().encode(value)).toBe(value);
  });
});

describe('int64', () => {
  it('carries every number of 64 bits, as Kafka does', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        (value) => through(int64(), value) === value,
      ),
    );
    expect(bufferOf(int64().encode(9_007_199_254_740_993n)).toString('hex')).toBe('0020000000000001');
  });

  it.each([2n ** 63n, -(2n ** 63n) - 1n])('refuses %s', (value) => {
    expect(() => int64().encode(value)).toThrow('64 bits');
  });

  it('refuses other lengths', () => {
    expect(() => int64().decode(Buffer.alloc(7))).toThrow('not 7');
  });
});

describe('json', () => {
  it('carries everything that JSON has', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(through(json(), value)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('refuses what JSON has no form for', () => {
    expect(() => json<unknown>().encode(() => 1)).toThrow('no form for a function');
    expect(() => json<unknown>().encode(1n)).toThrow(TypeError);
    expect(() => json().decode(Buffer.from('{'))).toThrow(SyntaxError);
  });

  it('checks with a validator: the log has what that takes, readers get what it makes', () => {
    const format = json(orderSchema);
    const order: Order = { id: 'a', placedAt: '2026-01-02T00:00:00.000Z' };
    expect(String(format.encode(order))).toBe(JSON.stringify(order));
    const received: { id: string; placedAt: Date } = through(format, order);
    expect(received).toEqual({ id: 'a', placedAt: new Date('2026-01-02') });
    expect(() => format.decode(Buffer.from('{"id":1}'))).toThrow('id: must be text');
    expect(() => format.encode({ id: 'a', placedAt: 'never' })).toThrow(
      'placedAt.0: must be a time; no order',
    );
  });
});

describe('validated', () => {
  it('refuses a validator that answers later', () => {
    const later: StandardSchema<string> = {
      '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('not seen')) },
    };
    expect(() => validated(text(), later).encode('a')).toThrow('asynchronous');
  });

  it('takes a validator that is a function', () => {
    const schema: StandardSchema<string> = Object.assign(() => {}, {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => ({ value: `${value}!` }),
      },
    });
    expect(through(validated(text(), schema), 'a')).toBe('a!');
  });
});
