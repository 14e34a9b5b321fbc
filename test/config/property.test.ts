import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BROKER_PROPERTIES } from '../../src/config/broker-properties.js';
import { describeRange, type Property, parseValue, property } from '../../src/config/property.js';
import { TOPIC_PROPERTIES } from '../../src/config/topic-properties.js';

const about = { default: '', doc: '', source: '' };
const int = property({ ...about, name: 'an.int', type: 'int', min: -1, max: 10 });
const long = property({ ...about, name: 'a.long', type: 'long', min: 0, unit: 'milliseconds' });
const ratio = property({ ...about, name: 'a.ratio', type: 'double', min: 0, max: 1 });
const rate = property({ ...about, name: 'a.rate', type: 'double', min: 1, unit: 'bytes per second' });
const bool = property({ ...about, name: 'a.boolean', type: 'boolean' });
const word = property({ ...about, name: 'a.word', type: 'string', valid: ['CreateTime', 'LogAppendTime'] });
const list = property({ ...about, name: 'a.list', type: 'list' });
const address = property({ ...about, name: 'an.address', type: 'address' });

const problem = (row: Property, text: string) => {
  const parsed = parseValue(row, text);
  return 'problem' in parsed ? parsed.problem : `accepted as ${String(parsed.value)}`;
};

describe('parseValue', () => {
  it('parses each type', () => {
    expect(parseValue(int, ' 10 ')).toEqual({ value: 10 });
    expect(parseValue(int, '-1')).toEqual({ value: -1 });
    expect(parseValue(long, '9007199254740991')).toEqual({ value: Number.MAX_SAFE_INTEGER });
    expect(parseValue(ratio, '0.25')).toEqual({ value: 0.25 });
    expect(parseValue(ratio, '.5')).toEqual({ value: 0.5 });
    expect(parseValue(rate, '1.7976931348623157E308')).toEqual({ value: Number.MAX_VALUE });
    expect(parseValue(bool, 'TRUE')).toEqual({ value: true });
    expect(parseValue(bool, 'false')).toEqual({ value: false });
    expect(parseValue(word, 'LogAppendTime')).toEqual({ value: 'LogAppendTime' });
    expect(parseValue(list, 'a, b')).toEqual({ value: ['a', 'b'] });
    expect(parseValue(address, 'off')).toEqual({ value: null });
    expect(parseValue(address, '[::1]:0')).toEqual({ value: '[::1]:0' });
  });

  it('reads a long beyond 2^53 as Infinity, up to the largest one', () => {
    expect(parseValue(long, '9223372036854775807')).toEqual({ value: Infinity });
    expect(parseValue(long, '9007199254740992')).toEqual({ value: Infinity });
    expect(problem(long, '9223372036854775808')).toContain('from 0 to 9223372036854775807');
  });

  it('names the setting, the value, what is allowed and why', () => {
    expect(problem(int, '11')).toBe('an.int=11 is not valid: it must be a whole number, from -1 to 10.');
    expect(problem(TOPIC_PROPERTIES.compressionType, 'zstd')).toBe(
      'compression.type=zstd is not valid: it must be producer. The broker keeps each batch as its producer compressed it.',
    );
    expect(problem(ratio, '1.5')).toBe('a.ratio=1.5 is not valid: it must be a number, from 0 to 1.');
    expect(problem(rate, '0')).toBe(
      'a.rate=0 is not valid: it must be a number of bytes per second, at least 1.',
    );
    expect(problem(TOPIC_PROPERTIES.maxMessageBytes, '16777217')).toContain('from 0 to 16777216');
    expect(problem(word, 'x'.repeat(500))).toContain(`a.word=${'x'.repeat(100)}… is not valid`);
  });

  it.each([
    [int, ''],
    [int, '1.5'],
    [int, '1e1'],
    [int, '0x1'],
    [int, '-2'],
    [int, 'NaN'],
    [long, '-1'],
    [long, '1'.repeat(21)],
    [ratio, ''],
    [ratio, '.'],
    [ratio, 'NaN'],
    [ratio, '1e-400x'],
    [rate, 'Infinity'],
    [rate, '1e999'],
    [rate, '0.9'],
    [bool, 'yes'],
    [bool, ''],
    [word, 'createtime'],
    [word, ''],
    [list, ''],
    [list, 'a,,b'],
    [list, 'a,a'],
    [address, '9091'],
    [address, 'OFF'],
  ])('refuses $0.type %j', (row, text) => {
    expect(problem(row, text)).toContain(`${row.name}=${text} is not valid`);
  });

  it('takes exactly the whole numbers in the range', () => {
    const row = property({ ...about, name: 'n', type: 'int', min: -5, max: 5 });
    const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };
    fc.assert(
      fc.property(fc.integer({ min: -20, max: 20 }), (value) => {
        expect('value' in parseValue(row, String(value))).toBe(value >= -5 && value <= 5);
      }),
      seed,
    );
  });

  it('keeps an int in 32 bits', () => {
    const row = property({ ...about, name: 'n', type: 'int' });
    expect(parseValue(row, '2147483647')).toEqual({ value: 2147483647 });
    expect(problem(row, '2147483648')).toContain('at most 2147483647');
  });
});

describe('The tables of settings', () => {
  const rows: Property[] = [...Object.values(BROKER_PROPERTIES), ...Object.values(TOPIC_PROPERTIES)];

  it.each(rows.map((row) => [row.name, row] as const))(
    '%s has a valid default and a description',
    (_, row) => {
      expect(parseValue(row, row.default)).toHaveProperty('value');
      expect(row.doc).toMatch(/^[A-Z].*\.$/);
      expect(row.source).not.toBe('');
      expect(describeRange(row)).not.toContain('undefined');
    },
  );

  it('name each setting once', () => {
    const topicNames = Object.values(TOPIC_PROPERTIES).map(({ name }) => name);
    const brokerNames = [
      ...Object.values(BROKER_PROPERTIES).map(({ name }) => name),
      ...Object.values(TOPIC_PROPERTIES).flatMap(({ brokerNames }) => brokerNames.map(({ name }) => name)),
    ];
    expect(new Set(topicNames).size).toBe(topicNames.length);
    expect(new Set(brokerNames).size).toBe(brokerNames.length);
  });
});
