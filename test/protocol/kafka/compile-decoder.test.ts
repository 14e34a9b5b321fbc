import { describe, expect, it } from 'vitest';
import { ELEMENTS_MAX } from '../../../src/protocol/kafka/decoding.js';
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
  ZERO_UUID,
} from '../../../src/protocol/kafka/schema.js';

/** v0 has classic lengths, v1 compact ones and tag buffers. */
function decode<F extends Fields>(fields: F, version: number, hex: string) {
  return new Message({ name: 'Sample', versions: '0-1', flexible: '1+' }, fields).decode(
    version,
    Buffer.from(hex, 'hex'),
  );
}

function refusal(fields: Fields, version: number, hex: string): string {
  try {
    decode(fields, version, hex);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ODR_PROTOCOL', retriable: false });
    return (error as Error).message;
  }
  throw new Error('was accepted');
}

const text = { name: string('Text.') };
const textOrNull = { name: string('Text.', { nullable: true }) };

describe('compileDecoder', () => {
  it('reads numbers big-endian, with their signs', () => {
    const fields = {
      a: int8('A.'),
      b: int16('B.'),
      c: uint16('C.'),
      d: int32('D.'),
      e: int64('E.'),
      f: float64('F.'),
      g: boolean('G.'),
      h: boolean('H.'),
    };
    expect(
      decode(fields, 0, 'ff fffe fffd fffffffc fffffffffffffffb 3ff8000000000000 00 02'.replaceAll(' ', '')),
    ).toEqual({
      a: -1,
      b: -2,
      c: 65533,
      d: -4,
      e: -5,
      f: 1.5,
      g: false,
      h: true,
    });
  });

  it('reads int64 up to the ends of the safe integers', () => {
    const fields = { offset: int64('Offset.') };
    expect(decode(fields, 0, '001fffffffffffff').offset).toBe(Number.MAX_SAFE_INTEGER);
    expect(decode(fields, 0, 'ffe0000000000001').offset).toBe(Number.MIN_SAFE_INTEGER);
    expect(decode(fields, 0, '0000000100000002').offset).toBe(2 ** 32 + 2);
  });

  it.each(['0020000000000000', 'ffe0000000000000', '7fffffffffffffff', '8000000000000000'])(
    'refuses the int64 %s, or clamps it',
    (hex) => {
      expect(refusal({ offset: int64('Offset.') }, 0, hex)).toMatch(
        /^Sample v0: offset is .* not a safe integer \(byte 0\)$/,
      );
      const clamped = decode({ offset: int64('Offset.', { clamp: true }) }, 0, hex).offset;
      expect(clamped).toBe(hex < '8' ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER);
    },
  );

  it('reads uuids', () => {
    const fields = { id: uuid('Id.') };
    expect(decode(fields, 0, '7882c885ed784ed1a9f037a675797829').id).toBe('eILIhe14TtGp8DemdXl4KQ');
    expect(decode(fields, 0, '00'.repeat(16)).id).toBe(ZERO_UUID);
  });

  it('reads strings in both encodings', () => {
    expect(decode(text, 0, '0003c3a962').name).toBe('éb');
    expect(decode(text, 1, '04c3a96200').name).toBe('éb');
    expect(decode(text, 0, '0000').name).toBe('');
    expect(decode(textOrNull, 0, 'ffff').name).toBeNull();
    expect(decode(textOrNull, 1, '0000').name).toBeNull();
    const long = 'x'.repeat(300);
    expect(decode(text, 1, `ad02${Buffer.from(long).toString('hex')}00`).name).toBe(long);
  });

  it('turns malformed UTF-8 into replacement characters', () => {
    expect(decode(text, 0, '0003ff6180').name).toBe('\ufffda\ufffd');
  });

  it('says which field is null, negative or too long, and where', () => {
    expect(refusal(text, 0, 'ffff')).toBe('Sample v0: name is null (byte 2)');
    expect(refusal(text, 1, '0000')).toBe('Sample v1: name is null (byte 1)');
    expect(refusal(textOrNull, 0, 'fffe')).toBe('Sample v0: name has the length -2 (byte 2)');
    expect(refusal(text, 0, '000361')).toBe('Sample v0: name has 3 bytes, 1 are left (byte 2)');
    expect(refusal(text, 1, 'ffffffff0f')).toBe('Sample v1: name has 4294967294 bytes, 0 are left (byte 5)');
    expect(refusal(text, 1, 'ffffffff1f')).toBe('Sample v1: name has a varint of more than 32 bits (byte 0)');
    expect(refusal(text, 1, '8080')).toBe('Sample v1: name ends within a varint (byte 2)');
  });

  it('refuses strings that are longer than Kafka allows', () => {
    const body = '61'.repeat(32768);
    expect(decode(text, 1, `808002${body.slice(2)}00`).name).toHaveLength(32767);
    expect(refusal(text, 1, `818002${body}00`)).toBe(
      'Sample v1: name has 32768 bytes, more than 32767 (byte 3)',
    );
  });

  it('names the field at which the bytes end', () => {
    const fields = { a: int32('A.'), items: array('Items.', { b: int16('B.'), c: int64('C.') }) };
    expect(refusal(fields, 0, '0000')).toBe('Sample v0: a needs 4 bytes, 2 are left (byte 0)');
    expect(refusal(fields, 0, '0000000000')).toBe('Sample v0: items needs 4 bytes, 1 are left (byte 4)');
    const nested = { items: array('Items.', { name: string('Name.'), b: int16('B.'), c: int64('C.') }) };
    expect(refusal(nested, 0, `00000001000a${'61'.repeat(10)}000700`)).toBe(
      'Sample v0: items[].c needs 8 bytes, 1 are left (byte 18)',
    );
  });

  it('gives bytes and records as views of the frame, even of shared memory', () => {
    const message = new Message(
      { name: 'Sample', versions: '0', flexible: null },
      { blob: bytes('Blob.'), batches: records('Batches.') },
    );
    const memory = new SharedArrayBuffer(64);
    const frame = Buffer.from(memory, 8);
    frame.write('00000002abcd00000003010203', 4, 'hex');
    const { blob, batches } = message.decode(0, frame, 4, 17);
    expect(blob.buffer).toBe(memory);
    expect([blob.byteOffset, blob.length]).toEqual([16, 2]);
    expect(batches.bytes).toBe(frame);
    expect(batches).toMatchObject({ start: 14, length: 3 });
  });

  it('reads nullable arrays, bytes, records and structs', () => {
    const fields = {
      numbers: list(int16('Numbers.'), { nullable: true }),
      blob: bytes('Blob.', { nullable: true }),
      batches: records('Batches.', { nullable: true }),
      place: struct('Place.', { x: int8('X.') }, { nullable: true }),
    };
    const none = { numbers: null, blob: null, batches: null, place: null };
    expect(decode(fields, 0, `${'ffffffff'.repeat(3)}ff`)).toEqual(none);
    expect(decode(fields, 1, '000000ff00')).toEqual(none);
    expect(decode(fields, 0, '00000001000500000000000000000107')).toMatchObject({
      numbers: [5],
      blob: Buffer.alloc(0),
      batches: { start: 14, length: 0 },
      place: { x: 7 },
    });
  });

  it.each([
    [0, '7fffffff'],
    [0, 'fffffffe'],
    [0, '0000000300010002'],
    [1, 'ffffffff0f'],
    [1, '0400010002'],
  ])('v%i: refuses the count %s before anything is allocated for it', (version, hex) => {
    const fields = { numbers: list(int16('Numbers.'), { nullable: true }) };
    expect(refusal(fields, version, hex)).toMatch(
      /: numbers has the count -2|: numbers has \d+ elements, which \d bytes cannot hold/,
    );
  });

  it('refuses more elements than a message may have, in all arrays together', () => {
    const fields = { names: list(string('Names.')), more: list(string('More.')) };
    const empty = Buffer.alloc(ELEMENTS_MAX, 1).toString('hex');
    const varint = (value: number) => {
      const parts = [value & 0x7f, (value >> 7) & 0x7f, value >> 14].map((part, index) =>
        index < 2 ? part | 0x80 : part,
      );
      return Buffer.from(parts).toString('hex');
    };
    expect(decode(fields, 1, `${varint(ELEMENTS_MAX + 1)}${empty}0100`).names).toHaveLength(ELEMENTS_MAX);
    expect(refusal(fields, 1, `${varint(ELEMENTS_MAX + 1)}${empty}020100`)).toMatch(
      /more brings the message to more than/,
    );
  });

  it('reads tagged fields in any order and skips those that it does not know', () => {
    const fields = {
      a: int32('A.', { tag: 0, default: -1 }),
      b: string('B.', { tag: 2, nullable: true, default: null }),
      c: struct('C.', { x: int8('X.', { default: 9 }) }, { tag: 3 }),
    };
    expect(decode(fields, 1, '00')).toEqual({ a: -1, b: null, c: { x: 9 } });
    expect(decode(fields, 1, '04 0203036869 0502abcd 000400000007 03020500'.replaceAll(' ', ''))).toEqual({
      a: 7,
      b: 'hi',
      c: { x: 5 },
    });
  });

  it('refuses tagged fields that do not fit', () => {
    const fields = { a: int32('A.', { tag: 0, default: -1 }), z: list(int8('Z.'), { tag: 1 }) };
    expect(refusal(fields, 1, '0100')).toBe('Sample v1: tags ends early (byte 2)');
    expect(refusal(fields, 1, '01000500000007')).toBe('Sample v1: tags has 5 bytes, 4 are left (byte 3)');
    expect(refusal(fields, 1, '0100050000000700')).toBe('Sample v1: a does not fill its tag (byte 7)');
    expect(refusal(fields, 1, '010003000000')).toBe('Sample v1: a needs 4 bytes, 3 are left (byte 3)');
    expect(refusal(fields, 1, '010102030000')).toBe(
      'Sample v1: z has 2 elements, which 1 bytes cannot hold (byte 4)',
    );
    expect(refusal(fields, 1, 'ffffffff0f')).toBe('Sample v1: tags ends early (byte 5)');
  });

  it('gives defaults to fields that the version lacks', () => {
    const fields = {
      a: int32('A.', { versions: '1+', default: 5 }),
      b: string('B.', { versions: '1+' }),
      c: list(int8('C.'), { versions: '1+' }),
      d: bytes('D.', { versions: '1+' }),
      e: struct('E.', { x: int8('X.', { default: 3 }), y: boolean('Y.') }, { versions: '1+' }),
      f: records('F.', { versions: '1+' }),
    };
    const { f, ...rest } = decode(fields, 0, '');
    expect(rest).toEqual({ a: 5, b: '', c: [], d: Buffer.alloc(0), e: { x: 3, y: false } });
    expect(f.length).toBe(0);
  });

  it('ignores what follows the message, and says where it ended', () => {
    const message = new Message({ name: 'Sample', versions: '0', flexible: null }, { a: int8('A.') });
    expect(message.decodePrefix(0, Buffer.from('000500ff', 'hex'), 1, 4)).toEqual({
      value: { a: 5 },
      end: 2,
    });
  });
});
