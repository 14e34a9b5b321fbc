import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.js';
import { Message } from '../../../src/protocol/kafka/message.js';
import {
  array,
  boolean,
  bytes,
  type Fields,
  float64,
  int8,
  int16,
  int32,
  int64,
  list,
  records,
  string,
  struct,
  uint16,
  uuid,
} from '../../../src/protocol/kafka/schema.js';

/** v0 has classic lengths, v1 compact ones and tag buffers. */
const sample = <F extends Fields>(fields: F) =>
  new Message({ name: 'Sample', versions: '0-1', flexible: '1+' }, fields);
const hex = (pieces: readonly Uint8Array[]) => Buffer.concat(pieces).toString('hex');

describe('compileEncoder', () => {
  it('writes numbers big-endian', () => {
    const message = sample({
      a: int8('A.'),
      b: int16('B.'),
      c: uint16('C.'),
      d: int32('D.'),
      e: int64('E.'),
      f: float64('F.'),
      g: boolean('G.'),
    });
    const value = { a: -1, b: -2, c: 65533, d: -4, e: -(2 ** 32) - 5, f: 1.5, g: true };
    expect(hex(message.encode(0, value))).toBe('fffffefffdfffffffcfffffffefffffffb3ff800000000000001');
  });

  it('writes strings, of characters of any size', () => {
    const message = sample({ name: string('Name.') });
    expect(hex(message.encode(0, { name: 'é' }))).toBe('0002c3a9');
    for (const name of [
      '',
      'a',
      'é',
      '😀',
      'a'.repeat(41),
      '語'.repeat(42),
      'é'.repeat(63),
      'x'.repeat(32767),
    ]) {
      for (const version of [0, 1]) {
        const encoded = Buffer.concat(message.encode(version, { name }));
        expect(message.decode(version, encoded)).toEqual({ name });
      }
    }
    expect(hex(message.encode(1, { name: 'x'.repeat(127) })).slice(0, 6)).toBe('800178');
  });

  it('leaves the records where they are and puts them between its own pieces', () => {
    const message = sample({
      items: array('Items.', { batches: records('Batches.', { nullable: true }), after: int8('After.') }),
    });
    const [first, second, third] = [
      Buffer.from('01', 'hex'),
      Buffer.from('0203', 'hex'),
      Buffer.from('ff04ff', 'hex'),
    ];
    const pieces = message.encode(0, {
      items: [
        { batches: [first, Buffer.alloc(0), second], after: 7 },
        { batches: null, after: 8 },
        { batches: { bytes: third, start: 1, length: 1 }, after: 9 },
        { batches: Buffer.alloc(0), after: 10 },
      ],
    });
    expect(pieces.map((piece) => Buffer.from(piece).toString('hex'))).toEqual([
      '0000000400000003',
      '01',
      '0203',
      '07ffffffff0800000001',
      '04',
      '09000000000a',
    ]);
    expect(pieces[1]).toBe(first);
    expect(pieces[2]).toBe(second);
    expect(pieces[4]?.buffer).toBe(third.buffer);
  });

  it('copies bytes, so that they may change after', () => {
    const blob = Buffer.from('abcd', 'hex');
    const pieces = sample({ blob: bytes('Blob.') }).encode(1, { blob });
    blob.fill(0);
    expect(hex(pieces)).toBe('03abcd00');
  });

  it('keeps what it returned when it encodes again', () => {
    const message = sample({ a: int32('A.') });
    const before = message.encode(0, { a: 1 });
    message.encode(0, { a: 2 });
    expect(hex(before)).toBe('00000001');
  });

  it('writes defaults for fields that are left out', () => {
    const message = sample({
      a: int8('A.', { default: -1 }),
      b: string('B.', { nullable: true, default: null }),
      c: list(int8('C.'), { default: [] }),
      d: boolean('D.', { default: true }),
    });
    expect(hex(message.encode(0, {}))).toBe('ffffff0000000001');
    expect(hex(message.encode(1, { a: undefined, c: [2] }))).toBe('ff0002020100');
  });

  it('does not send what the version lacks', () => {
    const message = sample({ a: int8('A.'), b: int8('B.', { versions: '1+' }) });
    expect(hex(message.encode(0, { a: 1, b: 2 }))).toBe('01');
    expect(hex(message.encode(1, { a: 1, b: 2 }))).toBe('010200');
  });

  it('writes tagged fields by their numbers, those alone that differ from their defaults', () => {
    const message = new Message(
      { name: 'Sample', versions: '0', flexible: '0+' },
      {
        d: struct('D.', { x: int8('X.', { default: -1 }), y: list(int8('Y.'), { default: [] }) }, { tag: 3 }),
        c: list(int8('C.'), { tag: 2 }),
        b: string('B.', { tag: 1, nullable: true, default: null }),
        a: int64('A.', { tag: 0, default: -1 }),
      },
    );
    expect(hex(message.encode(0, {}))).toBe('00');
    expect(hex(message.encode(0, { a: -1, b: null, c: [], d: { x: -1, y: [] } }))).toBe('00');
    expect(hex(message.encode(0, { a: 0, b: '', c: [5], d: { y: [6] } }))).toBe(
      ['04', '00080000000000000000', '010101', '02020205', '0304ff020600'].join(''),
    );
  });

  it.each([126, 127, 128, 16_381, 16_382, 40_000])(
    'writes the size of a tagged field of %i elements',
    (count) => {
      const message = new Message(
        { name: 'Sample', versions: '0', flexible: '0+' },
        { numbers: list(int8('Numbers.'), { tag: 0 }), text: string('Text.', { tag: 1, default: '' }) },
      );
      const value = { numbers: Array.from({ length: count }, (_, index) => index % 100), text: 'behind' };
      expect(message.decode(0, Buffer.concat(message.encode(0, value)))).toEqual(value);
    },
  );

  it('grows with the message and gives large memory back', () => {
    const message = sample({ items: list(string('Items.')), numbers: list(int64('Numbers.')) });
    const value = {
      items: Array.from({ length: 40 }, () => 'y'.repeat(32_000)),
      numbers: Array(20_000).fill(2 ** 50),
    };
    for (const version of [0, 1]) {
      const encoded = Buffer.concat(message.encode(version, value));
      expect(message.decode(version, encoded)).toEqual(value);
      expect(hex(message.encode(0, { items: [], numbers: [] }))).toBe('0000000000000000');
    }
  });

  it.each([
    [{ a: int8('A.') }, { a: 128 }, 'a cannot be 128'],
    [{ a: int16('A.') }, { a: -32769 }, 'a cannot be -32769'],
    [{ a: uint16('A.') }, { a: -1 }, 'a cannot be -1'],
    [{ a: int32('A.') }, { a: 2 ** 31 }, 'a cannot be 2147483648'],
    [{ a: int32('A.') }, { a: 1.5 }, 'a cannot be 1.5'],
    [{ a: int32('A.') }, { a: Number.NaN }, 'a cannot be NaN'],
    [{ a: int64('A.') }, { a: 2 ** 53 }, 'a cannot be 9007199254740992'],
    [{ a: uuid('A.') }, { a: 'short' }, 'a cannot be short'],
    [{ a: uuid('A.') }, { a: '*'.repeat(22) }, `a cannot be ${'*'.repeat(22)}`],
    [{ a: int32('A.') }, {}, 'a is missing'],
    [{ a: boolean('A.') }, {}, 'a is missing'],
    [{ a: float64('A.') }, {}, 'a is missing'],
    [{ a: string('A.') }, {}, 'a is missing'],
    [{ a: bytes('A.') }, {}, 'a is missing'],
    [{ a: records('A.', { nullable: true }) }, {}, 'a is missing'],
    [{ a: list(int8('A.'), { nullable: true }) }, {}, 'a is missing'],
    [{ a: array('A.', { b: int8('B.') }) }, { a: [{}] }, 'a[].b is missing'],
    [{ a: struct('A.', { b: int8('B.') }) }, {}, 'a is missing'],
    [{ a: string('A.', { versions: '0+' }) }, {}, 'a is missing'],
    [{ a: string('A.', { nullable: '1+' }) }, { a: null }, 'a is null, which this version cannot say'],
    [
      { a: list(int8('A.'), { nullable: '1+', default: null }) },
      {},
      'a is null, which this version cannot say',
    ],
  ] as [Fields, Record<string, unknown>, string][])(
    'takes %o with %o for a mistake of ours',
    (fields, value, problem) => {
      const encode = () => sample(fields).encode(0, value);
      expect(encode).toThrow(AssertionError);
      expect(encode).toThrow(`Sample v0: ${problem}`);
    },
  );

  it.each([0, 1])('v%i: refuses strings that are too long to be sent', (version) => {
    const message = sample({ name: string('Name.') });
    for (const name of ['x'.repeat(32768), '語'.repeat(10923)]) {
      expect(() => message.encode(version, { name })).toThrow(
        expect.objectContaining({ code: 'ODR_PROTOCOL' }),
      );
    }
  });

  it('forgets the records of a message that could not be encoded', () => {
    const message = sample({ batches: records('Batches.'), a: int8('A.') });
    expect(() => message.encode(0, { batches: Buffer.from('x'), a: 1000 })).toThrow(AssertionError);
    expect(message.encode(0, { batches: Buffer.alloc(0), a: 1 })).toHaveLength(1);
  });
});
